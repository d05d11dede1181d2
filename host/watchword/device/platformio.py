"""Give PlatformIO its build tool (SCons) from the installed PyPI wheel, so that no registry is asked.

PlatformIO downloads `tool-scons` on its first run. This writes the same package from the `scons`
distribution of this Python environment into PlatformIO's core folder. Running it again does nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

PACKAGE = "tool-scons"
LAUNCHER = '''"""SCons from the PyPI wheel unpacked beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "site"))

import SCons.Script  # noqa: E402

SCons.Script.main()
'''


def wanted_version() -> str:
    """The lowest version that satisfies the installed PlatformIO, e.g. 4.41101.0."""
    from platformio.dependencies import get_core_dependencies

    requirement = get_core_dependencies()[PACKAGE]
    match = re.search(r"\d+\.\d+\.\d+", requirement)
    if not match:
        sys.exit(f"PlatformIO wants {PACKAGE} {requirement!r}: cannot read a version from that")
    return match[0]


def write_package(folder: Path, version: str) -> None:
    """The files PlatformIO expects of an installed package."""
    scons = importlib.metadata.distribution("scons")
    shutil.copytree(
        Path(str(scons.locate_file("SCons"))),
        folder / "site" / "SCons",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    spec = {"owner": "platformio", "id": None, "name": PACKAGE, "requirements": None, "uri": None}
    manifest = {
        "name": PACKAGE,
        "version": version,
        "description": f"SCons {scons.version} from PyPI",
        "system": "*",
    }
    installed = {"type": "tool", "name": PACKAGE, "version": version, "spec": spec}
    (folder / "scons.py").write_text(LAUNCHER)
    (folder / "package.json").write_text(json.dumps(manifest, indent=2) + "\n")
    (folder / ".piopm").write_text(json.dumps(installed))


def seed(core_dir: Path) -> bool:
    """Install the package below core_dir. False = an installation of that version is there already."""
    version = wanted_version()
    packages = core_dir / "packages"
    target = packages / PACKAGE
    manifest = target / "package.json"
    if manifest.is_file() and json.loads(manifest.read_text()).get("version") == version:
        return False
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=core_dir) as scratch:
        fresh = Path(scratch) / PACKAGE
        write_package(fresh, version)
        if target.exists():
            target.rename(Path(scratch) / "outdated")
        try:
            fresh.rename(target)
        except OSError:
            if not manifest.is_file():  # else another process was faster
                raise
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--core-dir", type=Path, required=True)
    core_dir = parser.parse_args().core_dir
    try:
        done = seed(core_dir)
    except importlib.metadata.PackageNotFoundError:
        sys.exit("the Python package scons is not installed here: pip install 'watchword[device]'")
    except OSError as error:
        sys.exit(f"{error.filename or core_dir}: {error.strerror}")
    except ModuleNotFoundError as error:
        sys.exit(f"the Python package {error.name} is not installed here: pip install 'watchword[device]'")
    print(f"{core_dir}: {PACKAGE} {'installed' if done else 'was there already'}")


if __name__ == "__main__":
    main()
