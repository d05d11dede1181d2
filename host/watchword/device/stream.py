"""A recording on its way to a board, and what came back of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from watchword.device.messages import Received
from watchword.errors import WatchwordError

DEFECT_REMEDY = "a defect of the firmware: please report it"

Recorded = NDArray[np.int16] | Iterable[NDArray[np.int16]]  # a recording: int16 [samples], or in blocks


@dataclass(frozen=True)
class BoardDetection:
    """sample_index: end (exclusive) of the hop that fired; cost: counter units spent since it came."""

    sample_index: int
    smoothed_q15: int
    cost: int


def detection_of(message: Received) -> BoardDetection:
    """A `detection` message."""
    return BoardDetection(*(message.number(n) for n in ("sample_index", "smoothed_q15", "cost")))


@dataclass(frozen=True)
class WordResult:
    """What one word's model made of a recording."""

    scores: NDArray[np.uint8]  # [scores], consecutive
    detections: tuple[BoardDetection, ...]
    rows: int


@dataclass(frozen=True)
class StreamResult:
    """What the board made of one recording. `lost_samples` must be 0."""

    stream: int
    words: tuple[WordResult, ...]  # by their numbers
    samples: int  # counted by the board
    lost_samples: int

    @property
    def scores(self) -> NDArray[np.uint8]:
        """Of the first word."""
        return self.words[0].scores

    @property
    def detections(self) -> tuple[BoardDetection, ...]:
        """Of the first word."""
        return self.words[0].detections

    @property
    def rows(self) -> int:
        """Of the first word."""
        return self.words[0].rows


@dataclass
class _WordGathered:
    hop_samples: int
    scores: bytearray = field(default_factory=bytearray)
    detections: list[BoardDetection] = field(default_factory=list)
    done: Received | None = None


class Gathered:
    """Sorts what a board says of each word; what cannot be true is an error."""

    def __init__(self, hops: Sequence[int], where: str) -> None:
        """`hops`: samples from one row to the next, of each word."""
        self._words = [_WordGathered(max(1, hop)) for hop in hops]
        self._where = where
        self.scores = 0  # of all words: how far it has come

    def take(self, message: Received) -> BoardDetection | None:
        """A message of the board, which may be none of a word; a detection is also returned."""
        if message.name not in ("scores", "detection", "word_done"):
            return None
        number = message.number("word_number")
        if number >= len(self._words):
            raise self._wrong(f"{message.name} of word {number}, of {len(self._words)} words")
        word = self._words[number]
        if message.name == "word_done":
            word.done = message
        elif message.name == "scores":
            expected, first = len(word.scores), message.number("first_index")
            if first != expected:
                raise self._wrong(f"scores of word {number} jump from {expected} to {first}")
            word.scores += message.tail
            self.scores += len(message.tail)
        else:
            word.detections.append(detection_of(message))
            return word.detections[-1]
        return None

    def check_possible(self, samples: int) -> None:
        """There is at most one result a hop, and none later than the audio."""
        for number, word in enumerate(self._words):
            results = max(len(word.scores), len(word.detections))
            last = max((d.sample_index for d in word.detections[-1:]), default=0)
            if results > samples // word.hop_samples or last > samples:
                what = f"{samples} samples gave word {number} {results} results, one at sample {last}"
                raise self._wrong(what)

    def results(self) -> tuple[WordResult, ...]:
        """Everything, which must be what the board counted."""
        found = []
        for number, word in enumerate(self._words):
            got = (len(word.scores), len(word.detections))
            counted = word.done and (word.done.number("scores"), word.done.number("detections"))
            if word.done is None or got != counted:
                what = f"{got} scores and detections of word {number} came, the board counted {counted}"
                raise self._wrong(what)
            scores = np.frombuffer(bytes(word.scores), np.uint8)
            found.append(WordResult(scores, tuple(word.detections), word.done.number("rows")))
        return tuple(found)

    def _wrong(self, what: str) -> WatchwordError:
        return WatchwordError(what, self._where, DEFECT_REMEDY)


@dataclass
class Stream:
    """A recording on its way: `sent` bytes are queued, results come in behind."""

    number: int
    blocks: Iterator[memoryview]  # of the audio that is not in `waiting` yet
    waiting: memoryview  # next to be queued; empty at the end
    gathered: Gathered
    sent: int = 0
    started: bool = False
    ended: bool = False
    result: StreamResult | None = None

    @property
    def samples(self) -> int:
        """Queued so far."""
        return self.sent // 2

    @property
    def progress(self) -> int:
        """Grows with what the board took and gave."""
        return self.sent + self.gathered.scores


def blocks_of(recording: Recorded) -> Iterator[memoryview]:
    """Its audio in non-empty pieces."""
    for block in [recording] if isinstance(recording, np.ndarray) else recording:
        if block.size:
            yield _pcm_bytes(block)


def _pcm_bytes(pcm: NDArray[np.int16]) -> memoryview:
    if pcm.ndim != 1 or pcm.dtype != np.int16:
        raise ValueError(f"a recording is int16 [samples], not {pcm.dtype} {list(pcm.shape)}")
    return memoryview(np.ascontiguousarray(pcm, "<i2").tobytes())
