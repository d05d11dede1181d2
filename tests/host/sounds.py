"""Made-up sounds for the tests of the data side."""

from __future__ import annotations

import numpy as np

RATE = 16_000


def sound(seed: int, seconds: float = 0.5) -> np.ndarray:
    """Speech-like enough: noise with a loud middle, different for each seed: int16 [samples]."""
    rng = np.random.default_rng(seed)
    envelope = np.hanning(round(seconds * RATE)) ** 2
    return (rng.normal(0, 3000, envelope.size) * envelope + rng.normal(0, 5, envelope.size)).astype(np.int16)
