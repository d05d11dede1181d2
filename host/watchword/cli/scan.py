"""watchword scan: look at recordings, split them, write the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from watchword.data.corpus import LABELS, SPLITS, Clip, Skipped


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--word", help="The wake word: names the positives, chooses them in a list of many words.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the manifest here.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Decides the split.")
@click.option(
    "--hold-out",
    multiple=True,
    metavar="SOURCE[=SPLIT]",
    help="Keep a whole source out of training: in val and test, or in the one named; can be repeated.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Only draw SOURCES, sound files, as the chip sees them: a .png, or a folder for several files.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="With --plot: a model folder; adds its input after normalisation and its scores.",
)
def command(
    sources: tuple[Path, ...],
    word: str | None,
    out: Path | None,
    seed: int,
    hold_out: tuple[str, ...],
    plot: Path | None,
    model: Path | None,
) -> None:
    """Check the recordings of SOURCES, split them 80/10/10 by speaker and look for leaks.

    Of several sources without the word, some go whole to val and test: what judges should come from
    elsewhere than what trains. A clip's source is its manifest's column, or the folder given here.

    \b
    A source is a manifest (.csv) or a folder: positive/ and negative/, optionally noise/ and rir/,
    with a folder per speaker inside; train/, val/ and test/ folders above or below them are kept.
    Files that cannot be used are listed with the reason and left out. With --out in the folder itself
    the command can be repeated: known clips keep their split, recordings added since are found.

    \b
    Examples:
      watchword scan recordings/ --word "hey lighthouse" --out manifest.csv
      watchword scan recordings/ data/hey_lighthouse/manifest.csv --word "hey lighthouse" --out all.csv
      watchword scan corpus/manifest.csv --word alexa
      watchword scan corpus.csv --word alexa --hold-out podcast --hold-out phone=test --out all.csv
      watchword scan wakes/anna/3.wav --plot 3.png --model models/hey_lighthouse
    """
    if plot:
        draw(sources, plot, model)
        return
    if model:
        raise click.UsageError("--model is for --plot")
    from watchword.data.corpus import write_manifest
    from watchword.data.scan import scan
    from watchword.data.split import held_out
    from watchword.files import check_file

    if out:
        check_file(out)
    places = held_out(hold_out)
    found = scan(sources, word, seed, progress=True, tell=print_skipped, hold_out=places)
    print_table(found.clips)
    for note in found.notes:
        click.echo(note if note.startswith("warning: ") else f"note: {note}")
    if found.skipped:
        click.echo(
            f"{len(found.skipped)} of {len(found.skipped) + len(found.clips)} files are not used (above)"
        )
    if out:
        click.echo(f"{len(found.clips)} clips in {write_manifest(out, found.clips)}")


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """Every file that is not used, and why."""
    for one in skipped:
        click.echo(f"skipped {one.path}: {one.reason}")


def draw(files: Sequence[Path], out: Path, model: Path | None) -> None:
    """A picture of every file."""
    from watchword.data.plots import plot_files
    from watchword.export.image import load_image

    for picture in plot_files(list(files), out, load_image(model) if model else None):
        click.echo(picture)


def print_table(clips: Sequence[Clip]) -> None:
    """Clips, minutes, speakers and sources of every split and label."""
    click.echo(f"{'split':6} {'label':9} {'clips':>6} {'minutes':>8} {'speakers':>8} {'sources':>8}")
    for split in SPLITS:
        for label in LABELS:
            some = [clip for clip in clips if clip.split == split and clip.label == label]
            if some:
                minutes = sum(clip.seconds for clip in some) / 60
                speakers = len({clip.speaker for clip in some if clip.has_speaker}) or "-"
                sources = len({clip.source for clip in some})
                click.echo(f"{split:6} {label:9} {len(some):6} {minutes:8.1f} {speakers:>8} {sources:>8}")
