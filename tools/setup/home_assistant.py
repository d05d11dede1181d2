"""Installs a real Home Assistant core for `make test-home-assistant`, in an environment of its own.

  python -m tools.setup.home_assistant

A core asks for one version of Python and for exact versions of nearly every package it uses, none of
which fit Watchword's own environment. The rest is pinned by the constraints inside its package.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from watchword.errors import WatchwordError
from watchword.files import write_atomic

from tools.setup import environment
from tools.setup.environment import Pythons

FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "home_assistant"
# What the tests' configuration starts, apart from what every core starts; hassio is imported by others.
INTEGRATIONS = ("api", "automation", "config", "esphome", "frontend", "hassio", "onboarding", "template")
VARIABLE = "HOME_ASSISTANT_PYTHON"


@dataclass(frozen=True)
class Core:
    """A version of Home Assistant, and the Pythons it runs on."""

    version: str
    pythons: Pythons


# The newest whose packages are all on PyPI, and the last one for Python 3.13. Those of early 2025 hang: they
# wait for an answer to the password that today's ESPHome no longer knows.
CORES = (
    Core("2026.9.4", Pythons((3, 14, 2), (3, 15), VARIABLE)),
    Core("2026.2.3", Pythons((3, 13, 2), (3, 14), VARIABLE)),
)


def installed(folder: Path = FOLDER) -> Path | None:
    """The environment with the core in it, when it is there."""
    return next((folder / c.version for c in CORES if (folder / c.version / "ready").is_file()), None)


def install(folder: Path = FOLDER) -> Path:
    """The same; made now where there is none."""
    found = installed(folder)
    if found:
        return found
    failures = []
    for core in CORES:
        try:
            return _install(core, folder / core.version)
        except WatchwordError as error:
            failures.append(f"{core.version}: {error.what}")
            shutil.rmtree(folder / core.version, ignore_errors=True)
    wanted = " or ".join(str(core.pythons) for core in CORES)
    remedy = f"Python {wanted}: name one with {VARIABLE}=/path/to/python"
    raise WatchwordError(f"no Home Assistant ({'; '.join(failures)})", folder, remedy)


def _install(core: Core, folder: Path) -> Path:
    environment.make(folder, core.pythons)
    print(f"installing Home Assistant {core.version} into {folder}", file=sys.stderr)
    environment.add(folder, f"homeassistant=={core.version}")
    package = next(folder.glob("lib/python*/site-packages/homeassistant"))
    pins = str(package / "package_constraints.txt")
    environment.add(folder, "--constraint", pins, *_requirements(folder, package))
    write_atomic(folder / "ready", core.version + "\n")
    return folder


def _requirements(folder: Path, package: Path) -> list[str]:
    """What the integrations ask for, and those that they depend on."""
    code = "import homeassistant.bootstrap as b; print(*b.DEFAULT_INTEGRATIONS)"
    command = [str(folder / "bin" / "python"), "-c", code]
    every = subprocess.run(command, capture_output=True, text=True, check=True)
    names, seen, wanted = [*INTEGRATIONS, *every.stdout.split()], set[str](), set[str]()
    while names:
        name = names.pop()
        if name not in seen:
            seen.add(name)
            manifest = json.loads((package / "components" / name / "manifest.json").read_text())
            wanted |= set(manifest.get("requirements", ()))
            names += manifest.get("dependencies", ())
    return sorted(wanted)


if __name__ == "__main__":
    try:
        print(install())
    except WatchwordError as error:
        sys.exit(f"error: {error}")
