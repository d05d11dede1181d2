"""What a teacher is: a network that labels streams with log-odds, which a smaller network learns to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from watchword.core import Geometry
from watchword.train.distill.encoding import Encoder
from watchword.train.scoring import Scorer


class Teacher(Protocol):
    """Gives log-odds at its own score times; `soft_labels` interpolates them to the student's."""

    @property
    def identity(self) -> str:
        """Hash of everything its answers depend on."""

    @property
    def encoder(self) -> Encoder | None:
        """What turns audio into the rows it takes; None: the student's own rows before normalisation."""

    @property
    def geometry(self) -> Geometry:
        """The samples of a stream that its scores belong to."""

    @property
    def facts(self) -> dict[str, Any]:
        """What it is and how accurate, for metrics.json."""

    def log_odds(self, streams: Sequence[np.ndarray]) -> list[np.ndarray]:
        """float32 [geometry.scores(rows)] of each stream [rows, width]; its last score may be missing."""


@dataclass(frozen=True)
class NetworkTeacher:
    """A Keras network over int8 rows."""

    identity: str
    encoder: Encoder | None
    normalise: Callable[[np.ndarray], np.ndarray]  # a stream as the encoder gives it -> int8 [rows, width]
    scorer: Scorer
    facts: dict[str, Any]
    logit_scale: float  # of its training

    @property
    def geometry(self) -> Geometry:
        return self.scorer.geometry

    def log_odds(self, streams: Sequence[np.ndarray]) -> list[np.ndarray]:
        """All streams together: windows that reach from one into the next are left out."""
        stride = self.geometry.stride_rows
        whole = [self.normalise(stream)[: len(stream) // stride * stride] for stream in streams]
        joined = self.logit_scale * self.scorer.logits(np.concatenate(whole))
        starts = np.cumsum([0] + [len(rows) // stride for rows in whole])
        return [
            joined[start : start + self.geometry.scores(len(rows))]
            for start, rows in zip(starts[:-1], whole, strict=True)
        ]
