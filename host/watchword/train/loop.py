"""The training loop, the same for float and for quantisation-aware training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from watchword.data.batches import Batches
from watchword.errors import WatchwordError
from watchword.train.diagnosis import Finding, diverged
from watchword.train.losses import SegmentLoss
from watchword.train.progress import Progress
from watchword.train.stage import Course, Divergence, Judgement, OnValidation, RunLog, Stage
from watchword.train.state import SavedState
from watchword.train.trainer import StepResult, Trainer, load_weights, save_weights

if TYPE_CHECKING:
    from watchword.train.distill.target import Lesson


def median_speed(log: RunLog, stage: Stage) -> int:
    """Segments per second in an epoch of `stage`."""
    return round(float(np.median([row["segments_per_s"] for row in log.rows if row["stage"] == stage.name])))


class Keeper:
    """Keeps the state of a stage and hears of its epochs; this one in memory, so for no resuming."""

    def __init__(self) -> None:
        self._state = SavedState("", {}, {})

    def save(self, stage: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        self._state = SavedState(stage, arrays, meta)

    def load(self) -> SavedState:
        return self._state

    def observe(self, stage: Stage, row: dict[str, Any], found: Judgement | None) -> None:
        """`row` is the epoch's line of the log; `found` is what validation said, if there was one."""

    def explain(self, divergence: Divergence) -> Finding:
        return diverged(divergence, None)


@dataclass(frozen=True)
class Observers:
    """What a stage calls as it goes."""

    judge: Callable[[], Judgement]  # of the network with the weights it has then
    after_epoch: Callable[[int], None]  # with the averaged weights in the network
    say: Callable[[str], None] | None = None
    progress: bool = True
    on_validation: OnValidation | None = None
    keeper: Keeper = field(default_factory=Keeper)
    bar: Progress | None = None  # of a run with several stages

    def tell(self, line: str) -> None:
        if self.say is not None:
            self.say(line)


def fit(
    network: Any, logits: Any, stage: Stage, loss: SegmentLoss, batches: Batches, observers: Observers,
    log: RunLog, checkpoint: Path, lesson: Lesson | None = None, resume: bool = False,
) -> None:  # fmt: skip
    """Train `network` (whose `logits` are its part before the sigmoid) and leave the best weights in it.

    The best weights by validation go to `checkpoint` (.npz) as soon as they are found: the averaged ones,
    or at the end the raw ones, if those are better. After every epoch all that the rest depends on goes to
    the keeper; with `resume` the stage goes on from there, to the same result.
    """
    trainer = Trainer(network, logits, loss, stage, lesson)
    bar = observers.bar or Progress(stage.segments(batches.size), observers.progress)
    bar.stage(stage.name)
    course = _restore(trainer, batches, observers.keeper.load()) if resume else Course()
    bar.skip(course.epoch * stage.steps_per_epoch * batches.size)
    if not resume:
        _save(trainer, stage, batches, course, observers.keeper)
    while not course.finished:
        row = _run_epoch(course.epoch + 1, stage, trainer, batches, observers.keeper, bar)
        found = _validate(trainer, stage, course, row, observers, checkpoint, bar)
        log.add(**row)
        observers.keeper.observe(stage, row, found)
        _save(trainer, stage, batches, course, observers.keeper)
    bar.skip((stage.epochs - course.epoch) * stage.steps_per_epoch * batches.size)
    if observers.bar is None:
        bar.close()
    load_weights(network, checkpoint)


def _validate(
    trainer: Trainer, stage: Stage, course: Course, row: dict[str, Any], observers: Observers,
    checkpoint: Path, bar: Progress,
) -> Judgement | None:  # fmt: skip
    """Judge the epoch that `row` tells of, keep its weights if they are the best, see whether to stop."""
    epoch = course.epoch = course.epoch + 1
    found = None
    with trainer.averager.in_place():
        if epoch % stage.validate_every == 0 or epoch == stage.epochs:
            found = observers.judge()
            row |= found.row()
            _keep(trainer, course, found, row, checkpoint, f"averaged weights of epoch {epoch}")
            waited = epoch - max(course.best_epoch, stage.warmup_epochs)
            course.finished = epoch == stage.epochs or 0 < stage.patience <= waited
            observers.tell(_line(stage, row) + bar.left())
            if observers.on_validation is not None:
                observers.on_validation(stage.name, epoch, found)
        if not course.finished:
            observers.after_epoch(epoch)
    if course.finished:
        if stage.ema_decay:
            raw = observers.judge()
            row["raw_rank"] = round(raw.rank, 5)
            if raw.decisive < course.best:
                _keep(trainer, course, raw, row, checkpoint, f"raw weights of epoch {epoch}")
        early = "" if epoch == stage.epochs else f"stopped after epoch {epoch}, no better since; "
        observers.tell(f"{stage.name}: {early}kept the {course.kept}")
    return found


def _keep(
    trainer: Trainer, course: Course, found: Judgement, row: dict[str, Any], checkpoint: Path, name: str
) -> None:
    """Store the weights that are in the network if none were better; among equals the latest."""
    row.setdefault("weights", "")
    if found.decisive > course.best:
        return
    if found.decisive < course.best:
        course.best_epoch = course.epoch
    course.best, course.kept, row["weights"] = found.decisive, name, name.split()[0]
    save_weights(trainer.network, checkpoint)


def _run_epoch(
    epoch: int, stage: Stage, trainer: Trainer, batches: Batches, keeper: Keeper, bar: Progress
) -> dict[str, Any]:
    """One epoch's steps; returns its line of the log."""
    losses, rate, waited = [math.nan], 0.0, 0.0
    started = asked = time.perf_counter()
    for number, batch in enumerate(batches.take(stage.steps_per_epoch)):
        waited += time.perf_counter() - asked
        rate = stage.rate((epoch - 1) * stage.steps_per_epoch + number)
        result = trainer.step(batch, rate)
        if not _sound(result, trainer):
            course = _restore(trainer, batches, keeper.load())
            _save(trainer, stage, batches, course, keeper, diverged=True)
            broken = Divergence(
                stage.name, epoch, number + 1, rate, result.loss, result.gradient_norm, losses[-1], batch,
                trainer.segment_losses(batch),
            )  # fmt: skip
            finding = keeper.explain(broken)
            raise WatchwordError(finding.what, f"training ({stage.name})", finding.remedy)
        losses.append(result.loss)
        bar.update(batches.size)
        asked = time.perf_counter()
    seconds = time.perf_counter() - started
    mean = float(np.mean(losses[1:]))
    bar.show_loss(mean)
    return {
        "stage": stage.name, "epoch": epoch, "loss": round(mean, 6), "learning_rate": round(rate, 9),
        "segments_per_s": round(stage.steps_per_epoch * batches.size / seconds),
        "wait_share": round(waited / seconds, 4),
    }  # fmt: skip


def _sound(result: StepResult, trainer: Trainer) -> bool:
    steady = math.isfinite(result.gradient_norm) or trainer.skips_infinite_gradients
    return math.isfinite(result.loss) and steady


def _save(
    trainer: Trainer, stage: Stage, batches: Batches, course: Course, keeper: Keeper, diverged: bool = False
) -> None:
    drawn = batches.state()
    arrays = {**trainer.arrays(), "hard": drawn.pop("hard")}
    meta = {"course": asdict(course), "averaged_steps": trainer.averager.steps, "batches": drawn}
    keeper.save(stage.name, arrays, meta | {"diverged": diverged})


def _restore(trainer: Trainer, batches: Batches, saved: SavedState) -> Course:
    trainer.restore(saved.arrays, int(saved.meta["averaged_steps"]))
    batches.restore({**saved.meta["batches"], "hard": saved.arrays["hard"]})
    return Course(**saved.meta["course"])


def _line(stage: Stage, row: dict[str, Any]) -> str:
    line = (
        f"{stage.name} epoch {row['epoch']}/{stage.epochs}: loss {row['loss']}, validation FRR "
        f"{100 * row['frr_clean']:.1f} % clean, {100 * row['frr_mean']:.1f} % over all conditions"
    )
    if math.isnan(row["fnr"]):
        return line
    return f"{line}; at its threshold FNR {100 * row['fnr']:.1f} %, FPR {100 * row['fpr']:.1f} %"
