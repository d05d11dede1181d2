"""Clean clips in, clips as a board would hear them out: rooms, noise, other speech, levels, microphones.

Signals are float32 [samples] at 16 kHz, ±1 is full scale, until the end, where they become int16. Every
function takes its randomness from `rng`, so the same seed gives the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr
from scipy import fft

from watchword import audio, spec

if TYPE_CHECKING:
    from watchword.train.config import AugmentConfig

Signal = np.ndarray
RATE = spec.SAMPLE_RATE_HZ

BEFORE_END_S = 4.0  # a positive stream: this much up to the word's end …
AFTER_END_S = 0.8  # … and this much after it
_FRAME = RATE * 20 // 1000
_ACTIVE_DB = 25.0  # frames this far below the loudest do not count as speech
_FADE = RATE // 200
_SILENT_LEAD_S = 1.5  # longest digital silence in front of a stream
_HISS_DBFS = (-85.0, -62.0)  # a microphone's own noise
_NARROW_HZ = (250.0, 3500.0)
_TALKERS = 3  # people in babble


@dataclass(frozen=True)
class Bank:
    """What clips are mixed with, as sound files; loaded when first needed."""

    noises: tuple[Path, ...] = ()
    rooms: tuple[Path, ...] = ()  # room impulse responses
    speech: tuple[Path, ...] = ()  # never the word itself


@dataclass(frozen=True)
class Scene:
    """One drawn acoustic situation; None = without."""

    room: Path | None
    noise: Callable[[int, np.random.Generator], Signal] | None
    snr_db: float
    level_dbfs: float
    speed: float
    tilt_db: float
    narrow: bool
    hiss_dbfs: float | None


@lru_cache(maxsize=4096)
def _load(path: Path) -> np.ndarray:
    return audio.load(path)


def load_signal(path: Path, start: int = 0, stop: int | None = None) -> Signal:
    """Samples start..stop of a sound file; files stay in memory as int16."""
    return _load(path)[start:stop].astype(np.float32) / np.float32(audio.FULL_SCALE)


def active_rms(signal: Signal) -> float:
    """RMS over the frames that are not much quieter than the loudest: the level of the speech itself."""
    frames = signal[: len(signal) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if not len(frames):
        return float(np.sqrt(np.mean(signal**2))) if len(signal) else 0.0
    power = np.mean(frames**2, axis=1)
    loud = power >= power.max() * 10.0 ** (-_ACTIVE_DB / 10.0)
    return float(np.sqrt(power[loud].mean()))


def to_level(signal: Signal, dbfs: float) -> Signal:
    """Scale so that the active RMS is `dbfs`; silence stays silence."""
    rms = active_rms(signal)
    return signal * np.float32(10.0 ** (dbfs / 20.0) / rms) if rms > 0 else signal


def change_speed(signal: Signal, factor: float) -> Signal:
    """Play `factor` times as fast: tempo and pitch change together, as with a smaller or larger person."""
    if factor == 1.0 or len(signal) < _FRAME:
        return signal
    return soxr.resample(signal, RATE * factor, RATE, quality="LQ").astype(np.float32)


def reverberate(signal: Signal, response: Signal) -> Signal:
    """Convolve with a room impulse response, its direct sound at time 0; same length."""
    direct = int(np.argmax(np.abs(response)))
    tail = response[max(0, direct - _FADE // 2) :]
    size = fft.next_fast_len(len(signal) + len(tail), real=True)
    wet = fft.irfft(fft.rfft(signal, size) * fft.rfft(tail, size), size)
    start = min(direct, _FADE // 2)
    return wet[start : start + len(signal)].astype(np.float32)


def colour(signal: Signal, tilt_db: float, narrow: bool) -> Signal:
    """A microphone's tint: `tilt_db` more at 8 kHz than at 100 Hz (linear in octaves); telephone band."""
    if tilt_db == 0.0 and not narrow:
        return signal
    size = fft.next_fast_len(len(signal), real=True)
    octaves = _octaves_above_100_hz(size)
    gain_db = np.float32(tilt_db) * (octaves / np.float32(np.log2(80.0)) - np.float32(0.5))
    if narrow:
        low, high = (np.float32(np.log2(edge / 100.0)) for edge in _NARROW_HZ)
        gain_db -= 24.0 * np.maximum(0.0, low - octaves) + 60.0 * np.maximum(0.0, octaves - high)
    gain = np.exp2(gain_db * np.float32(np.log2(10.0) / 20.0))
    return fft.irfft(fft.rfft(signal, size) * gain, size)[: len(signal)].astype(np.float32)


@lru_cache(maxsize=64)
def _octaves_above_100_hz(size: int) -> np.ndarray:
    """log2(frequency / 100 Hz) of each bin of a real FFT of `size`, 0 below: float32 [size // 2 + 1]."""
    hz = np.maximum(fft.rfftfreq(size, 1.0 / RATE), 100.0)
    return np.log2(hz / 100.0).astype(np.float32)


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
    """Noise with a random spectral slope between white and brown, when no recording is at hand."""
    spectrum = fft.rfft(rng.standard_normal(samples).astype(np.float32))
    hz = np.maximum(fft.rfftfreq(samples, 1.0 / RATE), 40.0)
    noise = fft.irfft(spectrum * hz ** -rng.uniform(0.0, 1.0), samples)
    return (noise / (np.std(noise) + 1e-12) * 0.1).astype(np.float32)


def draw_scene(config: AugmentConfig, bank: Bank, rng: np.random.Generator) -> Scene:
    """Draw everything that is random about one clip's surroundings."""
    room = (
        bank.rooms[int(rng.integers(len(bank.rooms)))] if bank.rooms and rng.random() < config.rir_p else None
    )
    fast = rng.random() < config.speed_p
    return Scene(
        room=room,
        noise=_draw_noise(config, bank, rng) if rng.random() < config.noise_p else None,
        snr_db=float(rng.uniform(config.snr_db_min, config.snr_db_max)),
        level_dbfs=float(rng.uniform(config.level_dbfs_min, config.level_dbfs_max)),
        speed=float(rng.uniform(1.0 - config.speed_max, 1.0 + config.speed_max)) if fast else 1.0,
        tilt_db=float(rng.uniform(-config.tilt_db, config.tilt_db)),
        narrow=bool(rng.random() < config.narrow_p),
        hiss_dbfs=float(rng.uniform(*_HISS_DBFS)) if rng.random() < 0.5 else None,
    )


def _draw_noise(
    config: AugmentConfig, bank: Bank, rng: np.random.Generator
) -> Callable[[int, np.random.Generator], Signal]:
    if bank.speech and rng.random() < config.babble_p:
        return lambda samples, rng: babble(bank.speech, samples, rng)
    if not bank.noises or rng.random() < 0.1:
        return coloured_noise
    path = bank.noises[int(rng.integers(len(bank.noises)))]
    return lambda samples, rng: excerpt(path, samples, rng)


def render(dry: Signal, scene: Scene, quiet_until: int, rng: np.random.Generator) -> np.ndarray:
    """`dry` speech in `scene` as int16 [same length]; before sample `quiet_until`, digital silence."""
    wet = reverberate(dry, load_signal(scene.room)) if scene.room else dry
    wet = to_level(wet, scene.level_dbfs)
    if scene.noise is not None:
        noise = scene.noise(len(wet), rng)
        wet = wet + to_level(noise, scene.level_dbfs - scene.snr_db)
    wet = colour(wet, scene.tilt_db, scene.narrow)
    if scene.hiss_dbfs is not None:
        wet = wet + rng.standard_normal(len(wet)).astype(np.float32) * np.float32(
            10.0 ** (scene.hiss_dbfs / 20.0)
        )
    pcm = audio.to_int16(wet)
    pcm[:quiet_until] = 0
    return pcm


def positive_stream(
    clip: Signal, word: tuple[int, int], config: AugmentConfig, bank: Bank, rng: np.random.Generator
) -> np.ndarray:
    """An augmented clip as int16 [(BEFORE_END_S + AFTER_END_S) · 16000], the word ending at BEFORE_END_S.

    word: start and end sample of the word in `clip`.
    """
    scene = draw_scene(config, bank, rng)
    within_speech = bool(bank.speech) and rng.random() < config.context_p
    start, end = word
    if within_speech:  # take the word alone, other speech takes the place of what was around it
        first, last = max(0, start - RATE // 20), min(len(clip), end + RATE // 10)
        clip, start, end = _faded(clip[first:last]), start - first, end - first
    voice = change_speed(clip, scene.speed)
    scale = len(voice) / max(1, len(clip))
    start, end = round(start * scale), round(end * scale)
    before, total = round(BEFORE_END_S * RATE), round((BEFORE_END_S + AFTER_END_S) * RATE)
    canvas = np.zeros(total, np.float32)
    _add(canvas, voice, before - end)
    if within_speech:
        _surround(canvas, before - end + start, before, active_rms(voice), bank, rng)
    silent = rng.random() < config.silent_lead_p
    latest = min(round(_SILENT_LEAD_S * RATE), max(0, before - (end - start) - RATE // 3))
    return render(canvas, scene, int(rng.integers(0, latest + 1)) if silent else 0, rng)


def negative_stream(
    pieces: Sequence[Signal], config: AugmentConfig, bank: Bank, rng: np.random.Generator
) -> np.ndarray:
    """Clips said one after the other in one scene, as int16 [samples]; pauses of up to 0.5 s."""
    scene = draw_scene(config, bank, rng)
    parts: list[Signal] = []
    for piece in pieces:
        pace = scene.speed * rng.uniform(0.97, 1.03) if scene.speed != 1.0 else 1.0
        parts += [change_speed(piece, pace), np.zeros(int(rng.integers(0, RATE // 2)), np.float32)]
    silent = rng.random() < config.silent_lead_p
    lead = int(rng.integers(0, round(_SILENT_LEAD_S * RATE))) if silent else 0
    dry = np.concatenate([np.zeros(lead, np.float32), *parts])
    return render(dry, scene, lead, rng)


def noise_stream(
    path: Path, samples: int, config: AugmentConfig, bank: Bank, rng: np.random.Generator
) -> np.ndarray:
    """Noise or music alone, at any level, as int16 [samples]."""
    scene = replace(draw_scene(config, bank, rng), noise=None)
    return render(excerpt(path, samples, rng), scene, 0, rng)


def _surround(canvas: Signal, start: int, end: int, rms: float, bank: Bank, rng: np.random.Generator) -> None:
    """Put other speech before and after the word that `canvas` holds from `start` to `end`, in place."""
    for after in (False, True):
        if rng.random() < 0.25:  # the word also opens and closes what is said
            continue
        gap = int(rng.integers(0, RATE * 4 // 10))
        room = len(canvas) - end - gap if after else start - gap
        if room < _FRAME * 5:
            continue
        voice = excerpt(bank.speech[int(rng.integers(len(bank.speech)))], room, rng)
        level = active_rms(voice)
        if level > 0:
            gain = rms / level * 10.0 ** (rng.uniform(-6.0, 6.0) / 20.0)
            _add(canvas, _faded(voice) * np.float32(gain), end + gap if after else 0)


def _faded(signal: Signal) -> Signal:
    """A copy that starts and ends without a click."""
    out = signal.astype(np.float32, copy=True)
    n = min(_FADE, len(out) // 2)
    ramp = np.linspace(0.0, 1.0, n, dtype=np.float32)
    out[:n] *= ramp
    out[len(out) - n :] *= ramp[::-1]
    return out


def _add(canvas: Signal, signal: Signal, at: int) -> None:
    """Add `signal` to `canvas` from sample `at` (may be negative), cutting what does not fit."""
    first, last = max(0, at), min(len(canvas), at + len(signal))
    if first < last:
        canvas[first:last] += signal[first - at : last - at]
