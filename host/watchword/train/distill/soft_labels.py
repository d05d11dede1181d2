"""A teacher's logits for all training streams, interpolated to the student's rows and cached on disk.

Teacher and student may differ in hop, stride and window. A logit belongs to the sample at which the
teacher's window ends; between two of them it is interpolated linearly to the ends of the student's rows.
The student's score for a window is compared with the label at the window's last row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from watchword.config import RunConfig
from watchword.core import Geometry, lead_samples
from watchword.data.batches import Batch
from watchword.data.cache import cache_path, compute_rows, read_cached, write_cached
from watchword.data.job_keys import job_key
from watchword.data.jobs import Job, Recipe
from watchword.data.plan import Features
from watchword.progress import Progress
from watchword.train.distill.encoding import encode, share_of
from watchword.train.distill.teacher import Teacher

_VERSION = 1  # of what the files hold
_GROUP = 64  # jobs that the teacher labels together


@dataclass(frozen=True)
class SoftLabels:
    """The teacher's logit for the audio up to the end of every row of the training set; NaN: it has none."""

    positives: np.ndarray  # float16 [draws, rows]
    negatives: np.ndarray  # float16 [rows], streams joined

    def of(self, batch: Batch, geometry: Geometry) -> np.ndarray:
        """What the student's scores on `batch` are compared with: float32 [size, scores]."""
        rows = batch.rows.shape[1]
        ends = geometry.score_rows(geometry.scores(rows)) - 1
        words = self.positives[batch.words[:, :1], batch.words[:, 1:] + ends]
        return np.concatenate([words, self.negatives[batch.others[:, None] + ends]]).astype(np.float32)


def at_row_ends(
    due: np.ndarray, logits: np.ndarray, rows: int, hop_samples: int, lead_samples: int = 0
) -> np.ndarray:
    """Logits due at samples `due` (ascending), interpolated to the ends of `rows` rows: float16 [rows].

    NaN before the first and after the last of them: there the teacher has none.
    """
    if not len(logits):
        return np.full(rows, np.nan, np.float16)
    ends = np.arange(1, rows + 1) * hop_samples + lead_samples
    labels: np.ndarray = np.interp(ends, due[: len(logits)], logits, np.nan, np.nan)
    return labels.astype(np.float16)


def make_soft_labels(
    teacher: Teacher, features: Features, config: RunConfig, progress: bool = True
) -> SoftLabels:
    """The teacher's logits for the rows of `features`: from the cache, or computed and cached.

    It labels only a share of the streams without the word; the labels of the others are NaN.
    """
    plan, rows = features.plan, features.positives.shape[1]
    labelled = share_of(plan.negatives, plan.recipe, config.distill.negative_share)
    labeller = _Labeller(teacher, plan.recipe, config, progress)
    words = labeller.label(plan.positives, [rows] * len(plan.positives), "soft words")
    others = [np.full(len(stream), np.nan, np.float16) for stream in features.negatives]
    labels = labeller.label(
        [plan.negatives[i] for i in labelled], [len(others[i]) for i in labelled], "soft others"
    )
    for i, stream_labels in zip(labelled, labels, strict=True):
        others[i] = stream_labels
    return SoftLabels(np.stack(words), np.concatenate(others))


@dataclass(frozen=True)
class _Labeller:
    """Labels the jobs of one run with one teacher, through the cache."""

    teacher: Teacher
    recipe: Recipe
    config: RunConfig
    progress: bool

    @property
    def cache(self) -> Path:
        return Path(self.config.data.cache)

    def label(self, jobs: Sequence[Job], lengths: Sequence[int], title: str) -> list[np.ndarray]:
        """Logits at the rows of every job's stream, float16 [rows]; `lengths`: rows of each."""
        paths = [cache_path(self.cache, self._key(job)) for job in jobs]
        known = [read_cached(path) for path in paths]
        missing = [i for i, logits in enumerate(known) if logits is None]
        rows = self._rows([jobs[i] for i in missing], title) if missing else []
        with Progress(title, len(missing), "jobs", self.progress) as bar:
            for first in range(0, len(missing), _GROUP):
                group = missing[first : first + _GROUP]
                found = self._logits(rows[first : first + _GROUP], [lengths[i] for i in group])
                for i, logits in zip(group, found, strict=True):
                    write_cached(paths[i], logits)
                    known[i] = logits
                bar.add(len(group))
        return [logits for logits in known if logits is not None]

    def _key(self, job: Job) -> str:
        parts = "soft labels", _VERSION, self.teacher.identity, job_key(job, self.recipe)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _rows(self, jobs: Sequence[Job], title: str) -> list[np.ndarray]:
        """The rows the teacher takes, [rows, width] of each job."""
        data, encoder = self.config.data, self.teacher.encoder
        if encoder is None:
            return compute_rows(jobs, self.recipe, self.cache, data.workers, title, self.progress)
        return encode(jobs, self.recipe, encoder, self.cache, data.workers, title, self.progress)

    def _logits(self, streams: Sequence[np.ndarray], lengths: Sequence[int]) -> list[np.ndarray]:
        features, geometry = self.config.features, self.teacher.geometry
        hop, lead = features.hop_samples, lead_samples(features.kind, features.hop_samples)
        return [
            at_row_ends(geometry.score_samples(geometry.scores(len(stream))), logits, length, hop, lead)
            for stream, logits, length in zip(streams, self.teacher.log_odds(streams), lengths, strict=True)
        ]
