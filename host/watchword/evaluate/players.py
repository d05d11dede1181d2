"""When ESPHome's `micro_wake_word` detects.

It compares the mean of the latest `window` scores with a cutoff, kept as a byte, that it must exceed. After
the start and after each detection it rests until its latest score was below the cutoff for REST_ROWS rows in
all, with all earlier scores forgotten. (The rule of pymicro-wakeword is one of our detector's: see
export/importing.py.)
"""

from __future__ import annotations

import numpy as np

REST_ROWS = 100  # 1 s


def esphome_detects(scores: np.ndarray, level: int, window: int, stride_rows: int) -> np.ndarray:
    """Indices of the scores at which it detects.

    `scores`: uint8 [n], one a call from the first call on; `level`: the cutoff as ESPHome keeps it, 0..255.
    """
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


def sums(scores: np.ndarray, window: int) -> np.ndarray:
    """Of the latest `window` scores, those before the first being 0; int64 [n]."""
    total = np.concatenate([np.zeros(window, np.int64), np.cumsum(scores, dtype=np.int64)])
    summed: np.ndarray = total[window:] - total[:-window]
    return summed
