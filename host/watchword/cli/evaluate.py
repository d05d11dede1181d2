"""`watchword evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from watchword.cli.recording_options import Request, recording_options

if TYPE_CHECKING:
    from pathlib import Path

    from watchword.data.recordings import Selection
    from watchword.evaluate.results import Results
    from watchword.evaluate.session import Session


@click.command()
@recording_options
@click.option(
    "--conditions", is_flag=True, help="Also in held-out rooms and noises; needs --data and --split."
)
@click.option(
    "--draws",
    default=3,
    show_default=True,
    type=click.IntRange(1, 100),
    help="With --conditions: rooms and noises each word is heard in, per condition.",
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="With --conditions: which."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes [one per core].")
def command(request: Request, conditions: bool, draws: int, seed: int, workers: int | None) -> None:
    """Measure a model on recordings with the C core on this computer, over all cores.

    Every positive clip holds the word once; every second of the negatives counts as negative
    audio, and with a truth.csv so does all sound outside the words it lists. Writes the same
    files as bench; cost and RAM are left to a board. Budgets are shown, but only bench fails on
    them.

    With several models, which recording holds which word is told by the manifest's column phrase, or by
    one --positives for each. Each word gets a folder of its own, and all of them the false alarms of any and
    how often one word is taken for another.

    With --conditions everything is heard again with reverberation, at 10 and 5 dB of noise, and
    with both, in the rooms (label rir) and noises (label noise) of the evaluated split alone.

    \b
    Examples:
      watchword evaluate --model models/hey_lighthouse --positives wakes/ --negatives talk/
      watchword evaluate --model models/alexa --data corpus/manifest.csv --split test --conditions
      watchword evaluate --model models/alexa --data evening/ --out sessions/evening   # with truth.csv
      watchword evaluate --model models/alexa --data evening/ --preset eager
      watchword evaluate --model models/alexa --model models/computer --data corpus/manifest.csv --split test
    """
    from watchword.evaluate.conditions import read_scenes
    from watchword.evaluate.host import evaluate_on_host

    if len(request.models) > 1:
        if conditions:
            raise click.UsageError("--conditions is for one --model")
        _evaluate_several(request, workers)
        return

    def measure(session: Session, selection: Selection, limits: Path) -> Results:
        scenes = read_scenes(selection, draws, seed) if conditions else None
        return evaluate_on_host(request.model, selection, session, limits, workers, scenes, request.preset)

    request.run(measure)


def _evaluate_several(request: Request, workers: int | None) -> None:
    from watchword.evaluate.several import evaluate_several

    request.run_several(
        lambda session, models, selection, limits: evaluate_several(
            models, selection, session, limits, workers
        )
    )
