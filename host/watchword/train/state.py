"""The state of a run after its latest epoch, in one file of the run folder, for `--resume`.

An .npz with every array that training depends on and a JSON text with the rest. It is written whole
after each epoch, so a run killed at any moment loses at most the epoch that was under way.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from watchword.config import RunConfig
from watchword.errors import WatchwordError
from watchword.files import write_atomic

STATE_FILE = "state.npz"
METRICS_FILE = "metrics.json"  # written when everything else of a run is there
_FORMAT = 2
_META = "meta"
# Settings that may differ between a run and its continuation, since none of them changes a weight.
_FREE = (("data", "cache"), ("data", "workers"), ("train", "tensorboard"))
_FREE_SECTIONS = ("size", "search")


@dataclass(frozen=True)
class SavedState:
    """The latest state of a stage."""

    stage: str
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]  # JSON values


@dataclass(frozen=True)
class StateFile:
    """`state.npz` of a run folder, bound to the settings and the training data of the run."""

    folder: Path
    config: dict[str, Any]
    data: str

    @property
    def path(self) -> Path:
        return self.folder / STATE_FILE

    def save(self, stage: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        content = {"format": _FORMAT, "config": self.config, "data": self.data, "stage": stage, **meta}
        buffer = io.BytesIO()
        everything: dict[str, Any] = {_META: np.array(json.dumps(content)), **arrays}
        np.savez(buffer, **everything)
        write_atomic(self.path, buffer.getvalue())

    def check_settings(self) -> None:
        """Raise, naming the settings, unless the state is one of a run with the same."""
        _, meta = _read(self.path)
        check_same_settings(meta["config"], self.config, self.folder, bool(meta["diverged"]))

    def load(self) -> SavedState:
        """The state, checked against this run's settings and data."""
        self.check_settings()
        arrays, meta = _read(self.path)
        if meta["data"] != self.data:
            raise WatchwordError(
                "cannot resume: the training data is not what it was when the run began",
                self.folder,
                "start anew without --resume, or restore the clips and the manifest",
            )
        return SavedState(meta["stage"], arrays, meta)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def comparable(config: RunConfig) -> dict[str, Any]:
    """The settings that decide the result, as JSON values."""
    content: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    for section, key in _FREE:
        del content[section][key]
    return {name: values for name, values in content.items() if name not in _FREE_SECTIONS}


def check_same_settings(
    before: dict[str, Any], now: dict[str, Any], folder: Path, diverged: bool = False
) -> None:
    """Raise, naming the settings, unless a run with `before` can go on with `now`.

    A run that ended because its loss diverged may go on with other learning rates.
    """
    keys = sorted({(s, k) for content in (before, now) for s in content for k in content[s]})
    other = [
        f"[{s}] {k}: {before.get(s, {}).get(k)!r} before, {now.get(s, {}).get(k)!r} now"
        for s, k in keys
        if before.get(s, {}).get(k) != now.get(s, {}).get(k) and not (diverged and k == "learning_rate")
    ]
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        raise WatchwordError(
            f"cannot resume with other settings: {'; '.join(other[:3])}{more}",
            folder,
            f"give --config {folder / 'config.toml'}, or start anew without --resume",
        )


def data_digest(*arrays: np.ndarray) -> str:
    """Short hash of the training data."""
    total = hashlib.blake2b(digest_size=12)
    for array in arrays:
        total.update(repr((array.shape, array.dtype.str)).encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def progress_of(folder: Path) -> str | None:
    """How far the interrupted run in `folder` has come, in words; None if the folder holds none."""
    if not (folder / STATE_FILE).is_file():
        return None
    _, meta = _read(folder / STATE_FILE)
    return f"{meta['stage']} epoch {meta['progress']['epoch']} is done"


def resume_command(folder: Path) -> str:
    """The command line that resumes the run in `folder`."""
    config, out = (shlex.quote(str(path)) for path in (folder / "config.toml", folder))
    return f"watchword train --config {config} --out {out} --resume"


def require_finished(folder: Path) -> None:
    """Raise if `folder` holds a run that did not end: its files may be of the run before."""
    if not (folder / "config.toml").is_file():
        return  # no run folder
    progress = progress_of(folder)
    if progress is None and (folder / METRICS_FILE).is_file():
        return
    done = progress or "no epoch is done"
    raise WatchwordError(f"this run was interrupted ({done})", folder, f"finish it: {resume_command(folder)}")


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        meta = json.loads(str(arrays.pop(_META)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise WatchwordError(
            f"the state of the run cannot be read: {error}", path, "start anew without --resume"
        ) from error
    if meta.get("format") != _FORMAT:
        raise WatchwordError(
            f"the state has format {meta.get('format')}, not {_FORMAT}", path, "start anew without --resume"
        )
    return arrays, dict(meta)
