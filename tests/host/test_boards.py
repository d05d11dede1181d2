"""The real boards' data files: what is said twice must be the same, what must fit must fit."""

from __future__ import annotations

import configparser
import json
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
CHIPS = {
    "esp32dev": "esp32",
    "m5stack-atom-echo": "esp32",
    "esp32-s3-devkitc-1": "esp32s3",
    "xiao-esp32s3-sense": "esp32s3",
    "esp32-c3-devkitm-1": "esp32c3",
    "esp32-c6-devkitc-1": "esp32c6",
}
SECTOR, MAPPED_PAGE, SMALLEST_FLASH = 0x1000, 0x10000, 4 << 20
# Flash of the boards that espressif32 6.13.0 knows: MB -> boards.
FLASH_MB = {
    "esp32": {2: 1, 4: 112, 8: 10, 16: 13},
    "esp32s3": {4: 15, 8: 28, 16: 14},
    "esp32c3": {4: 16},
    "esp32c6": {4: 4, 8: 1},
}
# Pins that a board's flash, USB bridge or boot mode needs, from the chips' data sheets.
TAKEN = {
    "esp32": {0, 1, 3, 6, 7, 8, 9, 10, 11, 12, 15},
    "esp32s3": {0, 3, 19, 20, *range(26, 33), 43, 44, 45, 46},
    "esp32c3": {2, 9, *range(11, 22)},
    "esp32c6": {4, 5, 9, 12, 13, 15, 16, 17, *range(24, 31)},
}
INPUT_ONLY = {"esp32": set(range(34, 40))}
LAST_PIN = {"esp32": 39, "esp32s3": 48, "esp32c3": 21, "esp32c6": 30}
PDM_CHIPS = {"esp32", "esp32s3"}  # with a filter in hardware


def project() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    parser.read(ROOT / "platformio.ini")
    return parser


def sdkconfig(chip: str) -> dict[str, str]:
    files = (ESP32 / "sdkconfig.defaults", ESP32 / f"sdkconfig.defaults.{chip}")
    lines = [line for path in files for line in path.read_text().splitlines() if line.startswith("CONFIG_")]
    return dict(line.split("=", 1) for line in lines)


def pins(path: Path) -> dict[str, str]:
    found = dict(re.findall(r"^#define BOARD_(\w+) (\S+)", path.read_text(), re.M))
    return {name.removeprefix("PIN_"): value for name, value in found.items()}


PINS = {pins(path)["NAME"].strip('"'): path for path in ESP32.glob("pins_*.h")}


def test_every_board_has_an_environment_pins_and_budgets() -> None:
    assert CHIPS.keys() <= set(firmware.environments())
    assert PINS.keys() == CHIPS.keys(), "a board's name is its environment's: budgets and flash use it"
    choices = (ESP32 / "pins.h").read_text()
    for board, chip in CHIPS.items():
        chosen = project()[f"env:{board}"].get("build_src_flags", "")
        usual = f'CONFIG_IDF_TARGET_{chip.upper()}\n#include "{PINS[board].name}"'
        assert chosen == f"-DWATCHWORD_PINS={PINS[board].name}" if chosen else usual in choices
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
    assert end > 2 << 20, "else boards of 2 MB have room too"
    for slot, name in enumerate(("model_a", "model_b")):
        subtype, offset, size = table[name]
        assert int(subtype, 16) == slot and offset % MAPPED_PAGE == 0
        assert size == table["model_a"][2]
    assert table["app"][2] == int(project()["esp32"]["board_upload.maximum_size"])


@pytest.mark.parametrize("chip", FLASH_MB)
def test_an_image_starts_on_every_board_that_has_room_for_it(chip: str) -> None:
    """A chip with less flash than the image's header says restarts for ever."""
    sizes = [name for name in sdkconfig(chip) if name.startswith("CONFIG_ESPTOOLPY_FLASHSIZE_")]
    assert len(sizes) == 1, "the last one would win"
    header_mb = int(sizes[0].removeprefix("CONFIG_ESPTOOLPY_FLASHSIZE_").removesuffix("MB"))
    assert project()["esp32"]["board_upload.flash_size"] == f"{header_mb}MB", "esptool writes it again"
    assert header_mb << 20 == SMALLEST_FLASH
    assert not [mb for mb in FLASH_MB[chip] if SMALLEST_FLASH <= mb << 20 < header_mb << 20]


def test_the_boards_that_platformio_knows_are_those() -> None:
    definitions = sorted(firmware.CORE_DIR.glob("platforms/espressif32*/boards/*.json"))
    if not definitions:
        pytest.skip("PlatformIO's espressif32 is not installed here")
    found: dict[str, dict[int, int]] = {chip: {} for chip in FLASH_MB}
    for path in definitions:
        board = json.loads(path.read_text())
        sizes = found.get(board["build"]["mcu"], {})
        flash_mb = int(board["upload"].get("flash_size", "4MB").removesuffix("MB"))
        sizes[flash_mb] = sizes.get(flash_mb, 0) + 1
    assert found == FLASH_MB


def build_script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "firmware" / "build_model.py"))


def test_another_model_or_version_changes_files_that_the_build_has_seen_before(tmp_path: Path) -> None:
    """SCons compiles again what includes a changed file, not what would now find another of that name."""
    stage, staged = build_script()["stage"], tmp_path / "staged"
    models = [ROOT / "models" / word for word in ("alexa", "computer")]
    stage(staged, models[0], "1.0", False)
    files = {path.relative_to(staged): path.read_text() for path in staged.rglob("*.?")}
    assert len(files) == 3 and '"1.0"' in files[Path("include/watchword_version.h")]
    times = {path: path.stat().st_mtime_ns for path in staged.rglob("*.?")}
    stage(staged, models[0], "1.0", False)
    assert times == {path: path.stat().st_mtime_ns for path in staged.rglob("*.?")}, "nothing changed"
    stage(staged, models[1], "1.0", False)
    assert (staged / "model" / "model.h").read_text() == (models[1] / "model.h").read_text()
    assert {path.relative_to(staged) for path in staged.rglob("*.?")} == files.keys()


def test_options_are_derived_anew_when_their_defaults_change(tmp_path: Path) -> None:
    forget = build_script()["forget_stale_options"]
    defaults, sdkconfig = tmp_path / "sdkconfig.defaults", tmp_path / "sdkconfig.esp32dev"
    defaults.write_text("CONFIG_A=y\n")
    sdkconfig.write_text("CONFIG_A=y\n")
    assert forget(sdkconfig, [defaults]) and not sdkconfig.exists(), "from which defaults is not known"
    sdkconfig.write_text("CONFIG_A=y\n")
    assert not forget(sdkconfig, [defaults]) and sdkconfig.exists()
    defaults.write_text("CONFIG_A=n\n")
    assert forget(sdkconfig, [defaults]) and not sdkconfig.exists()


def test_a_folder_that_esp_idf_cannot_be_built_in_is_named_early() -> None:
    with pytest.raises(SystemExit, match=r"/a b/c: .* a space"):
        build_script()["refuse_spaces"]("/a/c", "/a b/c")


@pytest.mark.parametrize("chip", FLASH_MB)
def test_the_link_has_one_rate(chip: str) -> None:
    config = sdkconfig(chip)
    assert int(config["CONFIG_ESP_CONSOLE_UART_BAUDRATE"]) == spec.LINK_BAUD
    assert int(project()["env"]["monitor_speed"]) == spec.LINK_BAUD
    assert config["CONFIG_LOG_DEFAULT_LEVEL_NONE"] == "y", "log lines would cut frames in two"


@pytest.mark.parametrize("board", CHIPS)
def test_pins_are_free_and_different(board: str) -> None:
    defined, chip = pins(PINS[board]), CHIPS[board]
    pdm = defined.get("MICROPHONE_IS_PDM") == "1"
    assert not pdm or chip in PDM_CHIPS
    clocks = ("MICROPHONE_BIT_CLOCK",) if pdm else ("MICROPHONE_BIT_CLOCK", "MICROPHONE_WORD_SELECT")
    outputs = [int(defined[name]) for name in (*clocks, "LED")]
    used = [*outputs, int(defined["MICROPHONE_DATA"])]
    assert len(set(used)) == len(used) and not set(used) & TAKEN[chip]
    assert not set(outputs) & INPUT_ONLY.get(chip, set())
    assert max(used) <= LAST_PIN[chip]
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
