"""Models and settings that the board keeps: on the emulated board, and over restarts in a process."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from board_model import CHANNELS, WORD, crc_of, image_of, noise, write_model
from boards import ENVS, PORTS, env_of
from heavy_image import heavy_image
from native_app import running
from test_board import assert_same_as_host, boot_text, next_message, request, send_raw
from watchword import core, spec
from watchword.core import DetectorConfig
from watchword.device import firmware, messages
from watchword.device.client import Board
from watchword.errors import WatchwordError

FLASH_CUTS = 60
FLASH_OPERATIONS = 170_000  # bytes erased or written: about two pushes


@pytest.mark.parametrize("port", PORTS)
def test_a_pushed_model_runs_at_once_and_again(
    port: str, open_board, model_dir: Path, other_dir: Path
) -> None:
    with open_board(port) as board:
        for folder in (other_dir, model_dir, other_dir, model_dir):
            board.push_model(image_of(folder))
            assert board.info["model_crc32"] == crc_of(folder) and board.info["word"] == WORD
            assert_same_as_host(board, folder, noise(3.0, 4))
        assert board.link_counters.retransmissions == 0


@pytest.mark.parametrize("port", PORTS)
def test_what_cannot_run_is_refused_and_changes_nothing(
    port: str, open_board, model_dir: Path, other_dir: Path
) -> None:
    image = image_of(other_dir)
    damaged = image[:5000] + bytes([image[5000] ^ 1]) + image[5001:]
    with open_board(port) as board:
        for bad, why in (
            (damaged, "ERR_CRC"),
            (b"no model at all" * 100, "ERR_MAGIC"),
            (image[:20_000], "ERR_TRUNCATED"),
            (bytes(1 << 20), "ERR_SPACE"),
            (b"", "ERR_SPACE"),
            (heavy_image(image), r"too much work for this chip.*\(ERR_REAL_TIME"),
        ):
            with pytest.raises(WatchwordError, match=why):
                board.push_model(bad)
            board = Board(board.link.transport, port)
            assert board.info["model_crc32"] == crc_of(model_dir)
        assert_same_as_host(board, model_dir, noise(2.0, 4))
        board.push_model(image)
        assert_same_as_host(board, other_dir, noise(2.0, 4))


@pytest.mark.parametrize("port", PORTS)
def test_messages_out_of_turn(port: str, open_board, model_dir: Path, other_dir: Path) -> None:
    image = image_of(other_dir)
    begin = {"slot": 0, "image_bytes": len(image), "image_crc32": zlib.crc32(image)}
    with open_board(port) as board:
        assert refusal(board, "model_commit") == "ERR_ARGUMENT"
        assert refusal(board, "model_chunk", b"x", offset=0) == "ERR_ARGUMENT"
        state = request(board, "model_begin", "model_state", **begin)
        assert (state.number("stored_bytes"), state.number("model_crc32")) == (0, crc_of(model_dir))
        assert state.number("slot_bytes") == 15 * 4096
        assert refusal(board, "model_chunk", image[1:9], offset=1) == "ERR_ARGUMENT"
        assert refusal(board, "model_commit") == "ERR_ARGUMENT"
        request(board, "model_abort", "model_state")
        assert refusal(board, "model_chunk", image[:8], offset=0) == "ERR_ARGUMENT"
        request(board, "stream_start", "stream_started", stream=1)
        assert refusal(board, "model_begin", **begin) == "ERR_BUSY"
        assert refusal(board, "model_commit") == "ERR_BUSY"
        assert_same_as_host(Board(board.link.transport, "again"), model_dir, noise(2.0, 4))


def refusal(board: Board, name: str, tail: bytes = b"", **fields: int) -> str:
    send_raw(board, spec.MESSAGE[name].type_id, messages.encode(name, fields, tail))
    answer = next_message(board)
    assert answer.name == "error" and answer.tail.startswith(name.encode())
    return next(n for n, value in spec.STATUS.items() if value == answer.number("code"))


@pytest.mark.parametrize("port", PORTS)
def test_a_board_without_a_microphone_says_so(port: str, open_board) -> None:
    with open_board(port) as board:
        assert not board.microphone(16).present
        board.settings_save()


@pytest.mark.parametrize("env", ENVS)
def test_the_simulated_flash_costs_the_product_nothing(env: str, model_dir: Path) -> None:
    image = firmware.build(env, model_dir)
    assert image.emulator_ram_bytes > 5 * 16 * 4096
    assert image.ram_bytes < 2 * 16 * 4096


@pytest.mark.parametrize("port", PORTS)
def test_push_on_the_command_line(port: str, model_dir: Path, other_dir: Path, tmp_path: Path) -> None:
    cli = "from watchword.cli.main import main; main()"
    arguments = [sys.executable, "-c", cli, "push", "--port", port, "--model", str(other_dir)]
    environment = {"WATCHWORD_MODEL": str(model_dir), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    assert f"{env_of(port)} runs '{WORD}' ({crc_of(other_dir):08x}) now" in done.stdout


# ── The same application in a process whose flash is a file ──────────────────────────────────


def test_a_stored_model_that_is_too_much_work_does_not_run_after_power_on(
    program: Path, model_dir: Path, other_dir: Path, tmp_path: Path
) -> None:
    """It came in while the chip was thought faster, or firmware did not look at that yet."""
    flash, heavy = tmp_path / "flash", heavy_image(image_of(other_dir))
    with running(program, flash=flash, core_hz=4_000_000_000) as transport:
        board = Board(transport, "native")
        board.push_model(heavy)
        assert board.info["model_crc32"] == core.ModelImage(heavy).header["crc32"]
    with running(program, flash=flash) as transport:
        assert Board(transport, "native").info["model_crc32"] == crc_of(model_dir)
    with running(program, core_hz=1_000_000) as transport:
        line = boot_text(transport, 4)[1]
    assert line.startswith(
        f"model  rejected, status {spec.STATUS['ERR_REAL_TIME']}: too much work for this chip"
    )


def test_a_pushed_model_is_there_after_a_restart(program: Path, other_dir: Path, tmp_path: Path) -> None:
    flash = tmp_path / "flash"
    with running(program, flash=flash) as transport:
        Board(transport, "native").push_model(image_of(other_dir))
    with running(program, flash=flash) as transport:
        assert f"model  crc32 {crc_of(other_dir):08x}" in boot_text(transport)[2]
        assert_same_as_host(Board(transport, "native"), other_dir, noise(2.0, 4))


def test_a_board_survives_a_push_cut_anywhere(
    program: Path, model_dir: Path, other_dir: Path, tmp_path: Path
) -> None:
    """The exhaustive test is tests/c/test_power_cut.py; here with everything around the store."""
    flash, rng = tmp_path / "flash", random.Random(4)
    runs, wants = model_dir, other_dir
    cut = 0
    for _ in range(FLASH_CUTS):
        with running(program, (0, 9), flash=flash, power=rng.randrange(FLASH_OPERATIONS)) as transport:
            board = Board(transport, "native")
            if board.info["model_crc32"] == crc_of(wants):  # the cut came after the last byte
                runs, wants = wants, runs
            assert board.info["model_crc32"] == crc_of(runs)
            transport.link.settimeout(5)
            try:
                push_until_silent(board, image_of(wants))
                runs, wants = wants, runs
            except WatchwordError:
                cut += 1
    assert 10 < cut < FLASH_CUTS - 10, "cuts and whole pushes"


def push_until_silent(board: Board, image: bytes) -> None:
    original = board.link.transport.read

    def read(size: int = 1, /) -> bytes:
        data = original(size)
        if not data and hung_up(board.link.transport.link):
            raise WatchwordError("the power failed", "native")
        return data

    board.link.transport.read = read
    board.push_model(image)


def hung_up(link) -> bool:
    link.setblocking(False)
    try:
        return link.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_saved_settings_come_back_for_their_model_only(
    program: Path, model_dir: Path, other_dir: Path, tmp_path: Path
) -> None:
    flash, wanted = tmp_path / "flash", DetectorConfig(3, 0.5, 0.25, 1000)
    with running(program, flash=flash) as transport:
        board = Board(transport, "native")
        own = board.config_get()
        board.config_set(wanted)
    with running(program, flash=flash) as transport:
        board = Board(transport, "native")
        assert board.config_get() == own, "not saved, not kept"
        board.config_set(wanted)
        assert board.microphone(4).gain == 4
        board.settings_save()
    with running(program, flash=flash) as transport:
        board = Board(transport, "native")
        assert board.config_get() == wanted and board.microphone().gain == 4
        board.push_model(image_of(other_dir))
    with running(program, flash=flash) as transport:
        board = Board(transport, "native")
        assert board.config_get() == core.ModelImage(image_of(other_dir)).detector
        assert board.microphone().gain == 4, "the microphone is the same one"


def test_damaged_settings_are_ignored(program: Path, tmp_path: Path) -> None:
    flash = tmp_path / "flash"
    with running(program, flash=flash) as transport:
        board = Board(transport, "native")
        own = board.config_get()
        board.config_set(DetectorConfig(3, 0.5, 0.25, 1000))
        board.settings_save()
    content = bytearray(flash.read_bytes())
    content[-100] ^= 1
    flash.write_bytes(content)
    with running(program, flash=flash) as transport:
        assert Board(transport, "native").config_get() == own


def test_a_model_that_needs_more_ram_is_refused(program: Path, tmp_path: Path) -> None:
    bigger = image_of(write_model(tmp_path / "bigger", channels=CHANNELS + 4))
    with running(program, flash=tmp_path / "flash") as transport:
        with pytest.raises(WatchwordError, match=r"more RAM .* bytes, not \d+ \(ERR_ARENA"):
            Board(transport, "native").push_model(bigger)
        assert Board(transport, "native").info["model_bytes"] != len(bigger)


def test_a_board_without_flash_refuses(program: Path, other_dir: Path) -> None:
    with running(program) as transport, pytest.raises(WatchwordError, match="ERR_FLASH"):
        Board(transport, "native").push_model(image_of(other_dir))
