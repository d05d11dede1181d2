"""Two detectors at the same number of false alarms: pure functions on their score traces.

The same rules for both, whatever detector settings either has: on a recording without the word,
every local maximum of the smoothed score is an event, the highest first, and an event silences a
second on either side of it; an event that reaches the threshold is one false alarm. A word is heard when
the smoothed score reaches the threshold between its start and one second after its end. For k allowed
false alarms the threshold is just above the (k + 1)th highest event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from watchword.evaluate.metrics import (
    CONFIDENCE,
    REPEAT_SAMPLES,
    in_window,
    threshold_for,
)

BUDGETS = (0, 1, 2, 3, 5, 10)  # false alarms
CLEAR_P = 0.05


@dataclass(frozen=True)
class Trace:
    """Smoothed score 0..1 and the sample index of the stream at which its audio ends, both [n]."""

    levels: np.ndarray
    ends: np.ndarray


@dataclass(frozen=True)
class Word:
    """One word trial: how high the score got."""

    condition: str
    clip: str  # trials of one clip belong together
    split: str
    peak: float


@dataclass(frozen=True)
class Scores:
    """One detector on everything."""

    words: tuple[Word, ...]
    alarms: dict[str, np.ndarray]  # by pool of negatives: height of every event, descending
    hours: dict[str, float]  # of each pool

    def threshold(self, pool: str, allowed: int) -> float:
        """The lowest that at most `allowed` events of the pool reach."""
        return threshold_for(self.alarms[pool], allowed)

    def misses(self, threshold: float, condition: str, split: str | None = None) -> np.ndarray:
        """Of each clip, how many of its trials in `condition` stay under `threshold`; and trials.

        int [2, clips]: misses, trials.
        """
        chosen = [w for w in self.words if w.condition == condition and split in (None, w.split)]
        names, index = np.unique([w.clip for w in chosen], return_inverse=True)
        missed = np.array([w.peak < threshold for w in chosen], float)
        counts = [np.bincount(index, weights, len(names)) for weights in (missed, np.ones(len(chosen)))]
        return np.array(counts).astype(int)

    def false_alarms(self, pool: str, threshold: float) -> int:
        return int(np.sum(self.alarms[pool] >= threshold))


@dataclass(frozen=True)
class Rate:
    """Missed words of one detector in one condition."""

    misses: int
    trials: int
    upper95: float

    @property
    def frr(self) -> float:
        return self.misses / self.trials


def word_peak(trace: Trace, word: tuple[int, int]) -> float:
    """Highest score from the word's start to the end of the grace time; 0 without scores there."""
    return float(trace.levels[in_window(trace.ends, word)].max(initial=0.0))


def separated_peaks(trace: Trace) -> list[float]:
    """Heights of the events of a stream without the word, descending; at least a second apart."""
    levels = np.array(trace.levels, np.float64)
    peaks: list[float] = []
    while len(levels) and (top := levels[at := int(levels.argmax())]) > 0.0:
        peaks.append(float(top))
        near = trace.ends[at] + np.array([-REPEAT_SAMPLES, REPEAT_SAMPLES])
        first, last = np.searchsorted(trace.ends, near[0], "right"), np.searchsorted(trace.ends, near[1])
        levels[first:last] = 0.0
    return peaks


def rate(found: np.ndarray) -> Rate:
    """Draws of one clip say little more than the clip itself: the bound counts every clip once."""
    misses, trials = (int(n) for n in found.sum(axis=1))
    clips = found.shape[1]
    missed = misses / trials * clips
    upper = 1.0 if misses == trials else float(special.betaincinv(missed + 1, clips - missed, CONFIDENCE))
    return Rate(misses, trials, upper)


def verdict(ours: np.ndarray, other: np.ndarray) -> tuple[str, bool]:
    """better, equal or worse; and whether a sign test over the clips finds the difference clear."""
    difference = ours[0] - other[0]
    total = int(difference.sum())
    word = "better" if total < 0 else "worse" if total > 0 else "equal"
    fewer, more = int(np.sum(difference < 0)), int(np.sum(difference > 0))
    if not total or not fewer + more:
        return word, False
    return word, bool(stats.binomtest(fewer, fewer + more).pvalue < CLEAR_P)


def curve(scores: Scores, pool: str, condition: str, most_per_hour: float) -> tuple[list[float], list[float]]:
    """FAH and FRR for every number of false alarms up to `most_per_hour`."""
    allowed = range(int(most_per_hour * scores.hours[pool]) + 1)
    rates = [rate(scores.misses(scores.threshold(pool, k), condition)).frr for k in allowed]
    return [k / scores.hours[pool] for k in allowed], rates


def pooled(parts: Sequence[Sequence[float]]) -> np.ndarray:
    """Events of several streams as one descending list."""
    return np.sort(np.array([peak for part in parts for peak in part], float))[::-1]
