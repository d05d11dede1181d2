"""Rows of jobs, computed by several processes and kept on disk.

A file of the cache is either whole or absent, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from tqdm import tqdm

from watchword.data.features import Job, Recipe, job_key, job_rng
from watchword.errors import WatchwordError
from watchword.files import write_atomic

_INLINE_JOBS = 8  # fewer are not worth starting processes for


def compute_rows(
    jobs: Sequence[Job], recipe: Recipe, cache: Path, workers: int, label: str, progress: bool = True
) -> list[np.ndarray]:
    """The rows of every job, in order: from the cache, or computed by `workers` processes and cached."""
    paths = [_cache_path(cache, job_key(job, recipe)) for job in jobs]
    missing = [i for i, path in enumerate(paths) if _read(path) is None]
    bar = tqdm(
        total=len(jobs), initial=len(jobs) - len(missing), desc=f"{label:<10}", unit=" jobs",
        disable=None if progress else True,  # None: hidden unless stderr is a terminal
    )  # fmt: skip
    with bar:
        if workers == 1 or len(missing) < _INLINE_JOBS:
            for i in missing:
                _compute_to(paths[i], jobs[i], recipe)
                bar.update()
        else:
            _compute_parallel([(paths[i], jobs[i]) for i in missing], recipe, workers, bar)
    return [_read_whole(path) for path in paths]


def _compute_parallel(work: list[tuple[Path, Job]], recipe: Recipe, workers: int, bar: tqdm) -> None:
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(recipe,)) as pool:
        try:
            for done in as_completed([pool.submit(_work, path, job) for path, job in work]):
                done.result()
                bar.update()
        except BrokenProcessPool as error:
            raise WatchwordError(
                "a worker process died", "features", "free memory, or set workers = 1"
            ) from error
        except BaseException:  # Ctrl-C, or a job that failed: finished jobs are in the cache already
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise


_recipe: Recipe | None = None


def _start_worker(recipe: Recipe) -> None:
    global _recipe
    _recipe = recipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for ever for its next job."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(path: Path, job: Job) -> None:
    assert _recipe is not None
    _compute_to(path, job, _recipe)


def _compute_to(path: Path, job: Job, recipe: Recipe) -> None:
    buffer = io.BytesIO()
    np.save(buffer, job.compute(recipe, job_rng(path.stem)), allow_pickle=False)
    write_atomic(path, buffer.getvalue())


def _cache_path(cache: Path, key: str) -> Path:
    return cache / key[:2] / f"{key}.npy"


def _read(path: Path) -> np.ndarray | None:
    """The cached array, memory-mapped, or None when it is missing or damaged."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def _read_whole(path: Path) -> np.ndarray:
    rows = _read(path)
    if rows is None:
        raise WatchwordError("vanished from the feature cache", path, "run the command again")
    return np.array(rows)
