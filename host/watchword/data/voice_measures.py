"""What can be told of a voice from a clip alone: its pitch, and how far it stands out of the noise.

Both are estimates, good enough to put clips into groups, and None where the clip does not tell.
Signals are int16 or float [samples] at 16 kHz.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage, signal

from watchword import spec

RATE = spec.SAMPLE_RATE_HZ
PITCH_HZ = (70.0, 500.0)  # searched: deep men to small children
_WINDOW, _HOP = RATE * 32 // 1000, RATE // 100
_LAGS = (round(RATE / PITCH_HZ[1]), round(RATE / PITCH_HZ[0]))
_LOW_PASS = signal.butter(4, 900.0, fs=RATE, output="sos")  # hiss and high formants hide the period
_CLARITY = 0.7  # normalised autocorrelation of a voiced frame
_AS_GOOD = 0.9  # of the best lag: a shorter one this good is the period, the best one a multiple of it
_BELOW_LOUDEST_DB = 25.0  # frames weaker than this are not the voice
_FEWEST_VOICED = 8  # frames of 10 ms
_WIDEST_OCTAVES = 0.9  # between the quartiles: more is not one voice

_NOISE_PERCENTILE = 10.0  # of the frames' powers: the floor between and around the sounds
_FLOOR_BIAS_DB = 1.5  # by which that percentile lies below the mean power of steady noise
_FEWEST_FRAMES = 30
_DIGITAL_SILENCE = 1e-9  # power; nobody records that
MOST_SNR_DB = 60.0


def pitch_hz(sound: np.ndarray) -> float | None:
    """Median fundamental frequency of the voiced frames; None if they are too few or disagree."""
    if len(sound) < _WINDOW + _LAGS[1]:
        return None
    frames = _frames(signal.sosfiltfilt(_LOW_PASS, _as_float(sound)), _WINDOW + _LAGS[1])
    power = np.mean(frames[:, :_WINDOW] ** 2, axis=1)
    loud = power > max(np.percentile(power, 95), _DIGITAL_SILENCE) * 10.0 ** (-_BELOW_LOUDEST_DB / 10.0)
    found = [f0 for f0 in _periods(frames[loud]) if f0 > 0.0]
    if len(found) < _FEWEST_VOICED:
        return None
    low, middle, high = np.percentile(found, (25, 50, 75))
    return float(middle) if np.log2(high / low) <= _WIDEST_OCTAVES else None


def _periods(frames: np.ndarray) -> np.ndarray:
    """Fundamental frequency of each frame, 0 where it is not voiced: float [frames]."""
    correlation = _normalised_autocorrelation(frames)
    peaks = correlation == ndimage.maximum_filter1d(correlation, 3, axis=1)
    peaks[:, [0, -1]] = False
    height = np.where(peaks, correlation, 0.0)
    best = height.max(axis=1, initial=0.0)
    lags = _LAGS[0] + np.argmax(height >= np.maximum(_AS_GOOD * best, 1e-6)[:, None], axis=1)
    return np.where(best >= _CLARITY, RATE / lags, 0.0)


def _normalised_autocorrelation(frames: np.ndarray) -> np.ndarray:
    """Likeness, -1..1, of each frame's beginning to itself a lag later: float [frames, lags]."""
    head = frames[:, :_WINDOW]
    size = fft.next_fast_len(frames.shape[1] + _WINDOW, real=True)
    product = fft.irfft(np.conj(fft.rfft(head, size)) * fft.rfft(frames, size), size)
    energy = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    lags = np.arange(_LAGS[0], _LAGS[1] + 1)
    later = energy[:, lags + _WINDOW] - energy[:, lags]
    here = energy[:, [_WINDOW]]
    likeness: np.ndarray = product[:, lags] / np.sqrt(np.maximum(here * later, 1e-12))
    return likeness


def snr_db(sound: np.ndarray) -> float | None:
    """Power of the loud frames above the floor around them, dB; None if the clip has no such floor.

    A clip that begins and ends in digital zeros, or is cut to the word, does not tell its noise.
    """
    frames = _frames(_as_float(sound), 2 * _HOP)
    power = np.mean(frames**2, axis=1) if len(frames) >= _FEWEST_FRAMES else np.zeros(0)
    power = power[power > _DIGITAL_SILENCE]
    if len(power) < _FEWEST_FRAMES:
        return None
    floor = float(np.percentile(power, _NOISE_PERCENTILE)) * 10.0 ** (_FLOOR_BIAS_DB / 10.0)
    voice = float(np.mean(power[power >= np.percentile(power, 80)])) - floor
    return float(np.clip(10.0 * np.log10(max(voice, 1e-12) / floor), -20.0, MOST_SNR_DB))


def _as_float(sound: np.ndarray) -> np.ndarray:
    return sound.astype(np.float64) / (32768.0 if np.issubdtype(sound.dtype, np.integer) else 1.0)


def _frames(sound: np.ndarray, length: int) -> np.ndarray:
    """Overlapping frames, one each 10 ms, without their mean: float64 [frames, length]."""
    if len(sound) < length:
        return np.zeros((0, length))
    views = np.lib.stride_tricks.sliding_window_view(sound, length)[::_HOP]
    frames: np.ndarray = views - views.mean(axis=1, keepdims=True)
    return frames
