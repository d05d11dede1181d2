"""Builds small programs for the emulated board and reads what they print: instruction counts.

The flags are those of platformio.ini and of the board's JSON file, so that what is measured is what
the firmware runs.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from watchword.device import firmware, ports
from watchword.errors import WatchwordError

ROOT = firmware.ROOT
HERE = Path(__file__).parent
ENV = "emu-c3"
WRAPPED = (
    *(f"kernel_{op}" for op in ("conv", "depthwise", "add", "average", "mean", "lut")),
    "normaliser_push",
)
MICROFRONTEND = "pymicro-features==2.0.2"
PCM_SOURCE = """    .section .rodata.cost_pcm, "a"
    .globl cost_pcm, cost_pcm_samples
    .balign 4
cost_pcm_samples: .word {samples}
cost_pcm: .incbin "{path}"
"""


class Program:
    """One bare-metal program in the making: objects in `folder`, linked and run on demand."""

    def __init__(self, folder: Path, pcm: np.ndarray) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.board = firmware.emulated_boards()[ENV]
        build = json.loads((firmware.PLATFORM_EMU / "boards" / "emu_c3.json").read_text())["build"]
        self.machine = build["machine_flags"]
        self.script = ROOT / build["linker_script"]
        self.objects: list[Path] = []
        raw, source = folder / "pcm.bin", folder / "pcm.S"
        raw.write_bytes(pcm.astype("<i2").tobytes())
        source.write_text(PCM_SOURCE.format(samples=len(pcm), path=raw))
        self.compile([source, *sorted((ROOT / "firmware" / "board" / "emu_c3").glob("*.[cS]"))], [])

    def compile(self, sources: list[Path], flags: list[str]) -> None:
        for source in sources:
            target = self.folder / f"{len(self.objects):02d}_{source.stem}.o"
            language = [] if source.suffix == ".cc" else project_flags() if source.suffix == ".c" else []
            includes = [
                f"-I{ROOT / 'firmware' / part}" for part in ("board", "core/include", "core/gen", "core/src")
            ]
            self._run(
                "gcc", *self.machine, *language, *includes, *flags, "-c", str(source), "-o", str(target)
            )
            self.objects.append(target)

    def run(self, *link_flags: str) -> dict[str, list[int]]:
        """Link, run, and collect the values by name in the order they came."""
        elf = self.folder / "program.elf"
        objects = [str(o) for o in self.objects]
        self._run(
            "gcc", *self.machine, "-nostartfiles", f"-T{self.script}", *objects, *link_flags, "-o", str(elf)
        )
        values: dict[str, list[int]] = defaultdict(list)
        port = ports.start_emulator(self.board, "uart", elf)
        port.timeout = None
        try:
            while "done" not in values:
                line = b""
                while not line.endswith(b"\n"):
                    line += port.read(1)
                name, value = line.split()
                values[name.decode()].append(int(value))
                if name == b"error":
                    raise WatchwordError(f"the program gave up with status {int(value)}", elf)
        finally:
            port.close()
        return dict(values)

    def _run(self, tool: str, *arguments: str) -> None:
        done = subprocess.run(
            [f"{self.board.toolchain_prefix}{tool}", *arguments], capture_output=True, text=True
        )
        if done.returncode:
            raise WatchwordError(f"{tool} failed\n{done.stderr[-2000:]}", self.folder)


def compiler() -> str:
    """The emulated board's compiler and its version."""
    prefix = firmware.emulated_boards()[ENV].toolchain_prefix
    done = subprocess.run([f"{prefix}gcc", "--version"], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]


def project_flags() -> list[str]:
    """Compiler flags of the emulated boards in platformio.ini, without include folders."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    parser.read(ROOT / "platformio.ini")
    flags = parser["emulated"]["build_flags"].split()
    return [*(f for f in flags if not f.startswith("-I")), "-ffunction-sections", "-fdata-sections"]


def pipeline_counts(model: Path, pcm: np.ndarray, folder: Path) -> dict[str, list[int]]:
    """hops, normaliser, layer (one value each) and front end rows, as cost_board.c prints them."""
    program = Program(folder, pcm)
    core = sorted([*(ROOT / "firmware/core/src").glob("*.c"), *(ROOT / "firmware/core/gen").glob("*.c")])
    program.compile([*core, HERE / "cost_board.c"], [f"-I{model}"])
    (folder / "wake_word").mkdir(exist_ok=True)
    program.compile([model / "model.c"], [f"-I{model}"])
    return program.run("-Wl,--gc-sections", *(f"-Wl,--wrap=ww_{name}" for name in WRAPPED))


def microfrontend_counts(pcm: np.ndarray, folder: Path) -> dict[str, list[int]]:
    """The same front-end rows by TensorFlow's micro frontend, compiled from its PyPI package."""
    sources = _microfrontend_sources(folder)
    library = sources / "tensorflow/lite/experimental/microfrontend/lib"
    wanted = [
        p
        for p in sorted(library.glob("*.cc"))
        if not p.stem.endswith(("_test", "_main", "_io", "_generator"))
    ]
    program = Program(folder / "program", pcm)
    headers = folder / "headers"  # Debian has no C++ library for this compiler; C's will do
    headers.mkdir(exist_ok=True)
    for name in ("stdint", "string"):
        (headers / f"c{name}").write_text(f"#include <{name}.h>\n")
    flags = ["-O2", "-w", "-DFIXED_POINT=16", "-fno-exceptions", "-fno-rtti", "-ffunction-sections"]
    includes = [f"-I{part}" for part in (headers, sources, sources / "kissfft")]
    program.compile([*wanted, HERE / "cost_microfrontend.cc"], [*flags, *includes])
    return program.run("-Wl,--gc-sections", "-lm")


def _microfrontend_sources(folder: Path) -> Path:
    """The unpacked source package, fetched once."""
    name = MICROFRONTEND.replace("==", "-").replace("pymicro-", "pymicro_")
    unpacked = folder / name
    if not unpacked.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation",
                   "--no-binary", ":all:", "--dest", str(folder), MICROFRONTEND]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise WatchwordError(f"cannot download it: {done.stderr.strip()[-300:]}", MICROFRONTEND)
        with tarfile.open(folder / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return unpacked
