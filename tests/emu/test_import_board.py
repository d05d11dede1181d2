"""An imported model on the emulated boards: pushed beside ours, it hears what the host hears."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_model import crc_of, image_of, noise
from boards import PORTS
from click.testing import CliRunner
from test_board import assert_same_as_host
from test_importing import MANIFEST
from test_streaming import Graph, mix_conv
from watchword.cli.main import commands

pytestmark = pytest.mark.emu


@pytest.mark.parametrize("port", PORTS)
def test_an_imported_model_gives_the_hosts_scores(port: str, open_board, tmp_path: Path) -> None:
    (tmp_path / MANIFEST["model"]).write_bytes(mix_conv(Graph(1, coeffs=40)))
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    folder = tmp_path / "model"
    CliRunner().invoke(
        commands, ["import", str(tmp_path / "manifest.json"), "--out", str(folder)], catch_exceptions=False
    )
    with open_board(port) as board:
        board.push_model(image_of(folder))
        assert (board.info["model_crc32"], board.info["word"]) == (crc_of(folder), "Okay House")
        assert_same_as_host(board, folder, noise(3.0, 4))
