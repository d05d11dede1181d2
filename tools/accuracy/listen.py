"""All detectors over all trials: on this computer, and ours on a board as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from watchword import core, spec
from watchword.data.recordings import ADDED_SAMPLES, stream_pcm
from watchword.device import ports
from watchword.device.client import Board
from watchword.errors import WatchwordError
from watchword.evaluate.equal_alarms import Scores, Trace, Word, pooled, separated_peaks, word_peak
from watchword.evaluate.progress import AudioProgress
from watchword.processes import cores

from tools.accuracy.peer import Peer
from tools.accuracy.trials import POOLS, Plan, Trial

OURS = "Watchword"  # our detector's name beside those of the peers' packages
_ADDED_S = ADDED_SAMPLES / spec.SAMPLE_RATE_HZ


@dataclass(frozen=True)
class ScoredTrial:
    """What became of one trial."""

    trial: Trial
    scores: np.ndarray  # uint8 [n], ours, raw
    traces: dict[str, Trace]  # of each detector


def listen(plan: Plan, image: bytes, peers: Sequence[Peer]) -> list[ScoredTrial]:
    """Every trial through all detectors, the very same samples, over all cores; in the plan's order."""
    # Threads suffice: the C core releases the interpreter lock and the peers are processes of their own.
    pool = ThreadPoolExecutor(cores())
    bar = AudioProgress("all detectors" if peers else "our detector", sum(_seconds(t) for t in plan.trials))
    results = []
    try:
        for heard in pool.map(lambda trial: _listen_one(trial, image, peers), plan.trials):
            results.append(heard)
            bar.add(_seconds(heard.trial))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        bar.close()
    return results


def on_board(heard: Sequence[ScoredTrial], image: bytes, model: Path, port: str) -> int:
    """Our side once more on the board at `port`; raises if a single score differs from the host's.

    Recordings of other collections are left out. How many scores there were.
    """
    chosen = [h for h in heard if not h.trial.elsewhere]
    bar = AudioProgress(port, sum(_seconds(h.trial) for h in chosen))
    try:
        with ports.open_port(port, model) as transport, Board(transport, port) as board:
            for one, result in zip(chosen, board.stream_many(_pcm(chosen)), strict=True):
                if result.lost_samples or not np.array_equal(result.scores, one.scores):
                    raise WatchwordError(
                        "the board's scores differ from the host's", port, f"flash it with {model}"
                    )
                bar.add(_seconds(one.trial))
    finally:
        bar.close()
    return sum(len(h.scores) for h in chosen)


def scores_of(heard: Sequence[ScoredTrial], side: str) -> Scores:
    """What one detector made of everything."""
    words: list[Word] = []
    events: dict[str, list[list[float]]] = {pool: [] for pool in POOLS}
    hours = dict.fromkeys(POOLS, 0.0)
    for one in heard:
        trial, trace = one.trial, one.traces[side]
        recording = trial.recording
        words += [
            Word(trial.condition, recording.name, trial.clip.split, word_peak(trace, span))
            for span in recording.word_samples
        ]
        peaks = separated_peaks(trace) if trial.pools else []
        for pool in trial.pools:
            events[pool].append(peaks)
            hours[pool] += trial.seconds / 3600.0
    return Scores(tuple(words), {pool: pooled(parts) for pool, parts in events.items()}, hours)


def _listen_one(trial: Trial, image: bytes, peers: Sequence[Peer]) -> ScoredTrial:
    pcm = stream_pcm(trial.recording)
    run = core.run_pipeline(image, pcm)
    traces = {OURS: Trace(core.unit(run.smoothed_q15), run.score_samples)}
    traces |= {peer.package.name: peer.trace(pcm) for peer in peers}
    return ScoredTrial(trial, run.scores, traces)


def _pcm(heard: Sequence[ScoredTrial]) -> Iterator[np.ndarray]:
    for one in heard:
        yield stream_pcm(one.trial.recording)


def _seconds(trial: Trial) -> float:
    return trial.seconds + _ADDED_S
