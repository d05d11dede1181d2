"""`watchword record`: own voices as clips, from a microphone or a long recording."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from watchword.data.microphone import Microphone
    from watchword.device.capture import BoardMicrophone

_PATH = click.Path(path_type=Path)
_BAR = 30


@click.command()
@click.argument("word")
@click.option("--out", type=_PATH, required=True, help="Folder of recordings; added to.")
@click.option("--speaker", default="me", show_default=True, help="Who speaks; keeps a voice in one split.")
@click.option("--count", default=20, show_default=True, type=click.IntRange(1), help="Good takes to make.")
@click.option("--negative", is_flag=True, help="Record other speech: near misses and sentences.")
@click.option("--language", default="en", show_default=True, help="With --negative: of what is to be read.")
@click.option("--device", type=click.IntRange(0), help="Number of the microphone [the default one].")
@click.option("--port", help="Record with the microphone of the board at this serial port.")
@click.option(
    "--from", "recording", type=_PATH, help="Cut this long recording instead of using a microphone."
)
def command(
    word: str,
    out: Path,
    speaker: str,
    count: int,
    negative: bool,
    language: str,
    device: int | None,
    port: str | None,
    recording: Path | None,
) -> None:
    """Record WORD said by one person, take by take, into the folders that scan understands.

    Every take is looked at: clipped, too quiet, cut off or empty ones are asked for again. Record
    several people, each with a --speaker of their own. With --from FILE, one long recording of many
    utterances with pauses between them (a phone's, say) is cut into clips by the same rules.
    This computer's microphone needs: pip install 'watchword[record]' and, on Linux, libportaudio2;
    with --port the board's own records, whose sound the model will have to know.

    \b
    Examples:
      watchword record "hey lighthouse" --out recordings/ --speaker ann
      watchword record "hey lighthouse" --out recordings/ --speaker ann --negative --count 30
      watchword record "hey lighthouse" --out recordings/ --speaker ann --port /dev/ttyUSB0
      watchword record "hey lighthouse" --out recordings/ --speaker bob --from bob.wav
      watchword scan recordings/ --word "hey lighthouse" --out recordings/manifest.csv
    """
    from watchword.data import record
    from watchword.data.languages import language_of

    spoken = language_of(language)
    label = "negative" if negative else "positive"
    target = record.clip_folder(out, word, speaker, label)
    if recording is not None:
        found = record.cut(recording, target, label)
        for at_s, fault in found.rejected:
            click.echo(f"left out at {at_s:.1f} s: {fault}", err=True)
        saved = len(found.saved)
    else:
        prompts = record.other_prompts(word, spoken) if negative else record.word_prompts(word)
        with _source(device, port) as microphone:
            click.echo(f"listening to {microphone.name}; Ctrl-C ends, what was kept stays", err=True)
            saved = sum(1 for _ in record.guided(microphone, target, prompts, label, count, _say, _meter))
    click.echo(f"{saved} clips saved in {target.folder}")


@contextmanager
def _source(device: int | None, port: str | None) -> Iterator[Microphone | BoardMicrophone]:
    """A board's microphone, or this computer's."""
    if port is None:
        from watchword.data.microphone import Microphone

        yield Microphone(device)
        return
    from watchword.device.capture import BoardMicrophone
    from watchword.device.client import Board
    from watchword.device.ports import open_port

    with open_port(port) as transport, Board(transport, port) as board:
        yield BoardMicrophone(board)


def _say(text: str) -> None:
    click.echo(f"\r{text:<{_BAR + 12}}" if sys.stderr.isatty() else text, err=True)


def _meter(dbfs: float) -> None:
    """A bar from -60 to 0 dBFS, redrawn in place."""
    if sys.stderr.isatty():
        full = round(_BAR * min(1.0, max(0.0, 1.0 + dbfs / 60.0)))
        click.echo(f"\r[{'#' * full:<{_BAR}}] {dbfs:4.0f} dBFS", nl=False, err=True)
