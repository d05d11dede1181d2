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
from watchword.data import sound_files

Signal = np.ndarray
RATE = spec.SAMPLE_RATE_HZ

FRAME = RATE * 20 // 1000
_ACTIVE_DB = 25.0  # frames this far below the loudest do not count as speech
_FADE = RATE // 200
_OCTAVES = 8  # above 40 Hz, to beyond 8 kHz
_BROWN_DB = 6.02  # that brown noise falls in an octave
_COLOUR_DB = 9.0  # standard deviation of noise's colour around its slope, at most
_GUST_DB = 6.0  # and of its loudness
_LEAST_BLOCK = 1 << 13  # of the transforms that filter
_NOISE_SIZES = (
    1 << 14
)  # generated noise is as long as a multiple of it, and cut: transforms of such sizes are fast


def load_signal(path: Path, start: int = 0, stop: int | None = None) -> Signal:
    """Samples start..stop of a sound file."""
    return sound_files.part(path, start, stop).astype(np.float32) / np.float32(audio.FULL_SCALE)


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
    return convolve(signal, response[max(0, direct - _FADE // 2) :], min(direct, _FADE // 2))


def convolve(signal: Signal, response: Signal, late: int) -> Signal:
    """`signal` through the filter `response`, `late` samples of its delay taken away; same length.

    Overlap-add in blocks that stay in the processor's cache: several times faster than one long transform.
    """
    if not len(signal):
        return signal
    size = fft.next_fast_len(max(_LEAST_BLOCK, 3 * len(response)), real=True)
    step, tail = size - len(response) + 1, len(response) - 1
    count = -(-len(signal) // step)
    blocks = np.zeros((count, size), np.float32)
    whole = len(signal) // step
    blocks[:whole, :step] = signal[: whole * step].reshape(whole, step)
    blocks[whole:, : len(signal) - whole * step] = signal[whole * step :]
    spectra = fft.rfft(blocks, axis=1)
    spectra *= fft.rfft(response.astype(np.float32), size)
    wet = fft.irfft(spectra, size, axis=1)
    wet[1:, :tail] += wet[:-1, step:]
    heard = np.concatenate([wet[:, :step].ravel(), wet[-1, step:]])
    return heard[late : late + len(signal)]


def excerpt(path: Path, samples: int, rng: np.random.Generator) -> Signal:
    """`samples` of a recording from a random place, repeated when it is shorter."""
    start = int(rng.integers(0, max(1, sound_files.length(path) - samples + 1)))
    signal = load_signal(path, start, start + samples)
    return signal if len(signal) == samples else np.resize(signal, samples)


def babble(talkers: Sequence[Path], samples: int, rng: np.random.Generator) -> Signal:
    """People talking at once: excerpts of their speech, each at its own level."""
    total = np.zeros(samples, np.float32)
    for path in talkers:
        voice = excerpt(path, samples, rng)
        total += to_level(voice, float(rng.uniform(-26.0, -20.0)))
    return total


def coloured_noise(samples: int, rng: np.random.Generator) -> Signal:
    """Noise that nobody recorded: any slope from white to brown, any colour on it, steady or gusty."""
    size = -(-samples // _NOISE_SIZES) * _NOISE_SIZES
    white = rng.standard_normal((size // 2 + 1, 2), dtype=np.float32).view(np.complex64)[:, 0]
    knots = np.arange(_OCTAVES + 1)
    slope_db, colour_db = _BROWN_DB * rng.uniform(0.0, 1.0), rng.uniform(0.0, _COLOUR_DB)
    levels_db = colour_db * rng.standard_normal(len(knots)) - slope_db * knots
    white *= _gain(np.interp(_octaves_above_40_hz(size), knots, levels_db))
    noise: np.ndarray = fft.irfft(white, size)[:samples]
    noise *= _gusts(samples, rng)
    noise *= np.float32(0.1) / (np.std(noise) + np.float32(1e-12))
    return noise


@lru_cache(maxsize=64)
def _octaves_above_40_hz(size: int) -> np.ndarray:
    """log2(frequency / 40 Hz) of each bin of a real FFT of `size`, below 40 Hz as at 40 Hz."""
    octaves: np.ndarray = np.log2(np.maximum(fft.rfftfreq(size, 1.0 / RATE), 40.0) / 40.0).astype(np.float32)
    return octaves


def _gain(level_db: np.ndarray) -> np.ndarray:
    """Decibels as factors on samples: float32."""
    gain: np.ndarray = np.exp2(level_db.astype(np.float32) * np.float32(np.log2(10.0) / 20.0))
    return gain


def _gusts(samples: int, rng: np.random.Generator) -> np.ndarray:
    """A gain that wanders by up to some dB, over tenths of seconds to seconds: float32 [samples]."""
    period = RATE * rng.uniform(0.1, 3.0)
    knots = rng.uniform(0.0, _GUST_DB) * rng.standard_normal(round(samples / period) + 2)
    return _gain(np.interp(np.arange(samples) / period, np.arange(len(knots)), knots))


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
