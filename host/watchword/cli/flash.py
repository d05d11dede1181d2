"""`watchword flash`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--board", required=True, help="Environment of platformio.ini, such as esp32dev.")
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0.")
@click.option("--model", type=click.Path(path_type=Path), help="Model folder that the board is to run.")
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="Prebuilt firmware; default: watchword-VERSION-BOARD.bin, in this folder or kept.",
)
def command(board: str, port: str, model: Path | None, image: Path | None) -> None:
    """Write firmware to a real board: a prebuilt image where there is one, else it is built.

    A prebuilt image, of a release or of `watchword firmware build`, takes no compiler: it is written, the
    board is asked what it runs, and the model is pushed. The board keeps its settings. Else PlatformIO
    builds the firmware around the model.

    Emulated boards need no flashing: every verb with --port emu:c3 builds what it runs.

    \b
    Examples:
      watchword flash --board esp32dev --port /dev/ttyUSB0 --model models/hey_lighthouse
      watchword flash --board esp32dev --port COM5 --image watchword-0.1.0-esp32dev.bin
      watchword monitor --port emu:c3 --model models/hey_lighthouse
    """
    from watchword.device import flashing

    click.echo(flashing.flash(board, port, model, image))
