"""The two stages of a run's training: float, then quantisation-aware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from watchword import core
from watchword.config import RunConfig
from watchword.data.batches import Batches
from watchword.train import architectures, qat
from watchword.train.checkpoint import STAGES, Run
from watchword.train.loop import Checkpointer, StageLoop, median_speed
from watchword.train.losses import make_loss
from watchword.train.prepare import Prepared
from watchword.train.scoring import Scorer
from watchword.train.stage import Stage, ValidationResult
from watchword.train.tensorflow import precision
from watchword.train.trainer import Trainer, load_weights
from watchword.train.validation import ValidationScores, calibrate

_RANGE_SEGMENTS = 256  # training segments that set the activations' ranges
_STEPS_WORTH_FUSING = 1000
_LOGGED_ALARMS = 3  # the log's FRR is at this many false alarms


@dataclass(frozen=True)
class Quantised:
    """The network after quantisation-aware training, and the folded float network that it began as."""

    network: Any
    folded: Any


@dataclass(frozen=True)
class Training:
    """A run's training: its data, and where its checkpoints go."""

    run: Run
    prepared: Prepared
    batches: Batches  # QAT goes on where float training ends
    checkpointer: Checkpointer

    def train_float(self) -> Any:
        """The float network with its best weights, computing in float32."""
        config = self.run.config
        with precision(config.train.mixed_precision):
            network = architectures.build_model(config.model, config.features.coeffs)
        architectures.start_from(network, config.model, config.features.kind)
        self._fit(network, float_stage(config), distilled=True)
        full = architectures.build_model(config.model, config.features.coeffs)
        full.set_weights(network.get_weights())
        return full

    def train_quantised(self, network: Any) -> Quantised:
        """Fold the batch norms of the float network and train it on as the int8 engine computes."""
        config = self.run.config
        folded = qat.fold_batch_norm(network, config.model, config.features.coeffs)
        quantised = qat.quantise(folded, self.segments())
        self._fit(quantised, qat_stage(config), distilled=config.distill.in_qat)
        return Quantised(quantised, folded)

    def segments(self) -> np.ndarray:
        """The next training segments, int8 [n, rows, coeffs]."""
        taken = [batch.rows for batch in self.batches.take(-(-_RANGE_SEGMENTS // self.batches.size))]
        return np.concatenate(taken)

    def _fit(self, network: Any, stage: Stage, *, distilled: bool) -> None:
        """Train one stage of the run, or load its result if it was complete before the run was resumed."""
        run, detector = self.run, self.prepared.settings.detector
        name = stage.name.split()[-1].lower()
        weights = run.out / f"weights_{name}.npz"
        if run.was_finished(stage):
            load_weights(network, weights)
            if run.bar is not None:
                run.bar.take_away(stage.segments(self.batches.size))
        else:
            logits = architectures.logits_of(network)
            scorer = Scorer(logits, self.prepared.geometry)
            loss = make_loss(run.config.train, detector.smoothing, self.prepared.geometry)
            teacher = self.prepared.distillation if distilled else None
            loop = StageLoop(
                stage=stage,
                trainer=Trainer(network, logits, loss, stage, teacher.loss if teacher else None),
                batches=self.batches,
                validate=lambda: self._validate(scorer),
                weights=weights,
                log=run.log,
                checkpointer=self.checkpointer,
                after_validation=lambda: self._find_hard_negatives(scorer),
                on_epoch=run.record_epoch,
                on_validation=run.on_validation,
                explain=lambda divergence: run.explain(divergence, self.prepared.sources),
                say=run.say,
                bar=run.bar,
            )
            loop.run(resume=run.resumes_in(stage))
        run.speed[name] = median_speed(run.log, stage)

    def _validate(self, scorer: Scorer) -> ValidationResult:
        detector = self.prepared.settings.detector
        scores = self.prepared.validation.measure(scorer.scores, detector)
        return validation_result(self.run.config, scores, detector)

    def _find_hard_negatives(self, scorer: Scorer) -> None:
        """Set how likely each block of negatives is drawn, if a share of them is drawn by difficulty."""
        share = self.run.config.train.hard_share
        if share > 0:
            self.batches.set_hardness(hardness(scorer, self.prepared, self.batches.rows), share)


def float_stage(config: RunConfig) -> Stage:
    """The stage that trains in floats."""
    t = config.train
    return Stage(
        name=STAGES[0],
        epochs=t.epochs,
        steps_per_epoch=t.steps_per_epoch,
        learning_rate=t.learning_rate,
        warmup_epochs=t.warmup_epochs,
        weight_decay=t.weight_decay,
        ema_decay=t.ema_decay,
        validate_every=t.validate_every,
        patience=t.patience,
        fused=_fusing_pays(config),
    )


def qat_stage(config: RunConfig) -> Stage:
    """The stage that trains as the int8 engine computes."""
    t, q = config.train, config.qat
    return Stage(
        name=STAGES[1],
        epochs=q.epochs,
        steps_per_epoch=t.steps_per_epoch,
        learning_rate=q.learning_rate,
        warmup_epochs=0,
        weight_decay=t.weight_decay,
        ema_decay=t.ema_decay,
        validate_every=t.validate_every,
        patience=t.patience,
    )


def _fusing_pays(config: RunConfig) -> bool:
    """XLA takes about ten seconds to compile; it makes small networks faster, and cannot scale losses."""
    t = config.train
    small = architectures.architecture(config.model).streams
    return small and t.mixed_precision == "off" and t.epochs * t.steps_per_epoch >= _STEPS_WORTH_FUSING


def validation_result(
    config: RunConfig, accuracy: ValidationScores, detector: core.DetectorConfig
) -> ValidationResult:
    """The figures of one validation; the operating point is calibrated if `[detector] target_fah` is set."""
    asked, best_by, high = config.detector, config.train.best_by, detector.high
    if asked.target_fah > 0:
        high = calibrate(accuracy, detector, asked.target_fah, asked.bound)[0].high
    frr = accuracy.frr(_LOGGED_ALARMS)
    return ValidationResult(
        rank=accuracy.rank,
        frr_clean=frr["clean"],
        frr_mean=float(np.mean(list(frr.values()))),
        source_rank=accuracy.source_rank if best_by == "source_rank" else None,
        target=float(np.mean(list(accuracy.frr_at(high).values()))) if best_by == "target_fah" else None,
        accuracy=accuracy.correct_at(high),
        fpr=accuracy.fpr_at(high),
        fnr=accuracy.fnr_at(high),
        fah=accuracy.alarms_at(high) / accuracy.negative_hours,
        val_loss=accuracy.loss,
        spread=accuracy.spread,
        frr=frr,
    )


def hardness(scorer: Scorer, prepared: Prepared, segment_rows: int) -> np.ndarray:
    """The network's highest averaged score in each block of the training negatives, 0..1: float [blocks]."""
    training, geometry = prepared.training, prepared.geometry
    logits = scorer.logits(training.negatives)
    kernel = np.ones(prepared.settings.detector.smoothing, np.float32)
    averaged = np.convolve(logits, kernel / len(kernel), mode="same")
    firsts = -(-training.starts // geometry.stride_rows)
    inside = firsts[:, None] + np.arange(geometry.scores(segment_rows))[None, :]
    highest = averaged[np.minimum(inside, len(averaged) - 1)].max(axis=1)
    shares: np.ndarray = 1.0 / (1.0 + np.exp(-highest.astype(np.float64)))
    return shares
