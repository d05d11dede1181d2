"""tools/run/espressif_qemu.py: the flash image, the choice of emulator, its command. QEMU is a stand-in."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from watchword.errors import WatchwordError

from tools.run import espressif_qemu

pytest.importorskip("esptool", reason="pip install -e .[device]")

CHIP = espressif_qemu.CHIPS["esp32dev"]
STAND_IN = """#!{python}
import os, sys, time
if sys.argv[1:] == ["-machine", "help"]:
    print("Supported machines are:\\n{machine}   a machine")
    sys.exit()
flash = sys.argv[sys.argv.index("-drive") + 1].split("=")[1].split(",")[0]
assert os.path.getsize(flash) == 4 << 20
ours, board = os.openpty()
print(f"char device redirected to {{os.ttyname(board)}} (label serial0)", flush=True)
time.sleep(60)
"""


def part(name: str) -> bytes:
    """Made up, but for the boot loader's header: an ESP32's."""
    return (b"\xe9" + bytes(23) if name == "bootloader" else b"") + name.encode() * 100


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `pio run -e esp32dev` leaves."""
    folder = tmp_path / "build" / "esp32dev"
    folder.mkdir(parents=True)
    for name in ("bootloader", "partitions", "firmware"):
        (folder / f"{name}.bin").write_bytes(part(name))
    monkeypatch.setattr(espressif_qemu, "BUILDS", folder.parent)
    return folder


def stand_in(folder: Path, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / CHIP.program
    program.write_text(STAND_IN.format(python=sys.executable, machine=machine))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_flash_is_what_esptool_would_write(build: Path) -> None:
    flash = espressif_qemu.flash_image(build)
    assert len(flash) == 4 << 20 and flash[0] == 0xFF
    for name, offset in (("bootloader", 0x1000), ("partitions", 0x8000), ("firmware", 0x10000)):
        assert flash[offset:].startswith(part(name) + b"\xff")


def test_a_missing_or_oversized_part_is_named(build: Path) -> None:
    (build / "firmware.bin").write_bytes(bytes(4 << 20))
    with pytest.raises(WatchwordError, match="does not fit"):
        espressif_qemu.flash_image(build)
    (build / "partitions.bin").unlink()
    with pytest.raises(WatchwordError, match=r"partitions.bin.*firmware build esp32dev"):
        espressif_qemu.flash_image(build)


def test_another_qemu_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "lx60", monkeypatch)
    with pytest.raises(WatchwordError, match="no machine 'esp32'"):
        espressif_qemu.emulator(CHIP)


def test_the_command_gets_the_port_and_its_status_is_ours(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "esp32", monkeypatch)
    command = tmp_path / "watchword"
    command.write_text(f'#!/bin/sh\necho "$1 $2" > {tmp_path}/said; test -c "$3" && exit 7\n')
    command.chmod(0o755)
    monkeypatch.setattr(espressif_qemu, "WATCHWORD", command)
    monkeypatch.setattr(sys, "argv", ["espressif_qemu.py", "esp32dev", "--", "monitor"])
    assert espressif_qemu.main() == 7, "the third word is a terminal"
    assert (tmp_path / "said").read_text() == "monitor --port\n"
