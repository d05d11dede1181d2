"""The training loop, the same for float and for quantisation-aware training."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
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

    def swap(self) -> None:
        """Exchange slow and live weights (twice = as before)."""
        for target, weight in zip(self._slow, self._live, strict=True):
            kept = weight.numpy()
            weight.assign(target)
            target.assign(kept)


def fit(
    network: Any,
    logits: Any,
    stage: Stage,
    loss: SegmentLoss,
    batches: Batches,
    judge: Callable[[], Judgement],
    log: RunLog,
    checkpoint: Path,
    each_epoch: Callable[[int], None] | None = None,
    say: Callable[[str], None] | None = None,
    progress: bool = True,
) -> float:
    """Train `network` (whose `logits` are its part before the sigmoid) and leave the best weights in it.

    The best averaged weights by `judge` go to `checkpoint` (.npz) as soon as they are found. Returns the
    training speed in segments per second.
    """
    step = _train_step(network, logits, loss, stage)
    averager = Averager(network, stage.ema_decay)
    best, done, busy = math.inf, 0, 0.0
    size = batches.positives + batches.negatives
    total = stage.epochs * stage.steps_per_epoch * size
    hidden = None if progress else True  # None: hidden unless stderr is a terminal
    with tqdm(
        total=total, desc=f"{stage.name:<10}", unit=" segments", unit_scale=True, disable=hidden
    ) as bar:
        for epoch in range(1, stage.epochs + 1):
            started, losses = time.perf_counter(), []
            for rows, labels in batches.take(stage.steps_per_epoch):
                losses.append(_checked(step(rows, labels, stage.rate(done)), stage, epoch))
                averager.update()
                done += 1
                bar.update(size)
            seconds = time.perf_counter() - started
            busy += seconds
            averager.swap()
            row: dict[str, object] = {
                "stage": stage.name, "epoch": epoch, "loss": round(float(np.mean(losses)), 6),
                "learning_rate": round(stage.rate(done - 1), 9),
                "segments_per_s": round(stage.steps_per_epoch * size / seconds),
            }  # fmt: skip
            if epoch % stage.validate_every == 0 or epoch == stage.epochs:
                found = judge()
                row |= {k: round(v, 5) for k, v in vars(found).items()}
                bar.set_postfix(loss=f"{row['loss']:.4f}", frr=f"{found.frr_mean:.3f}")
                if say is not None:
                    say(_line(stage, epoch, row))
                if found.rank <= best:
                    best = found.rank
                    save_weights(network, checkpoint)
            if each_epoch is not None:
                each_epoch(epoch)
            averager.swap()
            log.add(**row)
    load_weights(network, checkpoint)
    return done * size / busy


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


def _checked(loss: float, stage: Stage, epoch: int) -> float:
    if not math.isfinite(loss):
        raise WatchwordError(
            f"the loss became {loss} in epoch {epoch}", f"training ({stage.name})",
            "lower the learning rate, or look for damaged audio",
        )  # fmt: skip
    return loss


def save_weights(network: Any, path: Path) -> Path:
    """All weights by position, atomically, as .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **{f"w{i:03d}": weight for i, weight in enumerate(network.get_weights())})
    return write_atomic(path, buffer.getvalue())


def load_weights(network: Any, path: Path) -> None:
    with np.load(path) as stored:
        network.set_weights([stored[name] for name in sorted(stored.files)])
