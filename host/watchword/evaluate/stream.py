"""Recordings through the C pipeline on the host, over all cores."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from watchword import core
from watchword.data.clip_check import dead
from watchword.data.corpus import Skipped
from watchword.data.recordings import (
    ADDED_SAMPLES,
    Recording,
    Selection,
    stream_blocks,
)
from watchword.errors import WatchwordError
from watchword.evaluate.ledger import Ledger
from watchword.evaluate.metrics import Detect, ScoredStream
from watchword.evaluate.progress import AudioProgress
from watchword.processes import cores, spread

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
    image: bytes,
    selection: Selection,
    workers: int | None = None,
    progress: bool = True,
    ledger: Ledger | None = None,
) -> HostRun:
    """Every recording of the selection through the pipeline; unreadable ones are listed, not fatal.

    What the ledger holds already is taken from there, the rest is added to it.
    """
    workers = workers or cores()
    ledger = Ledger() if ledger is None else ledger
    known = ledger.host_streams(image, selection.recordings)
    # Longest first, so that no long recording is left for the end.
    order = sorted(range(len(selection.recordings)), key=lambda i: -selection.seconds[i])
    missing = [i for i in order if i not in known]
    total_s = sum(selection.seconds[i] for i in missing)
    recordings = [selection.recordings[i] for i in missing]
    bar = AudioProgress("host pipeline", total_s, hidden=not progress)
    results: dict[int, ScoredStream | Skipped] = {**known}
    try:
        inline = workers == 1 or total_s < _INLINE_S
        source = _inline(image, recordings) if inline else _parallel(image, recordings, workers)
        with closing(source):
            for place, result in source:
                index = missing[place]
                results[index] = result
                if isinstance(result, ScoredStream):
                    ledger.add_host(image, result)
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
    pipeline, samples = core.Pipeline([image]), 0
    heard: list[core.PipelineRun] = []
    ranges: list[tuple[int, int]] = []  # of the samples of every block: silence, the recording, silence
    try:
        for block in stream_blocks(recording):
            heard.extend(pipeline.feed(block))
            samples += block.size
            ranges.append((int(block.min(initial=0x7FFF)), int(block.max(initial=-0x8000))))
    except WatchwordError as error:
        return Skipped(recording.path, error.reason)
    lows, highs = zip(*ranges[1:-1], strict=True)
    if reason := dead(min(lows), max(highs)):  # a dead microphone proves nothing
        return Skipped(recording.path, reason)
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


def _parallel(image: bytes, recordings: Sequence[Recording], workers: int) -> _Results:
    jobs = [(recording,) for recording in recordings]
    yield from spread(_work, jobs, workers, _set_image, (image,), "", "free memory, or use --workers 1")


_image = b""


def _set_image(image: bytes) -> None:
    global _image
    _image = image


def _work(recording: Recording) -> ScoredStream | Skipped:
    return score_recording(_image, recording)
