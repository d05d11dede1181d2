"""Assembles the C library as one folder and zip under build/, for Arduino, PlatformIO and ESP-IDF.

  python -m tools.package.library            # build/watchword and build/watchword-<version>.zip

Arduino wants all sources below src/, which the project keeps in several folders. What goes in is listed
in tools/generate/library.py; the same sources give the same zip, byte for byte.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from watchword.errors import WatchwordError

from tools.generate import library

BUILD = library.ROOT / "build"
ARDUINO_EXAMPLE = "WakeWordLed"
EXAMPLE_MODEL = "alexa"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date a zip can hold


def library_properties(url: str) -> str:
    """What the Arduino IDE and its Library Manager read."""
    fields = {
        "name": library.NAME.capitalize(),
        "version": library.VERSION,
        "author": "The Watchword contributors",
        "maintainer": "The Watchword contributors",
        "sentence": library.SENTENCE,
        "paragraph": "A small neural network, trained with the Watchword tools, listens on the chip itself. "
        "One header for C and C++, no allocation, several words and several listeners.",
        "category": "Signal Input/Output",
        "url": url,
        "architectures": "esp32",  # what it was compiled for; any chip with 32 bits will do
        "includes": "watchword.h",
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items())


def readme(url: str) -> str:
    return f"""# {library.NAME.capitalize()} {library.VERSION}

{library.SENTENCE}

Start with `examples/{ARDUINO_EXAMPLE}`: a microphone on an ESP32, and an LED that lights up when the word
is said. Every function is explained in `src/watchword.h`.
{f"Guide, training and more words: {url}" if url else ""}
"""


def project_url() -> str:
    """Where the project is: of the workflow that builds, else of the checkout's origin; empty if unknown."""
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    if server and repository:
        return f"{server}/{repository}"
    command = ["git", "-C", str(library.ROOT), "remote", "get-url", "origin"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    origin = re.sub(r"^(?:ssh://)?git@([\w.-]+)[:/]", r"https://\1/", asked.stdout.strip())
    return origin.removesuffix(".git") if origin.startswith("https://") else ""


def contents(url: str) -> dict[str, bytes]:
    """Every file of the library: path in it -> bytes."""
    core, root = library.CORE, library.ROOT
    files = {f"src/{path.name}": path for path in library.sources()}
    for folder in dict.fromkeys((*library.PRIVATE, *library.PUBLIC)):
        headers = (core / folder).rglob("*.h")
        files |= {f"src/{path.relative_to(core / folder).as_posix()}": path for path in headers}
    sketch = library.EXAMPLES / ARDUINO_EXAMPLE
    files |= {f"examples/{ARDUINO_EXAMPLE}/{path.name}": path for path in sketch.iterdir()}
    for name in ("model.c", "model.h"):
        files[f"examples/{ARDUINO_EXAMPLE}/{name}"] = root / "models" / EXAMPLE_MODEL / name
    files["LICENSE"] = root / "LICENSE"
    written = {
        "README.md": readme(url).rstrip() + "\n",
        "library.properties": library_properties(url),
        "library.json": library.platformio_manifest({"flags": list(library.FLAGS)}, ["src", "examples"]),
        "CMakeLists.txt": library.idf_component(("src",), ("src",), ()),
        "idf_component.yml": library.idf_manifest(),
    }
    read = {name: path.read_bytes() for name, path in files.items()}
    return dict(sorted((read | {name: text.encode() for name, text in written.items()}).items()))


def write_zip(files: dict[str, bytes], path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(_entry(f"{library.NAME}/{name}"), content)


def _entry(name: str) -> zipfile.ZipInfo:
    """Of no time, user or system, so that the same content gives the same archive."""
    entry = zipfile.ZipInfo(name, LONG_AGO)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    return entry


def assemble(build: Path, url: str) -> Path:
    """Writes the folder and the zip anew; returns the zip."""
    folder, archive = build / library.NAME, build / f"{library.NAME}-{library.VERSION}.zip"
    stale = library.render()
    if any(not path.is_file() or path.read_text() != text for path, text in stale.items()):
        raise WatchwordError("its manifests are out of date", "the library", "run `make gen`")
    shutil.rmtree(folder, ignore_errors=True)
    files = contents(url)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    write_zip(files, archive)
    return archive


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=project_url(), help="the project's page, for library.properties")
    parser.add_argument("--out", type=Path, default=BUILD, help="folder to write to")
    arguments = parser.parse_args()
    try:
        archive = assemble(arguments.out, arguments.url)
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not arguments.url:
        print("note: the project's page is not known (no origin tells): the Library Manager wants --url")
    print(f"wrote {archive.parent / library.NAME} and {archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
