"""`watchword tune`: the detector settings of a board's words."""

from __future__ import annotations

import dataclasses
from typing import Any

from watchword.device.client import Board
from watchword.errors import WatchwordError


def change(board: Board, word: str | None, preset: str | None, changes: dict[str, Any]) -> None:
    """Choose a preset, then fields of core.DetectorConfig, for one word: its only one, if none is named."""
    number = None if word is None else board.word_number(word)
    if not (preset or changes):
        return
    if number is None and len(board.words) > 1:
        listens = ", ".join(str(info["word"]) for info in board.words)
        raise WatchwordError(f"listens for {listens}", board.link.name, "say whose settings: --word WORD")
    number = number or 0
    detector = board.preset_set(preset, number) if preset else board.config_get(number)
    if changes:
        board.config_set(dataclasses.replace(detector, **changes), number)


def describe(board: Board, word: str | None) -> list[str]:
    """A line for the word, or for every one, with its name where there are several."""
    numbers = range(len(board.words)) if word is None else [board.word_number(word)]
    lines = []
    for number in numbers:
        name = [str(board.words[number]["word"])] if len(board.words) > 1 else []
        settings = dataclasses.asdict(board.config_get(number)).items()
        values = [f"{field} {value:g}" for field, value in settings]
        lines.append("  ".join([*name, f"preset {board.preset(number) or 'none'}", *values]))
    return lines
