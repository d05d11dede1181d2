"""Where the sentry runs: in the C pipeline on this computer, or on a board behind its serial link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from watchword import core
from watchword.data.recordings import Recording, Selection, stream_pcm
from watchword.device.client import Board
from watchword.device.ports import open_port
from watchword.device.push import check_model, push
from watchword.device.scored import scored_stream
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.stream import run_host
from watchword.judge.cascade import redetected

Say = Callable[[str], None]


def host_streams(
    image: bytes, selection: Selection, detector: core.DetectorConfig, workers: int | None, say: Say
) -> Iterator[ScoredStream]:
    """Every recording through the C pipeline on this computer, with these detector settings."""
    run = run_host(image, selection, workers)
    for skipped in run.skipped:
        say(f"skipped {skipped.path}: {skipped.reason}")
    for stream in run.streams:
        yield redetected(stream, detector)


def board_streams(
    port: str,
    model: Path,
    image: bytes,
    selection: Selection,
    detector: core.DetectorConfig,
    push_model: bool,
    say: Say,
) -> Iterator[ScoredStream]:
    """Every recording streamed to the board; its scores and detections as they come back.

    The board gets `detector` for as long as this runs, and then its own settings again.
    """
    with open_port(port, model) as transport, Board(transport, port) as board:
        if push_model:
            say(push(board, image))
        word = check_model(board.words, image, port)
        before = board.config_get(word)
        board.config_set(detector, word)
        try:
            yield from _streamed(board, word, image, selection, say)
        finally:
            board.config_set(before, word)


def _streamed(
    board: Board, word: int, image: bytes, selection: Selection, say: Say
) -> Iterator[ScoredStream]:
    sent: list[Recording] = []
    geometry = core.ModelImage(image).geometry

    def readable() -> Iterator[np.ndarray]:
        for recording in selection.recordings:
            try:
                pcm = stream_pcm(recording)
            except WatchwordError as error:
                say(f"skipped {recording.path}: {error.what}")
                continue
            sent.append(recording)
            yield pcm

    for number, result in enumerate(board.stream_many(readable())):
        if result.lost_samples:
            raise WatchwordError(
                f"{result.lost_samples} samples of {sent[number].path} were lost", board.link.name
            )
        yield scored_stream(sent[number], geometry, result, word=word)
