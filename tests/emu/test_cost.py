"""The measuring program on the emulated boards counts the same in every run, and counts everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from boards import ENVS, port_of
from watchword.device import firmware, ports
from watchword.device.client import Board

from tools.cost import board as cost_board
from tools.cost import report
from tools.cost.audio import speech_like

pytestmark = pytest.mark.emu
SECONDS = 5.0


@pytest.mark.parametrize("env", ENVS)
def test_layers_add_up_to_the_model_stage(env: str, model_dir: Path, tmp_path: Path) -> None:
    pcm, emulated, port = speech_like(SECONDS), firmware.emulated_boards()[env], port_of(env)
    counts = cost_board.pipeline_counts(emulated, model_dir, pcm, tmp_path / "a")
    assert counts == cost_board.pipeline_counts(emulated, model_dir, pcm, tmp_path / "b")
    with ports.open_port(port, model_dir) as transport, Board(transport, port) as board:
        hops = counts["hops"][0]
        before = len(pcm) - hops * 320
        board.stream(pcm[:before])
        board.stats(reset=True)
        board.stream(pcm[:before])
        warm_up = board.stats(reset=True)["model_total"]
        board.stream(pcm)
        model = board.stats()["model_total"] - warm_up
    layers = sum(counts["layer"])
    assert 0.9 * model < layers < model
    limit = 120_000 if env == "emu-esp32" else 60_000
    assert counts["frontend_row_10ms"][0] < limit and counts["frontend_row_20ms"][0] < limit


@pytest.mark.parametrize(("env", "limit"), [("emu-c3", 45_000), ("emu-esp32", 55_000)])
def test_micro_rows_on_a_board_are_the_hosts_and_cost_what_they_did(
    env: str, limit: int, tmp_path: Path
) -> None:
    pcm = speech_like(SECONDS)
    counts = cost_board.micro_counts(firmware.emulated_boards()[env], pcm, tmp_path)
    assert counts["rows_hash"] == cost_board.row_hashes(pcm)
    stages = sum(counts[name][0] for name in report.MICRO_STAGES)
    assert 0.9 * counts["frontend_row_10ms"][0] < stages < counts["frontend_row_10ms"][0] < limit


@pytest.mark.parametrize("env", ENVS)
def test_the_front_ends_cost_follows_the_samples_only_a_little(
    env: str, model_dir: Path, tmp_path: Path
) -> None:
    """Digital silence has a short cut; anything else costs the same."""
    noise = np.random.default_rng(1).integers(-9_000, 9_000, 80_000).astype(np.int16)
    emulated = firmware.emulated_boards()[env]
    rows = [
        cost_board.pipeline_counts(emulated, model_dir, pcm, tmp_path / name)["frontend_row_20ms"][0]
        for name, pcm in (("speech", speech_like(5.0)), ("noise", noise), ("silence", 0 * noise))
    ]
    assert abs(rows[0] - rows[1]) < 0.01 * rows[0]
    assert rows[2] < 0.2 * rows[0]
