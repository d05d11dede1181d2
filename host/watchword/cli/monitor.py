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
def command(port: str, model: Path | None, seconds: float | None) -> None:
    """Watch a board's plain text: who it is, then a line for every detection.

    \b
    Examples:
      watchword monitor --port /dev/ttyUSB0
      watchword monitor --port emu:c3 --model models/hey_lighthouse --seconds 5
    """
    from watchword.device import monitor, ports

    with ports.open_port(port, model) as transport:
        for line in monitor.lines(transport, seconds, port):
            click.echo(line)
