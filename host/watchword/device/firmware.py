"""Builds the firmware around one model folder, with PlatformIO, and says how big it came out."""

from __future__ import annotations

import configparser
import csv
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from watchword import project
from watchword.errors import WatchwordError
from watchword.files import lock, write_atomic, writing

ROOT = project.root()
CACHE = project.cache() / "firmware"
CORE_DIR = project.cache() / "platformio"
PLATFORM_EMU = ROOT / "firmware" / "platform-emu"
SHARED_BOARD = ROOT / "firmware" / "board" / "emu"
MODEL_SOURCES = ("model.c", "model.h")
LOG_TAIL_LINES = 25
KEPT_BUILDS = 16  # of about 1 MB each


@dataclass(frozen=True)
class FirmwareImage:
    """A linked firmware. Sizes in bytes, by section (firmware/board/*/board.ld sorts them).

    What only an emulator has, its fast transport, is a separate object file with sections of its
    own; it is counted in `emulator_*` and nowhere else. The stack is not static RAM: the board
    reports how deep it was used.
    """

    env: str
    elf: Path
    sha256: str  # of the flash contents, free of paths and debug information
    code_bytes: int  # code, constants, tables and initial values; without the model
    model_bytes: int  # the model image and its C wrapper
    ram_bytes: int  # .data + .bss, the model's arena included
    emulator_code_bytes: int
    emulator_ram_bytes: int


@dataclass(frozen=True)
class BoardEnv:
    """What an emulated board's JSON file says: the chip it stands for, compiler and emulator."""

    env: str
    chip: str
    clock_hz: int  # of that chip
    compiler: str  # takes gcc's arguments
    machine_flags: tuple[str, ...]
    binutils_prefix: str
    programs: tuple[str, ...]  # that compiling and linking need
    debian: str  # where they come from
    folder: Path  # of its own sources and linker script
    emulator: str
    emulator_debian: str
    arguments: tuple[str, ...]
    links: dict[str, tuple[str, ...]]  # emulator arguments by transport, the usual one first

    @property
    def sources(self) -> list[Path]:
        """Of board.h, start-up and C runtime, in the order of their names."""
        folders = (SHARED_BOARD, self.folder)
        return sorted(path for folder in folders for path in folder.glob("*.[cS]"))

    @property
    def include_flags(self) -> list[str]:
        """For its own headers."""
        return [f"-I{self.folder}", f"-I{SHARED_BOARD.parent}"]

    @property
    def link_flags(self) -> list[str]:
        """Its memory map instead of the compiler's own start files."""
        return ["-nostartfiles", f"-L{SHARED_BOARD.parent}", f"-T{self.folder / 'board.ld'}"]

    def missing(self) -> list[str]:
        """What is not installed of what building and running takes."""
        return [name for name in (*self.programs, self.emulator) if shutil.which(name) is None]


def emulated_boards() -> dict[str, BoardEnv]:
    """By environment name, e.g. `emu-c3`."""
    read = (_read_board(path) for path in sorted((PLATFORM_EMU / "boards").glob("*.json")))
    return {board.env: board for board in read}


def _read_board(path: Path) -> BoardEnv:
    content: dict[str, Any] = json.loads(path.read_text())
    build, emulator = content["build"], content["emulator"]
    compiler = build["compiler"]
    return BoardEnv(
        env=path.stem.replace("_", "-"),
        chip=content["chip"]["name"],
        clock_hz=content["chip"]["clock_hz"],
        compiler=str(ROOT / compiler) if "/" in compiler else compiler,
        machine_flags=tuple(build["machine_flags"]),
        binutils_prefix=build["binutils_prefix"],
        programs=tuple(build["programs"]),
        debian=build["debian"],
        folder=ROOT / build["folder"],
        emulator=emulator["program"],
        emulator_debian=emulator["debian"],
        arguments=tuple(emulator["arguments"]),
        links={name: tuple(arguments) for name, arguments in emulator["links"].items()},
    )


def _project() -> configparser.ConfigParser:
    path = ROOT / "platformio.ini"
    if not path.is_file():
        raise WatchwordError("not found", path, "the installation is damaged: install watchword again")
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    parser.read(path)
    return parser


def environments() -> list[str]:
    """The board environments of platformio.ini."""
    return [section.removeprefix("env:") for section in _project().sections() if section.startswith("env:")]


def real_boards() -> list[str]:
    """Those of them that can be flashed, with our own engine."""
    parser, emulated = _project(), emulated_boards()
    names = [name for name in environments() if name not in emulated]
    return [name for name in names if "custom_engine" not in parser[f"env:{name}"]]


def partitions() -> dict[str, tuple[str, int, int]]:
    """Flash of the real boards. Name: subtype, offset, bytes."""
    lines = (ROOT / "firmware" / "partitions.csv").read_text().splitlines()
    rows = [[cell.strip() for cell in row] for row in csv.reader(x for x in lines if not x.startswith("#"))]
    return {row[0]: (row[2], int(row[3], 16), int(row[4], 16)) for row in rows}


def build_flags(env: str) -> list[str]:
    """Compiler flags of a board in platformio.ini, without include folders."""
    project = _project()
    flags = project[f"env:{env}"].get("build_flags") or "${emulated.build_flags}"
    flags = flags.replace("${emulated.build_flags}", project["emulated"]["build_flags"])
    return [flag for flag in flags.split() if not flag.startswith("-I")]


def default_model_dir() -> Path:
    """$WATCHWORD_MODEL, else `custom_model` of platformio.ini."""
    return project.base() / (os.environ.get("WATCHWORD_MODEL") or _project()["env"]["custom_model"])


def build(env: str, model_dir: Path | None = None) -> FirmwareImage:
    """The firmware for board `env` with the model of that folder; built only when something changed."""
    model_dir = _checked_model(model_dir)
    board = _checked_board(env)
    out = CACHE / f"{env}-{_hash_files(model_dir / name for name in MODEL_SOURCES)[:16]}"
    with _lock():
        fingerprint = _fingerprint(board)
        image = _cached(out, fingerprint)
        if image is None:
            _check_c_library(board)
            elf = out / env / "firmware.elf"
            elf.unlink(missing_ok=True)  # SCons would keep one that was damaged
            _run_platformio(env, model_dir, out, ["run", "-e", env])
            image = _measure(board, elf)
            content = {"fingerprint": fingerprint, "elf": _hash_files(iter([elf]))}
            record = content | {"image": asdict(image) | {"elf": str(elf)}}
            write_atomic(out / "image.json", json.dumps(record, indent=2))
            _forget_old_builds()
    return image


def build_with(env: str, model_dir: Path | None, out: Path, flags: str) -> None:
    """For tools: an emulated board's firmware with more compiler flags, in a folder of its own."""
    _checked_board(env)
    with _lock():
        _run_platformio(env, _checked_model(model_dir), out, ["run", "-e", env], flags=flags)


def upload(env: str, port: str, model_dir: Path | None = None) -> None:
    """Build for a real board and flash it; PlatformIO's own output goes to the terminal."""
    _build_real(env, model_dir, CACHE / f"{env}-upload", "-t", "upload", "--upload-port", port)


def build_real(env: str, model_dir: Path | None = None) -> Path:
    """Build for a real board, where `pio run` does; the folder that its parts are in."""
    builds = project.cache() / "pio" / "build"
    _build_real(env, model_dir, builds)
    return builds / env


def _build_real(env: str, model_dir: Path | None, out: Path, *target: str) -> None:
    check_real(env)
    for folder in (ROOT, CACHE):
        if any(character.isspace() for character in str(folder)):
            raise WatchwordError("ESP-IDF cannot be built below a folder with a space", folder, "move it")
    model_dir = _checked_model(model_dir)
    with _lock():
        _run_platformio(env, model_dir, out, ["run", "-e", env, *target], show=True)


def check_real(env: str) -> None:
    """An error unless `env` is a board that can be flashed."""
    if env in emulated_boards():
        short = env.removeprefix("emu-")
        raise WatchwordError("an emulated board is not flashed", env, f"use --port emu:{short}")
    if env not in environments():
        known = ", ".join(environments())
        raise WatchwordError("platformio.ini has no such environment", env, f"there are: {known}")


def _checked_model(model_dir: Path | None) -> Path:
    folder = (model_dir or default_model_dir()).resolve()
    remedy = "train and export one, or choose another with --model"
    if not folder.is_dir():
        raise WatchwordError("no such model folder", folder, remedy)
    missing = [name for name in MODEL_SOURCES if not (folder / name).is_file()]
    if missing:
        raise WatchwordError(f"the model folder is incomplete: no {' and no '.join(missing)}", folder, remedy)
    return folder


def _checked_board(env: str) -> BoardEnv:
    boards = emulated_boards()
    if env not in boards:
        raise WatchwordError("not an emulated board", env, f"there are: {', '.join(boards)}")
    board = boards[env]
    for program in board.programs:
        if shutil.which(program) is None:
            raise WatchwordError("the compiler is not installed", program, f"apt install {board.debian}")
    return board


def _check_c_library(board: BoardEnv) -> None:
    """Compilers come without: say so before PlatformIO fails at the first file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text("#include <picolibc.h>\n")
        command = [board.compiler, *board.machine_flags, "-c", str(source), "-o", f"{folder}/probe.o"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            remedy = f"apt install {board.debian}"
            raise WatchwordError("the C library picolibc is not installed", board.compiler, remedy)


def compiler_version(board: BoardEnv) -> str:
    """The compiler's name and version."""
    command = [board.compiler, "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def binutil(board: BoardEnv, name: str, *arguments: str) -> str:
    """What `size`, `nm` or `objcopy` for this board prints."""
    command = [f"{board.binutils_prefix}{name}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _hash_files(paths: Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def sources_hash() -> str:
    """Of everything but the model and the compiler that decides about a firmware; equal on all systems."""
    sources = [path for path in (ROOT / "firmware").rglob("*") if path.is_file() and path.suffix != ".o"]
    sources = [path for path in sources if "__pycache__" not in path.parts]
    settings = [ROOT / name for name in ("platformio.ini", "CMakeLists.txt", "pyproject.toml")]
    ordered = sorted([*sources, *settings], key=lambda path: path.relative_to(ROOT).as_posix())
    return _hash_files(iter(ordered))


def _fingerprint(board: BoardEnv) -> str:
    return f"{sources_hash()} {compiler_version(board)}"


def _cached(out: Path, fingerprint: str) -> FirmwareImage | None:
    path = out / "image.json"
    try:
        os.utime(path)  # recently used
        record = json.loads(path.read_text())
        image = FirmwareImage(**record["image"] | {"elf": Path(record["image"]["elf"])})
        same = record["fingerprint"] == fingerprint and _hash_files(iter([image.elf])) == record["elf"]
    except (OSError, ValueError, TypeError, KeyError):  # never built, or damaged since: build again
        return None
    return image if same else None


def _forget_old_builds() -> None:
    records = sorted(CACHE.glob("*/image.json"), key=lambda path: path.stat().st_mtime)
    for record in records[:-KEPT_BUILDS]:
        shutil.rmtree(record.parent)


@contextmanager
def _lock() -> Iterator[None]:
    """One build at a time: builds of one folder must not meet, and PlatformIO's own folder is shared."""
    with writing(CACHE):
        CACHE.mkdir(parents=True, exist_ok=True)
        handle = (CACHE / "lock").open("w")
    with handle:
        lock(handle, wait=True)
        yield


def _writable_project() -> Path:
    """PlatformIO writes beside platformio.ini (ESP-IDF's sdkconfig): never into an installed package."""
    if project.in_checkout():
        return ROOT
    copy = project.cache() / "project"
    shutil.copytree(ROOT, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def missing_package() -> str | None:
    """What is not installed of the Python packages that building takes."""
    packages = ("platformio", "SCons")
    return next((name for name in packages if importlib.util.find_spec(name) is None), None)


def _run_platformio(
    env: str, model_dir: Path, out: Path, arguments: list[str], show: bool = False, flags: str = ""
) -> None:
    if package := missing_package():
        remedy = project.pip_install("device")
        raise WatchwordError(f"the Python package {package} is missing", env, remedy)
    sources = _writable_project()
    seeded = subprocess.run(
        [sys.executable, "-m", "watchword.device.platformio", "--core-dir", str(CORE_DIR)],
        capture_output=True,
        text=True,
    )
    if seeded.returncode:
        raise WatchwordError(f"cannot prepare PlatformIO: {seeded.stderr.strip()}", CORE_DIR)
    settings = {
        "PLATFORMIO_CORE_DIR": str(CORE_DIR),
        "PLATFORMIO_BUILD_DIR": str(out),
        "PLATFORMIO_WORKSPACE_DIR": str(project.cache() / "pio"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "WATCHWORD_MODEL": str(model_dir),
    }
    if flags:
        settings["PLATFORMIO_BUILD_FLAGS"] = flags
    done = subprocess.run(
        [sys.executable, "-m", "platformio", *arguments, "-d", str(sources)],
        env=os.environ | settings,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
        text=True,
    )
    if not show:
        write_atomic(out / "build.log", done.stdout)
    if done.returncode:
        tail = "" if show else "\n" + "\n".join(done.stdout.splitlines()[-LOG_TAIL_LINES:])
        remedy = "the lines above say why" if show else f"everything is in {out / 'build.log'}"
        raise WatchwordError(f"the firmware build failed{tail}", env, remedy)


def _measure(board: BoardEnv, elf: Path) -> FirmwareImage:
    sizes: dict[str, int] = {}
    for line in binutil(board, "size", "-A", "-d", str(elf)).splitlines():
        words = line.split()
        if len(words) == 3 and words[0].startswith("."):
            sizes[words[0]] = int(words[1])
    flash = elf.with_suffix(".bin")
    binutil(board, "objcopy", "-O", "binary", str(elf), str(flash))
    return FirmwareImage(
        env=board.env,
        elf=elf,
        sha256=hashlib.sha256(flash.read_bytes()).hexdigest(),
        code_bytes=sizes[".text"] + sizes[".data"],
        model_bytes=sizes[".model"],
        ram_bytes=sizes[".data"] + sizes[".bss"],
        emulator_code_bytes=sizes[".emu_text"],
        emulator_ram_bytes=sizes[".emu_ram"],
    )
