"""Builds small programs for an emulated board and reads what they print: instruction counts.

The flags are those of platformio.ini and of the board's JSON file, so that what is measured is what
the firmware runs.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from watchword import core, spec
from watchword.device import firmware, ports
from watchword.errors import WatchwordError

ROOT = firmware.ROOT
HERE = Path(__file__).parent
WRAPPED = (
    *(f"kernel_{op}" for op in ("conv", "depthwise", "add", "average", "mean", "lut")),
    "normaliser_push",
)
MICROFRONTEND = "pymicro-features==2.0.2"
SECTIONS = ("-ffunction-sections", "-fdata-sections")  # so that the linker can leave out the rest
PCM_SOURCE = """    .section .rodata.cost_pcm, "a"
    .globl cost_pcm, cost_pcm_samples
    .balign 4
cost_pcm_samples: .long {samples}
cost_pcm: .incbin "{path}"
"""


class Program:
    """One bare-metal program in the making: objects in `folder`, linked and run on demand."""

    def __init__(self, board: firmware.BoardEnv, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.board, self.folder = board, folder
        self.objects: list[Path] = []
        self.compile(board.sources, [])

    def add_pcm(self, pcm: np.ndarray) -> None:
        """The samples, as `cost_pcm`."""
        raw, source = self.folder / "pcm.bin", self.folder / "pcm.S"
        raw.write_bytes(pcm.astype("<i2").tobytes())
        source.write_text(PCM_SOURCE.format(samples=len(pcm), path=raw))
        self.compile([source], [])

    def compile(self, sources: list[Path], flags: list[str]) -> None:
        """C with the project's flags; assembler and C++ with `flags` only."""
        parts = ("core/include", "core/gen", "core/src")
        includes = [*self.board.include_flags, *(f"-I{ROOT / 'firmware' / part}" for part in parts)]
        for source in sources:
            target = self.folder / f"{len(self.objects):02d}_{source.stem}.o"
            language = firmware.build_flags(self.board.env) if source.suffix == ".c" else []
            self._run(*language, *SECTIONS, *includes, *flags, "-c", str(source), "-o", str(target))
            self.objects.append(target)

    def link(self, *flags: str) -> Path:
        """All objects so far."""
        elf = self.folder / "program.elf"
        self._run(*self.board.link_flags, *map(str, self.objects), *flags, "-o", str(elf))
        return elf

    def run(self, *link_flags: str) -> dict[str, list[int]]:
        """Link, run, and collect the values by name in the order they came."""
        elf = self.link("-Wl,--gc-sections", *link_flags)
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

    def _run(self, *arguments: str) -> None:
        command = [self.board.compiler, *self.board.machine_flags, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise WatchwordError(f"it does not compile\n{done.stderr[-2000:]}", self.folder)


def pipeline_counts(
    board: firmware.BoardEnv, model: Path, pcm: np.ndarray, folder: Path
) -> dict[str, list[int]]:
    """hops, normaliser, layer (one value each) and front end rows, as board.c prints them."""
    program = Program(board, folder)
    program.add_pcm(pcm)
    sources = sorted([*(ROOT / "firmware/core/src").glob("*.c"), *(ROOT / "firmware/core/gen").glob("*.c")])
    program.compile([*sources, HERE / "board.c"], [f"-I{model}"])
    (folder / "wake_word").mkdir(exist_ok=True)
    program.compile([model / "model.c"], [f"-I{model}"])
    return program.run(*(f"-Wl,--wrap=ww_{name}" for name in WRAPPED))


def row_hashes(pcm: np.ndarray) -> list[int]:
    """Of the host's micro rows at either hop, as the programs print them (cost_output.h)."""
    return [_fnv1a(core.frontend_rows(pcm, hop, spec.MICRO_CHANNELS, "micro")) for hop in (160, 320)]


def _fnv1a(rows: np.ndarray) -> int:
    value = 2_166_136_261
    for step in rows.ravel().tolist():
        value = (value ^ step) * 16_777_619 & 0xFFFFFFFF
    return value


def micro_counts(board: firmware.BoardEnv, pcm: np.ndarray, folder: Path) -> dict[str, list[int]]:
    """Our micro front end: a row at either hop, a hash of the rows, and a row's stages."""
    program = Program(board, folder)
    program.add_pcm(pcm)
    sources = [p for part in ("src", "gen") for p in sorted((ROOT / "firmware/core" / part).glob("*.c"))]
    sources.remove(ROOT / "firmware/core/src/micro.c")  # the program brings it
    program.compile([*sources, HERE / "micro_stages.c"], [])
    return program.run()


def microfrontend_counts(board: firmware.BoardEnv, pcm: np.ndarray, folder: Path) -> dict[str, list[int]]:
    """The same of TensorFlow's micro frontend, compiled from its PyPI package, and its heap."""
    sources = _microfrontend_sources(folder)
    library = sources / "tensorflow/lite/experimental/microfrontend/lib"
    wanted = [
        p
        for p in sorted(library.glob("*.cc"))
        if not p.stem.endswith(("_test", "_main", "_io", "_generator"))
    ]
    program = Program(board, folder / "program")
    program.add_pcm(pcm)
    headers = folder / "headers"  # Debian has no C++ library for this compiler; C's will do
    headers.mkdir(exist_ok=True)
    for name in ("stdint", "string"):
        (headers / f"c{name}").write_text(f"#include <{name}.h>\n")
    flags = ["-O2", "-w", "-DFIXED_POINT=16", "-fno-exceptions", "-fno-rtti"]
    includes = [f"-I{part}" for part in (headers, sources, sources / "kissfft")]
    program.compile([*wanted, HERE / "microfrontend.cc"], [*flags, *includes])
    return program.run("-lm")


def _microfrontend_sources(folder: Path) -> Path:
    """The unpacked source package, fetched once."""
    name = MICROFRONTEND.replace("==", "-").replace("pymicro-", "pymicro_")
    unpacked = folder / name
    if not unpacked.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-binary",
            ":all:",
            "--dest",
            str(folder),
            MICROFRONTEND,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise WatchwordError(f"cannot download it: {done.stderr.strip()[-300:]}", MICROFRONTEND)
        with tarfile.open(folder / f"{name}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
    return unpacked
