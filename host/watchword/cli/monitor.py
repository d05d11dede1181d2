"""`watchword monitor`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0, or emu:c3, emu:esp32.")
@click.option(
    "--model", type=click.Path(path_type=Path), help="Model folder an emulated board is built with."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after this long (default: at Ctrl-C).")
@click.option(
    "--no-control-lines",
    is_flag=True,
    help="Leave DTR and RTS off: for boards that they would hold in reset (WATCHWORD_CONTROL_LINES=off, for "
    "every verb).",
)
def command(port: str, model: Path | None, seconds: float | None, no_control_lines: bool) -> None:
    """Watch a board's plain text: who it is, how loud its microphone is, a line for every detection.

    A board that says nothing is asked for its boot text. When it is unplugged or restarts, this waits for it.

    \b
    Examples:
      watchword monitor --port /dev/ttyUSB0
      watchword monitor --port /dev/ttyUSB0 --no-control-lines
      watchword monitor --port emu:c3 --model models/hey_lighthouse --seconds 5
    """
    from watchword.device import monitor

    for line in monitor.watch(port, model, seconds, not no_control_lines):
        click.echo(line)
