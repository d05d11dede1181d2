"""`watchword push`."""

from __future__ import annotations

from pathlib import Path

import click

from watchword.cli.preset_option import preset_option


@click.command()
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0, or emu:c3, emu:esp32.")
@click.option("--model", type=click.Path(path_type=Path), help="Model folder whose image is sent.")
@click.option(
    "--slot", default=0, show_default=True, type=click.IntRange(min=0), help="Which of the board's models."
)
@click.option("--remove", is_flag=True, help="Instead of sending one: forget the model of the slot.")
@preset_option("Detector settings of the model to use from now on, restarts included.")
def command(port: str, model: Path | None, slot: int, remove: bool, preset: str | None) -> None:
    """Send a model to a board over its serial link, without flashing the firmware again.

    A board listens for as many words at once as it has slots and working memory. Slot 0 has the model that
    was flashed, until another is pushed to it and again after it is removed; the other slots are empty first.

    The board keeps it in flash, over restarts, until firmware with another model is flashed. It
    checks the image before it runs it; if the power fails half-way, it starts with the model it
    had. An emulated board forgets everything when its port is closed.

    \b
    Examples:
      watchword push --port /dev/ttyUSB0 --model models/hey_lighthouse
      watchword push --port /dev/ttyUSB0 --model models/alexa --preset strict
      watchword push --port /dev/ttyUSB0 --model models/computer --slot 1
      watchword push --port /dev/ttyUSB0 --slot 1 --remove
      watchword bench --port /dev/ttyUSB0 --model models/hey_lighthouse --push --data evening/
    """
    if (model is None) != remove or (remove and preset):
        raise click.UsageError("give --model, or --remove alone")
    from watchword.device import push as pushing
    from watchword.device.client import Board
    from watchword.device.ports import open_port
    from watchword.export.image import load_image, starting_with

    image = load_image(model) if model else b""
    if preset:
        starting_with(image, preset)  # which a model may not have
    with open_port(port) as transport, Board(transport, port) as board:
        click.echo(pushing.push(board, image, slot) if image else pushing.remove(board, slot))
        if preset:
            number = next(i for i, info in enumerate(board.words) if info["slot"] == slot)
            board.preset_set(preset, number)
            board.settings_save()
