"""Streaming .tflite files: call by call, TFLite Micro says of them what our engine says of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import core
from watchword.errors import WatchwordError

pytest.importorskip("tflite_micro", reason="export needs it: pip install -e .[train]")

from ds_tcn import ds_tcn, feature_like_rows, settings
from random_stack import whole_stack
from tflite_builder import RELU, T, TfliteBuilder
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.stream_writer import ESPHOME_VARIABLES, streaming_tflite
from watchword.export.tflite_file import OP_NAMES

# What ESPHome's micro_wake_word registers with its interpreter.
ESPHOME_OPS = (
    "CALL_ONCE", "VAR_HANDLE", "RESHAPE", "READ_VARIABLE", "STRIDED_SLICE", "CONCATENATION",
    "ASSIGN_VARIABLE", "CONV_2D", "MUL", "ADD", "MEAN", "FULLY_CONNECTED", "LOGISTIC", "QUANTIZE",
    "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "PACK", "SPLIT_V",
)  # fmt: skip # a list of names
SHIPPED = sorted(Path(__file__).parents[2].glob("models/*/model.tflite"))


def stepped(stream: bytes, rows: np.ndarray) -> np.ndarray:
    """TFLite Micro's score uint8 after each call, on rows int8 [n, coeffs]."""
    interpreter = runtime.Interpreter.from_bytes(stream, arena_size=1 << 20)
    _, stride, coeffs = interpreter.get_input_details(0)["shape"]
    found = []
    for call in rows[: len(rows) // stride * stride].reshape(-1, 1, stride, coeffs):
        interpreter.set_input(call, 0)
        interpreter.invoke()
        found.append(np.array(interpreter.get_output(0)).reshape(()))
    return np.array(found, np.uint8)


def both(tflite: bytes, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ours, the streaming file's) score of each whole window, for equal windows.

    A call ends after a multiple of the stride; our engine begins where it has a whole window.
    """
    network = read_network(tflite)
    window, stride = network.receptive_rows, network.stride_rows
    skipped = -window % stride  # so that a first window ends where a call does
    padded = np.concatenate([np.zeros((skipped, rows.shape[1]), np.int8), rows])
    ours = core.ModelImage(build_image(network, settings(network.coeffs))).scores(padded[skipped:])
    theirs = stepped(streaming_tflite(tflite), padded)
    return ours, theirs[(window + skipped) // stride - 1 :]


def assert_equal_scores(tflite: bytes, rows: np.ndarray) -> np.ndarray:
    ours, theirs = both(tflite, rows)
    assert len(ours) >= len(theirs) > 0
    np.testing.assert_array_equal(theirs, ours[: len(theirs)])
    return ours


@pytest.mark.parametrize("pooled", [True, False])
def test_calls_equal_the_engine(pooled: bool) -> None:
    rng = np.random.default_rng(8)
    scores = assert_equal_scores(ds_tcn(rng, pooled=pooled), feature_like_rows(rng, 400, 40))
    assert len(set(scores.tolist())) > 10, "the scores hardly vary: the test would prove nothing"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_calls_of_the_shipped_models_equal_the_engine(path: Path) -> None:
    tflite = path.read_bytes()
    rows = feature_like_rows(np.random.default_rng(2), 600, read_network(tflite).coeffs)
    assert len(set(assert_equal_scores(tflite, rows).tolist())) > 3


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_calls_of_random_stacks_equal_the_engine(seed: int) -> None:
    tflite = whole_stack(seed)
    rows = np.random.default_rng(seed).integers(-128, 128, (read_network(tflite).receptive_rows + 60, 13))
    assert_equal_scores(tflite, rows.astype(np.int8))


def test_a_reset_forgets_all_rows() -> None:
    stream = streaming_tflite(SHIPPED[0].read_bytes())
    interpreter = runtime.Interpreter.from_bytes(stream, arena_size=1 << 20)
    shape = interpreter.get_input_details(0)["shape"]

    def first_scores() -> list[int]:
        scores = []
        for seed in range(40):
            rows = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
            interpreter.set_input(rows, 0)
            interpreter.invoke()
            scores.append(int(np.array(interpreter.get_output(0)).reshape(())))
        return scores

    scores = first_scores()
    assert first_scores() != scores
    interpreter.reset()
    assert first_scores() == scores


def test_only_ops_that_esphome_has() -> None:
    used = set()
    for tflite in [*(path.read_bytes() for path in SHIPPED), ds_tcn(np.random.default_rng(1))]:
        model = schema.ModelT.InitFromPackedBuf(streaming_tflite(tflite), 0)
        used |= {OP_NAMES[code.builtinCode] for code in model.operatorCodes}
    assert {"ADD", "MEAN", "DEPTHWISE_CONV_2D"} < used <= set(ESPHOME_OPS)


def deep(b: TfliteBuilder, blocks: int) -> T:
    x = b.input
    for _ in range(blocks):
        x = b.depthwise(x, 2)
    return x


def refused(layers: int, make) -> str:
    b = TfliteBuilder(np.random.default_rng(4), layers, 8)
    with pytest.raises(WatchwordError) as caught:
        streaming_tflite(b.build(b.score_head(make(b))))
    return str(caught.value)


def test_what_esphome_lacks_is_refused_by_name() -> None:
    told = refused(3, lambda b: b.conv(b.unary("TANH", b.conv(b.input, 4, 2), 1 / 128, 0), 4, 2))
    assert "layer 1, op TANH " in told and "train a model of ADD" in told
    told = refused(3, lambda b: b.conv(b.conv(b.input, 8, 1), 8, 3, groups=2, act=RELU))
    assert "layer 1, op CONV_2D" in told and "no groups" in told
    rows = ESPHOME_VARIABLES + 2
    told = refused(rows, lambda b: deep(b, ESPHOME_VARIABLES + 1))
    assert f"{rows - 1} of its streams must be kept" in told and f"room for {ESPHOME_VARIABLES}" in told
