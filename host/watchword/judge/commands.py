"""`watchword judge`: the whole command, for recordings and for snippets that are sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import click

from watchword.data.recordings import select
from watchword.export.image import load_image
from watchword.files import write_atomic
from watchword.judge import cascade
from watchword.judge.cascade import Cascade, Judged
from watchword.judge.network import Judge
from watchword.judge.sentries import board_streams, host_streams

# positives, negatives, data, split, limit in minutes: as `select` takes them
Sources = tuple[Path | None, Path | None, Path | None, str | None, float | None]


@dataclass(frozen=True)
class Question:
    """Which sentry, which judge, and how they are set."""

    run: Path
    model: Path
    port: str | None
    push: bool
    sentry_high: float | None
    threshold: float
    after_s: float
    workers: int | None


def judge_recordings(question: Question, sources: Sources, out: Path | None) -> None:
    """Every ruling as it is made, then the table; `out` gets both as JSON."""
    image = load_image(question.model)
    judge = Judge(question.run, question.threshold)
    cascade.check_words(judge, image, question.model)
    detector = cascade.sentry_settings(image, question.sentry_high)
    pair = Cascade(judge, detector, question.after_s)
    selection = select(*sources)
    for skipped in selection.skipped:
        _note(f"skipped {skipped.path}: {skipped.reason}")
    if question.port is None:
        streams = host_streams(image, selection, detector, question.workers, _note)
    else:
        streams = board_streams(
            question.port, question.model, image, selection, detector, question.push, _note
        )
    judged: list[Judged] = []
    for stream in streams:
        judged.append(pair.hear(stream))
        for ruling in judged[-1].rulings:
            click.echo(ruling.line())
    results = pair.results(judged, cascade.sentry_settings(image, None))
    results |= {"model": str(question.model), "run": str(question.run), "port": question.port or "host"}
    results |= {"origin": selection.origin, "notes": list(selection.notes)}
    if out is not None:
        results["rulings"] = [ruling.to_dict() for one in judged for ruling in one.rulings]
        write_atomic(out, json.dumps(results, indent=1) + "\n")
    click.echo(cascade.table(results))


def serve_snippets(run: Path, threshold: float, where: str) -> None:
    """Answer until Ctrl-C."""
    from watchword.judge.server import open_server

    judge = Judge(run, threshold)
    with open_server(where, judge, _note) as server:
        host, port = server.server_address[:2]
        click.echo(f"judging '{judge.word}' with {judge.arch} at http://{host!s}:{port}/")
        server.serve_forever()


def _note(text: str) -> None:
    click.echo(text, err=True)
