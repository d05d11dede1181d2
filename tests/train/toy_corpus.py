"""A corpus of a few seconds: the "word" is a rising and then falling tone, other clips are other tones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from watchword import audio
from watchword.config import (
    AugmentConfig,
    DataConfig,
    FeaturesConfig,
    ModelConfig,
    QatConfig,
    RunConfig,
    TrainConfig,
    WordConfig,
    adjusted,
)
from watchword.data.corpus import Clip, write_manifest

RATE = 16_000


def tone(pitches: list[float], seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A glide through `pitches` in Hz with two harmonics and a little hiss, float [samples]."""
    n = round(seconds * RATE)
    hz = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(pitches)), pitches) * rng.uniform(0.9, 1.1)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    voice = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.3 * np.sin(3 * phase)
    return 0.1 * voice * np.hanning(n) ** 0.3 + rng.normal(0, 1e-4, n)


def word(rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
    """A clip with the word, and the word's start and end in seconds."""
    before, seconds = rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.6)
    silence = [rng.normal(0, 1e-4, round(s * RATE)) for s in (before, 0.2)]
    clip = np.concatenate([silence[0], tone([300, 1500, 300], seconds, rng), silence[1]])
    return clip, before, before + seconds


def other(rng: np.random.Generator) -> np.ndarray:
    shapes = [[1500, 300, 1500], [400, 400], [1200, 1200], [300, 1500], [1500, 300], [800, 200, 900, 250]]
    parts = [tone(shapes[int(rng.integers(len(shapes)))], rng.uniform(0.3, 0.8), rng) for _ in range(4)]
    return np.concatenate(parts)


def room(rng: np.random.Generator) -> np.ndarray:
    """The impulse response of a small dry room, so that none needs to be simulated."""
    response = 0.1 * rng.normal(0, 1, RATE // 10) * np.exp(-np.arange(RATE // 10) / (0.015 * RATE))
    response[80] = 0.9
    return response


def write_corpus(folder: Path, words: int = 16, others: int = 16, seed: int = 0) -> Path:
    """Train and val clips below `folder`; returns the manifest."""
    rng = np.random.default_rng(seed)
    clips: list[Clip] = []
    for split, share in (("train", 1.0), ("val", 0.5)):
        for i in range(round(words * share)):
            signal, start_s, end_s = word(rng)
            path = audio.save(folder / split / f"word{i}.wav", audio.to_int16(signal))
            seconds = len(signal) / RATE
            clips.append(
                Clip(
                    path, split, "positive", "toy", f"{split}{i}", "toy", seconds, start_s, end_s, i % 2 == 1
                )
            )
        for i in range(round(others * share)):
            signal = other(rng)
            path = audio.save(folder / split / f"other{i}.wav", audio.to_int16(signal))
            clips.append(Clip(path, split, "negative", "", f"{split}{i}", "toy", len(signal) / RATE))
        path = audio.save(folder / split / "room.wav", audio.to_int16(room(rng)))
        clips.append(Clip(path, split, "rir", source="toy"))
    return write_manifest(folder / "manifest.csv", clips)


def toy_config(manifest: Path, changes: dict[tuple[str, str], Any] | None = None) -> RunConfig:
    """Settings of a run of seconds, with `changes` by (section, key); its cache is beside the manifest."""
    base = RunConfig(
        word=WordConfig("toy"),
        data=DataConfig(
            manifest=str(manifest),
            cache=str(manifest.parent / "cache"),
            positive_draws=6,
            synthetic_draws=6,
            negative_draws=3,
            workers=1,
        ),
        features=FeaturesConfig(coeffs=16),
        augment=AugmentConfig(snr_db_min=10.0, level_dbfs_min=-30.0),
        model=ModelConfig(channels=16, dilations=(1, 2)),
        train=TrainConfig(
            epochs=6,
            steps_per_epoch=25,
            warmup_epochs=1,
            batch=36,
            segment_s=1.4,
            learning_rate=4e-3,
            ema_decay=0.9,
            tensorboard=False,
        ),
        qat=QatConfig(epochs=1),
    )
    return adjusted(base, changes or {})
