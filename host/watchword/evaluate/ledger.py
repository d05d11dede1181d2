"""Scores on disk as they come, so that a run which ends early is gone on with: scores.jsonl of a folder.

A line is written whole or, when the program is killed in the middle of it, cut off when the file is opened
again. Scores belong to a model and a sound, by their digests: what changed since is computed anew.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from watchword import core
from watchword.data.recordings import Recording
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import LinkFigures
from watchword.files import lock, writing

FILE = "scores.jsonl"
_SYNC_S = 2.0  # a power cut costs at most this much


@dataclass(frozen=True)
class HostScores:
    """What the host pipeline made of one recording."""

    sound: str  # digest
    samples: int  # of the recording, without the silence around it
    scores: bytes  # one byte each
    detections: tuple[int, ...]  # sample of the stream


@dataclass(frozen=True)
class BoardScores:
    """What a board made of one recording."""

    sound: str  # digest
    samples: int
    rows: int
    lost: int
    scores: bytes
    detections: tuple[tuple[int, int, int], ...]  # sample of the stream, average Q15, cost


@dataclass(frozen=True)
class Batch:
    """Recordings that a board was given together, and its counters for just these."""

    board: str
    recordings: tuple[BoardScores, ...]
    stats: dict[str, int]
    silence: dict[str, int]  # the same counters for the silence around one recording
    link: LinkFigures


@dataclass(frozen=True)
class Line:
    """One of the two."""

    model: str  # digest of the image
    host: HostScores | None = None
    batch: Batch | None = None


class Ledger:
    """The scores of one folder; without a folder they are kept in memory alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = None if folder is None else folder / FILE
        self._file: BinaryIO | None = None
        self._synced = time.monotonic()
        self._lines: list[Line] = []
        if self.path is not None and self.path.is_file():
            self._open(self.path)

    def __len__(self) -> int:
        return len(self._lines)

    def host_streams(self, image: bytes, recordings: Sequence[Recording]) -> dict[int, ScoredStream]:
        """What the host pipeline made of these recordings, by their index."""
        model, geometry = self._model(image), core.ModelImage(image).geometry
        lines = [line.host for line in self._lines if line.host and line.model == model]
        known = {found.sound: found for found in lines}
        streams = {}
        for index, recording in enumerate(recordings) if known else ():
            found = known.get(sound_digest(recording) or "")
            if found is not None:
                scores = np.frombuffer(found.scores, np.uint8)
                detections = np.asarray(found.detections, np.int64)
                ends = geometry.score_samples(scores.size)
                streams[index] = ScoredStream(recording, found.samples, scores, ends, detections)
        return streams

    def add_host(self, image: bytes, stream: ScoredStream) -> None:
        """Keep what the host pipeline made of a recording."""
        sound = sound_digest(stream.recording)
        if sound is not None:
            detections = tuple(int(sample) for sample in stream.detections)
            scores = HostScores(sound, stream.audio_samples, stream.scores.tobytes(), detections)
            self._add(Line(_digest(image), host=scores))

    def batches(self, image: bytes, board: str, recordings: Sequence[Recording]) -> Iterator[Batch]:
        """A board's batches of which every recording is among these, each recording taken once."""
        model, open_places = self._model(image), defaultdict[str, int](int)
        found = [line.batch for line in self._lines if line.batch and line.model == model]
        found = [batch for batch in found if batch.board == board]
        for recording in recordings if found else ():
            open_places[sound_digest(recording) or ""] += 1
        for batch in found:
            wanted = defaultdict[str, int](int)
            for scores in batch.recordings:
                wanted[scores.sound] += 1
            if all(open_places[sound] >= count for sound, count in wanted.items()):
                for sound, count in wanted.items():
                    open_places[sound] -= count
                yield batch

    def add_batch(self, image: bytes, batch: Batch) -> None:
        """Keep what a board made of some recordings."""
        self._add(Line(_digest(image), batch=batch))

    def close(self) -> None:
        """What was written stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """The run is complete."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _model(self, image: bytes) -> str:
        """Its digest; an error if the folder holds another model's scores, which the end would remove."""
        model = _digest(image)
        if any(line.model != model for line in self._lines):
            raise WatchwordError(
                "holds an interrupted run of another model",
                self.path or "",
                "go on with that model, or choose another --out",
            )
        return model

    def _add(self, line: Line) -> None:
        self._lines.append(line)
        if self.path is None:
            return
        if self._file is None:
            self._open(self.path)
        assert self._file is not None
        with writing(self.path):
            self._file.write(msgspec.json.encode(line) + b"\n")
            if time.monotonic() - self._synced > _SYNC_S:
                os.fsync(self._file.fileno())
                self._synced = time.monotonic()

    def _open(self, path: Path) -> None:
        """Read what is there, cut off half a line, and hold the file against a second program."""
        with writing(path):
            self._file = path.open("a+b", buffering=0)
        try:
            lock(self._file, wait=False)
        except OSError as error:
            raise WatchwordError("another run is writing here", path, "choose another --out") from error
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        with writing(path):
            self._file.truncate(whole)
        earlier = []
        for text in content[:whole].splitlines():
            try:
                earlier.append(msgspec.json.decode(text, type=Line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # damaged: its recordings are computed again
        self._lines[:0] = earlier


def sound_digest(recording: Recording) -> str | None:
    """Of all that decides what a pipeline hears; None if the file is not there any more."""
    try:
        status = recording.path.stat()
        content = _file_digest(recording.path, status.st_mtime_ns, status.st_size)
    except OSError:
        return None
    heard = (content, recording.limit_s, repr(recording.sound))
    return hashlib.sha256(repr(heard).encode("utf-8", "surrogateescape")).hexdigest()


@lru_cache(maxsize=4096)
def _file_digest(path: Path, modified_ns: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_ledger(folder: Path, resume: bool) -> Iterator[Ledger]:
    """The folder's scores of an interrupted run; an error if there are any and the user does not know."""
    if not resume and (folder / FILE).is_file():
        raise WatchwordError(
            "holds an interrupted run", folder, "go on with --resume, or choose another --out"
        )
    ledger = Ledger(folder)
    try:
        yield ledger
    finally:
        ledger.close()


@lru_cache(maxsize=4)
def _digest(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()
