"""What every speech engine offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

# How a speaker says it: only what JSON can hold, it is part of the file name.
Delivery = dict[str, str | float]


class Engine(Protocol):
    """One text-to-speech program or network.

    A speaker is what listeners would take for one person: splits are made by speaker, so voices that
    share a recording or a formant set must be one speaker.
    """

    name: str
    version: str  # a new one makes all clips anew
    licence: str  # of the voices, for the cards of models that learn from them
    speakers: tuple[str, ...]
    reads_ipa: bool  # a delivery may hold "ipa", which is spoken instead of the text, and has "accent"

    def draw(self, speaker: str, rng: np.random.Generator, among: Sequence[str] = ()) -> Delivery:
        """A random way of speaking: pace, pitch, accent. `tract` scales the vocal tract, 1 = as it is.

        An engine that can make new voices blends `speaker` with some of `among`, the engine's speakers of the
        same split: what is heard in training is then no part of a voice that judges.
        """

    def speak(self, text: str, speaker: str, delivery: Delivery) -> tuple[np.ndarray, int]:
        """Float32 [samples] (±1 is full scale) and their rate in Hz. Thread-safe."""
