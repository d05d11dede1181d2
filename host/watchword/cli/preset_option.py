"""`--preset` of the commands that run a model: which of its detector settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from watchword import spec


def preset_option(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--preset", type=click.Choice(list(spec.PRESETS)), help=told)
