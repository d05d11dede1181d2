"""A run in progress: what its stages share, its checkpoints on disk, and how it is resumed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from watchword.config import RunConfig, load_config, save_config
from watchword.train.diagnosis import FINDINGS_FILE, Diagnosis, Finding, diverged
from watchword.train.metrics import Metrics
from watchword.train.progress import ProgressBar, ScalarLog
from watchword.train.sources import Sources
from watchword.train.stage import Divergence, OnValidation, RunLog, Stage, ValidationResult
from watchword.train.state import (
    METRICS_FILE,
    STATE_FILE,
    SavedState,
    StateFile,
    check_same_settings,
    comparable,
)
from watchword.typed_json import read_json

STAGES = ("float", "int8 QAT")  # in their order
_LEFTOVERS = (STATE_FILE, FINDINGS_FILE, METRICS_FILE, "log.csv")


@dataclass
class Run:
    """A run in progress: what its stages share and add to."""

    config: RunConfig
    out: Path
    progress: bool  # print lines and show a bar
    on_validation: OnValidation | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    speed: dict[str, float] = field(default_factory=dict)
    resumed: SavedState | None = None
    bar: ProgressBar | None = None
    _part: tuple[str, float] | None = None  # the part in progress: its name and start, less earlier time

    def __post_init__(self) -> None:
        self.log = RunLog(self.out / "log.csv")
        self.diagnosis = Diagnosis(self.config, self.out, self.say)
        self._scalars = ScalarLog(self.out / "tensorboard", self.config.train.tensorboard)

    def say(self, line: str) -> None:
        if self.progress:
            tqdm.write(line)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        self._part = name, time.perf_counter() - self.seconds.get(name, 0.0)
        yield
        self.seconds = self.seconds_so_far()
        self._part = None
        self.say(f"{name}: {self.seconds[name]:.0f} s")

    def seconds_so_far(self) -> dict[str, float]:
        """Duration of every part, with the time it took before the run was resumed."""
        if self._part is None:
            return dict(self.seconds)
        name, started = self._part
        return {**self.seconds, name: round(time.perf_counter() - started, 1)}

    def was_finished(self, stage: Stage) -> bool:
        """Was this stage complete before the run was resumed?"""
        saved = self.resumed
        return saved is not None and STAGES.index(saved.stage) > STAGES.index(stage.name)

    def resumes_in(self, stage: Stage) -> bool:
        """Was the run interrupted in this stage?"""
        return self.resumed is not None and self.resumed.stage == stage.name

    def resume_from(self, saved: SavedState) -> None:
        """Continue from a saved state, with its log, times and findings."""
        self.resumed, self.log.rows = saved, saved.meta["log"]
        for name, seconds in saved.meta["seconds"].items():
            self.seconds[name] = seconds + self.seconds.get(name, 0.0)
        self.diagnosis.restore(saved.meta["findings"])
        self.diagnosis.rows = [row for row in self.log.rows if row["stage"] == saved.stage]
        self.diagnosis.note("divergence", None)
        self.say(f"resuming: {saved.stage} epoch {saved.meta['progress']['epoch']} is done")

    def record_epoch(self, stage: Stage, row: dict[str, Any], found: ValidationResult | None) -> None:
        """Diagnose and plot an epoch: `row` is its row of the log, `found` its validation if it had one."""
        self.diagnosis.after_epoch(stage, row, found)
        names = ("loss", "learning_rate", "segments_per_s")
        values = {f"train/{name}": float(row[name]) for name in names}
        if found is not None:
            for name in ("rank", "accuracy", "fpr", "fnr", "fah", "val_loss"):
                values[f"validation/{name}"] = float(getattr(found, name))
            values |= {f"validation FRR/{name}": value for name, value in found.frr.items()}
        self._scalars.write(len(self.log.rows), values)

    def explain(self, divergence: Divergence, sources: Sources) -> Finding:
        """Find the cause of a divergence and note it."""
        finding = diverged(divergence, sources)
        self.diagnosis.note("divergence", finding)
        return finding

    def close(self) -> None:
        """Close the bar and TensorBoard's log."""
        self._scalars.close()
        if self.bar is not None:
            self.bar.close()


@dataclass(frozen=True)
class RunCheckpointer:
    """Stores the state of the stage in the run folder, with the run's log, times and findings."""

    run: Run
    file: StateFile

    def save(self, stage: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Replace the latest state."""
        run = self.run
        about = {
            "log": run.log.rows,
            "seconds": run.seconds_so_far(),
            "findings": run.diagnosis.records(),
        }
        self.file.save(stage, arrays, meta | about)

    def load(self) -> SavedState:
        """The latest state."""
        return self.file.load()


def finished_metrics(config: RunConfig, out: Path) -> Metrics | None:
    """The metrics of a run that needs no resuming because it is complete; None if it is not."""
    path = out / METRICS_FILE
    if (out / STATE_FILE).is_file() or not path.is_file():
        return None
    check_same_settings(comparable(load_config(out / "config.toml")), comparable(config), out)
    return read_json(path, Metrics, "train again")


def open_folder(config: RunConfig, out: Path, resume: bool) -> None:
    """Make the run folder ready for a new run, or to resume the one that is in it."""
    if resume and (out / STATE_FILE).is_file():
        StateFile(out, comparable(config), "").check_settings()  # before anything is written
    else:
        for name in _LEFTOVERS:
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / "tensorboard", ignore_errors=True)
    for temporary in [*out.glob(".*.npz.*"), *out.glob(".log.csv.*")]:  # of a run that was killed
        temporary.unlink(missing_ok=True)
    save_config(config, out / "config.toml")
