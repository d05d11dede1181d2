"""Noise beds made here, so that a first model needs no recordings: white, pink, brown, hum, babble."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from watchword import audio, spec

KINDS = ("white", "pink", "brown", "hum", "babble")
LEVEL_DBFS = -30.0
_LOWEST_HZ = 20.0
_TALKERS = 6


def bed(kind: str, seconds: float, rng: np.random.Generator, speech: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Noise of one of KINDS: int16 [samples] with an RMS of LEVEL_DBFS.

    `speech` (int16 clips) is what babble is mixed from.
    """
    samples = round(seconds * spec.SAMPLE_RATE_HZ)
    if kind == "hum":
        signal = _hum(samples, rng)
    elif kind == "babble":
        signal = _babble(samples, rng, speech)
    else:
        signal = _coloured(samples, {"white": 0.0, "pink": 1.0, "brown": 2.0}[kind], rng)
    rms = float(np.sqrt(np.mean(signal**2)))
    return audio.to_int16(signal * (10.0 ** (LEVEL_DBFS / 20.0) / max(rms, 1e-9)))


def _coloured(samples: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose power falls as 1 / frequency ** exponent, by shaping its spectrum."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / spec.SAMPLE_RATE_HZ)
    spectrum *= np.maximum(hz, _LOWEST_HZ) ** (-exponent / 2)
    spectrum[hz < _LOWEST_HZ] = 0.0
    return np.fft.irfft(spectrum, samples)


def _hum(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Mains hum: 50 or 60 Hz with falling harmonics of random phase, over a little brown noise."""
    mains_hz = (50.0, 60.0)[int(rng.integers(2))] * float(rng.uniform(0.998, 1.002))
    time_s = np.arange(samples) / spec.SAMPLE_RATE_HZ
    hum = np.zeros(samples)
    for harmonic in range(1, 25):
        level = float(rng.uniform(0.2, 1.0)) / harmonic
        hum += level * np.sin(2 * np.pi * (harmonic * mains_hz * time_s + float(rng.random())))
    noise = _coloured(samples, 2.0, rng)
    mixed: np.ndarray = hum + 0.3 * noise * (hum.std() / noise.std())
    return mixed


def _babble(samples: int, rng: np.random.Generator, speech: Sequence[np.ndarray]) -> np.ndarray:
    """Several people talking at once: clips end to end for each, all mixed at one level."""
    if not speech:
        raise ValueError("babble needs speech")
    mix = np.zeros(samples)
    for _ in range(_TALKERS):
        talker = np.zeros(0)
        while talker.size < 2 * samples:
            talker = np.concatenate((talker, speech[int(rng.integers(len(speech)))]))
        start = int(rng.integers(samples))
        talker = talker[start : start + samples]
        mix += talker / max(float(talker.std()), 1e-9)
    return mix
