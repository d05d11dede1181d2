"""`watchword mine`: false alarms of a model on training audio, as clips to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from watchword import spec

if TYPE_CHECKING:
    from watchword.evaluate.mine import Mined

_PATH = click.Path(path_type=Path)
_SHOWN = 5


@click.command()
@click.argument("model", type=_PATH)
@click.option(
    "--data",
    type=_PATH,
    multiple=True,
    required=True,
    help="Manifest, folder or sound file without the word; can be given again.",
)
@click.option("--split", default="train", show_default=True, help="Of manifests; only train is allowed.")
@click.option(
    "--out", type=_PATH, required=True, help="Folder for clips and manifest.csv; kept and added to."
)
@click.option(
    "--threshold",
    default=0.3,
    show_default=True,
    type=click.FloatRange(0.01, spec.DETECTOR_MAX_HIGH),
    help="Smoothed score from which a peak is mined.",
)
@click.option("--max-minutes", type=click.FloatRange(min=0.0), help="Write at most this much, worst first.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes [one per core].")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out.")
def command(
    model: Path,
    data: tuple[Path, ...],
    split: str,
    out: Path,
    threshold: float,
    max_minutes: float | None,
    workers: int | None,
    resume: bool,
) -> None:
    """Let MODEL listen to training audio without its word and cut out what it takes for it.

    Give long recordings as they are: an evening of television, a meeting, the room where the board
    fired by mistake. A folder with a truth.csv may hold the word: what it lists is left out. Listen to
    the worst clips and delete those that do hold the word; scan passes over them. Recordings of val and
    test are refused. Then scan the corpus and the mined folder together and train again.

    \b
    Examples:
      watchword mine models/alexa --data corpus/manifest.csv --out mined/
      watchword mine models/alexa --data evening.wav --data podcasts/ --out mined/ --max-minutes 20
      watchword scan corpus/manifest.csv mined/ --word alexa --out all.csv
      watchword train --manifest all.csv --word alexa --out runs/alexa_2
    """
    from watchword.evaluate.mine import mine

    found = mine(model, data, out, split, threshold, max_minutes, workers, resume=resume)
    for skipped in found.skipped:
        click.echo(f"skipped {skipped.path}: {skipped.reason}", err=True)
    click.echo(_summary(found, threshold))


def _summary(found: Mined, threshold: float) -> str:
    minutes = sum(alarm.seconds for alarm in found.alarms) / 60
    lines = [
        f"{found.hours:.2f} h at {found.times_real_time:.0f} x real time: "
        f"{found.false_alarms} false alarms of the model's own detector, "
        f"{len(found.alarms) + found.known + found.left_out} peaks of {threshold:g} and more",
        *(f"  {a.score:.3f}  {a.recording} at {a.peak_s:.1f} s" for a in found.alarms[:_SHOWN]),
    ]
    if found.known:
        lines.append(f"{found.known} of them were mined before")
    if found.left_out:
        lines.append(f"{found.left_out} left out (--max-minutes)")
    lines.append(f"{len(found.alarms)} clips written, {minutes:.1f} min; {found.total} in {found.manifest}")
    return "\n".join(lines)
