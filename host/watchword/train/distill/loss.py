"""The term of the loss that a teacher adds: the student's scores against the teacher's soft labels.

Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network" (2015), for a two-way softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from watchword.core import Geometry
from watchword.data.batches import Batch
from watchword.train.distill.soft_labels import SoftLabels
from watchword.train.tensorflow import load_tensorflow, network_input


@dataclass(frozen=True)
class DistillationLoss:
    """Divergence of the student's scores from the soft labels, weighted against the loss on true labels."""

    labels: SoftLabels
    geometry: Geometry  # the student's
    temperature: float
    weight: float
    logit_scale: float = 1.0  # of the student: its log-odds are its logits times this

    def targets(self, batch: Batch) -> np.ndarray:
        """The teacher's log-odds for every score of `batch`, float32 [size, scores]; NaN where unknown."""
        return self.labels.of(batch, self.geometry)

    def loss(self, logits: Any, targets: Any) -> Any:
        """weight · T² · mean KL divergence; logits: float [size, scores, 1, 1]. A scalar."""
        return self.weight * self.temperature**2 * self.divergence(logits, targets)

    def divergence(self, logits: Any, targets: Any) -> Any:
        """Mean KL divergence, in nats, of the student's from the teacher's scores, both at temperature T."""
        tf = load_tensorflow()
        known = tf.math.is_finite(targets)
        teacher = tf.where(known, targets, 0.0) / self.temperature
        student = tf.cast(logits[:, :, 0, 0], tf.float32) * (self.logit_scale / self.temperature)
        score = tf.sigmoid(teacher)
        divergence = tf.nn.softplus(student) - tf.nn.softplus(teacher) - score * (student - teacher)
        known = tf.cast(known, tf.float32)
        return tf.reduce_sum(divergence * known) / tf.maximum(tf.reduce_sum(known), 1.0)

    def distance(self, logits: Callable[..., Any], batches: Iterable[Batch]) -> float:
        """The divergence over `batches` of a student's network, which gives `logits`."""
        tf = load_tensorflow()
        found = []
        for batch in batches:
            targets = tf.constant(self.targets(batch))
            found.append(float(self.divergence(logits(network_input(batch.rows), training=False), targets)))
        return float(np.mean(found))
