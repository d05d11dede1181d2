"""The loss over whole segments: somewhere near its end the word is heard, elsewhere nothing ever is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from watchword.data.batches import Geometry
from watchword.train.config import TrainConfig
from watchword.train.tensorflow import load_tensorflow


@dataclass(frozen=True)
class SegmentLoss:
    """Binary cross-entropy on logits averaged as the detector averages scores.

    A positive counts by the best of its last `word_windows` averages (windows that end within the
    configured times after the word), a negative by its worst average and by the mean over all of its
    windows.
    """

    smoothing: int  # logits averaged
    word_windows: int
    label_smoothing: float

    def __call__(self, logits: Any, positive: Any) -> Any:
        """logits: float [batch, n, 1, 1]; positive: float [batch], 1 or 0. Returns the mean, a scalar."""
        tf = load_tensorflow()
        logits = logits[:, :, 0, 0]
        averaged = tf.nn.avg_pool1d(logits[:, :, None], self.smoothing, 1, "VALID")[:, :, 0]
        target_on, target_off = 1.0 - self.label_smoothing / 2.0, self.label_smoothing / 2.0
        heard = tf.reduce_max(averaged[:, -self.word_windows :], axis=1)
        missed = _cross_entropy(heard, target_on)
        worst = _cross_entropy(tf.reduce_max(averaged, axis=1), target_off)
        everywhere = tf.reduce_mean(_cross_entropy(logits, target_off), axis=1)
        return tf.reduce_mean(positive * missed + (1.0 - positive) * (worst + everywhere))


def make_loss(train: TrainConfig, smoothing: int, geometry: Geometry) -> SegmentLoss:
    span = train.window_end_s - train.window_start_s
    return SegmentLoss(smoothing, int(span / geometry.score_s + 1e-6) + 1, train.label_smoothing)


def _cross_entropy(logits: Any, target: float) -> Any:
    tf = load_tensorflow()
    return tf.nn.softplus(logits) - target * logits
