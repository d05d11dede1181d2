"""Prebuilt firmware: made of a build's parts, refused unless whole and fitting, and written to a chip's boot
loader (esp32-mock-bootloader) by esptool. The parts are made up: their code is never run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import watchword
from click.testing import CliRunner
from ds_tcn import ds_tcn, settings
from fake_board import Application, FakeBoard
from test_boards import CHIPS as CHIP_OF
from watchword.cli.main import commands
from watchword.device import firmware, flashing, images, ports
from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.export.image import build_image

esptool = pytest.importorskip("esptool", reason="pip install -e .[device]")

BOARD, CHIP = "esp32-c3-devkitm-1", "esp32c3"
STARTS_S = 20.0


def parts(folder: Path, chip: str = CHIP) -> Path:
    """What a build leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(5).integers(0, 256, 40_000, np.uint8).tobytes()
    number = images.CHIPS[chip].number
    header = bytes([0xE9, 1, 2, 0x20]) + bytes(8) + number.to_bytes(2, "little") + bytes(10)
    (folder / "bootloader.bin").write_bytes(header + noise[:20_000])
    (folder / "partitions.bin").write_bytes(noise[:0xC00])
    (folder / "firmware.bin").write_bytes(header + noise)
    return folder


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The image of BOARD, made by the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "CACHE", tmp_path / "kept")
    monkeypatch.setattr(firmware, "build_real", lambda board, model_dir: parts(tmp_path / board))
    done = CliRunner().invoke(commands, ["firmware", "build", BOARD])
    assert done.exit_code == 0, done.output
    return images.CACHE / images.file_name(BOARD)


@pytest.fixture
def boot_loader(tmp_path: Path) -> Iterator[str]:
    """The port of a chip that waits for firmware."""
    pytest.importorskip("esp32_mock_bootloader", reason="pip install -e .[dev]")
    named = tmp_path / "port"
    command = [sys.executable, "-m", "esp32_mock_bootloader.cli", "run", "--pty", "--chip", CHIP]
    state = {"ESP32_MOCK_BOOTLOADER_STATE_DIR": str(tmp_path / "state")}
    chip = subprocess.Popen(
        [*command, "--port-file", str(named)], env=os.environ | state, stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + STARTS_S
        while not (named.is_file() and named.read_text()):
            assert chip.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        yield named.read_text().strip()
    finally:
        chip.terminate()
        chip.wait()


def board_that_says(fields: dict[str, str]) -> FakeBoard:
    """A board that was flashed with the image, but for `fields`."""

    class Flashed(Application):
        def __init__(self) -> None:
            super().__init__()
            self.info |= {"board": BOARD, "firmware": watchword.__version__, **fields}

    return FakeBoard(make_app=Flashed)


def test_places_are_those_of_esptool_and_the_record_is_where_nothing_else_is() -> None:
    for chip in images.CHIPS.values():
        theirs = esptool.CHIP_DEFS[chip.name]
        assert chip.family == theirs.CHIP_NAME
        assert chip.number == theirs.IMAGE_CHIP_ID and chip.boot_loader == theirs.BOOTLOADER_FLASH_OFFSET
    table = firmware.partitions()
    start = table["app"][1] - images.SECTOR
    assert start >= images.PARTITION_TABLE + images.SECTOR
    for _, offset, size in table.values():
        assert offset >= start + images.SECTOR or offset + size <= start


def test_a_release_gets_an_image_of_every_board() -> None:
    workflow = (firmware.ROOT / ".github" / "workflows" / "ci.yml").read_text()
    for board in firmware.real_boards():
        assert f"          - {board}\n" in workflow
        assert CHIP_OF[board] in images.CHIPS


@pytest.mark.parametrize("chip", images.CHIPS)
def test_an_image_holds_the_parts_in_their_places(tmp_path: Path, chip: str) -> None:
    folder = parts(tmp_path, chip)
    content, found = images.merged("a-board", folder)
    assert found.name == chip
    places = {"bootloader": found.boot_loader, "partitions": 0x8000, "firmware": 0x10000}
    for name, place in places.items():
        assert content[place:].startswith((folder / f"{name}.bin").read_bytes())
    (tmp_path / "image").write_bytes(content)
    image = images.read(tmp_path / "image")
    assert image.record.chip == chip and image.record.version == watchword.__version__
    assert not [at for at in image.parts if at <= firmware.partitions()["nvs"][1] < at + len(image.parts[at])]


def test_the_manifest_names_the_image(built: Path) -> None:
    manifest = json.loads(built.with_suffix(".json").read_text())
    assert manifest["version"] == watchword.__version__
    (build,) = manifest["builds"]
    assert build == {"chipFamily": "ESP32-C3", "parts": [{"path": built.name, "offset": 0}]}


def test_every_board_gets_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[str] = []
    (tmp_path / "a.bin").touch()
    monkeypatch.setattr(images, "make", lambda board, *_: made.append(board) or tmp_path / "a.bin")
    assert CliRunner().invoke(commands, ["firmware", "build", "--all"]).exit_code == 0
    assert {"esp32dev", BOARD, "m5stack-atom-echo"} <= set(made)
    assert not [board for board in made if "emu" in board or "tflm" in board]
    assert CliRunner().invoke(commands, ["firmware", "build"]).exit_code == 2


def test_what_does_not_fit_is_refused_with_what_helps(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = built.read_bytes()
    assert images.find(BOARD) == images.read(built)

    def refused(content: bytes, match: str, board: str = BOARD) -> None:
        built.write_bytes(content)
        with pytest.raises(WatchwordError, match=match):
            images.checked(built, board)

    refused(whole, r"is for esp32-c3-devkitm-1 \(esp32c3\), not esp32dev \(--board esp32-c3", "esp32dev")
    refused(whole[:-1], r"has \d+ bytes of \d+ \(download it again")
    refused(whole[:70_000], "has 70000 bytes of")
    refused(whole[:0xF000], "is no image of .*, or only the beginning of one")
    refused(b"", "is no image of")
    refused(whole[:-1] + bytes([whole[-1] ^ 1]), "is damaged")
    refused(whole[:0xF010] + b"\xff" + whole[0xF011:], "is damaged")
    monkeypatch.setattr(watchword, "__version__", "9.9")
    refused(whole, r"is of version 0[.\d]+, this program of 9.9 \(take the image of release 9.9")
    with pytest.raises(WatchwordError, match="cannot be read"):
        images.read(built.with_name("absent.bin"))


def test_an_image_of_other_sources_is_not_taken_by_itself(
    built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(firmware, "sources_hash", lambda: "a checkout that went on")
    assert images.find(BOARD) is None and "built from other sources" in capsys.readouterr().err
    assert images.checked(built, BOARD)


def test_an_installed_package_has_the_sources_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it takes the image of the release that it is of."""
    here = firmware.sources_hash()
    for name in ("platformio.ini", "CMakeLists.txt", "pyproject.toml"):
        shutil.copy(firmware.ROOT / name, tmp_path)
    left_out = shutil.ignore_patterns("__pycache__", "*.o")
    shutil.copytree(firmware.ROOT / "firmware", tmp_path / "firmware", ignore=left_out)
    monkeypatch.setattr(firmware, "ROOT", tmp_path)
    assert firmware.sources_hash() == here
    (tmp_path / "firmware" / "partitions.csv").write_text("")
    assert firmware.sources_hash() != here


def test_without_image_and_platformio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "CACHE", tmp_path)
    monkeypatch.setattr(firmware, "missing_package", lambda: "platformio")
    with pytest.raises(
        WatchwordError, match=rf"no image {images.file_name(BOARD)} .*download it.*pip install"
    ):
        flashing.flash(BOARD, "/dev/ttyUSB9")


def test_without_a_board_at_the_port(built: Path, tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match=r"cannot open the port.*ports here"):
        flashing.flash(BOARD, str(tmp_path / "ttyUSB9"))


def test_esptool_writes_it_and_the_model_follows(
    built: Path, boot_loader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chip's boot loader takes the image; then a board's link answers at the port."""
    model = build_image(read_network(ds_tcn(np.random.default_rng(7), channels=16)), settings())
    (tmp_path / "model.bin").write_bytes(model)
    board = board_that_says({})
    opened = ports.open_serial
    answers = iter([opened, lambda *_: board])
    monkeypatch.setattr(ports, "open_serial", lambda *arguments: next(answers)(*arguments))
    arguments = ["flash", "--board", BOARD, "--port", boot_loader, "--model", str(tmp_path)]
    done = CliRunner().invoke(commands, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"now, {len(model)} bytes in flash" in done.output
    flash = tmp_path / "flash.bin"
    size = built.stat().st_size
    command = [sys.executable, "-m", "esptool", "--chip", CHIP, "--port", boot_loader]
    subprocess.run([*command, "read-flash", "0", hex(size), str(flash)], check=True, capture_output=True)
    assert flash.read_bytes() == built.read_bytes()


def test_another_chip_at_the_port(built: Path, boot_loader: str) -> None:
    image = images.read(built)
    other = replace(image, record=replace(image.record, chip="esp32s3"))
    with pytest.raises(WatchwordError, match=r"ESP32-C3, not ESP32-S3.*--board names another chip"):
        images.write(other, boot_loader)


def test_of_what_esptool_says_the_reason_is_told() -> None:
    """As it was when the chip went away while it was written."""
    said = (
        "WARNING: Chip was NOT reset.\n"
        "ERROR: A serial exception error occurred: could not open port /dev/ttyUSB0\n"
        "Note: This error originates from pySerial.\nFor troubleshooting steps visit: https://\n\n"
    )
    assert images._said(said) == "A serial exception error occurred: could not open port /dev/ttyUSB0"
    assert images._said("Traceback:\nModuleNotFoundError: x\n") == "ModuleNotFoundError: x"
    assert images._said("") == ""


@pytest.mark.parametrize("says", [{"firmware": "0.0.9"}, {"board": "esp32dev"}], ids=str)
def test_a_board_that_runs_something_else_is_told(
    built: Path, monkeypatch: pytest.MonkeyPatch, says: dict[str, str]
) -> None:
    board = board_that_says(says)
    monkeypatch.setattr(ports, "open_serial", lambda port, control_lines: board)
    with pytest.raises(WatchwordError, match=rf"says it runs .*{next(iter(says.values()))}.*, not {BOARD}"):
        flashing.settle("/dev/ttyUSB0", None, images.read(built).record)
