"""The Python interface: what `evaluate` finds, by a few names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import watchword
from watchword import audio, core, project
from watchword.data.recordings import LEAD_SAMPLES, Recording
from watchword.evaluate.stream import score_recording
from watchword.export.image import load_image

FOLDER = project.root() / "models" / "hey_lighthouse"


@pytest.fixture(scope="module")
def model() -> watchword.Model:
    return watchword.load(FOLDER)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise that a detector which fires at anything answers."""
    pcm = np.random.default_rng(5).normal(0, 3000, 48_000).astype(np.int16)
    return audio.save(tmp_path_factory.mktemp("api") / "a.wav", pcm)


def test_every_name_is_there_and_none_else() -> None:
    assert all(getattr(watchword, name) is not None for name in watchword.__all__)
    with pytest.raises(AttributeError, match="no attribute 'train_everything'"):
        watchword.train_everything  # noqa: B018


def test_importing_it_loads_nothing() -> None:
    code = "import sys, watchword; assert not {'numpy', 'watchword._core'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_and_its_samples_give_what_evaluate_finds(model: watchword.Model, sound: Path) -> None:
    run = score_recording(load_image(FOLDER), Recording(sound, (), "negative", "a"))
    for given in (sound, str(sound), audio.load(sound)):
        scores = model.scores(given)
        np.testing.assert_array_equal(scores.raw * 256, run.scores)
        np.testing.assert_array_equal(scores.time_s * 16_000 + LEAD_SAMPLES, run.score_samples)
    assert model.word == "hey lighthouse" and model.detect(sound) == []


def test_a_stream_finds_the_same_however_it_is_cut(model: watchword.Model, sound: Path) -> None:
    anything = watchword.DetectorConfig(1, 0.0, 0.0, 400)
    pcm = np.tile(audio.load(sound), 2)
    whole = [
        (d.sample_index / 16_000, core.unit(d.smoothed_q15))
        for d in core.run_pipeline(load_image(FOLDER), pcm, anything).detections
    ]
    stream, found = model.stream(anything), []
    for piece in np.array_split(pcm, 23):
        found += [(d.time_s, d.score) for d in stream.feed(piece)]
    assert found == whole and found
    early = model.detect(pcm, anything)
    assert early and early[0].time_s < found[0][0]  # the silence in front warms the model up


def test_what_is_no_sound_is_refused(model: watchword.Model) -> None:
    for wrong in (np.zeros(10), np.zeros((2, 10), np.int16)):
        with pytest.raises(watchword.WatchwordError, match="is no sound"):
            model.detect(wrong)
    with pytest.raises(watchword.WatchwordError, match="no model here"):
        watchword.load(FOLDER.parent)
