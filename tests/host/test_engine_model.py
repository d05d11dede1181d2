"""Whole models: a stream gives, at every position, what TFLite Micro makes of the whole window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import audio, core, spec
from watchword.export.graph import read_network
from watchword.export.image import build_image

pytest.importorskip("tflite_micro", reason="the oracle of these tests: pip install -e .[train]")

from ds_tcn import ds_tcn, feature_like_rows, settings
from random_stack import whole_stack
from tflite_builder import Oracle

MODEL_ROWS = 900  # 18 s of rows at a hop of 20 ms


def window_scores(tflite: bytes, rows: np.ndarray, window: int, stride: int) -> np.ndarray:
    """TFLite Micro's score of every window, one each `stride` rows."""
    oracle = Oracle(tflite)
    starts = range(0, len(rows) - window + 1, stride)
    return np.array([int(oracle(rows[s : s + window]).reshape(-1)[0]) + 128 for s in starts], np.uint8)


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stream_equals_whole_windows(seed: int, pooled: bool) -> None:
    rng = np.random.default_rng(seed)
    tflite = ds_tcn(rng, pooled=pooled)
    network = read_network(tflite)
    model = core.ModelImage(build_image(network, settings()))
    assert (model.header["receptive_rows"], model.header["stride_rows"]) == (network.receptive_rows, 2)
    rows = feature_like_rows(rng, MODEL_ROWS, 40)
    expected = window_scores(tflite, rows, network.receptive_rows, 2)
    np.testing.assert_array_equal(model.scores(rows), expected)
    assert len(set(expected.tolist())) > 10, "the scores hardly vary: the test would prove nothing"


@pytest.mark.real
def test_real_speech_equals_whole_windows(real_data: Path) -> None:
    rng = np.random.default_rng(21)
    tflite = ds_tcn(rng)
    network = read_network(tflite)
    model = core.ModelImage(build_image(network, settings()))
    compared, seen = 0, set()
    for path in sorted((real_data / "clips" / "dev" / "alexa").glob("*.flac"))[:20]:
        mfcc = core.frontend_rows(audio.load(path), 320, 40)
        mean, deviation = mfcc.mean(axis=0), mfcc.std(axis=0) + 1
        gain = np.clip(32 / deviation * (1 << spec.NORM_GAIN_FRAC_BITS), 0, 65535).astype(np.uint16)
        rows = core.normalise(mfcc, core.Normalisation("global", 0, mean.astype(np.int16), gain))
        expected = window_scores(tflite, rows, network.receptive_rows, network.stride_rows)
        np.testing.assert_array_equal(model.scores(rows), expected)
        compared += len(expected)
        seen |= set(expected.tolist())
    assert compared > 200
    assert len(seen) > 10, "the scores hardly vary: the test would prove nothing"


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_random_stacks_equal_whole_windows(seed: int) -> None:
    """Random depth, kernels, dilations, strides, residuals and heads."""
    tflite = whole_stack(seed)
    network = read_network(tflite)
    rng = np.random.default_rng(seed)
    rows = rng.integers(-128, 128, (network.receptive_rows + 30, 13)).astype(np.int8)
    got = core.ModelImage(build_image(network, settings(13))).scores(rows)
    np.testing.assert_array_equal(
        got, window_scores(tflite, rows, network.receptive_rows, network.stride_rows)
    )


def test_every_stream_starts_afresh() -> None:
    rng = np.random.default_rng(9)
    network = read_network(ds_tcn(rng))
    model = core.ModelImage(build_image(network, settings()))
    rows = feature_like_rows(rng, 200, 40)
    np.testing.assert_array_equal(model.scores(rows), model.scores(rows))
    assert len(model.scores(rows[: network.receptive_rows - 1])) == 0
    assert len(model.scores(rows[: network.receptive_rows])) == 1


def test_arena_is_what_the_rings_need() -> None:
    """Every value keeps exactly as many rows as its furthest reader looks back."""
    network = read_network(ds_tcn(np.random.default_rng(4)))
    rows = network.ring_rows()
    for value in range(len(network.layers)):
        readers = [
            layer.reach(i) + 1 for layer in network.layers for i, v in enumerate(layer.inputs) if v == value
        ]
        assert rows[value] == max(readers)
    header = core.ModelImage(build_image(network, settings())).header
    assert header["arena_bytes"] == network.arena_bytes
