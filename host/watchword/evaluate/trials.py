"""Trials: is the word here, yes or no? Accuracy, FPR, FNR, EER, partial AUC, DET curve. Pure functions.

A trial is a stretch of sound with one score, the highest smoothed score in it:
  * the word: one trial each, from its start to one second after its end;
  * windows: every second of negative audio is a trial;
  * clips: every recording without the word is a trial, whatever its length.
A trial is called positive when its score is at or above the threshold. Rates over windows say how
well the scores are apart; how often a board wakes by mistake is FAH (metrics.py), which counts events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_FPR = 0.1  # of the partial AUC
DET_POINTS = 200  # kept of the curve in results.json


@dataclass(frozen=True)
class Confusion:
    """Counts at one threshold."""

    hits: int
    misses: int
    false_alarms: int
    correct_rejections: int

    @property
    def fnr(self) -> float | None:
        """Misses over trials with the word."""
        words = self.hits + self.misses
        return self.misses / words if words else None

    @property
    def fpr(self) -> float | None:
        """False alarms over trials without the word."""
        others = self.false_alarms + self.correct_rejections
        return self.false_alarms / others if others else None

    @property
    def accuracy(self) -> float | None:
        """Right answers over all trials; with few words among many seconds it says little."""
        total = self.hits + self.misses + self.false_alarms + self.correct_rejections
        return (self.hits + self.correct_rejections) / total if total else None

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the share of words heard and the share of other trials kept quiet."""
        return None if self.fnr is None or self.fpr is None else 1.0 - (self.fnr + self.fpr) / 2.0


@dataclass(frozen=True)
class Roc:
    """False-positive and false-negative rate at every threshold that changes either.

    `thresholds` descend from infinity (nothing fires: FPR 0, FNR 1) to the lowest score (all fires).
    """

    thresholds: np.ndarray  # float64 [n]
    fpr: np.ndarray  # float64 [n], rising from 0 to 1
    fnr: np.ndarray  # float64 [n], falling from 1 to 0

    @property
    def eer(self) -> float:
        """Equal error rate: where the line through the points of the curve has FPR = FNR."""
        above = int(np.argmax(self.fpr >= self.fnr))  # the first point at or past the crossing, >= 1
        before = self.fnr[above - 1] - self.fpr[above - 1]  # > 0
        after = self.fpr[above] - self.fnr[above]  # >= 0
        share = before / (before + after)
        return float(self.fpr[above - 1] + share * (self.fpr[above] - self.fpr[above - 1]))

    @property
    def auc(self) -> float:
        """Area under hit rate over FPR, by trapezoids (ties count half)."""
        return float(np.trapezoid(1.0 - self.fnr, self.fpr))

    def partial_auc(self, max_fpr: float = MAX_FPR) -> float:
        """Area over FPR 0..max_fpr, standardised: 0.5 = chance, 1 = perfect.

        McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9(3), 1989: with the
        plain area A, its value by chance A0 = max_fpr²/2 and its maximum A1 = max_fpr, it is
        (1 + (A − A0) / (A1 − A0)) / 2.
        """
        stop = int(np.searchsorted(self.fpr, max_fpr, side="right"))
        fpr = np.append(self.fpr[:stop], max_fpr)
        hit_rate = np.append(1.0 - self.fnr[:stop], np.interp(max_fpr, self.fpr, 1.0 - self.fnr))
        area, chance = float(np.trapezoid(hit_rate, fpr)), max_fpr**2 / 2.0
        return 0.5 * (1.0 + (area - chance) / (max_fpr - chance))

    def thinned(self, points: int = DET_POINTS) -> Roc:
        """At most `points` of the curve, evenly spaced along it, the ends and the crossing kept."""
        if self.thresholds.size <= points:
            return self
        length = np.cumsum(np.abs(np.diff(self.fpr, prepend=0.0)) + np.abs(np.diff(self.fnr, prepend=1.0)))
        grid = np.concatenate([np.linspace(0.0, length[-1], points // 2), _logarithmic(length, points // 4)])
        crossing = int(np.argmax(self.fpr >= self.fnr))
        picked = np.searchsorted(length, grid).clip(max=length.size - 1)
        kept = np.unique([0, crossing - 1, crossing, length.size - 1, *picked])
        return Roc(self.thresholds[kept], self.fpr[kept], self.fnr[kept])


def roc(positives: Sequence[float], negatives: Sequence[float]) -> Roc | None:
    """The curve of two sets of scores, or None if one of them is empty."""
    if not len(positives) or not len(negatives):
        return None
    thresholds = np.unique(np.concatenate([positives, negatives]))[::-1].astype(np.float64)
    fpr = _share_reaching(np.sort(negatives), thresholds)
    fnr = 1.0 - _share_reaching(np.sort(positives), thresholds)
    return Roc(
        np.concatenate([[np.inf], thresholds]), np.concatenate([[0.0], fpr]), np.concatenate([[1.0], fnr])
    )


def confusion(positives: Sequence[float], negatives: Sequence[float], threshold: float) -> Confusion:
    """Counts with everything at or above `threshold` called the word."""
    hits = int(np.sum(np.asarray(positives) >= threshold))
    alarms = int(np.sum(np.asarray(negatives) >= threshold))
    return Confusion(hits, len(positives) - hits, alarms, len(negatives) - alarms)


def _share_reaching(ascending: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of the scores at or above each threshold."""
    return 1.0 - np.searchsorted(ascending, thresholds, side="left") / ascending.size


def _logarithmic(length: np.ndarray, points: int) -> np.ndarray:
    """Places that get denser towards both ends of the curve, where a DET plot looks closely."""
    steps = np.geomspace(1e-5, 0.5, points) * length[-1]
    return np.concatenate([steps, length[-1] - steps])
