"""Each op of the streaming engine against TFLite Micro, bit for bit, on random weights and rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from watchword import core
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.layers import Network
from watchword.export.settings import ModelSettings

pytest.importorskip("tflite_micro", reason="the oracle of these tests: pip install -e .[train]")

from tflite_builder import NONE, RELU, RELU6, Oracle, T, TfliteBuilder

ROWS = 21  # window of the op under test
EXTRA_ROWS = 40  # streamed after the first window


def settings(coeffs: int) -> ModelSettings:
    mean, gain = np.zeros(coeffs, np.int16), np.full(coeffs, 16384, np.uint16)
    return ModelSettings("op", 320, coeffs, core.Normalisation("none", 0, mean, gain), core.DetectorConfig())


def engine_values(image: bytes, value: int, channels: int, rows: np.ndarray) -> np.ndarray:
    """All rows int8 [n, channels] of one value while `rows` stream through the engine."""
    out = np.empty((len(rows), channels), np.int8)
    count = core.lib.wwb_model_values(
        image,
        len(image),
        core.ffi.from_buffer("int8_t[]", rows.tobytes()),
        len(rows),
        value,
        core.ffi.cast("int8_t *", out.ctypes.data),
        len(out),
    )
    assert count >= 0, f"engine refused the image: status {-count}"
    return out[:count]


def value_of(network: Network, tensor: T) -> int:
    names = [layer.name for layer in network.layers]
    return names.index(f"t{tensor.index}") + 1


def assert_op_is_exact(builder: TfliteBuilder, tensor: T, rng: np.random.Generator) -> int:
    """Compares every output row of `tensor` in every window of a long stream; returns the count."""
    network = read_network(builder.build(builder.score_head(tensor)))
    image = build_image(network, settings(network.coeffs))
    oracle = Oracle(builder.build(tensor))
    value, channels = value_of(network, tensor), tensor.shape[-1]
    rows = rng.integers(-128, 128, (builder.input.shape[1] + EXTRA_ROWS, network.coeffs)).astype(np.int8)
    streamed = engine_values(image, value, channels, rows)
    step, window = network.layers[value - 1].row_step, builder.input.shape[1]
    compared, spread = 0, set()
    for start in range(0, len(rows) - window + 1, step):
        expected = oracle(rows[start : start + window]).reshape(-1, channels)
        got = streamed[start // step : start // step + len(expected)]
        np.testing.assert_array_equal(got, expected)
        compared += expected.size
        spread |= set(expected.reshape(-1).tolist())
    assert len(spread) > 10, "the oracle's outputs hardly vary: the test would prove nothing"
    return compared


OPS: dict[str, Callable[[TfliteBuilder, T], T]] = {
    "conv": lambda b, x: b.conv(x, 7, 3),
    "conv wide, relu": lambda b, x: b.conv(x, 48, 5, act=RELU),
    "conv relu6": lambda b, x: b.conv(x, 8, 2, act=RELU6),
    "conv stride 2": lambda b, x: b.conv(x, 9, 5, stride=2),
    "conv stride 3": lambda b, x: b.conv(x, 4, 3, stride=3),
    "conv stride above taps": lambda b, x: b.conv(x, 4, 1, stride=2),
    "conv dilated": lambda b, x: b.conv(x, 6, 3, dilation=4),
    "conv per tensor": lambda b, x: b.conv(x, 6, 3, per_channel=False),
    "conv grouped": lambda b, x: b.conv(b.conv(x, 12, 1), 8, 3, groups=4),
    "pointwise": lambda b, x: b.conv(x, 17, 1),
    "depthwise": lambda b, x: b.depthwise(x, 5),
    "depthwise relu": lambda b, x: b.depthwise(x, 3, act=RELU),
    "depthwise dilated": lambda b, x: b.depthwise(x, 5, dilation=3),
    "depthwise stride 2": lambda b, x: b.depthwise(x, 3, stride=2),
    "depthwise multiplier": lambda b, x: b.depthwise(x, 3, multiplier=2),
    "depthwise per tensor": lambda b, x: b.depthwise(x, 3, per_channel=False),
    "dense over time": lambda b, x: b.dense(b.reshape(x, (1, x.shape[1] * x.shape[3])), 5),
    "dense per channel": lambda b, x: b.dense(b.mean(x), 6, per_channel=True),
    "dense relu": lambda b, x: b.dense(b.mean(x), 9, act=RELU),
    "average": lambda b, x: b.average(x, 4),
    "average stride": lambda b, x: b.average(x, 5, stride=2, act=RELU),
    "mean": lambda b, x: b.mean(x),
    "requantise": lambda b, x: b.requantise(x),
    "relu": lambda b, x: b.unary("RELU", x, x.scale * 0.8, -100),
    "relu6": lambda b, x: b.unary("RELU6", x, 6 / 255, -128),
    "tanh": lambda b, x: b.unary("TANH", x, 1 / 128, 0),
    "hard swish": lambda b, x: b.unary("HARD_SWISH", x, x.scale, -20),
    "logistic": lambda b, x: b.logistic(x),
    "add": lambda b, x: b.add(x, b.requantise(x)),
    "add relu": lambda b, x: b.add(b.conv(x, 8, 1), b.conv(x, 8, 1), act=RELU),
    "add itself": lambda b, x: b.add(x, x),
    "residual cropped both ends": lambda b, x: b.add(b.depthwise(x, 5, dilation=2), b.crop(x, 4, 4)),
    "residual cropped causally": lambda b, x: b.add(b.crop(x, 8, 0), b.depthwise(x, 5, dilation=2)),
    "residual of late rows": lambda b, x: b.add(b.depthwise(x, 3), b.crop(x, 0, 2)),
    "residual after stride": lambda b, x: _strided_residual(b, x),
}


def _strided_residual(b: TfliteBuilder, x: T) -> T:
    y = b.conv(x, 8, 3, stride=2)
    return b.add(b.conv(y, 8, 3), b.crop(y, 1, 1), act=NONE)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("seed", range(3))
def test_op_equals_tflite_micro(name: str, seed: int) -> None:
    rng = np.random.default_rng([seed, *name.encode()])
    builder = TfliteBuilder(rng, ROWS, coeffs=(13, 16, 23)[seed])
    x = builder.requantise(builder.input)  # so that the op sees a random scale and zero point
    assert assert_op_is_exact(builder, OPS[name](builder, x), rng) > 0


def test_two_crops_of_one_stream() -> None:
    rng = np.random.default_rng(5)
    builder = TfliteBuilder(rng, ROWS, 13)
    x = builder.requantise(builder.input)
    total = builder.add(builder.crop(x, 1, 4), builder.crop(x, 5, 0))
    assert_op_is_exact(builder, total, rng)


@pytest.mark.parametrize("scale", [0.003, 0.04, 0.11, 0.6, 2.0])
def test_logistic_table_equals_tflite_micro_on_every_input(scale: float) -> None:
    rng = np.random.default_rng(1)
    builder = TfliteBuilder(rng, 1, 16)
    x = builder.unary("QUANTIZE", builder.input, scale, int(rng.integers(-40, 40)))
    y = builder.logistic(x)
    network = read_network(builder.build(builder.score_head(y)))
    image = build_image(network, settings(16))
    rows = np.arange(-128, 128, dtype=np.int8).reshape(16, 16)
    oracle = Oracle(builder.build(y))
    expected = np.stack([oracle(row).reshape(-1) for row in rows])
    np.testing.assert_array_equal(engine_values(image, value_of(network, y), 16, rows), expected)
