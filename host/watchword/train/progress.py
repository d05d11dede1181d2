"""What can be watched while a run trains: one bar over all its stages, and TensorBoard's scalars."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from watchword.train.tensorflow import load_tensorflow


class Pace:
    """How long the rest takes, from all that was done since the start: it never jumps."""

    def __init__(self, total: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.total, self.done = total, 0.0
        self._clock, self._started = clock, clock()

    def remaining_s(self) -> float | None:
        """Seconds to the end at the mean pace so far; None before anything is done."""
        elapsed = self._clock() - self._started
        return (self.total - self.done) * elapsed / self.done if self.done > 0 else None


class Progress:
    """One bar from the first segment of float training to the last of QAT, whichever stage is on.

    The time left comes from the mean pace, validations included.
    """

    def __init__(self, segments: int, shown: bool) -> None:
        hidden = None if shown else True  # None: hidden unless stderr is a terminal
        self._bar = tqdm(total=segments, unit=" segments", unit_scale=True, disable=hidden, smoothing=0)
        self._pace = Pace(segments)

    def stage(self, name: str) -> None:
        self._bar.set_description(f"{name:<10}")

    def update(self, segments: int) -> None:
        self._pace.done += segments
        self._bar.update(segments)

    def skip(self, segments: int) -> None:
        """Work that need not be done: finished before the run was resumed, or saved by stopping early."""
        self._pace.total -= segments
        self._bar.total -= segments
        self._bar.refresh()

    def show_loss(self, loss: float) -> None:
        self._bar.set_postfix(loss=f"{loss:.4f}")

    def left(self) -> str:
        """The time left, to end a line with; nothing while that is not known."""
        seconds = self._pace.remaining_s()
        if seconds is None or seconds < 1:
            return ""
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"

    def close(self) -> None:
        self._bar.close()


class ScalarLog:
    """TensorBoard's scalars of a run; does nothing when it is switched off or not installed."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self._writer: Any = None
        if wanted and find_spec("tensorboard") is not None:
            self._writer = load_tensorflow().summary.create_file_writer(str(folder))

    def write(self, step: int, values: dict[str, float]) -> None:
        if self._writer is None:
            return
        with self._writer.as_default():
            for name, value in values.items():
                load_tensorflow().summary.scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
