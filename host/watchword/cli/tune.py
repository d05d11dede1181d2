"""`watchword tune`."""

from __future__ import annotations

from typing import Any

import click

from watchword import spec
from watchword.cli.preset_option import preset_option


@click.command()
@click.option("--port", required=True, help="Serial port such as /dev/ttyUSB0, or emu:c3, emu:esp32.")
@click.option("--word", help="Whose detector, where the board listens for several [all are shown].")
@preset_option("One of the settings that the model brings; the options below change them further.")
@click.option("--smoothing", type=click.IntRange(1, spec.DETECTOR_MAX_SMOOTHING), help="Scores averaged.")
@click.option(
    "--high", type=click.FloatRange(0, spec.DETECTOR_MAX_HIGH), help="Average score that is a detection."
)
@click.option(
    "--low", type=click.FloatRange(0, spec.DETECTOR_MAX_HIGH), help="Average score that re-arms the detector."
)
@click.option(
    "--cooldown-ms",
    type=click.IntRange(0, spec.DETECTOR_MAX_COOLDOWN_MS),
    help="No second detection sooner than this.",
)
@click.option("--gain", type=click.FloatRange(1 / 256, 255), help="Amplification of the microphone.")
@click.option("--save", is_flag=True, help="Keep the settings over restarts.")
def command(
    port: str,
    word: str | None,
    preset: str | None,
    smoothing: int | None,
    high: float | None,
    low: float | None,
    cooldown_ms: int | None,
    gain: float | None,
    save: bool,
) -> None:
    """Show a board's detector settings and microphone, after changing what is given.

    Without --save a change lasts until the board restarts. Saved detector settings belong to the
    model that runs now; the gain is kept for every model.

    \b
    Examples:
      watchword tune --port /dev/ttyUSB0
      watchword tune --port /dev/ttyUSB0 --preset eager --save
      watchword tune --port /dev/ttyUSB0 --word computer --preset strict --save
      watchword tune --port /dev/ttyUSB0 --high 0.8 --gain 16 --save
    """
    from watchword.device import tuning
    from watchword.device.client import Board
    from watchword.device.ports import open_port

    given = {"smoothing": smoothing, "high": high, "low": low, "cooldown_ms": cooldown_ms}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with open_port(port) as transport, Board(transport, port) as board:
        tuning.change(board, word, preset, changes)
        microphone = board.microphone(gain)
        if save:
            board.settings_save()
        lines = tuning.describe(board, word)
    click.echo("\n".join(lines))
    if microphone.present:
        counts = f"{microphone.clipped} samples clipped, {microphone.overruns} lost since boot"
        click.echo(f"microphone gain {microphone.gain:g}, {counts}")
    else:
        click.echo("no microphone")
