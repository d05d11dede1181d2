"""The training loop of one stage, the same for float and for quantisation-aware training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from watchword.data.batches import Batch, Batches
from watchword.errors import WatchwordError
from watchword.train.diagnosis import Finding, diverged
from watchword.train.progress import ProgressBar
from watchword.train.stage import Divergence, OnValidation, RunLog, Stage, StageProgress, ValidationResult
from watchword.train.state import SavedState
from watchword.train.trainer import StepResult, Trainer, load_weights, save_weights


def median_speed(log: RunLog, stage: Stage) -> int:
    """Segments per second in an epoch of `stage`."""
    return round(float(np.median([row["segments_per_s"] for row in log.rows if row["stage"] == stage.name])))


class Checkpointer(Protocol):
    """Stores all that the rest of a stage depends on, after every epoch."""

    def save(self, stage: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Replace the latest state."""

    def load(self) -> SavedState:
        """The latest state."""


class MemoryCheckpointer:
    """Holds the latest state in memory: enough to restore the weights after a divergence, not to resume."""

    def __init__(self) -> None:
        self._state = SavedState("", {}, {})

    def save(self, stage: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Replace the latest state."""
        self._state = SavedState(stage, arrays, meta)

    def load(self) -> SavedState:
        """The latest state."""
        return self._state


@dataclass(kw_only=True)
class StageLoop:
    """Trains one stage epoch by epoch and leaves the best weights in the trainer's network.

    The best weights by validation go to `weights` (.npz) as soon as they are found: the averaged ones, or
    at the end the raw ones, if those are better. After every epoch the checkpointer gets all that the rest
    of the stage depends on.
    """

    stage: Stage
    trainer: Trainer
    batches: Batches
    validate: Callable[[], ValidationResult]  # measures the network with the weights it has at the call
    weights: Path
    log: RunLog
    checkpointer: Checkpointer = field(default_factory=MemoryCheckpointer)
    after_validation: Callable[[], None] | None = None  # with the averaged weights; not after the last
    on_epoch: Callable[[Stage, dict[str, Any], ValidationResult | None], None] | None = None
    on_validation: OnValidation | None = None
    explain: Callable[[Divergence], Finding] = lambda divergence: diverged(divergence, None)
    say: Callable[[str], None] = lambda line: None
    bar: ProgressBar | None = None  # of all stages of the run; None: no bar
    _progress: StageProgress = field(init=False, default_factory=StageProgress)

    def run(self, resume: bool = False) -> None:
        """Train to the end; with `resume` from the checkpointer's state on, to the same result."""
        if self.bar is not None:
            self.bar.describe(self.stage.name)
        if resume:
            self._restore()
            self._skip(self._progress.epoch)
        else:
            self._save()
        while not self._progress.finished:
            row = self._train_epoch(self._progress.epoch + 1)
            found = self._validate_epoch(row)
            self.log.add(**row)
            if self.on_epoch is not None:
                self.on_epoch(self.stage, row, found)
            self._save()
        self._skip(self.stage.epochs - self._progress.epoch)
        load_weights(self.trainer.network, self.weights)

    def _skip(self, epochs: int) -> None:
        if self.bar is not None:
            self.bar.take_away(epochs * self.stage.steps_per_epoch * self.batches.size)

    def _train_epoch(self, epoch: int) -> dict[str, Any]:
        """Take one epoch's steps; returns its row of the log."""
        stage, size = self.stage, self.batches.size
        losses, rate, waited = [math.nan], 0.0, 0.0
        started = asked = time.perf_counter()
        for number, batch in enumerate(self.batches.take(stage.steps_per_epoch)):
            waited += time.perf_counter() - asked
            rate = stage.rate((epoch - 1) * stage.steps_per_epoch + number)
            result = self.trainer.step(batch, rate)
            if not _finite(result, self.trainer):
                raise self._divergence(epoch, number + 1, rate, result, losses[-1], batch)
            losses.append(result.loss)
            if self.bar is not None:
                self.bar.add(size)
            asked = time.perf_counter()
        seconds = time.perf_counter() - started
        mean = float(np.mean(losses[1:]))
        if self.bar is not None:
            self.bar.add(0, f"loss {mean:.4f}")
        return {
            "stage": stage.name,
            "epoch": epoch,
            "loss": round(mean, 6),
            "learning_rate": round(rate, 9),
            "segments_per_s": round(stage.steps_per_epoch * size / seconds),
            "wait_share": round(waited / seconds, 4),
        }

    def _divergence(
        self, epoch: int, step: int, rate: float, result: StepResult, before: float, batch: Batch
    ) -> WatchwordError:
        """Restore the state of the epoch before and find out why the loss is not a finite number."""
        self._restore()
        self._save(diverged=True)
        finding = self.explain(
            Divergence(
                stage=self.stage.name,
                epoch=epoch,
                step=step,
                rate=rate,
                loss=result.loss,
                gradient_norm=result.gradient_norm,
                before=before,
                batch=batch,
                segment_losses=self.trainer.segment_losses(batch),
            )
        )
        return WatchwordError(finding.what, f"training ({self.stage.name})", finding.remedy)

    def _validate_epoch(self, row: dict[str, Any]) -> ValidationResult | None:
        """Validate after the epoch that `row` describes, if it is due, and decide whether the stage ends."""
        stage, progress = self.stage, self._progress
        epoch = progress.epoch = progress.epoch + 1
        if epoch % stage.validate_every and epoch != stage.epochs:
            return None
        with self.trainer.averager.in_place():
            found = self.validate()
            row |= found.row()
            self._keep_if_best(found, row, f"averaged weights of epoch {epoch}")
            waited = epoch - max(progress.best_epoch, stage.warmup_epochs)
            progress.finished = epoch == stage.epochs or 0 < stage.patience <= waited
            self.say(_line(stage, row) + (self.bar.left() if self.bar is not None else ""))
            if self.on_validation is not None:
                self.on_validation(stage.name, epoch, found)
            if not progress.finished and self.after_validation is not None:
                self.after_validation()
        if progress.finished:
            self._finish(row)
        return found

    def _finish(self, row: dict[str, Any]) -> None:
        """Validate the raw weights too, where averaged ones were validated so far."""
        stage, progress, epoch = self.stage, self._progress, self._progress.epoch
        if stage.ema_decay:
            raw = self.validate()
            row["raw_rank"] = round(raw.rank, 5)
            if raw.decisive < progress.best:
                self._keep_if_best(raw, row, f"raw weights of epoch {epoch}")
        early = "" if epoch == stage.epochs else f"stopped after epoch {epoch}, no better since; "
        self.say(f"{stage.name}: {early}kept the {progress.kept}")

    def _keep_if_best(self, found: ValidationResult, row: dict[str, Any], name: str) -> None:
        """Store the weights that are in the network if none were better; among equals the latest."""
        progress = self._progress
        row.setdefault("weights", "")
        if found.decisive > progress.best:
            return
        if found.decisive < progress.best:
            progress.best_epoch = progress.epoch
        progress.best, progress.kept, row["weights"] = found.decisive, name, name.split()[0]
        save_weights(self.trainer.network, self.weights)

    def _save(self, diverged: bool = False) -> None:
        drawn = self.batches.state()
        arrays = {**self.trainer.arrays(), "hard": drawn.pop("hard")}
        meta = {
            "progress": asdict(self._progress),
            "averaged_steps": self.trainer.averager.steps,
            "batches": drawn,
            "diverged": diverged,
        }
        self.checkpointer.save(self.stage.name, arrays, meta)

    def _restore(self) -> None:
        saved = self.checkpointer.load()
        self.trainer.restore(saved.arrays, int(saved.meta["averaged_steps"]))
        self.batches.restore({**saved.meta["batches"], "hard": saved.arrays["hard"]})
        self._progress = StageProgress(**saved.meta["progress"])


def _finite(result: StepResult, trainer: Trainer) -> bool:
    steady = math.isfinite(result.gradient_norm) or trainer.skips_infinite_gradients
    return math.isfinite(result.loss) and steady


def _line(stage: Stage, row: dict[str, Any]) -> str:
    line = (
        f"{stage.name} epoch {row['epoch']}/{stage.epochs}: loss {row['loss']}, validation FRR "
        f"{100 * row['frr_clean']:.1f} % clean, {100 * row['frr_mean']:.1f} % over all conditions"
    )
    if math.isnan(row["fnr"]):
        return line
    return f"{line}; at its threshold FNR {100 * row['fnr']:.1f} %, FPR {100 * row['fpr']:.1f} %"
