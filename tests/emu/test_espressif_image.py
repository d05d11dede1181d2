"""The image that a real board is flashed with, ESP-IDF and its drivers included, in Espressif's QEMU.

Skipped for boards that were not built (`pio run -e esp32dev`) and without that QEMU in PATH: see
tools/run/espressif_qemu.py. What only silicon has (microphone, true cycles, radio) is not in it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

import pytest
from board_model import WORD, crc_of, image_of, noise
from test_board import SHIPPED, assert_same_as_host, boot_text
from watchword.core import DetectorConfig
from watchword.device import monitor, ports
from watchword.device.client import Board
from watchword.errors import WatchwordError
from watchword.evaluate.budgets import read_budgets

from tools.run import espressif_qemu

pytestmark = pytest.mark.emu

POWER_CUTS = 10
PUSH_S = 3.0  # a cut comes within this time, during a push or after it

PowerOn = Callable[[], AbstractContextManager[str]]


def missing(board: str) -> str:
    """What this board's image needs here and does not find; empty if nothing."""
    chip = espressif_qemu.CHIPS[board]
    try:
        espressif_qemu.emulator(chip)
        espressif_qemu.flash_image(espressif_qemu.BUILDS / board)
    except WatchwordError as error:
        return str(error)
    return ""


MISSING = {board: missing(board) for board in espressif_qemu.CHIPS}
if all(MISSING.values()):
    pytest.skip("; ".join(MISSING.values()), allow_module_level=True)
BOARDS = [
    pytest.param(board, marks=pytest.mark.skipif(bool(reason), reason=reason))
    for board, reason in MISSING.items()
]


@pytest.fixture(params=BOARDS)
def board_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def power_on(board_name: str, tmp_path: Path) -> PowerOn:
    """power_on() -> a context manager that yields the serial port of the powered board. Its flash stays."""
    chip = espressif_qemu.CHIPS[board_name]
    flash = tmp_path / "flash.bin"
    flash.write_bytes(espressif_qemu.flash_image(espressif_qemu.BUILDS / board_name))
    return lambda: espressif_qemu.running(chip, flash)


def linked_in(board: Board) -> Path:
    """The folder of the model that the image was built with."""
    (folder,) = (model for model in SHIPPED if crc_of(model) == board.info["model_crc32"])
    return folder


def test_it_boots_and_says_what_it_is(board_name: str, power_on: PowerOn) -> None:
    with power_on() as port, ports.open_port(port) as transport:
        lines = [line.rstrip() for line in monitor.lines(transport, 8.0)]
    start = next(i for i, line in enumerate(lines) if line.startswith("Watchword"))
    assert lines[start].endswith(f"on {board_name}")
    assert [line.split()[0] for line in lines[start + 1 : start + 5]] == ["word", "model", "audio", "host"]
    assert "listening to the microphone" in lines[start + 3]


def test_its_scores_are_the_hosts_within_its_budgets(board_name: str, power_on: PowerOn, open_board) -> None:
    budgets = read_budgets(board_name)
    with power_on() as port, open_board(port) as board:
        assert board.info["board"] == board_name
        assert_same_as_host(board, linked_in(board), noise(6.0, 3))
        stats = board.stats()
        assert board.link_counters.crc_errors == board.link_counters.retransmissions == 0
    assert 0 < stats["stack_bytes"] <= budgets["stack_bytes"] and stats["heap_bytes"] > 50_000


def test_a_pushed_model_outlives_a_loss_of_power(power_on: PowerOn, open_board, other_dir: Path) -> None:
    with power_on() as port, open_board(port) as board:
        board.push_model(image_of(other_dir))
        assert_same_as_host(board, other_dir, noise(2.0, 4))
    with power_on() as port, open_board(port) as board:
        assert board.info["word"] == WORD and board.info["model_crc32"] == crc_of(other_dir)
        assert_same_as_host(board, other_dir, noise(2.0, 4))


def test_power_lost_at_any_moment_of_a_push_leaves_a_model_that_runs(
    power_on: PowerOn, open_board, other_dir: Path
) -> None:
    rng, whole = random.Random(5), 0
    with power_on() as port, open_board(port) as board:
        runs, wants = linked_in(board), other_dir
    for _ in range(POWER_CUTS):
        with ExitStack() as power:
            port = power.enter_context(power_on())
            cut = threading.Timer(rng.uniform(0, PUSH_S), power.close)
            with open_board(port) as board, suppress(WatchwordError, OSError):
                if board.info["model_crc32"] == crc_of(wants):  # the cut came after the last byte
                    runs, wants = wants, runs
                assert board.info["model_crc32"] == crc_of(runs)
                cut.start()
                board.push_model(image_of(wants))
                whole += 1
            cut.join()
    assert whole < POWER_CUTS
    with power_on() as port, open_board(port) as board:
        board.push_model(image_of(other_dir))
        assert_same_as_host(board, other_dir, noise(2.0, 4))


def test_saved_settings_outlive_a_restart_and_a_loss_of_power(power_on: PowerOn, open_board) -> None:
    wanted = DetectorConfig(3, 0.5, 0.25, 1000)
    with power_on() as port:
        with open_board(port) as board:
            own = board.config_get()
            board.config_set(wanted)
            board.restart()
        with open_board(port) as board:
            assert board.config_get() == own, "not saved, not kept"
            board.config_set(wanted)
            assert board.microphone(4).gain == 4
            board.settings_save()
            board.restart()
        with open_board(port) as board:
            assert board.config_get() == wanted
    with power_on() as port, open_board(port) as board:
        assert board.config_get() == wanted and board.microphone().gain == 4


def test_noise_on_the_wire_does_it_no_harm(power_on: PowerOn, open_board) -> None:
    with power_on() as port:
        with ports.open_port(port) as transport:
            boot_text(transport)
            transport.write(random.Random(6).randbytes(50_000))
        with open_board(port) as board:
            assert_same_as_host(board, linked_in(board), noise(1.0, 9))
