"""Budgets: the limits a board must keep, from firmware/budgets.toml, against what was measured."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchword import project
from watchword.errors import WatchwordError
from watchword.evaluate.results import BudgetLine, Results
from watchword.files import read_text

DEFAULT_PATH = project.root() / "firmware" / "budgets.toml"


@dataclass(frozen=True)
class Limit:
    """One kind of budget: its key in the file, its words and unit in the table, where the value is.

    Accuracy depends on the recordings given: without positives there is no FRR, and its budget is
    left open. What the board itself must tell has failed when it is not known.
    """

    key: str
    label: str
    unit: str
    value: Callable[[Results], float | None]
    needs_recordings: bool = False


LIMITS = (
    Limit("max_frr", "missed wakes (FRR)", "share", lambda r: r.frr, True),
    Limit("max_fah", "false alarms per hour (FAH)", "per hour", lambda r: r.fah, True),
    Limit("latency_p95_ms", "latency from word end, p95", "ms", lambda r: r.latency_ms.p95, True),
    Limit(
        "instructions_per_audio_second",
        "instructions per second of audio",
        "count",
        lambda r: r.cost.instructions_per_audio_second["total"],
    ),
    Limit("ram_bytes", "RAM", "bytes", lambda r: r.memory.ram_bytes),
    Limit("arena_bytes", "of it: model arena", "bytes", lambda r: r.memory.arena_bytes),
    Limit("stack_bytes", "stack, high-water mark", "bytes", lambda r: r.memory.stack_bytes),
    Limit("code_bytes", "code in flash", "bytes", lambda r: r.memory.code_bytes),
    Limit("model_bytes", "model in flash", "bytes", lambda r: r.memory.model_bytes),
)
# Of the real boards' firmware, which bench does not build: firmware/check_sizes.py looks at these.
BUILD_KEYS = {"flash_bytes", "static_ram_bytes"}
_KEYS = {limit.key for limit in LIMITS} | BUILD_KEYS


def read_tables(path: Path = DEFAULT_PATH) -> dict[str, dict[str, float]]:
    """The limits of every board; unknown keys are errors, so that no typo lifts a limit."""
    try:
        tables = tomllib.loads(read_text(path))
    except OSError as error:
        raise WatchwordError(f"no budgets: {error.strerror}", path, "name a file with --budgets") from error
    except tomllib.TOMLDecodeError as error:
        raise WatchwordError(f"not valid TOML: {error}", path, "correct the file") from error
    for name, table in tables.items():
        _check_table(name, table, path)
    return {name: {key: float(value) for key, value in table.items()} for name, table in tables.items()}


def read_budgets(board: str, path: Path = DEFAULT_PATH) -> dict[str, float]:
    """The limits of one board, which must be in the file."""
    tables = read_tables(path)
    if board not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise WatchwordError(
            f"no budgets for board {board!r}", path, f"add a [{board}] table; there are: {known}"
        )
    return tables[board]


def check(results: Results, budgets: dict[str, float]) -> tuple[BudgetLine, ...]:
    """One line per limit, in a fixed order."""
    lines = []
    for limit in LIMITS:
        value, budget = limit.value(results), budgets.get(limit.key)
        unmeasured = value is None and limit.needs_recordings
        passed = None if budget is None or unmeasured else value is not None and value <= budget
        lines.append(BudgetLine(limit.key, limit.label, limit.unit, value, budget, passed))
    return tuple(lines)


def _check_table(name: str, table: object, path: Path) -> None:
    if not isinstance(table, dict):
        raise WatchwordError(f"{name} is not a table", path, "put limits into [board] tables")
    for key, value in table.items():
        if key not in _KEYS:
            raise WatchwordError(f"[{name}] unknown key {key!r}", path, f"known: {', '.join(sorted(_KEYS))}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise WatchwordError(f"[{name}] {key} must be a number of at least 0", path, "correct the value")
