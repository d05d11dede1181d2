"""docs/reference/settings.md: every setting of a run, from where it is defined (config_sections.py).

A setting's effect is the comment right above its field.
`--check` writes nothing and fails when the page is not what it would write.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from watchword import config, config_sections
from watchword.files import write_atomic

from tools.generate.comments import Comment, block_above, comments

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "settings.md"
INTRODUCTION = """# Settings of a training run

Written by `make settings` from host/watchword/config_sections.py. A run's TOML file holds any
of these, each in its section; what it leaves out keeps the default, and a key that is not listed here is an
error. `watchword train --preset full` and `demo` begin from files of their own (watchword/presets), and
every run writes all it used to its config.toml. Times are in seconds unless the name says else.
"""


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    section: str
    key: str
    default: str
    allowed: str
    effect: str  # empty: the field has no comment


def effects(source: str) -> dict[tuple[str, str], str]:
    """Effect by (class, field) from the comments in `source`."""
    told = comments(source)
    found = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                found[node.name, item.target.id] = _effect(item, told)
    return found


def _effect(field: ast.AnnAssign, told: dict[int, Comment]) -> str:
    beside = [told[n].text for n in range(field.lineno, (field.end_lineno or 0) + 1) if n in told]
    return " ".join(filter(None, [block_above(told, field.lineno), *beside]))


def settings() -> list[Setting]:
    """Every setting, in the order of the file."""
    told = effects(inspect.getsource(config_sections))
    rows = []
    for section, kind in get_type_hints(config.RunConfig).items():
        types, defaults = get_type_hints(kind), kind()
        for field in fields(kind):
            allowed = _allowed(types[field.name], field.metadata)
            default = _code(config.toml_value(getattr(defaults, field.name)))
            rows.append(
                Setting(section, field.name, default, allowed, told.get((kind.__name__, field.name), ""))
            )
    return rows


def _allowed(kind: Any, rules: Mapping[str, Any]) -> str:
    """What a setting takes, for people."""
    if get_origin(kind) is Literal:
        rules = {"choices": get_args(kind)}
    if "choices" in rules:
        return ", ".join(_code(config.toml_value(choice)) for choice in rules["choices"])
    several = get_origin(kind) is tuple
    inner = get_args(kind)[0] if several else kind
    name = {int: "whole numbers" if several else "whole", float: "numbers" if several else "", str: "text"}
    words = {**name, bool: "`true`, `false`"}[inner]
    span = "{:.10g} … {:.10g}".format(*rules["range"]) if "range" in rules else ""
    text = f"{words} {span}" if several else f"{span}, {words}" if span and words else span or words
    return f"list of {text}" if several else text


def _code(text: str) -> str:
    return f"`{text}`"


def page() -> str:
    """The whole of docs/reference/settings.md."""
    parts = [INTRODUCTION]
    rows = settings()
    for section in dict.fromkeys(row.section for row in rows):
        lines = [f"## [{section}]\n", "| key | default | allowed | effect |", "|---|---|---|---|"]
        lines += [
            f"| `{row.key}` | {row.default} | {row.allowed} | {row.effect.replace('|', chr(92) + '|')} |"
            for row in rows
            if row.section == section
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    arguments = parser.parse_args()
    silent = [f"[{row.section}] {row.key}" for row in settings() if not row.effect]
    if silent:
        print(f"settings without a comment on their effect: {', '.join(silent)}", file=sys.stderr)
        return 1
    if not arguments.check:
        print(f"wrote {write_atomic(PAGE, page())}")
        return 0
    if not PAGE.is_file() or PAGE.read_text() != page():
        print(f"{PAGE} is out of date: run `make settings`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
