"""The cost tools: regressions are found and named, and the measuring audio never changes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from watchword.evaluate.budgets import read_budgets

from tools.cost import compare, measure, rates, report
from tools.cost.audio import speech_like

BOARDS = ("emu-c3", "emu-esp32")


def costs() -> dict[str, Any]:
    """A cost.json with the same figures for both boards."""
    counts = {"frontend per second": 2_000_000, "model per second": 1_900_000}
    sizes = {"model image": 28_000, "code: pipeline": 16_000}
    boards = {env: {"compiler": "cc 12", "counts": dict(counts), "sizes": dict(sizes)} for env in BOARDS}
    return {"model": {"crc32": "1"}, "boards": boards}


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(
    ("kind", "name", "value", "status"),
    [
        ("counts", "frontend per second", 2_039_000, 0),
        ("counts", "frontend per second", 2_041_000, 1),
        ("counts", "model per second", 3_000_000, 1),
        ("counts", "model per second", 100, 0),
        ("sizes", "code: pipeline", 16_400, 1),
    ],
)
def test_only_a_rise_of_over_two_percent_fails(
    board: str, kind: str, name: str, value: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    new = costs()
    new["boards"][board][kind][name] = value
    assert compare.report(costs(), new) == status
    (line,) = [line for line in capsys.readouterr().out.splitlines() if name in line]
    assert line.startswith(f"{board}, {name}: ")
    assert ("REGRESSION" in line) == bool(status)


def test_another_model_leaves_the_front_end_to_compare() -> None:
    new = costs() | {"model": {"crc32": "2"}}
    new["boards"]["emu-c3"]["counts"]["model per second"] = 9_000_000
    assert compare.report(costs(), new) == 0
    new["boards"]["emu-c3"]["counts"]["frontend per second"] = 2_100_000
    assert compare.report(costs(), new) == 1


def test_another_compiler_or_a_board_that_is_not_here_is_not_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    new = costs()
    new["boards"]["emu-c3"] |= {"compiler": "cc 13", "counts": {"frontend per second": 9_000_000}}
    del new["boards"]["emu-esp32"]
    assert compare.report(costs(), new) == 0
    said = capsys.readouterr().out
    assert "emu-c3: not compared: cc 12 before, cc 13 now" in said and "emu-esp32: not measured now" in said


@pytest.mark.parametrize(("board", "limit"), [("emu-c3", 6.0e6), ("emu-esp32", 9.0e6)])
def test_the_committed_table_keeps_the_budgets(board: str, limit: float) -> None:
    """One of our own words keeps a limit below the board's, which is wide enough for imported models too."""
    counts = json.loads(measure.BASELINE.read_text())["boards"][board]["counts"]
    assert counts["pipeline per second"] <= limit < read_budgets(board)["instructions_per_audio_second"]


def test_the_audio_is_the_same_everywhere() -> None:
    pcm = speech_like(2.0)
    assert pcm.shape == (32_000,) and pcm.std() > 300
    digest = hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest()
    assert digest == "0e27b0f0011e34bcb0b36def2e76edb127819a06e0da8c1c46760cf91efce07a", (
        "counts in docs/evidence/cost.json belong to other audio: update them"
    )


def test_training_time_is_that_of_the_models_card_without_making_features(tmp_path: Path) -> None:
    seconds = {"features": 1000.0, "float": 300.0, "qat": 60.0}
    (tmp_path / "card.json").write_text(json.dumps({"training": {"seconds": seconds}}))
    text = report.training_time(measure.training_seconds(tmp_path))
    assert "took 6.0 min: float 300 s, qat 60 s" in text
    assert "not in the model's card" in report.training_time(measure.training_seconds(tmp_path / "none"))


def test_the_searchs_rates_are_those_of_the_committed_costs() -> None:
    """One measurement, in two places: whoever updates one updates the other."""
    committed = json.loads(measure.BASELINE.read_text())
    model = measure.ROOT / "models" / "hey_lighthouse"
    assert rates.document(model, committed) == json.loads(rates.RATES.read_text())
