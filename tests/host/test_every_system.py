"""The verbs for boards start where Linux's modules are missing and only what boards need is installed.

In a process of its own, from which these are taken away: what Windows has not, what macOS has not, and every
package that only training, building or tests install.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from watchword import files

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("fcntl", "termios", "tty", "pty", "resource", "grp", "pwd", "syslog", "curses", "readline")
PRELUDE = """
import importlib.abc, os, pathlib, signal, socket, subprocess, sys
import serial, serial.tools.list_ports  # which has a file for each system
sys.path.insert(0, {here!r})

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

for name in [name for name in sys.modules if name.split(".")[0] in {missing!r}]:
    del sys.modules[name]
sys.meta_path.insert(0, Missing())
for owner, names in (
    (os, ("sched_getaffinity",)),
    (signal, ("SIGHUP", "pthread_sigmask")),
    (socket, ("AF_UNIX",)),
):
    for name in names:
        if hasattr(owner, name):
            delattr(owner, name)
"""
VERBS = """
from click.testing import CliRunner
from fake_board import FakeBoard
from watchword.cli.main import commands
from watchword.errors import WatchwordError


class Port(FakeBoard):
    def __init__(self, *arguments, **options):
        super().__init__()

    def open(self):
        pass


serial.Serial = Port
for arguments in {runs!r}:
    result = CliRunner().invoke(commands, [*arguments, "--port", "COM7"])
    if not isinstance(result.exception, (type(None), SystemExit, WatchwordError)):
        raise result.exception
    print(arguments[0], result.exit_code, " ".join(result.output.split()), result.exception)
"""


def only_for_others() -> list[str]:
    """Import names of all packages that the optional parts name, but for those that boards need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parts = [name for name in project["optional-dependencies"] if name != "device"]
    wanted = [Requirement(line).name for part in parts for line in project["optional-dependencies"][part]]
    needed = {Requirement(line).name for line in project["dependencies"]}
    return sorted({name.replace("-", "_") for name in wanted if name not in needed} - {"setuptools"})


def run(program: str) -> str:
    prelude = PRELUDE.format(here=str(Path(__file__).parent), missing=(*MODULES, *only_for_others()))
    done = subprocess.run([sys.executable, "-c", prelude + program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_verbs_for_boards_run() -> None:
    runs = [
        ["tune"],
        ["monitor", "--seconds", "0.1"],
        ["push", "--model", str(ROOT / "models" / "alexa")],
        ["flash", "--board", "no-such-board"],
    ]
    said = run(VERBS.format(runs=runs)).splitlines()
    assert "tune 0" in said[0] and "microphone gain" in said[0]
    assert "monitor 0" in said[1] and "watchword ready" in said[1]
    assert "push 0" in said[2]
    assert "platformio.ini has no such environment" in said[3]


def test_the_lock_of_windows_holds_and_lets_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a module with its manners: locking fails at once while another handle has the byte."""
    held: dict[int, int] = {}

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert mode == 2 and count == 1
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        if held.setdefault(place, descriptor) != descriptor:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    path = tmp_path / "scores.jsonl"
    path.write_bytes(b"line\n")
    with path.open("a+b", buffering=0) as first, path.open("a+b", buffering=0) as second:
        second.seek(0)
        files.lock(first, wait=False)
        with pytest.raises(BlockingIOError):
            files.lock(second, wait=False)
        assert second.read() == b"line\n", "the place in the file is as before, and free"
        assert min(held) > 1 << 30


@pytest.mark.parametrize("verb", ["bench", "capture", "record", "evaluate"])
def test_their_modules_can_be_imported(verb: str) -> None:
    """With all that a verb imports when it runs, named in its function."""
    source = (ROOT / "host" / "watchword" / "cli" / f"{verb}.py").read_text()
    lines = [line.strip() for line in source.splitlines()]
    imports = [
        line for line in lines if line.startswith("from watchword") and line.count("(") == line.count(")")
    ]
    assert imports
    run("\n".join(imports))
