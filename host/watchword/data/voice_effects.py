"""Another person says the same: pitch, tempo, and both with the vocal tract, each by itself.

`change_speed` resamples: pitch, tempo and formants move together, as with a smaller or larger person.
`shift_pitch` moves the pitch alone, `stretch_time` the tempo alone. Signals are float32 [samples].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
from scipy import fft

from watchword.data.mixing import FRAME, RATE, Signal
from watchword.errors import WatchwordError

_WINDOW, _STEP = 512, 256  # of the spectral envelope
_ROOT_HANN = np.sqrt(np.hanning(_WINDOW + 1)[:-1]).astype(np.float32)  # its squares add up to 1 at _STEP
_LIFTER = RATE // 500  # quefrencies below a pitch period of 500 Hz shape the envelope
_LARGEST_CORRECTION = float(np.log(10.0 ** (18.0 / 20.0)))


def change_speed(signal: Signal, factor: float) -> Signal:
    """Play `factor` times as fast: tempo and pitch change together, as with a smaller or larger person."""
    if factor == 1.0 or len(signal) < FRAME:
        return signal
    resampled: np.ndarray = soxr.resample(signal, RATE * factor, RATE, quality="LQ").astype(np.float32)
    return resampled


def shift_pitch(signal: Signal, semitones: float) -> Signal:
    """Move the pitch; length, tempo and the formants (which make the vowel) stay."""
    if semitones == 0.0 or len(signal) < _WINDOW:
        return signal
    stretch = _stretcher()
    stretch.setTransposeSemitones(semitones)
    return _with_envelope_of(stretch.process(signal[None].astype(np.float32))[0], signal)


def stretch_time(signal: Signal, factor: float) -> Signal:
    """Speak `factor` times as fast at the same pitch: float32 [about samples / factor]."""
    if factor == 1.0 or len(signal) < _WINDOW:
        return signal
    stretch = _stretcher()
    stretch.timeFactor = factor
    stretched: np.ndarray = stretch.process(signal[None].astype(np.float32))[0].astype(np.float32)
    return stretched


def _stretcher() -> Any:
    """A fresh phase vocoder, with a seed of its own, so that nothing depends on what it did before."""
    try:
        from python_stretch.Signalsmith import Stretch
    except ImportError as error:
        raise WatchwordError(
            "pitch shift and time stretch need python-stretch",
            "[augment] pitch_p, stretch_p",
            "pip install 'watchword[train]', or set both to 0",
        ) from error
    stretch = Stretch(1)
    stretch.preset(1, RATE)
    return stretch


def _with_envelope_of(shifted: Signal, original: Signal) -> Signal:
    """`shifted` with the spectral envelope of `original`, frame by frame: float32 [samples of original].

    Moving the pitch moves the formants with it; the ratio of both envelopes moves them back. Envelopes
    are cepstrally smoothed log spectra; frames overlap by half, each windowed twice by the root of Hann.
    """
    samples = len(original)
    ours, theirs = _spectra(_of_length(shifted, samples)), _spectra(original)
    correction = np.clip(_envelopes(theirs) - _envelopes(ours), -_LARGEST_CORRECTION, _LARGEST_CORRECTION)
    frames = fft.irfft(ours * np.exp(correction), _WINDOW, axis=1) * _ROOT_HANN
    halves = frames.reshape(-1, 2, _STEP)
    out = np.zeros((len(frames) + 1, _STEP), np.float32)
    out[:-1] += halves[:, 0]
    out[1:] += halves[:, 1]
    return out.ravel()[_STEP : _STEP + samples]


def _of_length(signal: Signal, samples: int) -> Signal:
    return np.pad(signal[:samples], (0, max(0, samples - len(signal))))


def _spectra(signal: Signal) -> np.ndarray:
    """Spectra of windows that begin _STEP before `signal` and end after it: complex64 [frames, bins]."""
    padded = np.pad(signal.astype(np.float32), (_STEP, _WINDOW))
    views = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_STEP]
    spectra: np.ndarray = fft.rfft(views * _ROOT_HANN, axis=1)
    return spectra


def _envelopes(spectra: np.ndarray) -> np.ndarray:
    """Natural log of the smooth magnitude: float32 [frames, bins]."""
    magnitude = np.abs(spectra)
    cepstra = fft.irfft(np.log(magnitude + 1e-3 * magnitude.max(axis=1, keepdims=True) + 1e-9), axis=1)
    cepstra[:, _LIFTER : _WINDOW - _LIFTER + 1] = 0.0
    smooth: np.ndarray = fft.rfft(cepstra, axis=1).real
    return smooth
