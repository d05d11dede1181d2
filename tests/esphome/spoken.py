"""Words for the satellite's microphone, and what the host library hears in the same samples."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import watchword
from satellite import ROOT
from watchword import audio, core

VOICES = {"alexa": "kal", "computer": "rms"}  # flite's
WORDS = tuple(VOICES)
RATE = 16_000


def spoken(word: str, folder: Path, quieter: int = 2, noise: float = 16) -> np.ndarray:
    """By a synthetic voice in a quiet room, with a second of that before and after."""
    path = folder / f"{word}.wav"
    subprocess.run(["flite", "-voice", VOICES[word], "-t", word, "-o", path], check=True)
    clip = np.pad(audio.load(path) // quieter, RATE)
    return (clip + np.random.default_rng(0).normal(0, noise, len(clip))).astype(np.int16)


def by_the_host(sound: np.ndarray) -> list[watchword.Detection]:
    """From the first sample on, with the settings that satellite.yaml starts with."""
    models = [watchword.load(ROOT / "models" / word) for word in WORDS]
    own = core.ModelImage(models[1].image).detector
    settings = [None, replace(own, high=0.93)]
    return watchword.Words(*models).stream(settings).feed(sound)
