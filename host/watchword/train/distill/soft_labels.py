"""A teacher's opinion of all training streams, brought to the student's rows and kept on disk.

Teacher and student may differ in hop, stride and window. What both agree on is time: an opinion belongs
to the sample at which the teacher's window ends, and between two of them it is interpolated linearly to
the ends of the student's rows. The student's score for a window is compared with the opinion at the
window's last row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from watchword.config import RunConfig
from watchword.core import Geometry
from watchword.data.batches import Batch
from watchword.data.cache import cache_path, compute_rows, read_cached, write_cached
from watchword.data.features import Job, Recipe, job_key
from watchword.data.plan import Features
from watchword.train.distill.encoding import encode, share_of
from watchword.train.distill.teacher import Teacher

_VERSION = 1  # of what the files hold
_GROUP = 64  # jobs that the teacher judges together


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


def at_row_ends(due: np.ndarray, logits: np.ndarray, rows: int, hop_samples: int) -> np.ndarray:
    """Opinions due at samples `due` (ascending), interpolated to the ends of `rows` rows: float16 [rows].

    NaN before the first and after the last of them: there the teacher has none.
    """
    if not len(logits):
        return np.full(rows, np.nan, np.float16)
    ends = np.arange(1, rows + 1) * hop_samples
    return np.interp(ends, due[: len(logits)], logits, np.nan, np.nan).astype(np.float16)


def make_soft_labels(
    teacher: Teacher, features: Features, config: RunConfig, progress: bool = True
) -> SoftLabels:
    """The teacher's logits for the rows of `features`: from the cache, or computed and cached.

    Of the streams without the word it judges a share only, and of the others it has no opinion.
    """
    plan, rows = features.plan, features.positives.shape[1]
    judged = share_of(plan.negatives, plan.recipe, config.distill.negative_share)
    desk = _Desk(teacher, plan.recipe, config, progress)
    words = desk.judge(plan.positives, [rows] * len(plan.positives), "soft words")
    others = [np.full(len(stream), np.nan, np.float16) for stream in features.negatives]
    opinions = desk.judge(
        [plan.negatives[i] for i in judged], [len(others[i]) for i in judged], "soft others"
    )
    for i, labels in zip(judged, opinions, strict=True):
        others[i] = labels[0]
    return SoftLabels(np.concatenate(words), np.concatenate(others))


@dataclass(frozen=True)
class _Desk:
    """Where jobs of one run are judged by one teacher."""

    teacher: Teacher
    recipe: Recipe
    config: RunConfig
    progress: bool

    @property
    def cache(self) -> Path:
        return Path(self.config.data.cache)

    def judge(self, jobs: Sequence[Job], lengths: Sequence[int], label: str) -> list[np.ndarray]:
        """Logits at the rows of every job's streams, float16 [streams, rows]; `lengths`: rows of each."""
        paths = [cache_path(self.cache, self._key(job)) for job in jobs]
        known = [read_cached(path) for path in paths]
        missing = [i for i, opinion in enumerate(known) if opinion is None]
        heard = self._heard([jobs[i] for i in missing], label) if missing else []
        hidden = None if self.progress else True  # None: hidden unless stderr is a terminal
        with tqdm(total=len(missing), desc=f"{label:<10}", unit=" jobs", disable=hidden) as bar:
            for first in range(0, len(missing), _GROUP):
                group = missing[first : first + _GROUP]
                opinions = self._opinions(heard[first : first + _GROUP], [lengths[i] for i in group])
                for i, opinion in zip(group, opinions, strict=True):
                    write_cached(paths[i], opinion)
                    known[i] = opinion
                bar.update(len(group))
        return [opinion for opinion in known if opinion is not None]

    def _key(self, job: Job) -> str:
        parts = "soft labels", _VERSION, self.teacher.identity, job_key(job, self.recipe)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _heard(self, jobs: Sequence[Job], label: str) -> list[np.ndarray]:
        """The rows the teacher takes, [streams, rows, width] or [rows, width] of each job."""
        data, encoder = self.config.data, self.teacher.encoder
        if encoder is None:
            return compute_rows(jobs, self.recipe, self.cache, data.workers, label, self.progress)
        return encode(jobs, self.recipe, encoder, self.cache, data.workers, label, self.progress)

    def _opinions(self, heard: Sequence[np.ndarray], lengths: Sequence[int]) -> list[np.ndarray]:
        streams = [list(rows) if rows.ndim == 3 else [rows] for rows in heard]
        logits = iter(self.teacher.logits([stream for group in streams for stream in group]))
        hop, geometry = self.config.features.hop_samples, self.teacher.geometry
        return [
            np.stack([
                at_row_ends(
                    geometry.score_samples(geometry.scores(len(stream))), next(logits), length, hop
                )
                for stream in group
            ])
            for group, length in zip(streams, lengths, strict=True)
        ]  # fmt: skip
