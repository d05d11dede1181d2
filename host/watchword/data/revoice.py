"""Another person says it: pitch, melody and vocal tract of clean speech, each changed by itself.

WORLD (M. Morise et al., 2016) takes a voice apart into its pitch, its spectral envelope and its noisiness,
and puts it together again. That fits clean single voices, as synthetic ones are, not rooms or noise: what
training does to every clip is in voice_effects.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from scipy.ndimage import map_coordinates

from watchword.errors import WatchwordError

PITCH_HZ = (80.0, 380.0)  # medians of speech: low men's voices to small children's
_LIMITS = (0.6, 2.1)  # of the pitch factor: beyond, the envelope has gaps between the old harmonics
# A man's formants times 1.17 are a woman's, times 1.35 a child's of eight years, whose pitch is 1.7 and 2.4
# times as high (Peterson and Barney, 1952): the power by which the tract follows the pitch.
_TRACT_POWER = 0.33
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 800.0  # of a pitch that is looked for, or made
_FRAME_MS = 5.0


@dataclass(frozen=True)
class Revoicing:
    """Whom a voice is turned into, and how that one speaks."""

    pitch_hz: float  # median
    tract: float = 1.0  # factor of the formants beside what goes with the pitch
    melody: float = 1.0  # factor of the pitch's excursions in semitones; 0 is a monotone
    rise: float = 0.0  # semitones that the pitch climbs to the end, as in a question; below 0 it falls
    breath: float = 0.0  # share of the voicedness that turns to noise, 0..1


def draw(rng: np.random.Generator) -> Revoicing:
    low, high = np.log(PITCH_HZ)
    return Revoicing(
        round(float(np.exp(rng.uniform(low, high))), 1),
        round(float(rng.uniform(0.92, 1.08)), 3),
        round(float(rng.uniform(0.4, 1.6)), 3),
        round(float(rng.normal(0.0, 2.0)), 2),
        round(float(rng.uniform(0.0, 0.5)) ** 2, 3),
    )


def require() -> None:
    if find_spec("pyworld") is None:
        raise WatchwordError(
            "the Python package pyworld, which changes voices, is not installed",
            "",
            "pip install 'watchword[tts]', or --revoiced 0",
        )


def revoice(signal: np.ndarray, rate_hz: int, change: Revoicing) -> np.ndarray:
    """The signal by another person: float32 [about as many samples]. What has no pitch stays as it is."""
    import pyworld  # an extra

    sound = np.ascontiguousarray(signal, np.float64)
    coarse, times = pyworld.dio(sound, rate_hz, _LOWEST_HZ, _HIGHEST_HZ, frame_period=_FRAME_MS)
    pitch = pyworld.stonemask(sound, coarse, times, rate_hz)
    voiced = pitch > 0.0
    if not voiced.any():
        return signal
    median = float(np.median(pitch[voiced]))
    factor = float(np.clip(change.pitch_hz / median, *_LIMITS))
    envelope = pyworld.cheaptrick(sound, pitch, times, rate_hz)
    noisiness = pyworld.d4c(sound, pitch, times, rate_hz)
    tract = change.tract * factor**_TRACT_POWER
    noisiness = _warped(noisiness, tract)
    noisiness += change.breath * (1.0 - noisiness) * np.linspace(0.0, 1.0, noisiness.shape[1])
    made = pyworld.synthesize(
        _contour(pitch, median, factor, change), _warped(envelope, tract), noisiness, rate_hz, _FRAME_MS
    )
    result: np.ndarray = made.astype(np.float32)
    return result


def _contour(pitch: np.ndarray, median: float, factor: float, change: Revoicing) -> np.ndarray:
    """The new pitch in Hz, 0 where there is none."""
    voiced = np.flatnonzero(pitch > 0.0)
    place = (voiced - voiced[0]) / max(1, voiced[-1] - voiced[0])
    semitones = 12.0 * np.log2(pitch[voiced] / median) * change.melody + change.rise * place**2
    contour = np.zeros_like(pitch)
    contour[voiced] = np.clip(median * factor * 2.0 ** (semitones / 12.0), _LOWEST_HZ, _HIGHEST_HZ)
    return contour


def _warped(spectra: np.ndarray, factor: float) -> np.ndarray:
    """Spectra [frames, bins] with each frequency moved to `factor` times itself."""
    frames, bins = spectra.shape
    places = np.meshgrid(np.arange(frames), np.arange(bins) / factor, indexing="ij")
    moved: np.ndarray = map_coordinates(spectra, places, order=1, mode="nearest")
    return np.ascontiguousarray(moved)
