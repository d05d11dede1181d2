"""Streaming .tflite graphs, as microWakeWord's: scores are TFLite Micro's from the first call on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import core
from watchword.errors import WatchwordError

pytest.importorskip("tflite_micro", reason="the oracle of these tests: pip install -e .[train]")

from ds_tcn import ds_tcn, feature_like_rows, settings
from random_stack import whole_stack
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.stream_graph import Rows, StreamGraph
from watchword.export.stream_writer import streaming_tflite
from watchword.export.streaming import read_streaming_network
from watchword.export.tflite_file import Tensor

COEFFS, STRIDE = 16, 3
CALLS = 120
VALID, NONE, RELU = (
    schema.Padding.VALID,
    schema.ActivationFunctionType.NONE,
    schema.ActivationFunctionType.RELU,
)


def stepped(tflite: bytes, rows: np.ndarray) -> np.ndarray:
    """TFLite Micro's score uint8 after each call, from the file's first state on."""
    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)
    shape = interpreter.get_input_details(0)["shape"]
    scores = []
    for call in rows[: len(rows) // shape[1] * shape[1]].reshape(-1, *shape):
        interpreter.set_input(call, 0)
        interpreter.invoke()
        scores.append(int(np.array(interpreter.get_output(0)).reshape(())))
    return np.array(scores, np.uint8)


def assert_equal_scores(tflite: bytes, rows: np.ndarray) -> np.ndarray:
    network = read_streaming_network(tflite)
    model = core.ModelImage(build_image(network, settings(network.coeffs)))
    scores = model.scores(rows)
    np.testing.assert_array_equal(scores, stepped(tflite, rows))
    return scores


class Graph(StreamGraph):
    """Ops on rows with random weights; `score` ends the graph. Scales are such that scores vary."""

    def __init__(self, seed: int, coeffs: int = COEFFS) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self.source = self.tensor((1, STRIDE, coeffs), schema.TensorType.INT8, 0.1, -128, "rows")
        self.new = self.rows(STRIDE, coeffs, 0.1, -128, "new rows")
        self.op("RESHAPE", [self.source, self.shape(1, STRIDE, 1, coeffs)], [self.new.index])

    def weighted(self, shape: tuple[int, ...], axis: int, x: Rows, size: float = 0.01) -> list[int]:
        channels = shape[axis]
        scales = np.float32(self.rng.uniform(size / 5, size * 2, channels))
        like = Tensor(0, "weights", shape, "INT8", scales, np.zeros(channels, np.int64), None)
        bias = replace(like, name="bias", scales=np.float32(x.scale) * scales)
        numbers = self.rng.integers(-90, 91, shape).astype(np.int8)
        return [
            self.constant(numbers, like, axis),
            self.constant(self.rng.integers(-4000, 4000, channels).astype(np.int32), bias),
        ]

    def conv(self, x: Rows, out: int, act: int = RELU, scale: float = 0.4, zero: int = -128) -> Rows:
        """Over all rows of x: one row."""
        y = self.rows(1, out, scale, zero, "conv")
        options = schema.Conv2DOptionsT(VALID, 1, 1, act, 1, 1)
        size = 0.01 if act == RELU else 0.02 / np.sqrt(x.rows * x.channels)
        inputs = [x.index, *self.weighted((out, x.rows, 1, x.channels), 0, x, size)]
        self.op("CONV_2D", inputs, [y.index], options)
        return y

    def depthwise(self, x: Rows, scale: float = 0.3, zero: int = 7) -> Rows:
        y = self.rows(1, x.channels, scale, zero, "depthwise")
        options = schema.DepthwiseConv2DOptionsT(VALID, 1, 1, 1, NONE, 1, 1)
        inputs = [x.index, *self.weighted((1, x.rows, 1, x.channels), 3, x)]
        self.op("DEPTHWISE_CONV_2D", inputs, [y.index], options)
        return y

    def remember(self, new: Rows, history: int) -> Rows:
        """The new rows behind `history` earlier ones, which are kept."""
        handle, earlier = self.variable(history, new)
        joined = self.joined(earlier, new)
        latest = self.cut(joined, joined.rows - history, history)
        self.op("ASSIGN_VARIABLE", [handle, latest.index], [], schema.AssignVariableOptionsT())
        return joined

    def halves(self, x: Rows) -> tuple[Rows, Rows]:
        n = x.channels // 2
        parts = tuple(self.rows(x.rows, n, x.scale, x.zero, "half") for _ in range(2))
        inputs = [x.index, self.shape(n, n), self.constant(np.array(3, np.int32))]
        self.op("SPLIT_V", inputs, [part.index for part in parts], schema.SplitVOptionsT(numSplits=2))
        return parts[0], parts[1]

    def beside(self, *parts: Rows) -> Rows:
        y = self.rows(parts[0].rows, sum(p.channels for p in parts), parts[0].scale, parts[0].zero, "joined")
        options = schema.ConcatenationOptionsT(axis=3)
        self.op("CONCATENATION", [part.index for part in parts], [y.index], options)
        return y

    def with_constant(self, name: str, x: Rows, numbers: list[int]) -> Rows:
        """MUL or ADD of constants that repeat along the channels."""
        n, kind = len(numbers), schema.TensorType.INT8
        like = Tensor(0, "numbers", (n,), "INT8", np.float32([0.02]), np.zeros(1, np.int64), None)
        groups = [self.tensor((1, x.rows, x.channels // n, n), kind, x.scale, x.zero, "groups")]
        groups += [self.tensor((1, x.rows, x.channels // n, n), kind, x.scale * 0.9, 5, "changed")]
        shape = self.shape(1, x.rows, x.channels // n, n)
        self.op("RESHAPE", [x.index, shape], [groups[0]])
        options = schema.MulOptionsT(NONE) if name == "MUL" else schema.AddOptionsT(NONE)
        self.op(name, [groups[0], self.constant(np.array(numbers, np.int8), like)], [groups[1]], options)
        y = self.rows(x.rows, x.channels, x.scale * 0.9, 5, "again rows")
        self.op("RESHAPE", [groups[1], self.shape(1, x.rows, 1, x.channels)], [y.index])
        return y

    def score(self, x: Rows) -> bytes:
        logit = self.conv(x, 1, NONE, 0.06, 3)
        y = self.rows(1, 1, 1 / 256, -128, "logistic")
        self.op("LOGISTIC", [logit.index], [y.index])
        score = self.tensor((1, 1, 1, 1), schema.TensorType.UINT8, 1 / 256, 0, "score")
        self.op("QUANTIZE", [y.index], [score])
        return self.pack([self.source], [score])


def plain(g: Graph) -> bytes:
    x = g.remember(g.conv(g.remember(g.new, 2), 12), 4)
    return g.score(g.remember(g.conv(g.depthwise(x), 8), 3))


def mix_conv(g: Graph) -> bytes:
    """Halves of the channels with their own number of taps, each the latest rows."""
    x = g.remember(g.conv(g.remember(g.new, 2), 12), 8)
    low, high = g.halves(x)
    mixed = g.beside(g.depthwise(g.cut(low, 4, 5)), g.depthwise(g.cut(high, 0, 9)))
    return g.score(g.remember(g.conv(mixed, 6), 2))


def inception(g: Graph) -> bytes:
    """Branches of different depth side by side, joined in another order than they are made."""
    x = g.conv(g.remember(g.new, 2), 10)
    deep = g.conv(g.remember(g.conv(x, 6), 2), 8)
    return g.score(g.remember(g.beside(g.conv(x, 4), deep, g.conv(x, 4), x), 5))


def scaled(g: Graph) -> bytes:
    x = g.with_constant("MUL", g.conv(g.remember(g.new, 2), 12), [30, -20, 90, 51])
    return g.score(g.remember(g.with_constant("ADD", x, [-100, 0, 44]), 3))


def residual(g: Graph) -> bytes:
    """The middle of what a depthwise layer reads is added to what it gives."""
    x = g.remember(g.conv(g.remember(g.new, 2), 9), 4)
    y, middle = g.depthwise(x), g.cut(x, 2, 1)
    total = g.rows(1, 9, 0.5, -3, "sum")
    g.op("ADD", [y.index, middle.index], [total.index], schema.AddOptionsT(NONE))
    return g.score(g.remember(total, 2))


def whole_window(g: Graph) -> bytes:
    """A variable as long as the window: its oldest row is left out before the new one joins."""
    x = g.conv(g.remember(g.new, 2), 5)
    handle, earlier = g.variable(6, x)
    window = g.joined(g.cut(earlier, 1, 5), x)
    g.op("ASSIGN_VARIABLE", [handle, window.index], [], schema.AssignVariableOptionsT())
    return g.score(window)


@pytest.mark.parametrize("make", [plain, mix_conv, inception, scaled, residual, whole_window])
@pytest.mark.parametrize("seed", [1, 3])
def test_scores_equal_tflite_micro_from_the_first_call_on(make: Callable[[Graph], bytes], seed: int) -> None:
    rows = np.random.default_rng(seed).integers(-128, 128, (CALLS * STRIDE, COEFFS)).astype(np.int8)
    scores = assert_equal_scores(make(Graph(seed)), rows)
    assert len(scores) == CALLS and len(set(scores.tolist())) > 3, "the test would prove nothing"


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_what_our_writer_makes_of_random_stacks_is_read_again(seed: int) -> None:
    tflite = whole_stack(seed)
    rows = np.random.default_rng(seed).integers(-128, 128, (90, 13)).astype(np.int8)
    assert_equal_scores(streaming_tflite(tflite), rows)


def test_what_our_writer_makes_reads_as_the_same_layers() -> None:
    tflite = ds_tcn(np.random.default_rng(3))
    whole, stream = read_network(tflite), read_streaming_network(streaming_tflite(tflite))
    assert (stream.receptive_rows, stream.stride_rows) == (whole.receptive_rows, whole.stride_rows)
    assert stream.first_rows == whole.stride_rows and stream.arena_bytes == whole.arena_bytes
    rows = feature_like_rows(np.random.default_rng(4), 200, 40)
    assert_equal_scores(streaming_tflite(tflite), rows)


def refusal(tflite: bytes) -> str:
    with pytest.raises(WatchwordError) as error:
        read_streaming_network(tflite)
    return str(error.value)


def test_a_state_that_is_not_one_number_is_refused() -> None:
    g = Graph(0)
    tflite_of = plain(g)
    assert read_streaming_network(tflite_of)
    data = g.buffers[g.start.tensors[0].buffer].data.copy()
    data[3] += 1
    g.buffers[g.start.tensors[0].buffer].data = data
    assert "READ_VARIABLE" in refusal(g.pack(g.step.inputs, g.step.outputs))


def _swapped_slice(g: Graph) -> bytes:
    """Keeps the oldest rows instead of the latest."""
    handle, earlier = g.variable(2, g.new)
    joined = g.joined(earlier, g.new)
    g.op("ASSIGN_VARIABLE", [handle, g.cut(joined, 0, 2).index], [], schema.AssignVariableOptionsT())
    return g.score(joined)


def _read_after_write(g: Graph) -> bytes:
    handle, earlier = g.variable(2, g.new)
    joined = g.joined(earlier, g.new)
    g.op("ASSIGN_VARIABLE", [handle, g.cut(joined, 3, 2).index], [], schema.AssignVariableOptionsT())
    again = g.rows(2, COEFFS, 0.1, -128, "again")
    g.op("READ_VARIABLE", [handle], [again.index], schema.ReadVariableOptionsT())
    return g.score(joined)


def _never_written(g: Graph) -> bytes:
    _, earlier = g.variable(2, g.new)
    return g.score(g.joined(earlier, g.new))


def _other_scale(g: Graph) -> bytes:
    x = g.conv(g.remember(g.new, 2), 6)
    return g.score(g.beside(g.depthwise(x, 0.3), g.depthwise(x, 0.2)))


def _old_rows_again(g: Graph) -> bytes:
    """A function of a whole window: its older rows were computed before."""
    x = g.remember(g.new, 2)
    y = g.rows(x.rows, x.channels, 0.2, 0, "requantised")
    g.op("QUANTIZE", [x.index], [y.index])
    return g.score(y)


def _unknown(g: Graph) -> bytes:
    x = g.conv(g.remember(g.new, 2), 6)
    y = g.rows(1, 6, 0.4, -128, "negative")
    g.op("NEG", [x.index], [y.index])
    return g.score(y)


REFUSED: list[tuple[Callable[[Graph], Any], str]] = [
    (_swapped_slice, "op ASSIGN_VARIABLE: does not store the latest rows"),
    (_read_after_write, "op READ_VARIABLE writing 'again': reads a variable after writing it"),
    (_never_written, "is read and never written"),
    (_other_scale, "op CONCATENATION writing 'joined': joins tensors of different scales"),
    (_old_rows_again, "op QUANTIZE writing 'requantised'"),
    (_unknown, "op NEG writing 'negative': op is not supported"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED, ids=lambda x: getattr(x, "__name__", None))
def test_what_the_engine_cannot_do_is_refused_by_op_and_layer(
    make: Callable[[Graph], bytes], said: str
) -> None:
    assert said in refusal(make(Graph(0)))
