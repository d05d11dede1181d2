"""Rows of jobs, computed by several processes and kept on disk.

A file of the cache is written in one step, so an interrupted run goes on where it stopped; it ends in a
checksum, so that one which was damaged later is found out, and computed again. NumPy reads it as it is.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from watchword.data.job_keys import job_key, job_rng
from watchword.data.jobs import Job, Recipe
from watchword.errors import WatchwordError
from watchword.files import write_atomic
from watchword.processes import spread
from watchword.progress import Progress

_INLINE_JOBS = 8  # fewer are not worth starting processes for
_CHECKSUM_BYTES = 8


def compute_rows(
    jobs: Sequence[Job], recipe: Recipe, cache: Path, workers: int, label: str, progress: bool = True,
    rebuild: bool = False,
) -> list[np.ndarray]:  # fmt: skip
    """The rows of every job, in order: from the cache, or computed by `workers` processes and cached.

    `rebuild` computes all, and replaces what the cache holds of them.
    """
    paths = [cache_path(cache, job_key(job, recipe)) for job in jobs]
    found = [None if rebuild else read_cached(path) for path in paths]
    # By what they are made of: jobs that read the same long file follow each other.
    missing = sorted(
        (i for i, rows in enumerate(found) if rows is None), key=lambda i: repr(jobs[i].identity)
    )
    with Progress(label, len(jobs), "jobs", progress, len(jobs) - len(missing)) as bar:
        if workers == 1 or len(missing) < _INLINE_JOBS:
            for i in missing:
                _compute_to(paths[i], jobs[i], recipe)
                bar.add()
        else:
            _compute_parallel([(paths[i], jobs[i]) for i in missing], recipe, workers, bar)
    return [_read_new(path) if rows is None else rows for path, rows in zip(paths, found, strict=True)]


def _compute_parallel(work: list[tuple[Path, Job]], recipe: Recipe, workers: int, bar: Progress) -> None:
    """Finished jobs are in the cache, whatever becomes of the others."""
    done = spread(_work, work, workers, _set_recipe, (recipe,), "features", "free memory, or set workers = 1")
    with closing(done):
        for _ in done:
            bar.add()


_recipe: Recipe | None = None


def _set_recipe(recipe: Recipe) -> None:
    global _recipe
    _recipe = recipe


def _work(path: Path, job: Job) -> None:
    assert _recipe is not None
    _compute_to(path, job, _recipe)


def _compute_to(path: Path, job: Job, recipe: Recipe) -> None:
    write_cached(path, job.compute(recipe, job_rng(job, recipe)))


def write_cached(path: Path, rows: np.ndarray) -> None:
    """Keep an array, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    content = buffer.getvalue()
    write_atomic(path, content + _checksum(content), durable=False)


def cache_path(cache: Path, key: str) -> Path:
    """Where the array with this key (hex digits) is kept."""
    return cache / key[:2] / f"{key}.npy"


def read_cached(path: Path) -> np.ndarray | None:
    """The cached array, or None when it is missing or damaged."""
    try:
        content = path.read_bytes()
        whole, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
        return np.load(io.BytesIO(whole), allow_pickle=False) if checksum == _checksum(whole) else None
    except (OSError, ValueError, EOFError):
        return None


def _checksum(content: bytes) -> bytes:
    return b"CRC " + zlib.crc32(content).to_bytes(4, "little")


def _read_new(path: Path) -> np.ndarray:
    rows = read_cached(path)
    if rows is None:
        raise WatchwordError("vanished from the feature cache", path, "run the command again")
    return rows
