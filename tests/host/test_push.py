"""Pushing a model and tuning a board, against a board in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from ds_tcn import ds_tcn, settings
from fake_board import FakeBoard
from link_pair import Errors
from watchword import core, spec
from watchword.cli import push as push_cli
from watchword.cli import tune
from watchword.device import client, ports
from watchword.device.client import Board
from watchword.device.push import push
from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.export.image import build_image


@pytest.fixture(scope="module")
def image() -> bytes:
    return build_image(read_network(ds_tcn(np.random.default_rng(7), channels=16)), settings())


@pytest.mark.parametrize("errors", [Errors(), Errors(corrupt=0.05, drop=0.05)], ids=["good line", "bad line"])
def test_the_image_arrives_whole(image: bytes, errors: Errors, capsys: pytest.CaptureFixture[str]) -> None:
    port = FakeBoard(seed=3, errors=errors)
    with Board(port) as board:
        said = push(board, image)
        assert port.app.pushed == image
        header = core.ModelImage(image).header
        assert board.info["model_crc32"] == header["crc32"] and f"{header['crc32']:08x}" in said
        assert "already" in push(board, image), "nothing is sent twice"
    assert "100%" in capsys.readouterr().err


def test_progress_counts_every_byte_once(image: bytes) -> None:
    seen: list[int] = []
    with Board(FakeBoard()) as board:
        board.push_model(image, seen.append)
    assert (
        seen == sorted(seen) and seen[-1] == len(image) and len(seen) == -(-len(image) // client.CHUNK_BYTES)
    )


def test_a_refusal_says_why(image: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "zlib", SimpleNamespace(crc32=lambda data: 1))
    with Board(FakeBoard()) as board, pytest.raises(WatchwordError, match=r"damaged on its way \(ERR_CRC\)"):
        board.push_model(image)


def test_gain_and_saved_settings() -> None:
    port = FakeBoard()
    with Board(port) as board:
        assert board.microphone() == client.MicrophoneState(True, 2.0, 3, 4)
        assert board.microphone(16).gain == 16
        assert board.microphone(1000).gain == 0xFFFF / 256, "no more than the field takes"
        wanted = replace(board.config_get(), high=0.875)
        board.config_set(wanted)
        board.settings_save()
        assert port.app.saved is not None and port.app.saved["high_q15"] == spec.q15(0.875)


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    """A FakeBoard that every serial port name leads to."""
    board = FakeBoard()
    monkeypatch.setattr(ports, "open_serial", lambda port, control_lines: board)
    return board


def test_tune_on_the_command_line(plugged_in: FakeBoard) -> None:
    arguments = ["--port", "/dev/ttyUSB0", "--high", "0.75", "--gain", "8", "--save"]
    done = CliRunner().invoke(tune.command, arguments)
    assert done.exit_code == 0, done.output
    first, second = done.output.splitlines()
    assert "high 0.75" in first and "low 0.29" in first
    assert second == "microphone gain 8, 3 samples clipped, 4 lost since boot"


def test_push_on_the_command_line(plugged_in: FakeBoard, image: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(image)
    arguments = ["--port", "/dev/ttyUSB0", "--model", str(tmp_path)]
    done = CliRunner().invoke(push_cli.command, arguments)
    assert done.exit_code == 0, done.output
    assert f"now, {len(image)} bytes in flash" in done.output
