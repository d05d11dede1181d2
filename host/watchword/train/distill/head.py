"""A teacher made of a pre-trained encoder and a small head that is trained on the run's own data.

Embeddings are standardised to int8, as the student's rows are, so that batches, loss, loop and
validation are the student's own. The head is kept in the cache under a hash of all it was made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from watchword import core, spec
from watchword.config import ModelConfig, RunConfig
from watchword.core import Geometry
from watchword.data.batches import Batches, join_training_set, segment_rows
from watchword.data.job_keys import job_key
from watchword.data.jobs import Job, Recipe
from watchword.data.normalisation import INPUT_STEPS_PER_SIGMA
from watchword.data.plan import Features
from watchword.files import write_atomic
from watchword.progress import track
from watchword.train import architectures
from watchword.train.distill.encoding import Encoder, encode, share_of
from watchword.train.distill.teacher import NetworkTeacher
from watchword.train.losses import make_loss
from watchword.train.scoring import Scorer
from watchword.train.stage import Stage
from watchword.train.tensorflow import make_reproducible
from watchword.train.trainer import Trainer, load_weights, save_weights
from watchword.train.validation import ValidationScores, ValidationSet

_VERSION = 1  # of how heads are made
_WEIGHTS, _NOTES = "head.npz", "head.json"
_EPOCHS = 10
_LEARNING_RATE = 1e-3
_STANDARD_STREAMS = 400  # of each kind: enough for a mean and a deviation


class PretrainedEncoder(Encoder, Protocol):
    """A pre-trained encoder, and the head that suits its rows."""

    @property
    def name(self) -> str: ...

    @property
    def head(self) -> ModelConfig: ...


@dataclass(frozen=True)
class Standard:
    """Mean and deviation of each dimension over the training streams."""

    mean: np.ndarray  # float32 [width]
    deviation: np.ndarray  # float32 [width]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Rows as int8: INPUT_STEPS_PER_SIGMA steps are one standard deviation."""
        steps = (rows.astype(np.float32) - self.mean) / self.deviation * INPUT_STEPS_PER_SIGMA
        clipped: np.ndarray = np.clip(np.rint(steps), -128, 127)
        return clipped.astype(np.int8)


@dataclass(frozen=True)
class _Encoded:
    """The run's streams as rows of the encoder."""

    positives: np.ndarray  # [draws, rows, width]
    negatives: list[np.ndarray]
    validation: list[np.ndarray]
    standard: Standard


def train_headed_teacher(
    encoder: PretrainedEncoder, config: RunConfig, features: Features, progress: bool = True
) -> NetworkTeacher:
    """The teacher that `encoder` and a head make."""
    identity = _identity(encoder, config, features)
    kept = Path(config.data.cache) / "teachers" / identity[:32]
    geometry = _geometry(encoder)
    if not (kept / _NOTES).is_file():
        encoded = _encode_streams(encoder, config, features, progress)
        make_reproducible(config.train.seed)
        network = architectures.build_model(encoder.head, len(encoded.standard.mean))
        validation = _train(network, geometry, encoded, config, features, kept, progress)
        notes = {name: values.tolist() for name, values in vars(encoded.standard).items()}
        write_atomic(kept / _NOTES, json.dumps({**notes, "validation": validation}))  # last: all is there
    notes = json.loads((kept / _NOTES).read_text("utf-8"))
    standard = Standard(*(np.array(notes[name], np.float32) for name in ("mean", "deviation")))
    network = architectures.build_model(encoder.head, len(standard.mean))
    load_weights(network, kept / _WEIGHTS)
    facts = {"teacher": encoder.name, "head_parameters": int(network.count_params())}
    scorer = Scorer(architectures.logits_of(network), geometry)
    weights = hashlib.sha256((kept / _WEIGHTS).read_bytes()).hexdigest()
    identity = f"{identity} {weights}"  # two machines may train the same head to different weights
    facts |= {"validation": notes["validation"]}
    return NetworkTeacher(identity, encoder, standard, scorer, facts, config.train.logit_scale)


def _geometry(encoder: PretrainedEncoder) -> Geometry:
    head = encoder.head
    return Geometry(encoder.hop_samples, architectures.receptive_rows(head), head.stem_stride)


def _identity(encoder: PretrainedEncoder, config: RunConfig, features: Features) -> str:
    """Hash of the sounds, of the encoder, and of how the head is trained."""
    plan, t = features.plan, config.train
    jobs = [job_key(job, plan.recipe) for job in (*plan.positives, *_negatives(features, config))]
    for planned in plan.validation.streams:
        jobs += [job_key(planned.job, plan.validation.recipe), planned.source]
    parts = (
        "head", _VERSION, encoder.identity, asdict(encoder.head), jobs, asdict(t),
        config.detector.smoothing, config.distill.head_steps,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _negatives(features: Features, config: RunConfig) -> list[Job]:
    """Only those that the teacher will label: encoding is what takes the time."""
    plan = features.plan
    return [plan.negatives[i] for i in share_of(plan.negatives, plan.recipe, config.distill.negative_share)]


def _encode_streams(
    encoder: PretrainedEncoder, config: RunConfig, features: Features, progress: bool
) -> _Encoded:
    plan, cache, workers = features.plan, Path(config.data.cache), config.data.workers

    def rows_of(jobs: Sequence[Job], recipe: Recipe, label: str) -> list[np.ndarray]:
        return encode(jobs, recipe, encoder, cache, workers, label, progress)

    positives = np.stack(rows_of(plan.positives, plan.recipe, "encode +"))
    negatives = rows_of(_negatives(features, config), plan.recipe, "encode -")
    validation = rows_of(
        [planned.job for planned in plan.validation.streams], plan.validation.recipe, "encode val"
    )
    rng = np.random.default_rng([config.train.seed, 4])
    some = [positives[i] for i in rng.permutation(len(positives))[:_STANDARD_STREAMS]]
    some += [negatives[i] for i in rng.permutation(len(negatives))[:_STANDARD_STREAMS]]
    joined = np.concatenate(some).astype(np.float32)
    standard = Standard(joined.mean(axis=0), np.maximum(joined.std(axis=0), 1e-3))
    return _Encoded(positives, negatives, validation, standard)


def _train(
    network: Any, geometry: Geometry, encoded: _Encoded, config: RunConfig, features: Features, kept: Path,
    progress: bool,
) -> dict[str, object]:  # fmt: skip
    """Train the head and store its best weights in `kept`; returns its figures on validation."""
    t, standard = config.train, encoded.standard
    detector = _detector(config, geometry)
    rows = tuple(standard(stream) for stream in encoded.validation)
    validation = ValidationSet(tuple(features.validation), rows, geometry)
    batches = _batches(geometry, encoded, config, detector.smoothing)
    steps = -(-config.distill.head_steps // _EPOCHS)
    stage = Stage(
        name="teacher",
        epochs=_EPOCHS,
        steps_per_epoch=steps,
        learning_rate=_LEARNING_RATE,
        warmup_epochs=1,
        weight_decay=t.weight_decay,
        ema_decay=t.ema_decay,
        validate_every=1,
    )
    logits = architectures.logits_of(network)
    trainer = Trainer(network, logits, make_loss(t, detector.smoothing, geometry), stage)
    scorer = Scorer(logits, geometry)
    figure = attrgetter("source_rank" if t.best_by == "source_rank" else "rank")
    best: ValidationScores | None = None
    for epoch in track(range(_EPOCHS), "teacher", _EPOCHS, "epochs", progress):
        for number, batch in enumerate(batches.take(steps)):
            trainer.step(batch, stage.rate(epoch * steps + number))
        with trainer.averager.in_place():
            found = validation.measure(scorer.scores, detector)
            if best is None or figure(found) <= figure(best):
                best = found
                save_weights(network, kept / _WEIGHTS)
    assert best is not None
    return asdict(best.figures(detector))


def _detector(config: RunConfig, geometry: Geometry) -> core.DetectorConfig:
    """The student's detector, averaging over the same time at the pace of the head's scores."""
    detector = config.detector.to_core()
    student_score_s = config.model.stem_stride * config.features.hop_samples / spec.SAMPLE_RATE_HZ
    smoothing = max(1, round(detector.smoothing * student_score_s / geometry.score_s))
    return replace(detector, smoothing=smoothing)


def _batches(geometry: Geometry, encoded: _Encoded, config: RunConfig, smoothing: int) -> Batches:
    t, standard = config.train, encoded.standard
    rows = segment_rows(geometry, t.segment_s, smoothing)
    words = np.stack([standard(stream) for stream in encoded.positives])
    training = join_training_set(words, [standard(stream) for stream in encoded.negatives], rows)
    return Batches(
        training,
        geometry,
        rows=rows,
        size=t.batch,
        negatives_per_positive=t.negatives_per_positive,
        window_end_s=t.window_end_s,
        seed=t.seed,
    )
