"""Sound files in and out: whatever the file holds, the rest of Watchword sees int16 mono at 16 kHz."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile
import soxr

from watchword import spec
from watchword.decoders import SUFFIXES, Decoder, Header, open_sound
from watchword.errors import WatchwordError
from watchword.files import write_atomic, write_new

__all__ = [
    "FULL_SCALE",
    "SUFFIXES",
    "Header",
    "blocks",
    "check_suffix",
    "count_samples",
    "load",
    "load_part",
    "probe",
    "resampled_size",
    "save",
    "save_new",
    "seeks",
    "to_int16",
]

FULL_SCALE = 32768.0
_BLOCK_FRAMES = 1 << 18  # bounds the memory that a long file needs
_SILENT_POWER = 1e-9  # of two channels together, -90 dBFS: too little to judge them by
_CANCELLING = -0.45  # left · right over the energy of both: -0.5 = one is the other upside down
_SUBTYPES = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16")}
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 4_000, 384_000


def blocks(path: Path | str) -> Iterator[np.ndarray]:
    """A sound file of any kind as int16 mono 16 kHz, in blocks [samples] of bounded size.

    Channels are averaged (of two that cancel each other, one inverted, the first is taken); another rate is
    resampled with soxr; float files are clipped to full scale. A 16-bit mono 16 kHz file comes back sample
    for sample. At least one sample comes, or WatchwordError.
    """
    path = Path(path)
    total = 0
    with open_sound(path) as sound:
        if not _LOWEST_RATE_HZ <= sound.header.rate_hz <= _HIGHEST_RATE_HZ:
            what = f"sample rate of {sound.header.rate_hz} Hz is not usable"
            raise WatchwordError(what, path, "use 8 kHz to 192 kHz")
        for block in _direct(sound) if _is_direct(sound.header) else _converted(sound, path):
            total += block.size
            yield block
    if total == 0:
        raise WatchwordError("holds no samples", path, "delete it or record it again")


def load(path: Path | str) -> np.ndarray:
    """The whole sound file as int16 [samples], mono, 16 kHz: see `blocks`."""
    parts = list(blocks(path))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def load_part(path: Path | str, start: int, stop: int) -> np.ndarray:
    """Samples start..stop of what `load` returns, without holding the rest: int16 [at most stop - start]."""
    path = Path(path)
    start, stop = max(0, start), max(0, start, stop)
    with open_sound(path) as sound:
        if _is_direct(sound.header):
            sound.seek(start)
            return sound.read(stop - start, "int16")[:, 0]
    parts, at = [np.zeros(0, np.int16)], 0
    for block in blocks(path):
        parts.append(block[max(0, start - at) : max(0, stop - at)])
        at += block.size
        if at >= stop:
            break
    return np.concatenate(parts)


def seeks(path: Path | str) -> bool:
    """Whether `load_part` reads no more of the file than that part."""
    return _is_direct(probe(path))


def probe(path: Path | str) -> Header:
    """What the file's header says; WatchwordError if it cannot be opened or is known to be empty."""
    path = Path(path)
    with open_sound(path) as sound:
        if sound.header.frames == 0:
            raise WatchwordError("holds no samples", path, "delete it or record it again")
        return sound.header


def count_samples(path: Path | str) -> int:
    """How many samples `load` returns: from the header where it is reliable, else by decoding."""
    path = Path(path)
    header = probe(path)
    if header.frames is not None:
        return resampled_size(header.frames, header.rate_hz)
    status = path.stat()
    return _decoded_size(path, status.st_mtime_ns, status.st_size)


def resampled_size(frames: int, rate_hz: int) -> int:
    """Samples at 16 kHz that soxr makes of so many frames."""
    return (2 * frames * spec.SAMPLE_RATE_HZ + rate_hz) // (2 * rate_hz)


def to_int16(signal: np.ndarray) -> np.ndarray:
    """Round float samples (±1 is full scale) to int16 [same shape], clipping what is beyond."""
    scaled = np.asarray(signal * FULL_SCALE)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1, out=scaled).astype(np.int16)


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


# ── Conversion ───────────────────────────────────────────────────────────────────────────────
def _is_direct(header: Header) -> bool:
    """16-bit mono at 16 kHz: nothing is to be converted."""
    return header.is_pcm16 and header.channels == 1 and header.rate_hz == spec.SAMPLE_RATE_HZ


def _direct(sound: Decoder) -> Iterator[np.ndarray]:
    while (block := sound.read(_BLOCK_FRAMES, "int16")).size:
        yield block[:, 0]


def _converted(sound: Decoder, path: Path) -> Iterator[np.ndarray]:
    """Mixed down, resampled and rounded; soxr's stream gives the very samples of a whole conversion."""
    rate_hz = sound.header.rate_hz
    same_rate = rate_hz == spec.SAMPLE_RATE_HZ
    resampler = soxr.ResampleStream(rate_hz, spec.SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    mix, frames, total = _Downmix(), 0, 0
    while (block := sound.read(_BLOCK_FRAMES, "float32")).size:
        mono = mix(block)
        if not np.isfinite(mono).all():
            raise WatchwordError("holds NaN or infinite samples", path, "export it again as 16-bit PCM")
        signal = mono if same_rate else resampler.resample_chunk(mono)
        frames, total = frames + len(mono), total + signal.size
        yield to_int16(signal)
    if not same_rate and frames:
        signal = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        if total + signal.size == 0:
            raise WatchwordError("too short to resample", path, "record at least a few milliseconds")
        yield to_int16(signal)


class _Downmix:
    """The mean of the channels; of a pair that cancels itself, one channel being inverted, the first."""

    def __init__(self) -> None:
        self._first_only: bool | None = None  # decided where the sound begins

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """`block` float32 [frames, channels] as float32 [frames]."""
        if block.shape[1] == 2 and self._first_only is None:
            left, right = block.astype(np.float64).T
            energy = float(left @ left + right @ right)
            if energy > _SILENT_POWER * len(block):
                self._first_only = float(left @ right) < _CANCELLING * energy
        if self._first_only:
            return block[:, 0].copy()
        mono: np.ndarray = block.mean(axis=1, dtype=np.float32)
        return mono


@lru_cache(maxsize=8192)
def _decoded_size(path: Path, modified_ns: int, size: int) -> int:
    """Counted once for a state of the file."""
    return sum(block.size for block in blocks(path))
