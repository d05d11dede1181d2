"""`watchword flash`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--board", required=True, help="Environment of platformio.ini, such as esp32dev.")
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0.")
@click.option("--model", type=click.Path(path_type=Path), help="Model folder to build in.")
def command(board: str, port: str, model: Path | None) -> None:
    """Build the firmware around a model and write it to a real board.

    Emulated boards need no flashing: every verb with --port emu:c3 builds what it runs.

    \b
    Examples:
      watchword flash --board esp32dev --port /dev/ttyUSB0 --model models/hey_lighthouse
      watchword monitor --port emu:c3 --model models/hey_lighthouse
    """
    from watchword.device import firmware

    firmware.upload(board, port, model)
