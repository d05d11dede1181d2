"""A recording on disk that grows as the sound comes, whole at any moment."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from watchword import audio, spec
from watchword.errors import WatchwordError
from watchword.files import write_atomic, writing

_BLOCK_SAMPLES = 1 << 18
_LONGEST_BYTES = (1 << 32) - 64  # sizes in a .wav header are 32-bit: 37 hours


def check_new(path: Path) -> None:
    """An error unless `path` can be a new recording: known before anything is listened to."""
    audio.check_suffix(path)
    if path.exists() or path.is_symlink():
        what = "is a folder" if path.is_dir() else "is there already; a recording is never written over"
        raise WatchwordError(what, path, "choose another --out, or move it away")
    with growing(path):
        pass  # nothing was recorded, so the file is removed again


@contextmanager
def growing(path: Path) -> Iterator[GrowingWav]:
    """A new .wav or .flac file at `path` to append to; however the block ends, what was appended stays.

    A FLAC file that was cut off cannot be read: until the end the sound is in `path` + .wav.
    """
    direct = path.suffix.lower() == ".wav"
    file = GrowingWav(path if direct else path.with_name(path.name + ".wav"))
    try:
        yield file
    finally:
        file.close()
        if not direct and file.samples:
            write_atomic(path, _as_flac(file.path))
            file.path.unlink()


def _as_flac(wav: Path) -> bytes:
    packed = io.BytesIO()
    with (
        soundfile.SoundFile(wav) as source,
        soundfile.SoundFile(packed, "w", source.samplerate, 1, "PCM_16", format="FLAC") as target,
    ):
        for block in source.blocks(_BLOCK_SAMPLES, dtype="int16"):
            target.write(block)
    return packed.getvalue()


class GrowingWav:
    """A new .wav file, int16 mono 16 kHz, that is whole after every `append`, whatever happens then.

    Python's wave and libsndfile leave a wrong header behind when a write fails or the program is killed.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.samples, self.is_constant = path, 0, True
        self._value: int | None = None  # of the first sample
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb", buffering=0)
            self._write(self._header(), 0)

    def append(self, pcm: np.ndarray) -> None:
        """More sound, int16 [samples]."""
        header = self._header()
        if 2 * (self.samples + pcm.size) > _LONGEST_BYTES:
            raise WatchwordError("a .wav file can hold no more", self.path, "go on in another file")
        with writing(self.path):
            try:
                self._write(pcm.astype("<i2").tobytes(), len(header) + 2 * self.samples)
            except OSError:
                self._file.truncate(len(header) + 2 * self.samples)
                raise
            self.samples += pcm.size
            if pcm.size and self.is_constant:
                self._value = int(pcm[0]) if self._value is None else self._value
                self.is_constant = bool((pcm == self._value).all())
            self._write(self._header(), 0)

    def close(self) -> None:
        """The file stays, unless nothing was ever written to it."""
        with writing(self.path):
            try:
                os.fsync(self._file.fileno())
            finally:
                self._file.close()
                if not self.samples:
                    self.path.unlink(missing_ok=True)

    def _header(self) -> bytes:
        size, rate_hz = 2 * self.samples, spec.SAMPLE_RATE_HZ
        sound = struct.pack("<HHIIHH", 1, 1, rate_hz, 2 * rate_hz, 2, 16)  # PCM, mono, 16-bit
        head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", len(sound))
        return head + sound + b"data" + struct.pack("<I", size)

    def _write(self, data: bytes, at: int) -> None:
        self._file.seek(at)
        while data:
            data = data[self._file.write(data) :]
