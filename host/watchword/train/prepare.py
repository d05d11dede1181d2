"""Everything that training needs, made once before the first stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchword.config import RunConfig
from watchword.core import Geometry, lead_samples
from watchword.data.batches import Batches, TrainingSet, make_training_set, segment_rows
from watchword.data.normalisation import fit_normalisation
from watchword.data.plan import Features, JobPlan, make_features
from watchword.data.specaugment import make_masks
from watchword.export.settings import ModelSettings
from watchword.train import architectures
from watchword.train.checkpoint import Run
from watchword.train.distill.choose import Distillation, make_distillation
from watchword.train.sources import Sources, find_sources
from watchword.train.validation import ValidationSet, make_validation_set

_NORMALISATION_STREAMS = 400  # of positives and of negatives: enough for a mean and a variance


@dataclass(frozen=True)
class Prepared:
    """The data of a run in the form that training takes, and what its teacher adds."""

    geometry: Geometry
    segment_rows: int
    training: TrainingSet
    validation: ValidationSet
    settings: ModelSettings  # with the detector as configured
    sources: Sources
    plan: JobPlan
    distillation: Distillation | None  # None: the run has no teacher

    @property
    def negative_s(self) -> float:
        """Seconds of training audio without the word."""
        return len(self.training.negatives) * self.geometry.hop_s

    @property
    def positive_s(self) -> float:
        """Seconds of training audio with the word."""
        segments = int(self.training.positives.shape[0])
        return segments * self.segment_rows * self.geometry.hop_s


def prepare(run: Run, rebuild: bool) -> Prepared:
    """Compute the features, or read them from the cache, and the teacher's labels; the run times both."""
    with run.timed("features"):
        features = make_features(run.config, run.progress, rebuild)
        prepared = prepare_data(run.config, features)
    if not run.config.distill.teacher:
        return prepared
    with run.timed("teacher"):
        distillation = make_distillation(run.config, features, prepared.geometry, run.progress)
    return replace(prepared, distillation=distillation)


def prepare_data(config: RunConfig, features: Features) -> Prepared:
    """All but the teacher's part."""
    f, t = config.features, config.train
    receptive_rows, stride_rows = architectures.receptive_rows(config.model), config.model.stem_stride
    geometry = Geometry(
        f.hop_samples, receptive_rows, stride_rows, lead_samples=lead_samples(f.kind, f.hop_samples)
    )
    rng = np.random.default_rng([t.seed, 2])
    streams = [*_some(features.positives, rng), *_some(features.negatives, rng)]
    normalisation = fit_normalisation(streams, f)
    detector = config.detector.to_core()
    rows = segment_rows(geometry, t.segment_s, detector.smoothing)
    return Prepared(
        geometry=geometry,
        segment_rows=rows,
        training=make_training_set(features.positives, features.negatives, normalisation, rows),
        validation=make_validation_set(features.validation, normalisation, geometry),
        settings=ModelSettings(config.word.phrase, f.hop_samples, f.coeffs, normalisation, detector, f.kind),
        sources=find_sources(features),
        plan=features.plan,
        distillation=None,
    )


def _some(streams: Sequence[np.ndarray] | np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    picks = rng.permutation(len(streams))[:_NORMALISATION_STREAMS]
    return [streams[i] for i in picks]


def make_batches(config: RunConfig, prepared: Prepared) -> Batches:
    """The batches of the whole run: QAT goes on where float training ends."""
    t, hop = config.train, prepared.geometry.hop_samples
    return Batches(
        prepared.training,
        prepared.geometry,
        rows=prepared.segment_rows,
        size=t.batch,
        negatives_per_positive=t.negatives_per_positive,
        window_end_s=t.window_end_s,
        seed=t.seed,
        masks=make_masks(config.augment, prepared.settings.normalisation, hop, config.features.kind),
    )
