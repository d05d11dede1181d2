"""What happens to sound between the air and the samples: telephone codecs, a microphone, overload.

Signals are float32 [samples] at 16 kHz, ±1 is full scale.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import soundfile
import soxr
from scipy import fft

from watchword.data.mixing import RATE, Signal, convolve

CODECS = {"ULAW": "mu-law", "ALAW": "A-law", "GSM610": "GSM"}  # libsndfile's names -> people's
_CODEC_RATE_HZ = 8_000
_NARROW_HZ = (250.0, 3500.0)
_PEAKS_HZ = (200.0, 7000.0)  # where a capsule and its case resonate
_WIDTHS_OCTAVES = (0.15, 0.8)
_LOW_CUT_HZ = (40.0, 250.0)  # 12 dB per octave below: small capsules, wind filters

_TAPS = 2048  # of a microphone's filter, 128 ms: the ringing of the lowest cut fits in
_TAPER = np.hanning(_TAPS + 1).astype(np.float32)
# log2(frequency / 100 Hz) of the bins at which a filter's gain is computed, below 20 Hz as at 20 Hz.
_PITCH = np.log2(np.maximum(fft.rfftfreq(4 * _TAPS, 1.0 / RATE), 20.0) / 100.0).astype(np.float32)

Peak = tuple[float, float, float]  # Hz, dB, width in octaves


def draw_peaks(largest_db: float, rng: np.random.Generator) -> tuple[Peak, ...]:
    """One to four resonances or dips of a made-up microphone."""
    low, high = np.log2(_PEAKS_HZ)
    return tuple(
        (
            float(2.0 ** rng.uniform(low, high)),
            float(rng.uniform(-largest_db, largest_db)),
            float(rng.uniform(*_WIDTHS_OCTAVES)),
        )
        for _ in range(int(rng.integers(1, 5)))
    )


def draw_low_cut(rng: np.random.Generator) -> float:
    """Hz."""
    return float(np.exp(rng.uniform(*np.log(_LOW_CUT_HZ))))


def colour(
    signal: Signal, tilt_db: float, narrow: bool, peaks: Sequence[Peak] = (), low_cut_hz: float = 0.0
) -> Signal:
    """A microphone's tint: `tilt_db` more at 8 kHz than at 100 Hz (linear in octaves), telephone band,
    resonances that are Gaussians over log frequency, and a low cut of 12 dB per octave; same length.
    """
    if tilt_db == 0.0 and not narrow and not peaks and low_cut_hz == 0.0:
        return signal
    octaves = np.maximum(_PITCH, 0.0)
    gain_db = np.float32(tilt_db) * (octaves / np.float32(np.log2(80.0)) - np.float32(0.5))
    if narrow:
        low, high = (np.float32(np.log2(edge / 100.0)) for edge in _NARROW_HZ)
        gain_db -= 24.0 * np.maximum(0.0, low - octaves) + 60.0 * np.maximum(0.0, octaves - high)
    for hz, peak_db, width in peaks:
        gain_db += np.float32(peak_db) * np.exp(
            -0.5 * ((_PITCH - np.float32(np.log2(hz / 100))) / width) ** 2
        )
    if low_cut_hz > 0.0:  # |H|² of a second-order Butterworth high-pass
        gain_db -= 10.0 * np.log10(1.0 + np.exp2(4.0 * (np.float32(np.log2(low_cut_hz / 100)) - _PITCH)))
    response = np.roll(fft.irfft(np.exp2(gain_db * np.float32(np.log2(10.0) / 20.0))), _TAPS // 2)
    return convolve(signal, response[: _TAPS + 1] * _TAPER, _TAPS // 2)


def overload(signal: Signal, depth_db: float, soft: bool) -> Signal:
    """Clip at `depth_db` below the signal's peak: flat tops (hard), or bent ones (soft, tanh)."""
    ceiling = np.float32(np.abs(signal).max(initial=0.0) * 10.0 ** (-depth_db / 20.0))
    if ceiling <= 0.0:
        return signal
    return ceiling * np.tanh(signal / ceiling) if soft else np.clip(signal, -ceiling, ceiling)


def through_codec(signal: Signal, codec: str) -> Signal:
    """Coded for a telephone line at 8 kHz and back, by libsndfile; `codec` of CODECS; same length."""
    low = np.clip(soxr.resample(signal, RATE, _CODEC_RATE_HZ, quality="LQ"), -1.0, 1.0)
    if low.size == 0:
        return signal
    buffer = io.BytesIO()
    soundfile.write(buffer, low, _CODEC_RATE_HZ, format="WAV", subtype=codec)
    buffer.seek(0)
    heard = soundfile.read(buffer, dtype="float32")[0][: len(low)]
    wide = soxr.resample(heard, _CODEC_RATE_HZ, RATE, quality="LQ")[: len(signal)]
    return np.pad(wide, (0, len(signal) - len(wide))).astype(np.float32)
