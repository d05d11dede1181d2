"""Boot a real board's firmware image in Espressif's QEMU and run a watchword command on its serial port.

  WATCHWORD_MODEL=models/alexa pio run -e esp32dev
  python -m tools.run.espressif_qemu esp32dev -- bench --model models/alexa --data data/alexa.csv --split val

The image is the one that a board is flashed with: boot loader, partition table, application. Needs
Espressif's fork of QEMU in PATH (`idf_tools.py install qemu-xtensa qemu-riscv32` of ESP-IDF); Debian's
has no such machines. Its clock is not a chip's: latency in cycles and the chip's load mean nothing there,
and it has no microphone. The command's exit status is passed on; {} in it stands for the port, and
`--port {}` is added when it does not occur.
"""

from __future__ import annotations

import argparse
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from watchword.device import firmware, images
from watchword.errors import WatchwordError

BUILDS = firmware.ROOT / ".cache" / "pio" / "build"  # platformio.ini: workspace_dir
FLASH_BYTES = 4 << 20
WATCHWORD = Path(sys.executable).with_name("watchword")
START_S = 20.0  # for QEMU to name its terminal
PTY = re.compile(r"char device redirected to (\S+)")


@dataclass(frozen=True)
class Chip:
    """How Espressif's QEMU knows a chip."""

    machine: str
    program: str


CHIPS = {
    "esp32dev": Chip("esp32", "qemu-system-xtensa"),
    "esp32-s3-devkitc-1": Chip("esp32s3", "qemu-system-xtensa"),
    "esp32-c3-devkitm-1": Chip("esp32c3", "qemu-system-riscv32"),
}


def flash_image(build: Path) -> bytes:
    """The whole flash, with the image that a release has for this board; 0xff where nothing is."""
    content, _ = images.merged(build.name, build)
    if len(content) > FLASH_BYTES:
        raise WatchwordError(f"does not fit in {FLASH_BYTES} bytes of flash", build / "firmware.bin")
    return content.ljust(FLASH_BYTES, b"\xff")


def emulator(chip: Chip) -> str:
    """Espressif's QEMU; Debian's of the same name does not know the machine."""
    program = shutil.which(chip.program)
    remedy = "idf_tools.py install qemu-xtensa qemu-riscv32, then put it into PATH"
    if program is None:
        raise WatchwordError("not installed", chip.program, remedy)
    known = subprocess.run([program, "-machine", "help"], capture_output=True, text=True, check=True).stdout
    if chip.machine not in (line.partition(" ")[0] for line in known.splitlines()):
        raise WatchwordError(f"has no machine '{chip.machine}': it is not Espressif's", program, remedy)
    return program


@contextmanager
def running(chip: Chip, flash: Path) -> Iterator[str]:
    """QEMU while the block runs; yields the terminal that is the board's UART0."""
    command = [
        emulator(chip),
        "-M",
        chip.machine,
        "-nographic",
        "-monitor",
        "none",
        "-serial",
        "pty",
        "-drive",
        f"file={flash},if=mtd,format=raw",
        "-global",
        f"driver=timer.{chip.machine}.timg,property=wdt_disable,value=true",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        yield _terminal(process.stdout, chip)
    finally:
        process.terminate()
        process.wait()


def _terminal(output: IO[str], chip: Chip) -> str:
    said, deadline = "", time.monotonic() + START_S
    while select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
        line = output.readline()
        if not line:
            break
        said += line
        if found := PTY.search(line):
            return found[1]
    raise WatchwordError(f"named no terminal: {said.strip()}", chip.program)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("board", choices=CHIPS)
    parser.add_argument("command", nargs="+", help="of watchword, after --")
    given = parser.parse_args()
    chip = CHIPS[given.board]
    command = given.command if "{}" in given.command else [*given.command, "--port", "{}"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            flash = Path(folder) / "flash.bin"
            flash.write_bytes(flash_image(BUILDS / given.board))
            with running(chip, flash) as port:
                words = [port if word == "{}" else word for word in command]
                return subprocess.run([WATCHWORD, *words], check=False).returncode
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
