"""`watchword record`: own voices as clips, from a microphone or a long recording."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_BAR = 30


@click.command()
@click.argument("word")
@click.option("--out", type=_PATH, required=True, help="Folder of recordings; added to.")
@click.option("--speaker", default="me", show_default=True, help="Who speaks; keeps a voice in one split.")
@click.option("--count", default=20, show_default=True, type=click.IntRange(1), help="Good takes to make.")
@click.option("--negative", is_flag=True, help="Record other speech: near misses and sentences.")
@click.option("--device", type=click.IntRange(0), help="Number of the microphone [the default one].")
@click.option(
    "--from", "recording", type=_PATH, help="Cut this long recording instead of using a microphone."
)
def command(
    word: str, out: Path, speaker: str, count: int, negative: bool, device: int | None, recording: Path | None
) -> None:
    """Record WORD said by one person, take by take, into the folders that scan understands.

    Every take is looked at: clipped, too quiet, cut off or empty ones are asked for again. Record
    several people, each with a --speaker of their own. With --from FILE, one long recording of many
    utterances with pauses between them (a phone's, say) is cut into clips by the same rules.
    The microphone needs: pip install 'watchword[record]' and, on Linux, libportaudio2.

    \b
    Examples:
      watchword record "hey lighthouse" --out recordings/ --speaker ann
      watchword record "hey lighthouse" --out recordings/ --speaker ann --negative --count 30
      watchword record "hey lighthouse" --out recordings/ --speaker bob --from bob.wav
      watchword scan recordings/ --word "hey lighthouse" --out recordings/manifest.csv
    """
    from watchword.data import record

    label = "negative" if negative else "positive"
    shelf = record.shelf(out, word, speaker, label)
    if recording is not None:
        found = record.cut(recording, shelf, label)
        for at_s, fault in found.rejected:
            click.echo(f"left out at {at_s:.1f} s: {fault}", err=True)
        saved = len(found.saved)
    else:
        from watchword.data.capture import Microphone

        microphone = Microphone(device)
        click.echo(f"listening to {microphone.name}; Ctrl-C ends, what was kept stays", err=True)
        prompts = record.other_prompts(word) if negative else record.word_prompts(word)
        saved = sum(1 for _ in record.guided(microphone, shelf, prompts, label, count, _say, _meter))
    click.echo(f"{saved} clips saved in {shelf.folder}")


def _say(text: str) -> None:
    click.echo(f"\r{text:<{_BAR + 12}}" if sys.stderr.isatty() else text, err=True)


def _meter(dbfs: float) -> None:
    """A bar from -60 to 0 dBFS, redrawn in place."""
    if sys.stderr.isatty():
        full = round(_BAR * min(1.0, max(0.0, 1.0 + dbfs / 60.0)))
        click.echo(f"\r[{'#' * full:<{_BAR}}] {dbfs:4.0f} dBFS", nl=False, err=True)
