"""Environments, made with uv, for programs that need another Python or other packages than Watchword."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from watchword.errors import WatchwordError

Version = tuple[int, ...]


@dataclass(frozen=True)
class Pythons:
    """From `least` on, before `below`; `variable` of the process's environment may name one."""

    least: Version
    below: Version
    variable: str

    def __str__(self) -> str:
        return f">={_dotted(self.least)},<{_dotted(self.below)}"

    def find(self) -> str:
        """The named one; else one of this computer; else their range, of which uv downloads one."""
        given = os.environ.get(self.variable)
        if given:
            if not self._has(Path(given)):
                raise WatchwordError(f"{self.variable}={given} is not Python {self}", "", "name another")
            return given
        minors = range(self.below[1] - 1, self.least[1] - 1, -1)
        on_path = [Path(folder) for folder in os.get_exec_path()]
        by_pyenv = sorted(
            Path.home().glob(".pyenv/versions/*/bin")
        )  # pyenv puts only one of them on the path
        folders = [*on_path, *by_pyenv]
        candidates = (folder / f"python3.{minor}" for minor in minors for folder in folders)
        return next((str(python) for python in candidates if self._has(python)), str(self))

    def _has(self, python: Path) -> bool:
        command = [str(python), "-c", "import sys; print(*sys.version_info[:3])"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):  # none, or one that stands for a missing one
            return False
        return self.least <= tuple(int(part) for part in said.split()) < self.below


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def make(folder: Path, pythons: Pythons) -> None:
    """An empty environment; replaces what is there."""
    _uv("venv", "--clear", "--python", pythons.find(), str(folder), where=folder)


def add(folder: Path, *packages: str) -> None:
    """Packages, and what else `uv pip install` takes."""
    _uv("pip", "install", "--python", str(folder / "bin" / "python"), *packages, where=folder)


def _uv(*arguments: str, where: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run([uv, "--quiet", *arguments], capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.strip().splitlines()] or [f"uv: {done.returncode}"]
        causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ")]
        what = ": ".join([lines[0].removeprefix("error: "), *causes[-1:]])  # between them: long addresses
        raise WatchwordError(what, where, "")
