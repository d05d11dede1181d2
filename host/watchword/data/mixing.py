"""Sounds to mix: loading them, their levels, excerpts, people talking at once, noise, reverberation.

Signals are float32 [samples] at 16 kHz, ±1 is full scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import fft

from watchword import audio, spec

Signal = np.ndarray
RATE = spec.SAMPLE_RATE_HZ

FRAME = RATE * 20 // 1000
_ACTIVE_DB = 25.0  # frames this far below the loudest do not count as speech
_FADE = RATE // 200
_OCTAVES = 8  # above 40 Hz, to beyond 8 kHz
_BROWN_DB = 6.02  # that brown noise falls in an octave
_COLOUR_DB = 9.0  # standard deviation of noise's colour around its slope, at most
_GUST_DB = 6.0  # and of its loudness
_TALKERS = 3  # people in babble


@lru_cache(maxsize=4096)
def _load(path: Path) -> np.ndarray:
    return audio.load(path)


def load_signal(path: Path, start: int = 0, stop: int | None = None) -> Signal:
    """Samples start..stop of a sound file; files stay in memory as int16."""
    return _load(path)[start:stop].astype(np.float32) / np.float32(audio.FULL_SCALE)


def active_rms(signal: Signal) -> float:
    """RMS over the frames that are not much quieter than the loudest: the level of the speech itself."""
    frames = signal[: len(signal) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(frames):
        return float(np.sqrt(np.mean(signal**2))) if len(signal) else 0.0
    power = np.mean(frames**2, axis=1)
    loud = power >= power.max() * 10.0 ** (-_ACTIVE_DB / 10.0)
    return float(np.sqrt(power[loud].mean()))


def to_level(signal: Signal, dbfs: float) -> Signal:
    """Scale so that the active RMS is `dbfs`; silence stays silence."""
    rms = active_rms(signal)
    return signal * np.float32(10.0 ** (dbfs / 20.0) / rms) if rms > 0 else signal


def reverberate(signal: Signal, response: Signal) -> Signal:
    """Convolve with a room impulse response, its direct sound at time 0; same length."""
    direct = int(np.argmax(np.abs(response)))
    tail = response[max(0, direct - _FADE // 2) :]
    size = fft.next_fast_len(len(signal) + len(tail), real=True)
    wet = fft.irfft(fft.rfft(signal, size) * fft.rfft(tail, size), size)
    start = min(direct, _FADE // 2)
    heard: np.ndarray = wet[start : start + len(signal)].astype(np.float32)
    return heard


def excerpt(path: Path, samples: int, rng: np.random.Generator) -> Signal:
    """`samples` of a recording from a random place, repeated when it is shorter."""
    start = int(rng.integers(0, max(1, len(_load(path)) - samples + 1)))
    signal = load_signal(path, start, start + samples)
    return signal if len(signal) == samples else np.resize(signal, samples)


def babble(paths: Sequence[Path], samples: int, rng: np.random.Generator) -> Signal:
    """Some people talking at once: excerpts of speech, each at its own level."""
    total = np.zeros(samples, np.float32)
    for _ in range(int(rng.integers(1, _TALKERS + 1))):
        voice = excerpt(paths[int(rng.integers(len(paths)))], samples, rng)
        total += to_level(voice, float(rng.uniform(-26.0, -20.0)))
    return total


def coloured_noise(samples: int, rng: np.random.Generator) -> Signal:
    """Noise that nobody recorded: any slope from white to brown, any colour on it, steady or gusty."""
    spectrum = fft.rfft(rng.standard_normal(samples).astype(np.float32))
    octaves = np.log2(np.maximum(fft.rfftfreq(samples, 1.0 / RATE), 40.0) / 40.0)
    knots = np.arange(_OCTAVES + 1)
    slope_db, colour_db = _BROWN_DB * rng.uniform(0.0, 1.0), rng.uniform(0.0, _COLOUR_DB)
    levels_db = colour_db * rng.standard_normal(len(knots)) - slope_db * knots
    noise = fft.irfft(spectrum * 10.0 ** (np.interp(octaves, knots, levels_db) / 20.0), samples)
    noise *= _gusts(samples, rng)
    scaled: np.ndarray = (noise / (np.std(noise) + 1e-12) * 0.1).astype(np.float32)
    return scaled


def _gusts(samples: int, rng: np.random.Generator) -> np.ndarray:
    """A gain that wanders by up to some dB, over tenths of seconds to seconds: float64 [samples]."""
    period = RATE * rng.uniform(0.1, 3.0)
    knots = rng.uniform(0.0, _GUST_DB) * rng.standard_normal(round(samples / period) + 2)
    return 10.0 ** (np.interp(np.arange(samples) / period, np.arange(len(knots)), knots) / 20.0)


def faded(signal: Signal) -> Signal:
    """A copy that starts and ends without a click."""
    out = signal.astype(np.float32, copy=True)
    n = min(_FADE, len(out) // 2)
    ramp = np.linspace(0.0, 1.0, n, dtype=np.float32)
    out[:n] *= ramp
    out[len(out) - n :] *= ramp[::-1]
    return out


def add(canvas: Signal, signal: Signal, at: int) -> None:
    """Add `signal` to `canvas` from sample `at` (may be negative), cutting what does not fit."""
    first, last = max(0, at), min(len(canvas), at + len(signal))
    if first < last:
        canvas[first:last] += signal[first - at : last - at]
