"""Installs the real ESPHome for tests/esphome and tests/home_assistant, in an environment of its own.

  python -m tools.setup.esphome

It needs a newer Python than Watchword does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from watchword.errors import WatchwordError
from watchword.files import write_atomic

from tools.setup import environment

FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "esphome"
PACKAGE = "esphome==2026.10.0"  # the first that builds a library where it lies
PYTHONS = environment.Pythons((3, 12), (3, 15), "ESPHOME_PYTHON")


def install(folder: Path = FOLDER) -> Path:
    """The Python of the environment; made now where there is none."""
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.is_file() and ready.read_text().strip() == PACKAGE:
        return python
    print(f"installing {PACKAGE} into {folder}", file=sys.stderr)
    environment.make(folder, PYTHONS)
    environment.add(folder, PACKAGE)
    write_atomic(ready, PACKAGE + "\n")
    return python


if __name__ == "__main__":
    try:
        print(install())
    except WatchwordError as error:
        sys.exit(f"error: {error} (Python {PYTHONS}: name one with {PYTHONS.variable}=/path/to/python)")
