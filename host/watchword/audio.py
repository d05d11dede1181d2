"""Sound files in and out: whatever the file holds, the rest of Watchword sees int16 mono at 16 kHz."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile
import soxr

from watchword import spec
from watchword.errors import WatchwordError
from watchword.files import write_atomic, write_new

FULL_SCALE = 32768.0
_BLOCK_FRAMES = 1 << 18  # bounds the memory a long multi-channel file needs while it is mixed down
_SUBTYPES = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16")}
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 4_000, 384_000


def load(path: Path | str) -> np.ndarray:
    """Read a sound file (wav, flac and whatever else libsndfile knows) as int16 [samples], mono, 16 kHz.

    Channels are averaged; another rate is resampled with soxr; float files are clipped to full scale.
    A 16-bit mono 16 kHz file comes back sample for sample.
    """
    path = Path(path)
    signal, rate_hz = _read_mono(path)
    if not np.isfinite(signal).all():
        raise WatchwordError("holds NaN or infinite samples", path, "export it again as 16-bit PCM")
    if rate_hz != spec.SAMPLE_RATE_HZ:
        signal = soxr.resample(signal, rate_hz, spec.SAMPLE_RATE_HZ, quality="HQ")
        if signal.size == 0:
            raise WatchwordError("too short to resample", path, "record at least a few milliseconds")
    return to_int16(signal)


def count_samples(path: Path | str) -> int:
    """How many samples `load` returns, from the file's header where no resampling is needed."""
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return len(load(path))  # says what is wrong
    return int(info.frames) if info.samplerate == spec.SAMPLE_RATE_HZ else len(load(path))


def to_int16(signal: np.ndarray) -> np.ndarray:
    """Round float samples (±1 is full scale) to int16 [same shape], clipping what is beyond."""
    return np.clip(np.rint(signal * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def check_suffix(path: Path) -> None:
    """An error unless sound can be written to a file of this name."""
    if path.suffix.lower() not in _SUBTYPES:
        raise WatchwordError(f"cannot write {path.suffix or 'this'} audio", path, "use .wav or .flac")


def save(path: Path | str, pcm: np.ndarray, subtype: str | None = None) -> Path:
    """Write int16 [samples] mono 16 kHz, atomically; the suffix (.wav, .flac) chooses the format.

    `subtype` is a libsndfile subtype name; by default 16-bit PCM.
    """
    path = Path(path)
    return write_atomic(path, _encoded(path, pcm, subtype))


def save_new(names: Iterable[Path], pcm: np.ndarray) -> Path:
    """Like `save`, to the first of `names` that is free; all have one suffix."""
    names = iter(names)
    first = next(names)
    return write_new(chain([first], names), _encoded(first, pcm))


def _encoded(path: Path, pcm: np.ndarray, subtype: str | None = None) -> bytes:
    check_suffix(path)
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise TypeError(f"sound to save is int16 [samples], not {pcm.dtype} {list(pcm.shape)}")
    container, default_subtype = _SUBTYPES[path.suffix.lower()]
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, spec.SAMPLE_RATE_HZ, format=container, subtype=subtype or default_subtype)
    return buffer.getvalue()


def _read_mono(path: Path) -> tuple[np.ndarray, int]:
    """The file as float32 [frames], channels averaged, and its rate in Hz."""
    if not path.is_file():
        what = "is a folder, not a sound file" if path.is_dir() else "no such file"
        raise WatchwordError(what, path, "check the path")
    try:
        with soundfile.SoundFile(path) as file:
            rate_hz = file.samplerate
            blocks = [
                block.mean(axis=1, dtype=np.float32)
                for block in file.blocks(_BLOCK_FRAMES, dtype="float32", always_2d=True)
            ]
    except (soundfile.LibsndfileError, OSError, ValueError, TypeError) as error:
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
        raise WatchwordError(
            f"not a readable sound file: {str(reason).rstrip('.')}", path, "expected wav or flac"
        ) from error
    if not blocks or sum(block.size for block in blocks) == 0:
        raise WatchwordError("holds no samples", path, "delete it or record it again")
    if not _LOWEST_RATE_HZ <= rate_hz <= _HIGHEST_RATE_HZ:
        raise WatchwordError(f"sample rate of {rate_hz} Hz is not usable", path, "use 8 kHz to 192 kHz")
    return np.concatenate(blocks), rate_hz
