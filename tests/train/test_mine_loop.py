"""The whole loop on a toy word: train, mine what the model falls for, scan both together, train again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_corpus import RATE, other, tone, toy_config, word, write_corpus
from watchword import audio, core
from watchword.config import (
    RunConfig,
)
from watchword.data.corpus import Clip, is_mined, read_manifest, write_manifest
from watchword.data.recordings import Recording
from watchword.data.scan import scan
from watchword.evaluate.mine import find_alarms, mine
from watchword.evaluate.stream import score_recording
from watchword.export.folder import export_model
from watchword.export.size_target import SizeTarget
from watchword.train.run_folder import read_trained

pytestmark = pytest.mark.train

THRESHOLD = 0.4


def near_miss(rng: np.random.Generator) -> np.ndarray:
    """The word, but for its end, where the word comes down to 300 Hz."""
    return tone([300, 1500, 600], rng.uniform(0.5, 0.6), rng)


def long_recording(path: Path, seed: int, misses: int = 12) -> Path:
    """Near misses among other sounds, with pauses."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(misses):
        parts += [other(rng), rng.normal(0, 1e-4, RATE), near_miss(rng), rng.normal(0, 1e-4, RATE)]
    return audio.save(path, audio.to_int16(np.concatenate(parts)))


def corpus(folder: Path) -> Path:
    """The toy corpus, and the test clips that a scan wants to see."""
    clips = read_manifest(write_corpus(folder, words=16, others=24))
    rng = np.random.default_rng(99)
    for i in range(2):
        spoken, start_s, end_s = word(rng)
        path = audio.save(folder / "test" / f"word{i}.wav", audio.to_int16(spoken))
        clips.append(Clip(path, "test", "positive", "toy", f"t{i}", "toy", 1.0, start_s, end_s))
        path = audio.save(folder / "test" / f"other{i}.wav", audio.to_int16(other(rng)))
        clips.append(Clip(path, "test", "negative", "", f"t{i}", "toy", 2.0))
    return write_manifest(folder / "manifest.csv", clips)


def train_and_export(config: RunConfig, folder: Path) -> Path:
    from watchword.train.run import train_run

    train_run(config, folder / "run", progress=False)
    trained = read_trained(folder / "run")
    return export_model(trained.tflite, trained.settings, folder / "model", SizeTarget(), trained.training)


def fired(model: Path, recording: Path, words: tuple[tuple[float, float], ...] = ()) -> int:
    image = (model / "model.bin").read_bytes()
    stream = score_recording(image, Recording(recording, words, "negative", complete=True))
    return len(find_alarms(stream, image, THRESHOLD))  # type: ignore[arg-type]


def test_a_second_training_no_longer_falls_for_what_was_mined(tmp_path: Path) -> None:
    manifest = corpus(tmp_path / "toy")
    config = toy_config(manifest, {("data", "mined_draws"): 4, ("train", "epochs"): 10})
    first = train_and_export(config, tmp_path / "first")
    found = mine(
        first,
        [long_recording(tmp_path / "evening.wav", 1)],
        tmp_path / "mined",
        threshold=THRESHOLD,
        progress=False,
    )
    assert len(found.alarms) >= 6, "the first model does not fall for near misses: the test shows nothing"

    merged = scan([manifest, tmp_path / "mined"], "toy")
    assert sum(is_mined(clip) for clip in merged.clips) == len(found.alarms)
    both = write_manifest(tmp_path / "both.csv", merged.clips)
    second = train_and_export(replace(config, data=replace(config.data, manifest=str(both))), tmp_path / "2")

    unheard = long_recording(tmp_path / "another.wav", 2)
    before, after = fired(first, unheard), fired(second, unheard)
    assert before >= 6 and after <= before / 2, (before, after)
    spoken = [clip.path for clip in read_manifest(manifest) if clip.label == "positive"]
    heard = [sum(fired(model, path) > 0 for path in spoken) for model in (first, second)]
    assert min(heard) >= 0.8 * len(spoken), (heard, len(spoken))
    image = core.ModelImage((second / "model.bin").read_bytes())
    assert image.header["word"] == "toy"
