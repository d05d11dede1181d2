"""`watchword capture`."""

from __future__ import annotations

import functools
from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0.")
@click.option("--out", type=_PATH, required=True, help="Folder for detections, or with --all a .wav file.")
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after this long (default: at Ctrl-C).")
@click.option("--all", "everything", is_flag=True, help="Keep all audio, not only that of detections.")
@click.option(
    "--model",
    type=_PATH,
    help="With --all: compare the board's scores with this model's on the host.",
)
def command(port: str, out: Path, seconds: float | None, everything: bool, model: Path | None) -> None:
    """Listen through a board's microphone and keep what it hears.

    The board's pipeline runs as ever. By default the two seconds before each detection become a file
    in the folder OUT, named by number and score: delete those that hold the word, and `mine` the rest.
    With --all the whole audio becomes the file OUT, for training in the room the board is in; with
    --model, its scores are compared with the host's, bit for bit. OUT is written while the board listens
    and keeps what was heard however that ends; a file that is there already is never written over.

    \b
    Examples:
      watchword capture --port /dev/ttyUSB0 --out alarms/
      watchword capture --port /dev/ttyUSB0 --out evening.wav --all --seconds 3600
      watchword capture --port /dev/ttyUSB0 --out check.wav --all --seconds 20 --model models/alexa
    """
    from watchword.device.capture import save_detections, save_everything
    from watchword.device.client import Board
    from watchword.device.ports import open_port
    from watchword.device.recording import check_new
    from watchword.files import check_folder

    (check_new if everything else check_folder)(out)
    with open_port(port) as transport, Board(transport, port) as board:
        click.echo(f"listening with {board.info['board']} for '{board.info['word']}'", err=True)
        if everything:
            click.echo(save_everything(board, out, seconds, model, functools.partial(click.echo, err=True)))
        else:
            click.echo(save_detections(board, out, seconds, click.echo))
