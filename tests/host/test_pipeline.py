"""The whole chain as one object: nothing depends on chunking, and sample indices are absolute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchword import core, spec
from watchword.errors import WatchwordError
from watchword.export.affine import esphome_normalisation
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.layers import Network

pytest.importorskip("tflite_micro", reason="the model of these tests: pip install -e .[train]")

import ds_tcn

HOP, STRIDE = 320, 2
MICRO = replace(ds_tcn.settings(), kind="micro", hop_samples=160, normalisation=esphome_normalisation())


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(ds_tcn.ds_tcn(np.random.default_rng(5)))


@pytest.fixture(scope="module")
def image(network: Network) -> bytes:
    return build_image(network, ds_tcn.settings())


@pytest.fixture(scope="module")
def micro_image(network: Network) -> bytes:
    return build_image(network, MICRO)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    envelope = np.repeat(rng.uniform(0, 4_000, int(seconds * 10) + 1), 1_600)[: int(seconds * 16_000)]
    return (envelope * rng.normal(0, 1, len(envelope))).clip(-32_768, 32_767).astype(np.int16)


def test_the_chain_is_its_parts(image: bytes) -> None:
    pcm = noise(8)
    model = core.ModelImage(image)
    rows = core.frontend_rows(pcm, HOP, 40)
    expected = model.scores(core.normalise(rows, ds_tcn.settings().normalisation))
    run = core.run_pipeline(image, pcm)
    assert np.array_equal(run.scores, expected)
    smoothed, fired = core.detect(expected, run.score_samples, model.detector)
    assert np.array_equal(run.smoothed_q15, smoothed)
    assert [d.sample_index for d in run.detections] == run.score_samples[fired].tolist()


def test_the_chain_of_the_micro_front_end_is_its_parts(micro_image: bytes) -> None:
    pcm = noise(8)
    rows = core.frontend_rows(pcm, 160, 40, "micro")
    expected = core.ModelImage(micro_image).scores(core.normalise(rows, MICRO.normalisation))
    run = core.run_pipeline(micro_image, pcm)
    assert len(set(run.scores)) > 20 and np.array_equal(run.scores, expected)
    first_row = int(core.ModelImage(micro_image).header["receptive_rows"])
    assert run.score_samples[0] == spec.MICRO_WINDOW_SAMPLES + (first_row - 1) * 160


def test_sample_indices_are_the_ends_of_hops(image: bytes) -> None:
    run = core.run_pipeline(image, noise(5))
    first_row = int(core.ModelImage(image).header["receptive_rows"])
    assert run.rows == 5 * 16_000 // HOP
    assert run.score_samples[0] == first_row * HOP
    assert (np.diff(run.score_samples) == STRIDE * HOP).all()


@settings(max_examples=30)
@given(st.integers(1, 2_000), st.booleans())
def test_chunking_changes_nothing(image: bytes, micro_image: bytes, chunk: int, micro: bool) -> None:
    image = micro_image if micro else image
    whole, pieces = (
        core.run_pipeline(image, noise(3)),
        core.run_pipeline(image, noise(3), chunk_samples=chunk),
    )
    assert np.array_equal(whole.scores, pieces.scores)
    assert whole.detections == pieces.detections
    assert np.array_equal(whole.score_samples, pieces.score_samples)


def test_detector_settings_can_be_replaced(image: bytes) -> None:
    eager = core.DetectorConfig(smoothing=1, high=0.0, low=0.0, cooldown_ms=0)
    never = core.DetectorConfig(smoothing=32, high=spec.DETECTOR_MAX_HIGH, low=0.0)
    assert len(core.run_pipeline(image, noise(4), eager).detections) == 1  # low 0 never re-arms
    assert core.run_pipeline(image, noise(4), never).detections == []


def test_a_damaged_image_is_refused(image: bytes) -> None:
    broken = bytearray(image)
    broken[len(broken) // 2] ^= 1
    with pytest.raises(WatchwordError, match="ERR_CRC"):
        core.run_pipeline(bytes(broken), noise(1))
    with pytest.raises(WatchwordError, match="ERR_TRUNCATED"):
        core.run_pipeline(image[:-4], noise(1))
