"""`watchword bench`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from watchword.cli.recording_options import recording_options


@click.command()
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0, or emu:c3 (emulated board).")
@click.option("--push", is_flag=True, help="Send the model first if the board runs another one.")
@recording_options
def command(
    port: str,
    push: bool,
    model: Path,
    positives: Path | None,
    negatives: Path | None,
    data: Path | None,
    split: str | None,
    limit_minutes: float | None,
    out: Path | None,
    budgets: Path | None,
) -> None:
    """Measure a board, physical or emulated, over its serial link.

    Every positive clip holds the word once; every second of the negatives counts as negative
    audio, and with a truth.csv so does all sound outside the words it lists. Each recording is
    a stream of its own, with silence around it. Every score is compared with the host pipeline.

    Exit status: 0 all budgets kept, 2 a budget exceeded, 3 board and host differ or audio was
    lost, 1 any other error, 130 interrupted.

    \b
    Examples:
      watchword bench --port emu:c3 --model models/hey_lighthouse --positives wakes/ --negatives talk/
      watchword bench --port emu:c3 --model models/alexa --data corpus/manifest.csv --split test
      watchword bench --port /dev/ttyUSB0 --model models/alexa --data evening/ --push
    """
    from watchword.device.bench import bench
    from watchword.evaluate import session as sessions
    from watchword.evaluate.budgets import DEFAULT_PATH
    from watchword.evaluate.recordings import select

    with sessions.open_session(out or sessions.default_folder()) as session:
        selection = select(positives, negatives, data, split, limit_minutes)
        results = bench(port, model, selection, session, budgets or DEFAULT_PATH, push)
        session.finish(results)
    click.echo(sessions.table(results))
    click.echo(f"report: {session.folder / 'report.html'}")
    sys.exit(sessions.exit_status(results))
