"""Prebuilt firmware: one file a board with all of its flash but settings and pushed models.

Such an image serves every word, since models are pushed. A record in it says what it is; it stands in the
free sector before the application, so that it goes wherever the file goes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import watchword
from watchword import project
from watchword.device import firmware
from watchword.errors import WatchwordError
from watchword.files import check_file, write_atomic
from watchword.typed_json import from_json, to_json

CACHE = project.cache() / "images"
PARTITION_TABLE = 0x8000  # ESP-IDF's default
SECTOR = 0x1000
MARK = b"watchword image "
_DAMAGED = "download it again, or make it again with `watchword firmware build`"


@dataclass(frozen=True)
class Chip:
    """A chip as its boot loader's header, esptool and ESP Web Tools name it."""

    number: int
    name: str
    family: str
    boot_loader: int  # its place in flash


CHIPS = {
    chip.name: chip
    for chip in (
        Chip(0, "esp32", "ESP32", 0x1000),
        Chip(5, "esp32c3", "ESP32-C3", 0),
        Chip(9, "esp32s3", "ESP32-S3", 0),
        Chip(13, "esp32c6", "ESP32-C6", 0),
    )
}


@dataclass(frozen=True)
class Record:
    """What an image says of itself."""

    board: str
    chip: str
    version: str
    sources: str  # firmware.sources_hash() of what it was built from
    bytes: int  # of the file
    sha256: str  # of the file without the record's sector


@dataclass(frozen=True)
class Image:
    """A file that was read and found whole."""

    path: Path
    record: Record
    content: bytes

    @property
    def parts(self) -> dict[int, bytes]:
        """What is written, by its place: not the fill between, which would erase the board's settings."""
        start = CHIPS[self.record.chip].boot_loader
        return {
            start: self.content[start:PARTITION_TABLE].rstrip(b"\xff"),
            PARTITION_TABLE: self.content[PARTITION_TABLE : PARTITION_TABLE + SECTOR],
            _record_at(): self.content[_record_at() :],
        }


def file_name(board: str) -> str:
    """Of this version's image for a board."""
    return f"watchword-{watchword.__version__}-{board}.bin"


def make(board: str, out: Path = CACHE, model_dir: Path | None = None) -> Path:
    """Build the firmware of a board and write its image, and a manifest for ESP Web Tools beside it."""
    firmware.check_real(board)
    _check_esptool(board)
    path = out / file_name(board)
    check_file(path)
    content, chip = merged(board, firmware.build_real(board, model_dir))
    write_atomic(path, content)
    manifest = {
        "name": f"Watchword on {board}",
        "version": watchword.__version__,
        "builds": [{"chipFamily": chip.family, "parts": [{"path": path.name, "offset": 0}]}],
    }
    write_atomic(path.with_suffix(".json"), json.dumps(manifest, indent=2) + "\n")
    return path


def merged(board: str, build: Path) -> tuple[bytes, Chip]:
    """The parts of a build in one, with the record."""
    boot_loader, table, application = (
        _part(build, name) for name in ("bootloader.bin", "partitions.bin", "firmware.bin")
    )
    chip = _chip_of(boot_loader, build / "bootloader.bin")
    parts = {chip.boot_loader: boot_loader, PARTITION_TABLE: table, _record_at() + SECTOR: application}
    content = _merge(chip, parts)
    record = Record(
        board, chip.name, watchword.__version__, firmware.sources_hash(), len(content), _digest(content)
    )
    text = MARK + to_json(record).encode()
    parts[_record_at()] = text + bytes(SECTOR - len(text))
    return _merge(chip, parts), chip


def _part(build: Path, name: str) -> bytes:
    try:
        return (build / name).read_bytes()
    except OSError as error:
        remedy = f"build it: watchword firmware build {build.name}"
        raise WatchwordError(f"not built: {error.strerror}", build / name, remedy) from error


def _chip_of(boot_loader: bytes, where: Path) -> Chip:
    number = int.from_bytes(boot_loader[12:14], "little") if boot_loader[:1] == b"\xe9" else None
    for chip in CHIPS.values():
        if chip.number == number:
            return chip
    raise WatchwordError(
        "is no boot loader of a known chip", where, f"images are for {', '.join(sorted(CHIPS))}"
    )


def _merge(chip: Chip, parts: dict[int, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "merged"
        _esptool("merge-bin", "merging", ["--chip", chip.name], ["-o", str(out)], parts, show=False)
        return out.read_bytes()


def _record_at() -> int:
    return firmware.partitions()["app"][1] - SECTOR


def _digest(content: bytes) -> str:
    at = _record_at()
    return hashlib.sha256(content[:at] + content[at + SECTOR :]).hexdigest()


def read(path: Path) -> Image:
    """An image, whole, of whatever board and version."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WatchwordError(f"cannot be read: {error.strerror}", path, "name another --image") from error
    text = content[_record_at() : _record_at() + SECTOR]
    if not text.startswith(MARK):
        remedy = "take a watchword-VERSION-BOARD.bin of a release"
        what = "is no image of `watchword firmware build`, or only the beginning of one"
        raise WatchwordError(what, path, remedy)
    try:
        fields = json.loads(text[len(MARK) :].rstrip(b"\0"))
    except ValueError as error:
        raise WatchwordError("is damaged", path, _DAMAGED) from error
    record = from_json(fields, Record, path, _DAMAGED)
    if len(content) != record.bytes:
        raise WatchwordError(f"has {len(content)} bytes of {record.bytes}", path, _DAMAGED)
    if _digest(content) != record.sha256 or record.chip not in CHIPS:
        raise WatchwordError("is damaged", path, _DAMAGED)
    return Image(path, record, content)


def checked(path: Path, board: str) -> Image:
    """The image, if it is one for this board and this version."""
    image = read(path)
    record = image.record
    if record.board != board:
        remedy = f"--board {record.board}, or another image"
        raise WatchwordError(f"is for {record.board} ({record.chip}), not {board}", path, remedy)
    if record.version != watchword.__version__:
        what = f"is of version {record.version}, this program of {watchword.__version__}"
        remedy = f"take the image of release {watchword.__version__}, or install watchword {record.version}"
        raise WatchwordError(what, path, remedy)
    return image


def find(board: str) -> Image | None:
    """The image of this version for the board, beside the user or kept here; None if there is none.

    One that was built from other sources, as in a checkout that went on, is passed over.
    """
    for folder in (Path.cwd(), CACHE):
        path = folder / file_name(board)
        if path.is_file():
            image = checked(path, board)
            if image.record.sources == firmware.sources_hash():
                return image
            print(f"{path}: passed over: built from other sources (--image takes it)", file=sys.stderr)
    return None


def write(image: Image, port: str) -> None:
    """Put the image into the flash of the board at `port`; esptool's own output goes to the terminal."""
    _check_esptool(image.record.board)
    arguments = ["--chip", image.record.chip, "--port", port, "--baud", "460800"]
    try:
        _esptool("write-flash", port, arguments, [], image.parts, show=True)
    except (KeyboardInterrupt, SystemExit):
        print("the board's flash is half written: flash it again", file=sys.stderr)
        raise


def _check_esptool(board: str) -> None:
    if importlib.util.find_spec("esptool") is None:
        raise WatchwordError("the Python package esptool is missing", board, project.pip_install("device"))


_REMEDIES = {
    "not ESP": "--board names another chip than is at this port",
    "Failed to connect": "hold the board's BOOT button, press its reset button, and try again",
    "Could not open": "is it plugged in, and does no other program hold the port?",
}


def _esptool(
    verb: str, where: str, before: Sequence[str], after: Sequence[str], parts: dict[int, bytes], show: bool
) -> None:
    """Run it, a program of its own, with `parts` as files."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for place, content in sorted(parts.items()):
            path = Path(folder) / f"{place:x}.bin"
            path.write_bytes(content)
            files += [hex(place), str(path)]
        done = subprocess.run(
            [sys.executable, "-m", "esptool", *before, verb, *after, *files],
            stdout=None if show else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    if done.returncode:
        said = _said(done.stderr) or f"ended with status {done.returncode}"
        remedy = next(
            (text for part, text in _REMEDIES.items() if part in said), "check the cable, try again"
        )
        raise WatchwordError(f"esptool: {said}", where, remedy)


def _said(stderr: str) -> str:
    """The one line of esptool's that says what went wrong; warnings come before it, advice after it."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    found = next((line for line in lines if line.startswith("ERROR: ")), lines[-1] if lines else "")
    return found.removeprefix("ERROR: ").removeprefix("A fatal error occurred: ")
