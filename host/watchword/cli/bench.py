"""`watchword bench`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from watchword.cli.recording_options import Request, recording_options

if TYPE_CHECKING:
    from pathlib import Path

    from watchword.data.recordings import Selection
    from watchword.evaluate.results import Results
    from watchword.evaluate.session import Session


@click.command()
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0, or emu:c3, emu:esp32.")
@click.option("--push", is_flag=True, help="Send the model first if the board runs another one.")
@recording_options
def command(port: str, push: bool, request: Request) -> None:
    """Measure a board, physical or emulated, over its serial link.

    Every positive clip holds the word once; every second of the negatives counts as negative
    audio, and with a truth.csv so does all sound outside the words it lists. Each recording is
    a stream of its own, with silence around it. Every score is compared with the host pipeline.

    With several models the board runs them all at once: an emulated one is built with the first and gets the
    others pushed, on another one they are pushed with --push, to the slots 0, 1, 2 …

    Exit status: 0 all budgets kept, 2 a budget exceeded, 3 board and host differ or audio was
    lost, 1 any other error, 130 interrupted.

    \b
    Examples:
      watchword bench --port emu:c3 --model models/hey_lighthouse --positives wakes/ --negatives talk/
      watchword bench --port emu:c3 --model models/alexa --data corpus/manifest.csv --split test
      watchword bench --port /dev/ttyUSB0 --model models/alexa --data evening/ --push --preset strict
      watchword bench --port emu:c3 --model models/alexa --model models/computer --data corpus/manifest.csv
    """
    from watchword.device.bench import bench
    from watchword.evaluate.session import exit_status

    if len(request.models) > 1:
        from watchword.device.bench_several import bench_several

        results = request.run_several(
            lambda session, models, selection, limits: bench_several(
                port, models, selection, session, limits, push
            )
        )
        sys.exit(max(map(exit_status, results)))

    def measure(session: Session, selection: Selection, limits: Path) -> Results:
        return bench(port, request.model, selection, session, limits, push, request.preset)

    sys.exit(exit_status(request.run(measure)))
