"""Batches of int8 segments: words cut where they end, negatives cut anywhere, hard ones more often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from watchword import core
from watchword.core import Geometry
from watchword.data.augment import BEFORE_END_S
from watchword.data.specaugment import Masks


def segment_rows(geometry: Geometry, seconds: float, smoothing: int) -> int:
    """Rows of a segment of about `seconds` that gives whole strides and at least one average."""
    strides = round(seconds / geometry.score_s) - -(-geometry.receptive_rows // geometry.stride_rows)
    return geometry.receptive_rows + max(strides, smoothing - 1) * geometry.stride_rows


@dataclass(frozen=True)
class TrainingSet:
    """Normalised training data."""

    positives: np.ndarray  # int8 [draws, rows, coeffs]
    negatives: np.ndarray  # int8 [rows, coeffs], streams joined
    starts: np.ndarray  # int64 [blocks]: rows of `negatives` where a segment within one stream may begin


def make_training_set(
    positives: np.ndarray, negatives: Sequence[np.ndarray], normalisation: core.Normalisation, rows: int
) -> TrainingSet:
    """Normalise int16 rows stream by stream; blocks of `rows` tile every stream of negatives."""
    words = np.stack([core.normalise(stream, normalisation) for stream in positives])
    return join_training_set(words, [core.normalise(stream, normalisation) for stream in negatives], rows)


def join_training_set(words: np.ndarray, streams: Sequence[np.ndarray], rows: int) -> TrainingSet:
    """A training set of int8 rows as they are."""
    starts, offset = [], 0
    for stream in streams:
        last = len(stream) - rows
        if last >= 0:
            tiles = np.arange(0, last + 1, rows)
            starts.append(offset + (np.append(tiles, last) if tiles[-1] != last else tiles))
        offset += len(stream)
    return TrainingSet(words, np.concatenate(streams), np.concatenate(starts))


class Batch(NamedTuple):
    """Segments, positives first, and where each was cut from the training set."""

    rows: np.ndarray  # int8 [size, rows, coeffs]
    labels: np.ndarray  # float32 [size], 1 where the word is
    hard: np.ndarray  # float32 [size], 1 for negatives drawn by how high the model scored them
    words: np.ndarray  # int64 [positives, 2]: draw, and its row at which the segment starts
    others: np.ndarray  # int64 [negatives]: row of the joined negatives at which the segment starts


class Batches:
    """Draws batches of `size` segments of `rows` rows, positives first.

    Positives are cut so that the last window ends `window_end_s` after the word, with the phase of the
    stride left to chance. A share of the negatives is drawn by how high the model scored them.
    """

    def __init__(
        self,
        data: TrainingSet,
        geometry: Geometry,
        *,
        rows: int,
        size: int,
        negatives_per_positive: float,
        window_end_s: float,
        seed: int,
        masks: Masks | None = None,
    ) -> None:
        self.data, self.rows = data, rows
        self._masks, self._seed = masks, seed
        self.positives = max(1, round(size / (1.0 + negatives_per_positive)))
        self.negatives = max(1, size - self.positives)
        self._rng = np.random.default_rng([seed, 1])
        self._phases = geometry.stride_rows
        end_row = geometry.rows_until(BEFORE_END_S + window_end_s)
        self._first = min(end_row - rows, data.positives.shape[1] - rows - self._phases + 1)
        self._hard: np.ndarray | None = None  # cumulative weights of the blocks
        self._hard_share = 0.0
        self._queue: list[int] = []

    def set_hardness(self, weights: np.ndarray, share: float) -> None:
        """Draw `share` of the negatives with probability in proportion to `weights` [blocks]."""
        total = float(weights.sum())
        self._hard = np.cumsum(weights) / total if total > 0 else None
        self._hard_share = share

    def take(self, count: int) -> Iterator[Batch]:
        """`count` batches."""
        labels = np.repeat(np.array([1.0, 0.0], np.float32), [self.positives, self.negatives])
        for _ in range(count):
            words, (others, hard) = self._words(), self._others()
            rows = np.stack(
                [
                    *(self.data.positives[draw, start : start + self.rows] for draw, start in words),
                    *(self.data.negatives[start : start + self.rows] for start in others),
                ]
            )
            if self._masks:
                rows = self._masks.apply(rows, self._mask_rng(words, others))
            weighed = np.concatenate([np.zeros(self.positives, np.float32), hard.astype(np.float32)])
            yield Batch(rows, labels, weighed, words, others)

    def _mask_rng(self, words: np.ndarray, others: np.ndarray) -> np.random.Generator:
        """Randomness of the masks, from what they lie on: the same segments are drawn with and without."""
        return np.random.default_rng([self._seed, *words.ravel().tolist(), *others.tolist()])

    @property
    def size(self) -> int:
        """Segments in a batch."""
        return self.positives + self.negatives

    def state(self) -> dict[str, Any]:
        """All that decides the batches to come, for `restore`: plain values and arrays."""
        hard = np.zeros(0) if self._hard is None else self._hard
        return {
            "rng": self._rng.bit_generator.state,
            "queue": list(self._queue),
            "hard_share": self._hard_share,
            "hard": hard,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as the one would have that gave this `state`."""
        self._rng.bit_generator.state = state["rng"]
        self._queue, self._hard_share = [int(i) for i in state["queue"]], float(state["hard_share"])
        self._hard = np.array(state["hard"]) if len(state["hard"]) else None

    def _words(self) -> np.ndarray:
        while len(self._queue) < self.positives:
            self._queue += self._rng.permutation(len(self.data.positives)).tolist()
        picks, self._queue = self._queue[: self.positives], self._queue[self.positives :]
        starts = self._first + self._rng.integers(0, self._phases, self.positives)
        return np.stack([np.array(picks), starts], axis=1)

    def _others(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each negative starts, and whether it was drawn for being hard."""
        blocks = self._rng.integers(0, len(self.data.starts), self.negatives)
        hard = np.zeros(self.negatives, bool)
        if self._hard is not None:
            hard = self._rng.random(self.negatives) < self._hard_share
            blocks[hard] = np.searchsorted(self._hard, self._rng.random(int(hard.sum())))
        jitter = self._rng.integers(-self.rows // 2, self.rows // 2, self.negatives)
        starts = np.clip(self.data.starts[blocks] + jitter, 0, len(self.data.negatives) - self.rows)
        return starts, hard
