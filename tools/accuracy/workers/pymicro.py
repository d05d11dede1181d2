"""PyPI's pymicro-wakeword, used as its own command line uses it.

10 ms of audio at a time, its own mean over its own window, everything reset between recordings.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

from tools.accuracy.workers import protocol

CHUNK = 160  # samples, 10 ms
PACKAGES = ("pymicro-wakeword", "pymicro-features", "numpy")


def find(word: str) -> tuple[protocol.Found | None, list[str]]:
    detectors = [MicroWakeWord.from_builtin(model) for model in Model]
    words = [detector.wake_word.lower() for detector in detectors]
    if word not in words:
        return None, words
    detector = detectors[words.index(word)]
    window = detector.sliding_window_size
    return protocol.Found(detector.id, detector.probability_cutoff, window, partial(trace, detector)), words


def trace(detector: MicroWakeWord, pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sample index at which each inference's audio ends, and the probability the package then gives."""
    features = MicroWakeWordFeatures()
    ends, levels, rows = [], [], 0
    for start in range(0, len(pcm), CHUNK):
        chunk = pcm[start : start + CHUNK]
        for row in features.process_streaming(chunk.tobytes()):
            rows += 1
            level = detector.process_streaming_prob(row)
            if rows % detector.stride == 0:  # in between it only collects rows
                ends.append(start + len(chunk))
                levels.append(float(level or 0.0))
    detector.reset()
    return np.array(ends, "<i8"), np.array(levels, "<f8")


if __name__ == "__main__":
    protocol.run(find, PACKAGES)
