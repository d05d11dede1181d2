"""`watchword evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from watchword.cli.recording_options import recording_options


@click.command()
@recording_options
@click.option("--workers", type=click.IntRange(min=1), help="Processes [one per core].")
def command(
    model: Path,
    positives: Path | None,
    negatives: Path | None,
    data: Path | None,
    split: str | None,
    limit_minutes: float | None,
    out: Path | None,
    budgets: Path | None,
    workers: int | None,
) -> None:
    """Measure a model on recordings with the C core on this computer, over all cores.

    Every positive clip holds the word once; every second of the negatives counts as negative
    audio, and with a truth.csv so does all sound outside the words it lists. Writes the same
    files as bench; cost and RAM are left to a board. Budgets are shown, but only bench fails on
    them.

    \b
    Examples:
      watchword evaluate --model models/hey_lighthouse --positives wakes/ --negatives talk/
      watchword evaluate --model models/alexa --data corpus/manifest.csv --split test
      watchword evaluate --model models/alexa --data evening/ --out sessions/evening   # with truth.csv
    """
    from watchword.evaluate import session as sessions
    from watchword.evaluate.budgets import DEFAULT_PATH
    from watchword.evaluate.host import evaluate_on_host
    from watchword.evaluate.recordings import select

    with sessions.open_session(out or sessions.default_folder()) as session:
        selection = select(positives, negatives, data, split, limit_minutes)
        results = evaluate_on_host(model, selection, session, budgets or DEFAULT_PATH, workers)
        session.finish(results)
    click.echo(sessions.table(results))
    click.echo(f"report: {session.folder / 'report.html'}")
