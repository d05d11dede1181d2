"""`watchword firmware`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def command() -> None:
    """Make firmware images that serve every word: `watchword flash` writes one and pushes the model.

    \b
    Examples:
      watchword firmware build esp32dev
      watchword firmware build --all --out build/images
    """


@command.command()
@click.argument("board", required=False)
@click.option("--all", "every", is_flag=True, help="For every board.")
@click.option(
    "--model", type=click.Path(path_type=Path), help="Model folder to build in, until another is pushed."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default: where `flash` looks for them.")
def build(board: str | None, every: bool, model: Path | None, out: Path | None) -> None:
    """Build the firmware of BOARD as one file, watchword-VERSION-BOARD.bin.

    Beside it goes a manifest for ESP Web Tools, which installs it from a web page. The image holds boot
    loader, partition table and application; written at 0 by other programs it also resets the settings.

    \b
    Examples:
      watchword firmware build esp32dev
      watchword firmware build --all --out build/images
    """
    if (board is None) != every:
        raise click.UsageError("give a board, or --all")
    from watchword.device import firmware, images

    for name in firmware.real_boards() if every else [str(board)]:
        path = images.make(name, out or images.CACHE, model)
        click.echo(f"{path}: {path.stat().st_size:,} bytes, with {path.with_suffix('.json').name}")
