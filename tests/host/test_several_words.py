"""Several words in one pipeline: each hears what it would hear alone, whatever it shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import watchword
from hypothesis import given, settings
from hypothesis import strategies as st
from watchword import core, project
from watchword.errors import WatchwordError
from watchword.export.graph import Network, read_network
from watchword.export.image import build_image

pytest.importorskip("tflite_micro", reason="the model of these tests: pip install -e .[train]")

import ds_tcn

MODELS = project.root() / "models"
ANYTHING = core.DetectorConfig(1, 0.0, 0.0, 700)


@pytest.fixture(scope="module")
def networks() -> dict[int, Network]:
    return {
        coeffs: read_network(ds_tcn.ds_tcn(np.random.default_rng(coeffs), coeffs, 16)) for coeffs in (13, 40)
    }


@pytest.fixture(scope="module")
def images(networks: dict[int, Network]) -> list[bytes]:
    """Short rows, long rows of the same front end, and rows of another hop."""
    short, long = ds_tcn.settings(13, "short"), ds_tcn.settings(40, "long", "running_mv")
    other = replace(ds_tcn.settings(40, "other"), hop_samples=160)
    return [
        build_image(networks[13], short),
        build_image(networks[40], long),
        build_image(networks[40], other),
    ]


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    levels = np.repeat(10 ** rng.uniform(0, 4.2, round(seconds * 4)), 4_000)
    return np.clip(rng.normal(0, levels), -32_768, 32_767).astype(np.int16)


@settings(max_examples=15)
@given(st.permutations([0, 1, 2]), st.integers(1, 3), st.integers(0, 1_000))
def test_each_word_hears_what_it_hears_alone(
    images: list[bytes], order: list[int], count: int, chunk: int
) -> None:
    chosen, pcm = [images[i] for i in order[:count]], noise(4, chunk)
    detectors = [ANYTHING, None, ANYTHING][:count]
    runs = core.Pipeline(chosen, detectors).feed(pcm, chunk)
    for image, detector, run in zip(chosen, detectors, runs, strict=True):
        alone = core.run_pipeline(image, pcm, detector)
        for name in ("scores", "smoothed_q15", "score_samples"):
            assert np.array_equal(getattr(run, name), getattr(alone, name)), name
        assert (run.detections, run.rows) == (alone.detections, alone.rows)


def test_what_has_no_room_is_refused_with_the_remedy(
    images: list[bytes], networks: dict[int, Network]
) -> None:
    most = core.max_words()
    with pytest.raises(WatchwordError, match=rf"image {most + 1} of {most + 2}.*ERR_WORDS.*use fewer"):
        core.Pipeline(images[:1] * (most + 2))
    bands = build_image(networks[40], replace(ds_tcn.settings(40), kind="logmel"))
    with pytest.raises(WatchwordError, match=r"image 4 of 4.*ERR_FRONTENDS.*same kind of features and hop"):
        core.Pipeline([*images, bands])
    with pytest.raises(WatchwordError, match="2 settings for 1 models"):
        core.Pipeline(images[:1], [None, None])


def test_a_stream_tells_which_word_it_heard() -> None:
    models = [watchword.load(MODELS / word) for word in ("alexa", "computer")]
    pcm = noise(6)
    either = watchword.Words(*models)
    whole = either.stream([ANYTHING, ANYTHING]).feed(pcm)
    assert {heard.word for heard in whole} == {"alexa", "computer"}
    assert whole == sorted(whole, key=lambda heard: heard.time_s)
    for model in models:
        alone = model.stream(ANYTHING).feed(pcm)
        assert [heard for heard in whole if heard.word == model.word] == alone != []
    assert either.detect(pcm) == sorted(
        (heard for model in models for heard in model.detect(pcm)), key=lambda heard: heard.time_s
    )
