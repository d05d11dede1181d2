"""Model graphs by name. Input [batch, time, 1, coeffs] (NHWC, time = height), output [batch, n, 1, 1] scores.

Every graph is a stack of temporal layers with valid padding, striding in its first layer only: on a
segment of any length it gives one score for every stride, each equal to what the exported graph gives
for that window alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from watchword.errors import WatchwordError
from watchword.train.config import ModelConfig
from watchword.train.tensorflow import load_tensorflow

LOGIT_LAYER = "logit"
SCORE_LAYER = "score"


@dataclass(frozen=True)
class Architecture:
    """How to build a graph, and how many rows one window of it spans."""

    # (settings, coeffs, rows or None for any, batch size or None for any, batch norm?) -> Keras model
    build: Callable[[ModelConfig, int, int | None, int | None, bool], Any]
    receptive_rows: Callable[[ModelConfig], int]


def architecture(model: ModelConfig) -> Architecture:
    """The architecture that `[model] arch` names."""
    if model.arch not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise WatchwordError(f"[model] arch '{model.arch}' is unknown", "configuration", f"known: {known}")
    return ARCHITECTURES[model.arch]


def receptive_rows(model: ModelConfig) -> int:
    """Rows one score depends on: the time dimension of the exported graph."""
    return architecture(model).receptive_rows(model)


def build_model(
    model: ModelConfig,
    coeffs: int,
    rows: int | None = None,
    batch: int | None = None,
    batch_norm: bool = True,
) -> Any:
    """A Keras model. `batch_norm=False` gives the twin whose convolutions have it folded in."""
    return architecture(model).build(model, coeffs, rows, batch, batch_norm)


def logits_of(network: Any) -> Any:
    """The same network, stopping before the sigmoid: [batch, n, 1, 1] logits."""
    tf = load_tensorflow()
    score = network.layers[-1]
    return tf.keras.Model(network.inputs, score.input)


def _ds_tcn_rows(model: ModelConfig) -> int:
    blocks = sum((model.kernel - 1) * dilation for dilation in model.dilations)
    return model.stem_kernel + blocks * model.stem_stride


def _ds_tcn(model: ModelConfig, coeffs: int, rows: int | None, batch: int | None, batch_norm: bool) -> Any:
    """Depthwise-separable temporal convolutions with residual blocks.

    A strided dense convolution over all coefficients, then blocks of depthwise [k, 1] -> pointwise ->
    + the block's input, cropped to its latest rows -> ReLU; a pointwise convolution to one logit.
    """
    layers = load_tensorflow().keras.layers
    first = layers.Input((rows, 1, coeffs), batch_size=batch, name="rows")
    stem = layers.Conv2D(
        model.channels, (model.stem_kernel, 1), strides=(model.stem_stride, 1),
        **_activated(batch_norm), name="stem",
    )  # fmt: skip
    x = _normed(stem(first), "stem", batch_norm)
    for number, dilation in enumerate(model.dilations, start=1):
        name = f"block{number}"
        depthwise = layers.DepthwiseConv2D(
            (model.kernel, 1), dilation_rate=(dilation, 1), **_activated(batch_norm), name=f"{name}_depthwise"
        )
        y = _normed(depthwise(x), f"{name}_depthwise", batch_norm)
        y = layers.Conv2D(model.channels, 1, use_bias=not batch_norm, name=f"{name}_pointwise")(y)
        y = _normed(y, f"{name}_pointwise", batch_norm, relu=False)
        crop = (model.kernel - 1) * dilation
        kept = layers.Cropping2D(((crop, 0), (0, 0)), name=f"{name}_crop")(x)
        x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, kept]))
    logit = layers.Conv2D(1, 1, bias_initializer=_rare(), name=LOGIT_LAYER)(x)
    return load_tensorflow().keras.Model(first, layers.Activation("sigmoid", name=SCORE_LAYER)(logit))


def _rare() -> Any:
    """Start from what is true of nearly every window: the word is not there."""
    return load_tensorflow().keras.initializers.Constant(-3.0)


def _activated(batch_norm: bool) -> dict[str, Any]:
    """Bias and ReLU belong to the convolution itself, or follow with the batch norm."""
    return {"use_bias": False} if batch_norm else {"use_bias": True, "activation": "relu"}


def _normed(x: Any, name: str, batch_norm: bool, relu: bool = True) -> Any:
    if not batch_norm:
        return x
    layers = load_tensorflow().keras.layers
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


ARCHITECTURES: dict[str, Architecture] = {
    "ds_tcn": Architecture(_ds_tcn, _ds_tcn_rows),
}
