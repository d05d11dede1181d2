"""Stands in for pymicro_wakeword: a Python that answers through the real worker, without any download.

The fake's probability is the mean loudness of the last rows over 1000, so that a test can foretell it.
"""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = """
from enum import Enum
import numpy as np

class Model(str, Enum):
    ALEXA = "alexa"
    HEY_JARVIS = "hey_jarvis"

class MicroWakeWordFeatures:
    def __init__(self):
        self._rows = 0
    def process_streaming(self, audio):
        self._rows += 1
        if self._rows >= 3:  # the first window takes 30 ms
            yield np.frombuffer(audio, np.int16)

class MicroWakeWord:
    def __init__(self, id, wake_word):
        self.id, self.wake_word, self.stride = id, wake_word, 3
        self.probability_cutoff, self.sliding_window_size = 0.9, 5
        self.reset()
    @staticmethod
    def from_builtin(model):
        return MicroWakeWord(model.value, model.value.replace("_", " ").title())
    def process_streaming_prob(self, row):
        print("chatter on stdout")
        self._rows.append(float(np.abs(row.astype(float)).mean()))
        if len(self._rows) % self.stride:
            return 0.0
        if len(self._rows) > 10_000:
            raise SystemExit("the fake peer gives up")
        return min(1.0, self._rows[-1] / 1000.0)
    def reset(self):
        self._rows = []
"""


def make_python(folder: Path) -> Path:
    """A `python` that finds the fake package first."""
    package = folder / "site" / "pymicro_wakeword"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "site"}" exec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return script
