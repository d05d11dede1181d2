"""A small corpus with words, other sound, noises and room responses in two splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from watchword import audio
from watchword.data.corpus import Clip, write_manifest

RATE = 16_000
MANIFEST_SECONDS = 130.0 + 20.0 + 10.0 + 12.0  # of other sound in val: long, short, two noises


def corpus(folder: Path, extras: tuple[str, ...] = ("noise", "rir")) -> Path:
    """Write sounds and manifest.csv; returns the manifest. A clip of the word is silent but for the word."""
    rng = np.random.default_rng(5)
    clips = []

    def add(
        split: str, label: str, name: str, pcm: np.ndarray, word: tuple[float, float] | None = None
    ) -> None:
        path = folder / label / split / name
        audio.save(path, pcm)
        bounds = word or (None, None)
        clips.append(
            Clip(path, split, label, "hey" if word else "", f"{split}-one", "made", pcm.size / RATE, *bounds)
        )

    for split in ("train", "val"):
        for i in range(3):
            pcm = np.zeros(2 * RATE, np.int16)
            pcm[RATE // 2 : RATE] = _sound(rng, 0.5)
            add(split, "positive", f"{i}.wav", pcm, (0.5, 1.0))
        add(split, "negative", "long.wav", _sound(rng, 130.0))
        add(split, "negative", "short.wav", _sound(rng, 20.0))
        if "noise" in extras:
            add(split, "noise", "fan.wav", _sound(rng, 10.0))
            add(split, "noise", "rain.wav", _sound(rng, 12.0))
        if "rir" in extras:
            for i in range(2):
                decay = np.exp(-np.arange(RATE // 4) / RATE * (30 + 10 * i))
                response = rng.normal(0, 2_000, RATE // 4) * decay
                response[20] = 30_000
                add(split, "rir", f"room{i}.wav", np.clip(response, -32768, 32767).astype(np.int16))
    return write_manifest(folder / "manifest.csv", clips)


def _sound(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return rng.normal(0, 3_000, round(seconds * RATE)).astype(np.int16)
