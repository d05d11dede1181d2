"""How a run shows its progress: one bar over all its stages, and TensorBoard's scalars."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from watchword.progress import Progress
from watchword.train.tensorflow import load_tensorflow


class ProgressBar(Progress):
    """One bar from the first segment of float training to the last of QAT."""

    def __init__(self, segments: int, shown: bool) -> None:
        super().__init__("training", segments, "segments", shown)

    def describe(self, stage: str) -> None:
        self.what = stage
        if self._bar is not None:
            self._bar.set_description(f"{stage:<10}")


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
