"""docs/reference/settings.md: every setting is there with its effect, as the code has it now."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from watchword.config import RunConfig

from tools.generate import settings as settings_table


def test_the_page_is_up_to_date() -> None:
    assert settings_table.PAGE.read_text() == settings_table.page(), "run `make settings`"


def test_every_setting_says_its_effect() -> None:
    rows = settings_table.settings()
    silent = [f"[{row.section}] {row.key}" for row in rows if not row.effect]
    assert not silent, "write a comment above the field in config_sections.py"
    config = RunConfig()
    wanted = {(s.name, f.name) for s in fields(config) for f in fields(getattr(config, s.name))}
    assert {(row.section, row.key) for row in rows} == wanted


def test_every_effect_can_be_read_alone() -> None:
    """A whole sentence that names what it is about, and the unit of what has one."""
    units = {
        "_s": "seconds",
        "_ms": "milliseconds",
        "_db": "dB",
        "_dbfs": "dBFS",
        "_semitones": "semitones",
        "_kb": "1024 bytes",
        "_rows": "rows",
        "_samples": "Samples",
        "_fah": "per hour",
        "_p": "Share",
    }
    fragments = []
    for row in settings_table.settings():
        whole = (
            re.fullmatch(r"[A-Z][^.]*( [^.]*|[.]\d[^.]*)*[.]", row.effect) and len(row.effect.split()) >= 5
        )
        goes_on = re.match(r"(And|Or|Of|In|From|To|These|This|That|Those|It|Also|Same|Times) ", row.effect)
        suffix = re.search(r"_[a-z]+(?=(_min|_max)?$)", row.key)
        unit = units.get(suffix[0], "") if suffix else ""
        if not whole or goes_on or unit not in row.effect:
            fragments.append(f"[{row.section}] {row.key}: {row.effect}")
    assert not fragments


@pytest.mark.parametrize(
    ("section", "key", "default", "allowed"),
    [
        ("train", "epochs", "`20`", "1 … 10000, whole"),
        ("train", "learning_rate", "`0.0005`", "1e-07 … 1"),
        ("features", "cmvn", '`"running"`', '`"none"`, `"global"`, `"running"`, `"running_mv"`, `"affine"`'),
        ("model", "dilations", "`[1, 1, 2, 2, 2]`", "list of whole numbers 1 … 32"),
        ("word", "phrase", '`""`', "text"),
        ("size", "on_excess", '`"warn"`', '`"warn"`, `"error"`'),
    ],
)
def test_rows_read_as_people_write_them(section: str, key: str, default: str, allowed: str) -> None:
    row = next(r for r in settings_table.settings() if (r.section, r.key) == (section, key))
    assert (row.default, row.allowed) == (default, allowed)


def test_comments_beside_and_above_are_the_effect() -> None:
    source = (
        "class A:\n"
        "    # of another kind\n"
        "\n"
        "    x: int = 1  # beside\n"
        "    # above, in\n"
        "    # two lines\n"
        "    y: int = field(\n"
        "        default=1\n"
        "    )\n"
        "    z: int = 3\n"
    )
    assert settings_table.effects(source) == {
        ("A", "x"): "beside",
        ("A", "y"): "above, in two lines",
        ("A", "z"): "",
    }
