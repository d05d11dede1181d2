"""Other features of the same audio: a teacher's rows where the student has those of its front end.

The audio of a job is drawn from the job's own randomness, so a second pass gives every augmented sample
again. The encoder's rows go into the same cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np

from watchword import core
from watchword.config import FeaturesConfig
from watchword.data.cache import compute_rows
from watchword.data.job_keys import job_rng, sound_key
from watchword.data.jobs import Drawn, Job, Recipe


class Encoder(Protocol):
    """Turns audio into rows. Sent to worker processes, so it loads what it needs when first used."""

    @property
    def identity(self) -> str:
        """Hash of everything the rows depend on."""

    @property
    def hop_samples(self) -> int:
        """Row j is of the audio up to sample (j + 1) · hop_samples; micro rows core.lead_samples later."""

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        """pcm: int16 [samples] at 16 kHz. Returns [samples // hop_samples, width], fewer with micro rows."""


@dataclass(frozen=True)
class FrontEnd:
    """The C front end with a teacher's settings, where they differ from the student's."""

    features: FeaturesConfig

    @property
    def identity(self) -> str:
        return f"front end, {self.features.kind}, hop {self.hop_samples}, {self.features.coeffs} coefficients"

    @property
    def hop_samples(self) -> int:
        return self.features.hop_samples

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        return core.frontend_rows(pcm, self.hop_samples, self.features.coeffs, self.features.kind)


@dataclass(frozen=True)
class _EncodingRecipe(Recipe):
    """A recipe whose rows are an encoder's."""

    encoder: Encoder

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        return self.encoder.rows(pcm)


@dataclass(frozen=True)
class EncodedJob:
    """The audio of `job`, as rows of `encoder`."""

    job: Job
    encoder: Encoder

    def scene(self, recipe: Recipe, rng: np.random.Generator) -> Drawn:
        """`rng` stays unused: the audio is drawn as for `job` itself."""
        return self.job.scene(recipe, job_rng(self.job, recipe))

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        """See `scene`."""
        shared = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
        return self.job.compute(_EncodingRecipe(**shared, encoder=self.encoder), job_rng(self.job, recipe))

    @property
    def identity(self) -> tuple[object, ...]:
        return "encoded", self.encoder.identity, self.job.identity


def share_of(jobs: Sequence[Job], recipe: Recipe, share: float) -> list[int]:
    """Indices of `share` of the jobs, ascending, at least one: those with the lowest hashes of their sound.

    The choice does not depend on the order of `jobs` or on the code that makes the sound; a larger share
    holds all of a smaller one.
    """
    keys = [sound_key(job, recipe) for job in jobs]
    lowest = sorted(range(len(jobs)), key=keys.__getitem__)
    return sorted(lowest[: max(1, round(share * len(jobs)))])


def encode(
    jobs: Sequence[Job],
    recipe: Recipe,
    encoder: Encoder,
    cache: Path,
    workers: int,
    label: str,
    progress: bool = True,
) -> list[np.ndarray]:
    """The encoder's rows of the audio of every job, in order, from the cache or computed."""
    return compute_rows([EncodedJob(j, encoder) for j in jobs], recipe, cache, workers, label, progress)
