"""Opening sound files of any format: libsndfile reads most of them, ffmpeg the rest where it is installed.

Nothing here converts rates or channels: a `Decoder` gives the file's own frames, block by block.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import soundfile

from watchword.errors import WatchwordError

# What phones, recorders and editors write. One list for all commands.
_SNDFILE_SUFFIXES = frozenset(
    (
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".w64",
        ".rf64",
    )
)
_FFMPEG_SUFFIXES = frozenset(
    (
        ".m4a",
        ".m4b",
        ".mp4",
        ".m4v",
        ".mov",
        ".aac",
        ".webm",
        ".weba",
        ".mkv",
        ".mka",
        ".3gp",
        ".3gpp",
        ".3ga",
        ".3g2",
        ".amr",
        ".awb",
        ".wma",
        ".asf",
        ".avi",
        ".mp2",
        ".ac3",
        ".ape",
        ".wv",
        ".tta",
        ".spx",
        ".gsm",
        ".qcp",
        ".dss",
        ".ts",
    )
)
SUFFIXES = _SNDFILE_SUFFIXES | _FFMPEG_SUFFIXES

_STREAMED_BYTES = 0x7FFF0000  # a data size from here on stands for "not known when the header was written"
_CHUNK_HEADER = 8
_AU_HEADER = struct.Struct(">4s5I")  # magic, data offset, data size, encoding, rate, channels
_AU_FLOAT32 = 6
_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Header:
    """What a file says about itself before it is decoded."""

    rate_hz: int
    channels: int
    frames: int | None  # None: only decoding tells
    is_pcm16: bool  # 16-bit linear samples, which an int16 read returns as they are
    missing_frames: int = 0  # promised by the header and not in the file: it was cut off

    @property
    def missing_s(self) -> float:
        return self.missing_frames / self.rate_hz


class Decoder(Protocol):
    """An open sound file."""

    header: Header

    def read(self, frames: int, dtype: str) -> np.ndarray:
        """The next frames as [frames, channels] of `dtype` (float32 or int16); fewer at the end."""

    def seek(self, frame: int) -> None:
        """Go to a frame; only where `header.is_pcm16`."""


@contextmanager
def open_sound(path: Path) -> Iterator[Decoder]:
    """Open `path` with whatever reads it; WatchwordError says why nothing does."""
    _require_file(path)
    with _converted_errors(path):
        try:
            decoder: _Sndfile | _Ffmpeg = _Sndfile(path)
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a suffix such as .raw
            decoder = _open_with_ffmpeg(path, error)
        try:
            yield decoder
        finally:
            decoder.close()


# ── libsndfile ───────────────────────────────────────────────────────────────────────────────
class _Sndfile:
    def __init__(self, path: Path) -> None:
        # Bytes: a name that is not UTF-8 is a name like any other.
        self._file = soundfile.SoundFile(os.fsencode(path))
        self._handle: BinaryIO | None = None
        if self._file.frames == 0 and self._file.format == "WAV":
            self._open_streamed(path)
        file = self._file
        # MPEG headers tell an estimate; a codec that cannot seek tells whole blocks.
        told = file.seekable() and file.format != "MP3" and 0 <= file.frames < 1 << 60
        data = _data_chunk(path) if file.format in ("WAV", "WAVEX", "AIFF") else None
        self.header = Header(
            file.samplerate,
            file.channels,
            file.frames if told else None,
            file.subtype == "PCM_16",
            _missing_frames(data, file.frames) if told else 0,
        )

    def _open_streamed(self, path: Path) -> None:
        """A wav whose header was never completed (length 0): everything behind the header is sound."""
        data = _data_chunk(path)
        if data is None or data.promised or not data.present:
            return
        self._file.close()
        self._handle = path.open("rb")
        self._file = soundfile.SoundFile(
            _Patched(self._handle, data.size_at, struct.pack("<I", data.present))
        )

    def read(self, frames: int, dtype: str) -> np.ndarray:
        block: np.ndarray = self._file.read(frames, dtype=dtype, always_2d=True)
        return block

    def seek(self, frame: int) -> None:
        self._file.seek(min(frame, self._file.frames))

    def close(self) -> None:
        self._file.close()
        if self._handle is not None:
            self._handle.close()


@dataclass(frozen=True)
class _DataChunk:
    """Where a wav or aiff file keeps its samples."""

    size_at: int  # offset of the size field
    promised: int  # bytes
    present: int


def _data_chunk(path: Path) -> _DataChunk | None:
    with path.open("rb") as file:
        order, name = {b"RIFF": ("<", b"data"), b"FORM": (">", b"SSND")}.get(file.read(4), ("", b""))
        if not order:
            return None
        length = file.seek(0, os.SEEK_END)
        at = 12
        while at + _CHUNK_HEADER <= length:
            file.seek(at)
            kind, size = struct.unpack(f"{order}4sI", file.read(_CHUNK_HEADER))
            present = length - at - _CHUNK_HEADER
            if kind == name:
                empty = size == 0 and _is_chunk(file.read(_CHUNK_HEADER), order, present)
                return _DataChunk(at + 4, size, 0 if empty else present)
            at += _CHUNK_HEADER + size + size % 2
    return None


def _is_chunk(start: bytes, order: str, space: int) -> bool:
    """Whether what follows a data chunk of length 0 is another chunk, and not the sound itself."""
    if len(start) < _CHUNK_HEADER:
        return False
    name, size = start[:4], int(struct.unpack(f"{order}4xI", start)[0])
    return name.isascii() and name.decode("ascii").isprintable() and size + _CHUNK_HEADER <= space


def _missing_frames(data: _DataChunk | None, frames: int) -> int:
    """Frames that a header promises beyond the end of the file; one chunk of codecs may be rounded."""
    if data is None or data.promised <= data.present or data.promised >= _STREAMED_BYTES or not data.present:
        return 0
    return round(frames * (data.promised - data.present) / data.present)


class _Patched(io.RawIOBase):
    """A file with a few bytes replaced, for readers that trust a header."""

    def __init__(self, handle: BinaryIO, at: int, replacement: bytes) -> None:
        self._handle, self._at, self._replacement = handle, at, replacement

    def readinto(self, buffer: Any) -> int:
        first = self._handle.tell()
        content = bytearray(self._handle.read(len(buffer)))
        for offset, byte in enumerate(self._replacement, self._at - first):
            if 0 <= offset < len(content):
                content[offset] = byte
        memoryview(buffer).cast("B")[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._handle.seek(offset, whence)

    def tell(self) -> int:
        return self._handle.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


# ── ffmpeg ───────────────────────────────────────────────────────────────────────────────────
def _open_with_ffmpeg(path: Path, error: Exception) -> _Ffmpeg:
    """The file through ffmpeg, or why neither reads it."""
    if path.stat().st_size == 0:
        raise WatchwordError("not a readable sound file: it is empty", path, "record or copy it again")
    suffix = path.suffix.lower()
    if shutil.which("ffmpeg") is not None:
        try:
            return _Ffmpeg(path)
        except WatchwordError:
            if suffix in _FFMPEG_SUFFIXES:
                raise
    elif suffix in _FFMPEG_SUFFIXES:
        raise WatchwordError(
            f"{suffix} files are read with ffmpeg, which is not installed",
            path,
            "apt install ffmpeg, or convert it to wav or flac",
        )
    raise _unreadable(path, error)


class _Ffmpeg:
    """Decodes the first sound track to float32 at its own rate; the pipe begins with an au header."""

    def __init__(self, path: Path) -> None:
        # "file:" keeps a name from being taken for an option or a protocol.
        command: list[str | bytes] = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]
        command += ["-i", b"file:" + os.fsencode(path.absolute())]
        command += ["-map", "0:a:0", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
        self._path = path
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._errors)
        start = self._read_bytes(_AU_HEADER.size)
        if len(start) < _AU_HEADER.size:
            self._fail()
        magic, offset, _, encoding, rate_hz, channels = _AU_HEADER.unpack(start)
        if magic != b".snd" or encoding != _AU_FLOAT32:
            self._fail()
        self._read_bytes(offset - _AU_HEADER.size)
        self.header = Header(rate_hz, channels, None, is_pcm16=False)

    def read(self, frames: int, dtype: str) -> np.ndarray:
        if dtype != "float32":
            raise ValueError("ffmpeg's output is read as float32")
        channels = self.header.channels
        content = self._read_bytes(frames * channels * _FLOAT_BYTES)
        if not content and self._process.wait() != 0:
            self._fail()
        whole = len(content) // (channels * _FLOAT_BYTES)
        return np.frombuffer(content, ">f4", whole * channels).astype(np.float32).reshape(whole, channels)

    def seek(self, frame: int) -> None:
        raise io.UnsupportedOperation("a pipe cannot seek")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()

    def _read_bytes(self, count: int) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read(count)

    def _fail(self) -> None:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines() or ["no sound in it"]
        reason = lines[-1].replace(f"file:{self._path.absolute()}: ", "")
        self.close()
        raise WatchwordError(
            f"not a readable sound file: ffmpeg says: {reason}", self._path, "export it as wav or flac"
        )


# ── Errors ───────────────────────────────────────────────────────────────────────────────────
def _require_file(path: Path) -> None:
    try:
        if path.is_file():
            with path.open("rb"):
                return
        what = "no such file"
        if path.is_dir():
            what = "is a folder, not a sound file"
        elif path.is_symlink():
            what = "a link to a file that does not exist"
    except OSError as error:  # no permission, a link that leads to itself
        what = f"cannot be read: {error.strerror}"
    except RuntimeError:  # what Python 3.11 and 3.12 make of a link that leads to itself
        what = "a link that leads to itself"
    raise WatchwordError(what, path, "check the path")


@contextmanager
def _converted_errors(path: Path) -> Iterator[None]:
    """What libsndfile and the system raise while a file is read, as WatchwordError."""
    try:
        yield
    except (soundfile.LibsndfileError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> WatchwordError:
    reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
    return WatchwordError(
        f"not a readable sound file: {str(reason).rstrip('.')}", path, "export it as wav or flac"
    )
