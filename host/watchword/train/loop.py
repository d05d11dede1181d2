"""The training loop, the same for float and for quantisation-aware training."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from watchword import spec
from watchword.data.batches import Batches
from watchword.errors import WatchwordError
from watchword.files import write_atomic
from watchword.train.losses import SegmentLoss
from watchword.train.tensorflow import load_tensorflow

LOG_COLUMNS = ("stage", "epoch", "loss", "learning_rate", "segments_per_s", "rank", "frr_clean", "frr_mean")


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
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, **values: object) -> None:
        self.rows.append(values)
        text = io.StringIO()
        writer = csv.DictWriter(text, LOG_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomic(self.path, text.getvalue())


@dataclass(frozen=True)
class Judgement:
    """What validation found; `rank` decides (lower is better)."""

    rank: float
    frr_clean: float
    frr_mean: float


# Told of every validation: stage, epoch, what was found. What it raises ends the run.
OnValidation = Callable[[str, int, Judgement], None]


class Averager:
    """A slow copy of a network's weights: what is validated and kept."""

    def __init__(self, network: Any, decay: float) -> None:
        tf = load_tensorflow()
        live = [weight for weight in network.weights if weight.dtype.is_floating]
        slow = [tf.Variable(weight, trainable=False) for weight in live]
        self._live, self._slow, self._steps, self._decay = live, slow, 0, decay

        @tf.function
        def blend(keep: Any) -> None:
            for target, weight in zip(slow, live, strict=True):
                target.assign(keep * target + (1.0 - keep) * weight)

        self._blend = blend

    def update(self) -> None:
        """Take in the weights after one step; the first steps weigh more."""
        self._steps += 1
        keep = min(self._decay, self._steps / (self._steps + 10.0)) if self._decay else 0.0
        self._blend(load_tensorflow().constant(keep, "float32"))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the network has the slow weights; afterwards its own again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for target, weight in zip(self._slow, self._live, strict=True):
            kept = weight.numpy()
            weight.assign(target)
            target.assign(kept)


@dataclass(frozen=True)
class Observers:
    """What a stage calls as it goes, with the averaged weights in the network."""

    judge: Callable[[], Judgement]
    after_epoch: Callable[[int], None]
    say: Callable[[str], None] | None = None
    progress: bool = True
    on_validation: OnValidation | None = None


def fit(
    network: Any, logits: Any, stage: Stage, loss: SegmentLoss, batches: Batches, observers: Observers,
    log: RunLog, checkpoint: Path,
) -> float:  # fmt: skip
    """Train `network` (whose `logits` are its part before the sigmoid) and leave the best weights in it.

    The best averaged weights by validation go to `checkpoint` (.npz) as soon as they are found. Returns
    the training speed in segments per second.
    """
    step = _train_step(network, logits, loss, stage)
    averager = Averager(network, stage.ema_decay)
    best, speeds = math.inf, []
    with _bar(stage, batches, observers.progress) as bar:
        for epoch in range(1, stage.epochs + 1):
            row = _run_epoch(epoch, stage, step, batches, averager, bar)
            speeds.append(float(str(row["segments_per_s"])))
            with averager.in_place():
                if epoch % stage.validate_every == 0 or epoch == stage.epochs:
                    found = observers.judge()
                    row |= {k: round(v, 5) for k, v in vars(found).items()}
                    if found.rank <= best:
                        best = found.rank
                        save_weights(network, checkpoint)
                    if observers.say is not None:
                        observers.say(_line(stage, epoch, row))
                    if observers.on_validation is not None:
                        observers.on_validation(stage.name, epoch, found)
                observers.after_epoch(epoch)
            log.add(**row)
    load_weights(network, checkpoint)
    return float(np.median(speeds))


def _run_epoch(
    epoch: int, stage: Stage, step: Callable[..., float], batches: Batches, averager: Averager, bar: tqdm
) -> dict[str, object]:
    """One epoch's steps; returns its line of the log."""
    started, losses, rate = time.perf_counter(), [], 0.0
    size = batches.positives + batches.negatives
    for number, batch in enumerate(batches.take(stage.steps_per_epoch)):
        rate = stage.rate((epoch - 1) * stage.steps_per_epoch + number)
        value = step(batch.rows, batch.labels, rate)
        if not math.isfinite(value):
            raise WatchwordError(
                f"the loss became {value} in epoch {epoch}", f"training ({stage.name})",
                "lower the learning rate, or look for damaged audio",
            )  # fmt: skip
        losses.append(value)
        averager.update()
        bar.update(size)
    seconds = time.perf_counter() - started
    bar.set_postfix(loss=f"{np.mean(losses):.4f}")
    return {
        "stage": stage.name, "epoch": epoch, "loss": round(float(np.mean(losses)), 6),
        "learning_rate": round(rate, 9), "segments_per_s": round(stage.steps_per_epoch * size / seconds),
    }  # fmt: skip


def _bar(stage: Stage, batches: Batches, progress: bool) -> tqdm:
    total = stage.epochs * stage.steps_per_epoch * (batches.positives + batches.negatives)
    hidden = None if progress else True  # None: hidden unless stderr is a terminal
    return tqdm(total=total, desc=f"{stage.name:<10}", unit=" segments", unit_scale=True, disable=hidden)


def _line(stage: Stage, epoch: int, row: dict[str, object]) -> str:
    return (
        f"{stage.name} epoch {epoch}/{stage.epochs}: loss {row['loss']}, "
        f"validation FRR {100 * float(str(row['frr_clean'])):.1f} % clean, "
        f"{100 * float(str(row['frr_mean'])):.1f} % over all conditions"
    )


def _train_step(network: Any, logits: Any, loss: SegmentLoss, stage: Stage) -> Callable[..., float]:
    tf = load_tensorflow()
    optimizer = tf.keras.optimizers.AdamW(stage.learning_rate, weight_decay=stage.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    variables = network.trainable_variables

    @tf.function
    def step(rows: Any, labels: Any, rate: Any) -> Any:
        optimizer.learning_rate.assign(rate)
        real = tf.cast(rows, tf.float32)[:, :, None, :] * spec.INPUT_SCALE
        with tf.GradientTape() as tape:
            value = loss(logits(real, training=True), labels)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(value, variables), 5.0)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return value

    def run(rows: np.ndarray, labels: np.ndarray, rate: float) -> float:
        return float(step(tf.constant(rows), tf.constant(labels), tf.constant(rate, tf.float32)))

    return run


def save_weights(network: Any, path: Path) -> Path:
    """All weights by position, atomically, as .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **{f"w{i:03d}": weight for i, weight in enumerate(network.get_weights())})
    return write_atomic(path, buffer.getvalue())


def load_weights(network: Any, path: Path) -> None:
    with np.load(path) as stored:
        network.set_weights([stored[name] for name in sorted(stored.files)])
