"""`watchword push`."""

from __future__ import annotations

from pathlib import Path

import click

from watchword.cli.preset_option import preset_option


@click.command()
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0, or emu:c3, emu:esp32.")
@click.option(
    "--model", required=True, type=click.Path(path_type=Path), help="Model folder whose image is sent."
)
@preset_option("Detector settings of the model to use from now on, restarts included.")
def command(port: str, model: Path, preset: str | None) -> None:
    """Send a model to a board over its serial link, without flashing the firmware again.

    The board keeps it in flash, over restarts, until firmware with another model is flashed. It
    checks the image before it runs it; if the power fails half-way, it starts with the model it
    had. An emulated board forgets everything when its port is closed.

    \b
    Examples:
      watchword push --port /dev/ttyUSB0 --model models/hey_lighthouse
      watchword push --port /dev/ttyUSB0 --model models/alexa --preset strict
      watchword bench --port /dev/ttyUSB0 --model models/hey_lighthouse --push --data evening/
    """
    from watchword.device.client import Board
    from watchword.device.ports import open_port
    from watchword.device.push import push
    from watchword.export.image import load_image, starting_with

    image = load_image(model)
    starting_with(image, preset)  # which a model may not have
    with open_port(port) as transport, Board(transport, port) as board:
        click.echo(push(board, image))
        if preset:
            board.preset_set(preset)
            board.settings_save()
