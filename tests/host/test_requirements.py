"""The locked requirements are those of pyproject.toml: the same pins, and hashes for what set-up fetches."""

from __future__ import annotations

import re
import tomllib

import pytest

from tools.setup import lock

PROJECT = tomllib.loads((lock.ROOT / "pyproject.toml").read_text())["project"]


def pins(part: str) -> set[str]:
    listed = PROJECT["optional-dependencies"][part] if part else PROJECT["dependencies"]
    return {requirement.lower().replace("_", "-") for requirement in listed}


def locked(name: str) -> dict[str, str]:
    """Version pin -> the whole entry."""
    entries = lock.packages((lock.FOLDER / f"{name}.txt").read_text())
    return {entry.split()[0].lower().replace("_", "-"): entry for entry in entries}


def test_what_set_up_installs_is_locked_as_pinned() -> None:
    wanted = set.union(*(pins(part) for part in ("", *lock.DEFAULT)))
    assert wanted <= set(locked("default")), "run `make lock`"


@pytest.mark.parametrize("extra", lock.ALONE)
def test_what_installs_alone_is_locked_as_pinned_and_light(extra: str) -> None:
    assert pins("") | pins(extra) <= set(locked(extra)), "run `make lock`"
    assert not [entry for entry in locked(extra) if re.match("tensorflow|keras|torch|librosa", entry)]


@pytest.mark.parametrize("extra", lock.OPTIONAL)
def test_each_optional_part_is_locked_as_pinned(extra: str) -> None:
    assert pins(extra) <= set(locked("default")) | set(locked(extra)), "run `make lock`"


@pytest.mark.parametrize("name", ("default", *lock.ALONE, *lock.OPTIONAL))
def test_every_package_has_hashes_and_no_registry(name: str) -> None:
    text = (lock.FOLDER / f"{name}.txt").read_text()
    assert locked(name) and "://" not in text and "--index" not in text
    for entry in locked(name).values():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
