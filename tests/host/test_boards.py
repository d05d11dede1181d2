"""The real boards' data files: what is said twice must be the same, what must fit must fit."""

from __future__ import annotations

import configparser
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from watchword import spec
from watchword.device import firmware
from watchword.device.firmware import partitions
from watchword.evaluate import budgets
from watchword.export.graph import HANDLERS

ROOT = Path(__file__).resolve().parents[2]
ESP32 = ROOT / "firmware" / "board" / "esp32"
ENGINE = ROOT / "firmware" / "engine" / "tflm"
BOARDS = ("esp32dev", "esp32-s3-devkitc-1", "esp32-c3-devkitm-1")
SECTOR, MAPPED_PAGE, SMALLEST_FLASH = 0x1000, 0x10000, 4 << 20
# Pins that a board's flash, USB bridge or boot mode needs, from the chips' data sheets.
TAKEN = {
    "pins_esp32dev.h": {0, 1, 3, 6, 7, 8, 9, 10, 11, 12, 15},
    "pins_esp32s3.h": {0, 3, 19, 20, *range(26, 33), 43, 44, 45, 46},
    "pins_esp32c3.h": {2, 9, *range(11, 22)},
}
INPUT_ONLY = {"pins_esp32dev.h": set(range(34, 40))}
LAST_PIN = {"pins_esp32dev.h": 39, "pins_esp32s3.h": 48, "pins_esp32c3.h": 21}


def project() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    parser.read(ROOT / "platformio.ini")
    return parser


def sdkconfig(chip: str) -> dict[str, str]:
    files = (ESP32 / "sdkconfig.defaults", ESP32 / f"sdkconfig.defaults.{chip}")
    lines = [line for path in files for line in path.read_text().splitlines() if line.startswith("CONFIG_")]
    return dict(line.split("=", 1) for line in lines)


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^#define PIN_(\w+) (\S+)", path.read_text(), re.M))


def test_every_board_has_an_environment_pins_and_budgets() -> None:
    assert set(BOARDS) <= set(firmware.environments())
    names = {pins(path)["BOARD_NAME"].strip('"') for path in ESP32.glob("pins_*.h")}
    assert names == set(BOARDS), "a board's name is its environment's: budgets and flash use it"
    for board in BOARDS:
        limits = budgets.read_budgets(board)
        assert limits["model_bytes"] == partitions()["model_a"][2] - SECTOR
        assert limits["stack_bytes"] <= int(sdkconfig("esp32")["CONFIG_ESP_MAIN_TASK_STACK_SIZE"])
        arena = re.search(r"WATCHWORD_ARENA_BYTES=(\d+)", (ROOT / "firmware" / "CMakeLists.txt").read_text())
        assert arena and limits["arena_bytes"] == int(arena[1])


def size_script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "firmware" / "check_sizes.py"))


LISTING = """\
firmware.elf  :
section                size         addr
.iram0.text           60000   1074266112
.dram0.data           12000   1073422336
.dram0.bss           140000   1073434336
.flash.rodata         70000   1061158944
.flash_rodata_dummy  262144   1061158912
.flash.text          200000   1074593824
.debug_info         9999999            0
Total              10744143
"""


def test_a_build_that_outgrows_its_limits_fails() -> None:
    faults = size_script()["faults"]
    assert size_script()["measure"](LISTING) == {"flash_bytes": 342_000, "static_ram_bytes": 152_000}
    assert faults(LISTING, {"flash_bytes": 342_000, "static_ram_bytes": 152_000}) == []
    (fault,) = faults(LISTING, {"flash_bytes": 341_999, "static_ram_bytes": 152_000})
    assert "flash_bytes 342000, allowed 341999" in fault
    assert len(faults(LISTING, {})) == 2, "a missing limit is a fault"
    assert len(faults("", {"flash_bytes": 1, "static_ram_bytes": 1})) == 2, "nothing measured is a fault"


def test_every_real_environment_is_measured_against_its_limits() -> None:
    assert "post:firmware/check_sizes.py" in project()["esp32"]["extra_scripts"]
    for environment in firmware.environments():
        if environment in firmware.emulated_boards():
            continue
        limits = budgets.read_budgets(environment)
        assert limits.keys() >= budgets.BUILD_KEYS, environment
        assert limits["flash_bytes"] <= partitions()["app"][2]


def test_the_alternative_engine_knows_every_op_that_export_lets_pass() -> None:
    """And its version is pinned: a comparison with whatever is newest is none."""
    source = (ENGINE / "tflm_engine.cpp").read_text()
    added = set(re.findall(r"ops\.Add(\w+)\(\)", source))
    wanted = {"".join(part.capitalize() for part in op.split("_")).replace("2d", "2D") for op in HANDLERS}
    assert added == wanted
    assert re.search(rf"kOps = {len(wanted)};", source)
    manifest = (ENGINE / "idf_component.yml").read_text()
    pinned = re.findall(r'espressif/(\S+): "==[\d.~]+"', manifest)
    assert pinned == ["esp-tflite-micro", "esp-nn"]


def test_flash_is_divided_without_overlap() -> None:
    table = partitions()
    end = 0x9000  # behind the partition table
    for _, offset, size in sorted(table.values(), key=lambda row: row[1]):
        assert offset >= end and offset % SECTOR == 0 and size % SECTOR == 0
        end = offset + size
    assert end <= SMALLEST_FLASH
    for slot, name in enumerate(("model_a", "model_b")):
        subtype, offset, size = table[name]
        assert int(subtype, 16) == slot and offset % MAPPED_PAGE == 0
        assert size == table["model_a"][2]
    assert table["app"][2] == int(project()["esp32"]["board_upload.maximum_size"])


@pytest.mark.parametrize("chip", ["esp32", "esp32s3", "esp32c3"])
def test_the_link_has_one_rate(chip: str) -> None:
    config = sdkconfig(chip)
    assert int(config["CONFIG_ESP_CONSOLE_UART_BAUDRATE"]) == spec.LINK_BAUD
    assert int(project()["env"]["monitor_speed"]) == spec.LINK_BAUD
    assert config["CONFIG_LOG_DEFAULT_LEVEL_NONE"] == "y", "log lines would cut frames in two"


@pytest.mark.parametrize("path", sorted(ESP32.glob("pins_*.h")), ids=lambda path: path.stem)
def test_pins_are_free_and_different(path: Path) -> None:
    defined = pins(path)
    outputs = [int(defined[name]) for name in ("MICROPHONE_BIT_CLOCK", "MICROPHONE_WORD_SELECT", "LED")]
    used = [*outputs, int(defined["MICROPHONE_DATA"])]
    assert len(set(used)) == 4 and not set(used) & TAKEN[path.name]
    assert not set(outputs) & INPUT_ONLY.get(path.name, set())
    assert max(used) <= LAST_PIN[path.name]
    assert 256 <= int(defined["MICROPHONE_GAIN_Q8"]) <= 0xFFFF


def test_the_emulated_esp32_counts_at_the_rate_it_is_started_with() -> None:
    """CCOUNT is virtual time; how much of it an instruction takes is the emulator's -icount."""
    board = firmware.emulated_boards()["emu-esp32"]
    shift = re.search(r"shift=(\d+)", " ".join(board.arguments))
    source = (board.folder / "board.c").read_text()
    defined = {name: int(value) for name, value in re.findall(r"^#define (\w+) (\d+)u", source, re.M)}
    assert shift
    ns = 2 ** int(shift[1])
    ticks_per_ns = defined["TICKS_PER_MS"] / 1_000_000
    assert defined["SPAN_TICKS"] / defined["SPAN_INSTRUCTIONS"] == pytest.approx(ns * ticks_per_ns)
