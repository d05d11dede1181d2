"""The Pareto table: errors come from a run's own metrics, and the front is what nothing beats."""

from __future__ import annotations

from pathlib import Path

import pytest
from watchword.config import FeaturesConfig
from watchword.errors import WatchwordError

pytest.importorskip("tflite_micro", reason="reads the graphs: pip install -e .[train]")

from tools.studies import pareto
from tools.studies.pareto import Row


def test_a_row_is_described_as_in_a_file() -> None:
    model = pareto.parse("mobilenet channels=24 dilations=[1,2]")
    assert (model.arch, model.channels, model.dilations) == ("mobilenet", 24, (1, 2))
    for text, told in (("tiny_conv expansion=3", "not a setting of arch"), ("ds_tcn wide", "not KEY=NUMBER")):
        with pytest.raises(WatchwordError, match=told):
            pareto.parse(text)


def test_errors_are_those_at_the_runs_threshold(tmp_path: Path) -> None:
    point = {"frr_at_high": {"clean": 0.02, "noise": 0.1}, "fah_at_high": 0.4}
    metrics = {"validation": {"results": {"float": point}}, "calibration": {"target_fah": 0.5}}
    expected = {"frr_clean": 0.02, "frr_mean": pytest.approx(0.06), "fah": 0.4, "target_fah": 0.5}
    assert pareto.errors(metrics, tmp_path) == expected
    metrics["validation"]["results"]["int8"] = point | {"fah_at_high": 0.7}
    assert pareto.errors(metrics, tmp_path)["fah"] == 0.7
    with pytest.raises(WatchwordError, match=r"metrics\.json lacks"):
        pareto.errors({"validation": {}}, tmp_path)


def test_the_front_holds_what_nothing_beats() -> None:
    def row(name: str, instructions: float | None, frr: float | None) -> Row:
        return Row(name, 1000, 1e6, 2000, instructions, 9, 1.0, frr, frr)

    rows = [row("small", 10, 0.3), row("good", 20, 0.1), row("worse", 25, 0.2), row("untrained", 1, None)]
    assert pareto.on_the_front(rows) == {"small", "good"}
    text = pareto.markdown([*rows, Row("judge", 9, 5e6, frr_mean=0.01)], "gcc", FeaturesConfig())
    assert "| **good** |" in text and "| worse |" in text and "| judge | 9 | 5.00 M |  |" in text


def test_the_picture_is_drawn_with_and_without_runs(tmp_path: Path) -> None:
    rows = [Row("a", 10, 1e6, 2000, 30.0, 9, 1.0), Row("b", 20, 1e6)]
    pareto.draw(rows, tmp_path / "costs.png")
    pareto.draw([*rows, Row("c", 20, 1e6, 500, 20.0, 9, 1.0, 0.1, 0.2)], tmp_path / "runs.png")
    costs, runs = ((tmp_path / name).read_bytes() for name in ("costs.png", "runs.png"))
    assert costs.startswith(b"\x89PNG") and runs.startswith(b"\x89PNG") and costs != runs
