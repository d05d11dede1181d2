"""A recording on its way to a board, and what came back of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Recorded = NDArray[np.int16] | Iterable[NDArray[np.int16]]  # a recording: int16 [samples], or in blocks


@dataclass(frozen=True)
class BoardDetection:
    """sample_index: end (exclusive) of the hop that fired; cost: counter units spent since it came."""

    sample_index: int
    smoothed_q15: int
    cost: int


@dataclass(frozen=True)
class StreamResult:
    """What the board made of one recording. `lost_samples` must be 0."""

    stream: int
    scores: NDArray[np.uint8]  # [scores], consecutive
    detections: tuple[BoardDetection, ...]
    samples: int  # counted by the board
    rows: int
    lost_samples: int


@dataclass
class Stream:
    """A recording on its way: `sent` bytes are queued, results come in behind."""

    number: int
    blocks: Iterator[memoryview]  # of the audio that is not in `waiting` yet
    waiting: memoryview  # next to be queued; empty at the end
    sent: int = 0
    started: bool = False
    ended: bool = False
    scores: bytearray = field(default_factory=bytearray)
    detections: list[BoardDetection] = field(default_factory=list)
    result: StreamResult | None = None

    @property
    def samples(self) -> int:
        """Queued so far."""
        return self.sent // 2

    @property
    def progress(self) -> int:
        """Grows with what the board took and gave."""
        return self.sent + len(self.scores)


def blocks_of(recording: Recorded) -> Iterator[memoryview]:
    """Its audio in non-empty pieces."""
    for block in [recording] if isinstance(recording, np.ndarray) else recording:
        if block.size:
            yield _pcm_bytes(block)


def _pcm_bytes(pcm: NDArray[np.int16]) -> memoryview:
    if pcm.ndim != 1 or pcm.dtype != np.int16:
        raise ValueError(f"a recording is int16 [samples], not {pcm.dtype} {list(pcm.shape)}")
    return memoryview(np.ascontiguousarray(pcm, "<i2").tobytes())
