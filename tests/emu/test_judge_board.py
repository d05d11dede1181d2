"""`watchword judge --port emu:c3`: what the board detects while sound is streamed to it, the judge hears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from board_model import WORD, noise
from click.testing import CliRunner
from judge_run import write_run
from watchword import audio, core

pytestmark = [pytest.mark.emu, pytest.mark.train]


def test_the_board_and_the_host_are_judged_alike(tmp_path: Path, model_dir: Path) -> None:
    """The board runs at the jumpy threshold; every ruling and figure is that of the host's pipeline."""
    from watchword.cli.judge import command

    own = core.ModelImage((model_dir / "model.bin").read_bytes()).detector
    jumpy = (own.low + 2 * own.high) / 3
    teacher = write_run(tmp_path / "teacher", "ds_tcn", WORD)
    for i in range(2):
        audio.save(tmp_path / "yes" / f"{i}.wav", noise(2.0, i))
    audio.save(tmp_path / "no" / "a.flac", noise(20.0, 10))

    def judged(*more: object) -> dict[str, Any]:
        arguments = ["--judge", teacher, "--model", model_dir, "--positives", tmp_path / "yes"]
        arguments += ["--negatives", tmp_path / "no", "--sentry-high", jumpy, "--out", tmp_path / "out.json"]
        result = CliRunner().invoke(command, [str(a) for a in (*arguments, *more)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "cascade, judge at 0.50" in result.stdout
        return json.loads((tmp_path / "out.json").read_text())

    board, host = judged("--port", "emu:c3"), judged("--workers", 1)
    assert board["port"] == "emu:c3" and board["detections"] > 4
    assert 0 < board["accepted"] < board["detections"], "the judge takes sides"
    same = ("rulings", "sentry_own_settings", "sentry", "cascade", "curve", "sentry_high")
    assert {key: board[key] for key in same} == {key: host[key] for key in same}
