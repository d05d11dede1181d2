"""What `watchword judge` does, for recordings and for snippets that are sent. The caller prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from watchword import core
from watchword.data.recordings import Selection
from watchword.evaluate.metrics import ScoredStream
from watchword.judge import cascade
from watchword.judge.cascade import Cascade, JudgedStream, Ruling
from watchword.judge.network import Judge
from watchword.judge.results import CascadeResults
from watchword.judge.sentries import board_streams, host_streams

Say = Callable[[str], None]


@dataclass(frozen=True)
class CascadeSettings:
    """Which sentry, which judge, and their thresholds."""

    run: Path  # of the judge
    model: Path  # of the sentry
    port: str | None  # of the sentry's board; None: the C pipeline on this computer
    push: bool  # send the model to the board first
    sentry_high: float | None  # None: the model's own
    threshold: float  # from which the judge accepts
    after_s: float  # of sound after a detection that the judge waits for
    workers: int | None  # processes, without a board


def judge_recordings(
    settings: CascadeSettings,
    image: bytes,
    selection: Selection,
    on_ruling: Callable[[Ruling], None],
    say: Say,
) -> CascadeResults:
    """Run the cascade on recordings; `on_ruling` gets each ruling as it is made. Returns the figures.

    image: the sentry's, from `settings.model`.
    """
    judge = Judge(settings.run, settings.threshold)
    cascade.check_words(judge, image, settings.model)
    detector = cascade.sentry_settings(image, settings.sentry_high)
    pair = Cascade(judge, detector, settings.after_s)
    for skipped in selection.skipped:
        say(f"skipped {skipped.path}: {skipped.reason}")
    judged: list[JudgedStream] = []
    for stream in _sentry_streams(settings, image, selection, detector, say):
        judged.append(pair.judge_stream(stream))
        for ruling in judged[-1].rulings:
            on_ruling(ruling)
    return CascadeResults(
        **pair.figures(judged, cascade.sentry_settings(image, None)),
        model=str(settings.model),
        run=str(settings.run),
        port=settings.port or "host",
        origin=selection.origin,
        notes=selection.notes,
    )


def _sentry_streams(
    settings: CascadeSettings, image: bytes, selection: Selection, detector: core.DetectorConfig, say: Say
) -> Iterator[ScoredStream]:
    if settings.port is None:
        return host_streams(image, selection, detector, settings.workers, say)
    return board_streams(settings.port, settings.model, image, selection, detector, settings.push, say)


def serve_snippets(run: Path, threshold: float, where: str, announce: Say, say: Say) -> None:
    """Answer until the process is interrupted; `announce` gets the address, `say` every request."""
    from watchword.judge.server import open_server

    judge = Judge(run, threshold)
    with open_server(where, judge, say) as server:
        host, port = server.server_address[:2]
        announce(f"judging '{judge.word}' with {judge.arch} at http://{host!s}:{port}/")
        server.serve_forever()
