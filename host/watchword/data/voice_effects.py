"""Another person says the same: pitch, tempo, and both with the vocal tract, each by itself.

`change_speed` resamples: pitch, tempo and formants move together, as with a smaller or larger person.
`shift_pitch` moves the pitch alone, `stretch_time` the tempo alone. Signals are float32 [samples].
"""

from __future__ import annotations

import numpy as np
import soxr
from scipy import fft

from watchword.data.mixing import FRAME, RATE, Signal

_WINDOW, _STEP = 512, 256  # of the spectral envelope
_ROOT_HANN = np.sqrt(np.hanning(_WINDOW + 1)[:-1]).astype(np.float32)  # its squares add up to 1 at _STEP
_LIFTER = RATE // 500  # quefrencies below a pitch period of 500 Hz shape the envelope
_LARGEST_CORRECTION = float(np.log(10.0 ** (18.0 / 20.0)))
_HOP = RATE * 20 // 1000  # of time stretching: a window of two hops holds two periods of the lowest voices
_REACH = RATE * 8 // 1000  # a window may come this much sooner or later: half of such a period
_COARSE = 4  # samples to a step of the first search for its place
_HANN = np.hanning(2 * _HOP + 1)[:-1].astype(np.float32)  # adds up to 1 at _HOP


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
    factor = 2.0 ** (semitones / 12.0)
    # HQ: the envelope's correction cannot give back what a cheaper filter takes off the highest band.
    higher = soxr.resample(signal.astype(np.float32), RATE * factor, RATE, quality="HQ")
    return _with_envelope_of(stretch_time(higher, 1.0 / factor), signal)


def stretch_time(signal: Signal, factor: float) -> Signal:
    """Speak `factor` times as fast at the same pitch: float32 [about samples / factor].

    Waveform-similarity overlap-add (WSOLA): windows of the signal, `factor` times closer together in the
    output than in the signal, each from the place nearby at which it best continues the one before.
    """
    if factor == 1.0 or len(signal) < _WINDOW:
        return signal
    samples = round(len(signal) / factor)
    padded = np.pad(signal.astype(np.float32), (_HOP + _REACH, 4 * _HOP + 2 * _REACH))
    places = _REACH + np.rint(np.arange(-(-samples // _HOP) + 1) * (_HOP * factor)).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HOP)[_matching(padded, places)]
    halves = (windows * _HANN).reshape(-1, 2, _HOP)
    return (halves[:-1, 1] + halves[1:, 0]).ravel()[:samples]


def _matching(signal: Signal, places: np.ndarray) -> list[int]:
    """Where windows begin, each within _REACH of its place: where the normalised correlation with what
    follows the window before is highest; found in steps of _COARSE samples, then to the sample."""
    low = signal[: len(signal) // _COARSE * _COARSE].reshape(-1, _COARSE).mean(axis=1)
    energy = np.concatenate([[0.0], np.cumsum(low.astype(np.float64) ** 2)])
    hop, reach = _HOP // _COARSE, _REACH // _COARSE
    weight = (1.0 / np.sqrt(np.maximum(energy[hop:] - energy[:-hop], 1e-9))).astype(np.float32)
    found = [int(places[0])]
    for place in (places[1:] // _COARSE).tolist():
        follows = found[-1] + _HOP
        first, after = place - reach, follows // _COARSE
        alike = np.correlate(low[first : place + reach + hop], low[after : after + hop])
        near = (first + int(np.argmax(alike * weight[first : place + reach + 1]))) * _COARSE
        start = max(0, near - _COARSE)
        exact = np.correlate(signal[start : near + _COARSE + _HOP], signal[follows : follows + _HOP])
        found.append(start + int(np.argmax(exact)))
    return found


def _with_envelope_of(shifted: Signal, original: Signal) -> Signal:
    """`shifted` with the spectral envelope of `original`, frame by frame: float32 [samples of original].

    Moving the pitch moves the formants with it; the ratio of both envelopes moves them back. Envelopes
    are cepstrally smoothed log spectra; frames overlap by half, each windowed twice by the root of Hann.
    """
    samples = len(original)
    ours, theirs = _spectra(_of_length(shifted, samples)), _spectra(original)
    correction = np.clip(_smooth_ratio(ours, theirs), -_LARGEST_CORRECTION, _LARGEST_CORRECTION)
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


def _smooth_ratio(spectra: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Natural log of the reference's smooth magnitude over that of `spectra`: float32 [frames, bins]."""
    cepstra = fft.irfft(np.log(_magnitudes(reference) / _magnitudes(spectra)), axis=1)
    cepstra[:, _LIFTER : _WINDOW - _LIFTER + 1] = 0.0
    smooth: np.ndarray = fft.rfft(cepstra, axis=1).real
    return smooth


def _magnitudes(spectra: np.ndarray) -> np.ndarray:
    magnitudes: np.ndarray = np.abs(spectra)
    magnitudes += 1e-3 * magnitudes.max(axis=1, keepdims=True) + np.float32(1e-9)
    return magnitudes
