"""What training loop, trainer and diagnosis exchange: stages, their log, results of a validation."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from watchword.data.batches import Batch
from watchword.files import write_atomic

LOG_COLUMNS = (
    "stage",
    "epoch",
    "loss",
    "learning_rate",
    "segments_per_s",
    "wait_share",
    "weights",
    "rank",
    "source_rank",
    "target",
    "frr_clean",
    "frr_mean",
    "accuracy",
    "fpr",
    "fnr",
    "fah",
    "val_loss",
    "raw_rank",
)


@dataclass(frozen=True)
class Stage:
    """One of the stages of training (float, int8 QAT): its length, its rates, how its result is chosen."""

    name: str
    epochs: int
    steps_per_epoch: int
    learning_rate: float
    warmup_epochs: int
    weight_decay: float
    ema_decay: float
    validate_every: int  # epochs from one validation to the next; the last epoch is always validated
    patience: int = 0  # epochs without a better result after which the stage ends early; 0 = never
    fused: bool = False  # XLA compiles the steps: twice as fast, after 10 s of compiling

    def segments(self, batch: int) -> int:
        """Number of segments it trains on if it does not end early."""
        return self.epochs * self.steps_per_epoch * batch

    def rate(self, step: int) -> float:
        """Learning rate: a straight warm-up, then half a cosine down to 1 %."""
        warm = self.warmup_epochs * self.steps_per_epoch
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        share = (step - warm) / max(1, self.epochs * self.steps_per_epoch - warm)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * share)))


@dataclass
class RunLog:
    """log.csv of a run, rewritten whole after every epoch."""

    path: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **values: object) -> None:
        self.rows.append(values)
        text = io.StringIO()
        writer = csv.DictWriter(text, LOG_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomic(self.path, text.getvalue())


@dataclass(frozen=True)
class ValidationResult:
    """Figures of one validation.

    Accuracy, FPR and FNR are at the operating point, over words in all conditions and whole recordings
    without the word. Accuracy alone says little: a model that never fires is accurate where words are rare.
    """

    rank: float  # mean FRR at 1 to 5 false alarms
    frr_clean: float
    frr_mean: float
    source_rank: float | None = None  # rank with the worst sources held to the rate, if that decides
    target: float | None = None  # mean FRR at the target of false alarms per hour, if that decides
    accuracy: float = math.nan
    fpr: float = math.nan
    fnr: float = math.nan
    fah: float = math.nan
    val_loss: float = math.nan
    spread: float = 1.0  # highest less lowest peak of all recordings, 0..1
    frr: dict[str, float] = field(default_factory=dict)  # by condition, at as many alarms as frr_mean

    @property
    def decisive(self) -> float:
        """What the best weights are chosen by; lower is better."""
        chosen = [value for value in (self.target, self.source_rank) if value is not None]
        return chosen[0] if chosen else self.rank

    def row(self) -> dict[str, float]:
        """Its columns of the log."""
        return {k: round(v, 5) for k, v in vars(self).items() if k in LOG_COLUMNS and v is not None}


# Called after every validation with stage, epoch and result. An exception it raises ends the run.
OnValidation = Callable[[str, int, ValidationResult], None]


@dataclass
class StageProgress:
    """How far a stage has come; saved with the weights."""

    epoch: int = 0  # completed
    best: float = math.inf
    best_epoch: int = 0  # the latest whose result was better than all before it
    kept: str = ""  # which weights the file of the best weights holds, in words
    finished: bool = False


@dataclass(frozen=True)
class Divergence:
    """A step whose loss is not finite, examined with the weights of the epoch before."""

    stage: str
    epoch: int
    step: int
    rate: float
    loss: float
    gradient_norm: float
    before: float  # loss of the step before
    batch: Batch
    segment_losses: np.ndarray  # float32 [batch], with the weights of the epoch before
