"""Graphs as Keras and the TFLite converter really write them: streamed = TFLite Micro, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from watchword import core, spec

pytestmark = pytest.mark.train
pytest.importorskip("tflite_micro", reason="the oracle of these tests: pip install -e .[train]")
pytest.importorskip("tf_keras", reason="makes the graphs: pip install -e .[train]")

from ds_tcn import feature_like_rows, settings  # noqa: E402
from test_engine_model import window_scores  # noqa: E402
from watchword.export.graph import read_network  # noqa: E402
from watchword.export.image import build_image  # noqa: E402

COEFFS = 16


@pytest.fixture(scope="module")
def keras() -> Any:
    import tf_keras

    return tf_keras


def conv_bn(k: Any, x: Any, channels: int, taps: int, strides: int = 1, groups: int = 1) -> Any:
    x = k.layers.Conv2D(channels, (taps, 1), (strides, 1), use_bias=False, groups=groups)(x)
    return k.layers.ReLU()(k.layers.BatchNormalization()(x))


def residual(k: Any, x: Any, taps: int, dilation: int, crop: tuple[int, int]) -> Any:
    y = k.layers.DepthwiseConv2D((taps, 1), dilation_rate=(dilation, 1), use_bias=False)(x)
    y = k.layers.ReLU()(k.layers.BatchNormalization()(y))
    y = k.layers.BatchNormalization()(k.layers.Conv2D(x.shape[-1], 1, use_bias=False)(y))
    skip = k.layers.Cropping2D((crop, (0, 0)))(x) if any(crop) else x
    return k.layers.ReLU()(k.layers.Add()([skip, y]))


def ds_tcn_mean(k: Any, x: Any) -> Any:
    x = conv_bn(k, x, 24, 5, strides=2)
    for dilation in (1, 2, 4):
        x = residual(k, x, 5, dilation, (2 * dilation, 2 * dilation))
    return k.layers.Dense(1)(k.layers.GlobalAveragePooling2D()(x))


def causal_pool_conv_head(k: Any, x: Any) -> Any:
    x = residual(k, conv_bn(k, x, 16, 3), 3, 2, (4, 0))
    x = k.layers.AveragePooling2D((2, 1))(x)
    rows = x.shape[1]
    return k.layers.Flatten()(k.layers.Conv2D(1, (rows, 1))(x))


def flatten_dense(k: Any, x: Any) -> Any:
    x = conv_bn(k, x, 12, 5, strides=3)
    x = k.layers.Dense(8, activation="relu")(k.layers.Flatten()(x))
    return k.layers.Dense(1)(x)


def dilated_and_grouped(k: Any, x: Any) -> Any:
    x = k.layers.Conv2D(16, (3, 1), dilation_rate=(3, 1), activation="relu")(x)
    x = conv_bn(k, x, 8, 3, groups=4)
    return k.layers.Dense(1)(k.layers.GlobalAveragePooling2D()(x))


def one_dimensional(k: Any, x: Any) -> Any:
    """Time along the width: what Conv1D layers become."""
    x = k.layers.Reshape((x.shape[1], x.shape[3]))(x)
    x = k.layers.Conv1D(12, 5, strides=2, activation="relu")(x)
    x = k.layers.SeparableConv1D(10, 3, activation="relu")(x)
    y = k.layers.Conv1D(10, 3)(x)
    x = k.layers.Add()([k.layers.Cropping1D((1, 1))(x), y])
    return k.layers.Dense(1)(k.layers.GlobalAveragePooling1D()(x))


# name -> (model, rows of its receptive field)
MODELS: dict[str, tuple[Callable[[Any, Any], Any], int]] = {
    "ds_tcn_mean": (ds_tcn_mean, 5 + 2 * (4 * (1 + 2 + 4) + 5)),
    "causal_pool_conv_head": (causal_pool_conv_head, 16),
    "flatten_dense": (flatten_dense, 5 + 3 * 6),
    "dilated_and_grouped": (dilated_and_grouped, 15),
    "one_dimensional": (one_dimensional, 5 + 2 * 10),
}


def convert(k: Any, make: Callable[[Any, Any], Any], rows: int, rng: np.random.Generator) -> bytes:
    """Random weights and batch statistics, then post-training int8 quantisation."""
    import tensorflow as tf

    inputs = k.Input((rows, 1, COEFFS), batch_size=1)
    logit = make(k, inputs)
    model = k.Model(inputs, k.layers.Activation("sigmoid")(logit))
    model.set_weights(
        [_random_like(w, v.name, rng) for w, v in zip(model.get_weights(), model.weights, strict=True)]
    )
    ends = np.resize(np.array([-128, 127], np.int8), (1, rows, 1, COEFFS))
    windows = feature_like_rows(rng, 30 * rows, COEFFS).reshape(30, 1, rows, 1, COEFFS)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    scale = np.float32(spec.INPUT_SCALE)
    converter.representative_dataset = lambda: ([w.astype(np.float32) * scale] for w in (ends, *windows))
    return bytes(converter.convert())


def _random_like(weight: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    if "variance" in name or "gamma" in name:
        return rng.uniform(0.5, 2.0, weight.shape)
    fan_in = max(1, int(np.prod(weight.shape[:-1])))
    return rng.normal(0, 1.5 / np.sqrt(fan_in) if weight.ndim > 1 else 0.3, weight.shape)


@pytest.mark.parametrize("name", MODELS)
def test_converted_model_streams_exactly(keras: Any, name: str) -> None:
    make, rows = MODELS[name]
    rng = np.random.default_rng(11)
    tflite = convert(keras, make, rows, rng)
    network = read_network(tflite)
    assert network.receptive_rows == rows
    model = core.ModelImage(build_image(network, settings(COEFFS)))
    stream = feature_like_rows(rng, 400, COEFFS)
    expected = window_scores(tflite, stream, rows, network.stride_rows)
    np.testing.assert_array_equal(model.scores(stream), expected)
    assert len(set(expected.tolist())) > 10, "the scores hardly vary: the test would prove nothing"
