"""One step of training, and all the state that it changes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from watchword.data.batches import Batch
from watchword.files import write_atomic
from watchword.train.architectures.parts import depthwise_as_shifts
from watchword.train.averaging import Averager
from watchword.train.losses import SegmentLoss
from watchword.train.stage import Stage
from watchword.train.tensorflow import load_tensorflow, network_input

if TYPE_CHECKING:
    from watchword.train.distill.loss import DistillationLoss

_LONGEST_GRADIENT = 5.0


@dataclass(frozen=True)
class StepResult:
    loss: float
    gradient_norm: float  # before it is clipped


class Trainer:
    """A network with its optimizer and its averaged weights.

    `logits` is the network before its sigmoid; `distillation` is the term that a teacher adds to the loss.
    """

    def __init__(
        self,
        network: Any,
        logits: Any,
        loss: SegmentLoss,
        stage: Stage,
        distillation: DistillationLoss | None = None,
    ) -> None:
        tf = load_tensorflow()
        self.network, self.averager = network, Averager(network, stage.ema_decay)
        self._logits, self._loss, self._distillation = logits, loss, distillation
        optimizer = tf.keras.optimizers.AdamW(stage.learning_rate, weight_decay=stage.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._rate = optimizer.learning_rate
        if any(layer.compute_dtype == "float16" for layer in network.layers):
            optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)
        optimizer.build(network.trainable_variables)
        self._optimizer = optimizer
        self._compiled = (
            tf.function(self._fused_step, jit_compile=True) if stage.fused else tf.function(self._step)
        )

    def step(self, batch: Batch, rate: float) -> StepResult:
        tf = load_tensorflow()
        self._rate.assign(rate)
        tensors = [tf.constant(batch.rows), tf.constant(batch.labels), tf.constant(batch.hard)]
        if self._distillation is not None:
            tensors.append(tf.constant(self._distillation.targets(batch)))
        loss, norm = self._compiled(*tensors).numpy().tolist()
        self.averager.update()
        return StepResult(loss, norm)

    def _step(self, rows: Any, positive: Any, hard: Any, soft: Any = None) -> Any:
        """`soft`: the teacher's logits. Returns loss and gradient norm as float32 [2]."""
        tf = load_tensorflow()
        variables, scaled = self.network.trainable_variables, hasattr(self._optimizer, "get_scaled_loss")
        with tf.GradientTape() as tape:
            logits = self._logits(network_input(rows), training=True)
            value = self._loss(logits, positive, hard)
            if self._distillation is not None:
                value += self._distillation.loss(logits, soft)
            target = self._optimizer.get_scaled_loss(value) if scaled else value
        gradients = tape.gradient(target, variables)
        if scaled:
            gradients = self._optimizer.get_unscaled_gradients(gradients)
        gradients, norm = tf.clip_by_global_norm(gradients, _LONGEST_GRADIENT)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return tf.stack([value, norm])

    def _fused_step(self, *tensors: Any) -> Any:
        with depthwise_as_shifts():  # while it is traced
            return self._step(*tensors)

    @property
    def skips_infinite_gradients(self) -> bool:
        """True in mixed precision: such a step only lowers the scale of the loss."""
        return hasattr(self._optimizer, "get_scaled_loss")

    def segment_losses(self, batch: Batch) -> np.ndarray:
        """The loss of each segment with the weights as they are, float32 [batch]."""
        logits = self._logits(network_input(load_tensorflow().constant(batch.rows)), training=False)
        return np.asarray(self._loss.segments(logits, batch.labels, batch.hard))

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, optimizer slots and averaged weights."""
        groups = {
            "weight": self.network.get_weights(),
            "slot": [slot.numpy() for slot in self._slots()],
            "slow": self.averager.values(),
        }
        return {f"{name}{i:04d}": value for name, values in groups.items() for i, value in enumerate(values)}

    def restore(self, arrays: dict[str, np.ndarray], averaged_steps: int) -> None:
        groups = {
            name: [arrays[key] for key in sorted(arrays) if key.startswith(name)]
            for name in ("weight", "slot", "slow")
        }
        self.network.set_weights(groups["weight"])
        for slot, value in zip(self._slots(), groups["slot"], strict=True):
            slot.assign(value)
        self.averager.restore(groups["slow"], averaged_steps)

    def _slots(self) -> list[Any]:
        return list(self._optimizer.variables)


def save_weights(network: Any, path: Path) -> Path:
    """All weights by position, atomically, as .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, **{f"w{i:03d}": weight for i, weight in enumerate(network.get_weights())})
    return write_atomic(path, buffer.getvalue())


def load_weights(network: Any, path: Path) -> None:
    with np.load(path) as stored:
        network.set_weights([stored[name] for name in sorted(stored.files)])
