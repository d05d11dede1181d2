"""When microWakeWord's players detect: the rules of ESPHome's `micro_wake_word` and of pymicro-wakeword.

Both compare the mean of the latest `window` scores with a cutoff that it must exceed; neither has a lower
threshold at which it is armed again. ESPHome keeps the cutoff as a byte, and after the start and after each
detection it waits until its latest score was below the cutoff for REST_ROWS rows in all, with all earlier
scores forgotten. pymicro-wakeword says "detected" as long as the mean is high; nothing is said before the
window is full.

Scores are uint8 [n], one a call from the first call on.
"""

from __future__ import annotations

import numpy as np

from watchword import spec

REST_ROWS = 100  # 1 s


def esphome_detects(scores: np.ndarray, level: int, window: int, stride_rows: int) -> np.ndarray:
    """Indices of the scores at which it detects; `level`: the cutoff as ESPHome keeps it, 0..255."""
    if not len(scores) or sums(scores, window).max() <= level * window:
        return np.zeros(0, np.int64)
    found = []
    recent, place = [0] * window, 0
    rest = REST_ROWS - (stride_rows - 1) * (level > 0)  # the rows before the first score
    for number, score in enumerate(scores.tolist()):
        place = (place + 1) % window
        recent[place], judged = score, False
        for _ in range(stride_rows):
            rest -= rest > 0 and recent[place] < level
            if judged or rest > 0:
                continue
            judged = True
            if sum(recent) > level * window:
                found.append(number)
                recent, rest = [0] * window, REST_ROWS
    return np.array(found, np.int64)


def pymicro_detects(scores: np.ndarray, cutoff: float, window: int) -> np.ndarray:
    """Indices of the scores at which it says "detected": all of an event."""
    top = 1 << spec.SCORE_FRAC_BITS
    above: np.ndarray = np.flatnonzero(sums(scores, window) / (window * top) > cutoff)
    return above[above >= window - 1]


def sums(scores: np.ndarray, window: int) -> np.ndarray:
    """Of the latest `window` scores, those before the first being 0; int64 [n]."""
    total = np.concatenate([np.zeros(window, np.int64), np.cumsum(scores, dtype=np.int64)])
    summed: np.ndarray = total[window:] - total[:-window]
    return summed
