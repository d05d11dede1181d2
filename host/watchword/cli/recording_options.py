"""The options by which evaluate and bench are told what to stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--model", type=_PATH, required=True, help="Model folder, such as models/hey_lighthouse."),
    click.option("--positives", type=_PATH, help="Folder of clips that hold the word once each."),
    click.option("--negatives", type=_PATH, help="Folder of recordings without the word."),
    click.option("--data", type=_PATH, help="Folder with truth.csv or manifest.csv, or such a file."),
    click.option("--split", help="With a manifest: only this split (train, val or test)."),
    click.option("--limit-minutes", type=float, help="Stream at most this much negative audio."),
    click.option(
        "--out", type=_PATH, help="Folder for results.json, report.html, log.txt [sessions/<time>]."
    ),
    click.option("--budgets", type=_PATH, help="Budgets file [firmware/budgets.toml]."),
)


def recording_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options above, in that order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
