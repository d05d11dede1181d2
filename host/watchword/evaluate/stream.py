"""Recordings through the C pipeline on the host, over all cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from watchword import core
from watchword.data.corpus import Skipped
from watchword.data.recordings import (
    ADDED_SAMPLES,
    Recording,
    Selection,
    stream_blocks,
)
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import Detect, ScoredStream
from watchword.evaluate.progress import Progress

_Results = Generator[tuple[int, ScoredStream | Skipped], None, None]
_INLINE_S = 120.0  # less audio than this is not worth starting processes for


@dataclass(frozen=True)
class HostRun:
    """Streams in the selection's order, whatever the number of processes."""

    streams: tuple[ScoredStream, ...]
    skipped: tuple[Skipped, ...]
    seconds: float
    times_real_time: float


def run_host(
    image: bytes, selection: Selection, workers: int | None = None, progress: bool = True
) -> HostRun:
    """Every recording of the selection through the pipeline; unreadable ones are listed, not fatal."""
    workers = workers or len(os.sched_getaffinity(0))
    inline = workers == 1 or sum(selection.seconds) < _INLINE_S
    bar = Progress("host pipeline", sum(selection.seconds), hidden=not progress)
    results: dict[int, ScoredStream | Skipped] = {}
    try:
        source = _inline(image, selection.recordings) if inline else _parallel(image, selection, workers)
        with closing(source):
            for index, result in source:
                results[index] = result
                bar.add(selection.seconds[index])
    finally:
        bar.close()
    ordered = [results[i] for i in sorted(results)]
    return HostRun(
        tuple(r for r in ordered if isinstance(r, ScoredStream)),
        tuple(r for r in ordered if isinstance(r, Skipped)),
        bar.elapsed_s,
        bar.times_real_time,
    )


def score_recording(image: bytes, recording: Recording) -> ScoredStream | Skipped:
    """One recording through the pipeline with the model's own detector settings."""
    pipeline, heard, samples = core.Pipeline(image), [], 0
    try:
        for block in stream_blocks(recording):
            heard.append(pipeline.feed(block))
            samples += block.size
    except WatchwordError as error:
        return Skipped(recording.path, error.reason)
    return ScoredStream(
        recording,
        samples - ADDED_SAMPLES,
        np.concatenate([part.scores for part in heard]),
        np.concatenate([part.score_samples for part in heard]),
        np.asarray([d.sample_index for part in heard for d in part.detections], np.int64),
    )


def detector_at(config: core.DetectorConfig) -> Detect:
    """The real detector with another high threshold (0..1), for `metrics.sweep`.

    The low threshold stays where it is, unless the high one goes below it.
    """

    def detect(stream: ScoredStream, threshold: float) -> np.ndarray:
        moved = replace(config, high=threshold, low=min(config.low, threshold))
        return core.detect(stream.scores, stream.score_samples, moved)[1]

    return detect


def _inline(image: bytes, recordings: Sequence[Recording]) -> _Results:
    for index, recording in enumerate(recordings):
        yield index, score_recording(image, recording)


def _parallel(image: bytes, selection: Selection, workers: int) -> _Results:
    # Longest first, so that no long recording is left for the end.
    order = sorted(range(len(selection.recordings)), key=lambda i: -selection.seconds[i])
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(image,)) as pool:
        with _ctrl_c_later():
            jobs = {pool.submit(_work, selection.recordings[i]): i for i in order}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BrokenProcessPool as error:
            raise WatchwordError("a worker process died", "", "free memory, or use --workers 1") from error
        except BaseException:  # Ctrl-C: do not wait for the recordings that are being worked on
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back for a moment; processes started meanwhile never see it: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_image = b""


def _start_worker(image: bytes) -> None:
    global _image
    _image = image


def _work(recording: Recording) -> ScoredStream | Skipped:
    return score_recording(_image, recording)
