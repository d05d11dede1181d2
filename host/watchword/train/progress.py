"""How a run shows its progress: one bar over all its stages, and TensorBoard's scalars."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from watchword.train.tensorflow import load_tensorflow


class Pace:
    """Estimates the time left from the mean pace since the start, so that the estimate is steady."""

    def __init__(self, total: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.total, self.done = total, 0.0
        self._clock, self._started = clock, clock()

    def remaining_s(self) -> float | None:
        """Seconds to the end at the mean pace so far; None before anything is done."""
        elapsed = self._clock() - self._started
        return (self.total - self.done) * elapsed / self.done if self.done > 0 else None


class ProgressBar:
    """One bar from the first segment of float training to the last of QAT.

    The time left comes from the mean pace, validations included.
    """

    def __init__(self, segments: int, shown: bool) -> None:
        hidden = None if shown else True  # None: hidden unless stderr is a terminal
        self._bar = tqdm(total=segments, unit=" segments", unit_scale=True, disable=hidden, smoothing=0)
        self._pace = Pace(segments)

    def describe(self, stage: str) -> None:
        self._bar.set_description(f"{stage:<10}")

    def update(self, segments: int) -> None:
        self._pace.done += segments
        self._bar.update(segments)

    def skip(self, segments: int) -> None:
        """Take away work that is not done: finished before a resume, or saved by early stopping."""
        self._pace.total -= segments
        self._bar.total -= segments
        self._bar.refresh()

    def show_loss(self, loss: float) -> None:
        self._bar.set_postfix(loss=f"{loss:.4f}")

    def left(self) -> str:
        """The time left, as the end of a line; empty while it is not known."""
        seconds = self._pace.remaining_s()
        if seconds is None or seconds < 1:
            return ""
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"

    def close(self) -> None:
        self._bar.close()


class ScalarLog:
    """TensorBoard's scalars of a run; does nothing when it is switched off or not installed."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self._folder = folder
        self._writer: Any = None  # opened by the first write
        self._wanted = wanted and find_spec("tensorboard") is not None

    def write(self, step: int, values: dict[str, float]) -> None:
        if not self._wanted:
            return
        if self._writer is None:
            self._writer = load_tensorflow().summary.create_file_writer(str(self._folder))
        with self._writer.as_default():
            for name, value in values.items():
                load_tensorflow().summary.scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
