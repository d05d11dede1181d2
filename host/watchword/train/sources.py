"""Which sound files a training segment came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from watchword.data.batches import Batch
from watchword.data.jobs import Job
from watchword.data.plan import Features


@dataclass(frozen=True)
class Sources:
    words: tuple[tuple[Path, ...], ...]  # of each draw of a positive
    streams: tuple[tuple[Path, ...], ...]  # of each stream of negatives
    offsets: np.ndarray  # int64 [streams]: its first row in the joined negatives

    def of(self, batch: Batch, index: int) -> tuple[Path, ...]:
        """The files behind segment `index` of a batch."""
        if index < len(batch.words):
            return self.words[int(batch.words[index, 0])]
        start = int(batch.others[index - len(batch.words)])
        return self.streams[int(np.searchsorted(self.offsets, start, side="right")) - 1]

    def of_all(self, batch: Batch) -> list[Path]:
        """Every file behind a batch, once."""
        paths = [path for index in range(len(batch.labels)) for path in self.of(batch, index)]
        return list(dict.fromkeys(paths))


def find_sources(features: Features) -> Sources:
    """The files of every draw and stream, in the order of `features`."""
    jobs, streams = features.plan.positives, features.plan.negatives
    draws = len(features.positives)
    words = tuple(_paths(job) for job in jobs)
    if len(words) != draws:
        raise AssertionError(f"{len(words)} draws planned, {draws} computed")
    lengths = np.array([len(rows) for rows in features.negatives], np.int64)
    return Sources(words, tuple(_paths(job) for job in streams), np.cumsum(lengths) - lengths)


def _paths(job: Job) -> tuple[Path, ...]:
    pieces = getattr(job, "pieces", None) or (getattr(job, "piece"),)  # noqa: B009  (kinds of jobs differ)
    return tuple(dict.fromkeys(piece.path for piece in pieces))
