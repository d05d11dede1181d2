"""Which Python a program of its own environment gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from watchword.errors import WatchwordError

from tools.setup.environment import Pythons

PYTHONS = Pythons((3, 13, 2), (3, 15), "SOME_PYTHON")


def fake(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / name
    python.write_text(f"#!/bin/sh\n{says}\n")
    python.chmod(0o755)
    return python


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHONS.variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_newest_that_fits_is_taken_and_one_that_does_not_run_is_not(tmp_path: Path) -> None:
    assert PYTHONS.find() == ">=3.13.2,<3.15"  # none: uv gets one
    fake(tmp_path / "path", "python3.13", "echo 3 13 0")
    fake(tmp_path / "path", "python3.14", "echo pyenv: command not found >&2; exit 127")
    assert PYTHONS.find() == ">=3.13.2,<3.15"
    older = fake(tmp_path / ".pyenv/versions/3.13.9/bin", "python3.13", "echo 3 13 9")
    assert PYTHONS.find() == str(older)
    newer = fake(tmp_path / ".pyenv/versions/3.14.3/bin", "python3.14", "echo 3 14 3")
    assert PYTHONS.find() == str(newer)


def test_a_named_one_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = fake(tmp_path / "named", "python", "echo 3 15 0")
    monkeypatch.setenv(PYTHONS.variable, str(named))
    with pytest.raises(WatchwordError, match=r"SOME_PYTHON=.* is not Python >=3.13.2,<3.15"):
        PYTHONS.find()
    named.write_text("#!/bin/sh\necho 3 14 2\n")
    assert PYTHONS.find() == str(named)
