"""The loss over whole segments: a positive must score high near its end, a negative must not anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from watchword.config import TrainConfig
from watchword.core import Geometry
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
    focal_gamma: float = 0.0  # 0 = plain cross-entropy
    negative_weight: float = 1.0
    hard_weight: float = 1.0  # times negative_weight, for negatives drawn as hard ones
    logit_scale: float = 1.0  # the loss takes logits times this for the log-odds

    def __call__(self, logits: Any, positive: Any, hard: Any) -> Any:
        """The mean over the segments, a scalar; arguments as `segments` takes them."""
        return load_tensorflow().reduce_mean(self.segments(logits, positive, hard))

    def segments(self, logits: Any, positive: Any, hard: Any) -> Any:
        """The weighted loss of each segment, float32 [batch].

        logits: [batch, n, 1, 1]; positive, hard: float32 [batch], 1 or 0.
        """
        tf = load_tensorflow()
        logits = self.logit_scale * tf.cast(logits[:, :, 0, 0], tf.float32)
        averaged = tf.nn.avg_pool1d(logits[:, :, None], self.smoothing, 1, "VALID")[:, :, 0]
        missed = self._error(tf.reduce_max(averaged[:, -self.word_windows :], axis=1), True)
        worst = self._error(tf.reduce_max(averaged, axis=1), False)
        everywhere = tf.reduce_mean(self._error(logits, False), axis=1)
        weight = self.negative_weight * (1.0 + (self.hard_weight - 1.0) * hard)
        return positive * missed + (1.0 - positive) * weight * (worst + everywhere)

    def _error(self, logits: Any, word: bool) -> Any:
        """Cross-entropy; focal (Lin et al. 2017, eq. 4): times (1 - p of the right answer) ** gamma."""
        tf = load_tensorflow()
        target = 1.0 - self.label_smoothing / 2.0 if word else self.label_smoothing / 2.0
        error = tf.nn.softplus(logits) - target * logits
        if self.focal_gamma == 0:
            return error
        log_wrong = -tf.nn.softplus(logits if word else -logits)  # log of 1 - p
        return tf.exp(self.focal_gamma * log_wrong) * error


def make_loss(train: TrainConfig, smoothing: int, geometry: Geometry) -> SegmentLoss:
    span = train.window_end_s - train.window_start_s
    return SegmentLoss(
        smoothing,
        int(span / geometry.score_s + 1e-6) + 1,
        train.label_smoothing,
        train.focal_gamma if train.loss == "focal" else 0.0,
        train.negative_weight,
        train.hard_negative_weight,
        train.logit_scale,
    )
