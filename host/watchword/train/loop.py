"""The training loop, the same for float and for quantisation-aware training."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from watchword.data.batches import Batch, Batches
from watchword.errors import WatchwordError
from watchword.files import write_atomic
from watchword.train.diagnosis import Finding, diverged
from watchword.train.losses import SegmentLoss
from watchword.train.progress import Progress
from watchword.train.state import SavedState
from watchword.train.trainer import StepResult, Trainer, load_weights, save_weights

if TYPE_CHECKING:
    from watchword.train.distill.lesson import Lesson

LOG_COLUMNS = (
    "stage", "epoch", "loss", "learning_rate", "segments_per_s", "wait_share", "weights", "rank", "target",
    "frr_clean", "frr_mean", "accuracy", "fpr", "fnr", "fah", "val_loss", "raw_rank",
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """One call of `fit`: how long, how fast, and how the result is chosen."""

    name: str
    epochs: int
    steps_per_epoch: int
    learning_rate: float
    warmup_epochs: int
    weight_decay: float
    ema_decay: float
    validate_every: int  # epochs; the last one always is
    patience: int = 0  # epochs without a better result before it ends; 0 = never
    fused: bool = False  # steps compiled by XLA: twice as fast, after 10 s of compiling

    def segments(self, batch: int) -> int:
        """How many it trains on if it runs to its end."""
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
class Judgement:
    """What validation found.

    Accuracy, FPR and FNR are at the operating point, over words in all conditions and whole recordings
    without the word. Accuracy alone says little: where words are rare, silence is accurate.
    """

    rank: float  # mean FRR at 1 to 5 false alarms
    frr_clean: float
    frr_mean: float
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
        return self.rank if self.target is None else self.target

    def row(self) -> dict[str, float]:
        """Its columns of the log."""
        return {k: round(v, 5) for k, v in vars(self).items() if k in LOG_COLUMNS and v is not None}


# Told of every validation: stage, epoch, what was found. What it raises ends the run.
OnValidation = Callable[[str, int, Judgement], None]


@dataclass
class Course:
    """How far a stage has come, beside the weights."""

    epoch: int = 0  # done
    best: float = math.inf
    best_epoch: int = 0  # the latest that was better than all before it
    kept: str = ""  # which weights the checkpoint holds, in words
    finished: bool = False


@dataclass(frozen=True)
class Divergence:
    """A step whose loss is no number, looked at again with the weights of the epoch before."""

    stage: str
    epoch: int
    step: int
    rate: float
    loss: float
    gradient_norm: float
    before: float  # loss of the step before
    batch: Batch
    segment_losses: np.ndarray  # float32 [batch], with the good weights


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
