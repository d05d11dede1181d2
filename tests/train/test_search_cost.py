"""The instruction estimate: it gives back what was measured, grows with the work, and says what it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.train.search.cost import BOARD, RATES, InstructionModel, Work, load_instruction_model
from watchword.train.search.plots import pareto_front

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "hey_lighthouse" / "model.tflite"


@pytest.fixture(scope="module")
def rates() -> InstructionModel:
    return load_instruction_model()


def test_the_measured_model_comes_out_as_measured(rates: InstructionModel) -> None:
    """Within 2 %; the fit sees single layers only."""
    counts = json.loads((ROOT / "docs/evidence/cost.json").read_text())["boards"][BOARD]["counts"]
    estimate = rates.per_second(read_network(MODEL.read_bytes()), 320)
    assert estimate == pytest.approx(counts["pipeline per second"], rel=0.02)


def test_single_layers_come_out_as_measured(rates: InstructionModel) -> None:
    """Every layer of rates.json, within 10 %; those of a few instructions are no matter. ADDs of one shape
    differ by a quarter among themselves, with the zeros they read."""
    for layer in json.loads(RATES.read_text())["layers"]:
        count = layer.pop("instructions")
        if count > 1000:
            assert rates.layer(Work(**layer)) == pytest.approx(
                count, rel=0.15 if layer["op"] == "ADD" else 0.1
            )


def test_micro_rows_cost_what_they_were_measured_at(rates: InstructionModel) -> None:
    network, rows = read_network(MODEL.read_bytes()), rates.row
    more = rates.per_second(network, 160, "micro") - rates.per_second(network, 160, "logmel")
    assert more == pytest.approx(100 * (rows["micro"][160] - rows["mfcc"][160])) and more > 0


@given(
    st.sampled_from(["CONV", "DEPTHWISE", "ADD", "AVERAGE", "MEAN"]), st.integers(1, 512), st.integers(1, 64)
)
def test_more_work_never_costs_less(op: str, inputs: int, outputs: int) -> None:
    rates = load_instruction_model()
    one, more = Work(op, False, inputs, inputs * outputs), Work(op, False, inputs + 1, (inputs + 1) * outputs)
    assert 0 < rates.layer(one) < rates.layer(more)


LAYER = {"op": "CONV", "first": True, "inputs": 20, "products": 80, "instructions": 100}
TABLE = {
    "schema": 2,
    "board": "emu-c3",
    "model": {},
    "front_end_per_row": {"mfcc": {"160": 5, "320": 6}, "micro": {"160": 7, "320": 8}},
    "rest_per_row": 7,
    "layers": [LAYER],
}


def test_a_table_of_one_layer_is_enough(tmp_path: Path) -> None:
    (path := tmp_path / "rates.json").write_text(json.dumps(TABLE))
    assert load_instruction_model(path).row["micro"] == {160: 7.0, 320: 8.0}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        TABLE | {"schema": 1},
        TABLE | {"more": 1},
        TABLE | {"layers": []},
        TABLE | {"front_end_per_row": {"mfcc": {"160": 5, "320": 6}}},
        TABLE | {"front_end_per_row": {"mfcc": {"160": 5, "320": 6}, "micro": {"160": 5}}},
        TABLE | {"rest_per_row": -1},
        TABLE | {"layers": [LAYER | {"op": "SPLINE"}]},
        TABLE | {"layers": [LAYER | {"inputs": "many"}]},
        TABLE | {"layers": [LAYER | {"taps": 3}]},
    ],
)
def test_no_table_of_costs_is_an_error(tmp_path: Path, content: Any) -> None:
    (path := tmp_path / "rates.json").write_text(json.dumps(content))
    with pytest.raises(WatchwordError, match="not a table of costs"):
        load_instruction_model(path)
    path.write_text("{")
    with pytest.raises(WatchwordError, match="not a table of costs"):
        load_instruction_model(path)
    with pytest.raises(WatchwordError, match="no measured costs"):
        load_instruction_model(tmp_path / "none.json")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    cost, frr = (np.array(values, float) for values in zip(*points, strict=True))
    front = pareto_front(cost, frr)
    for i in front:
        assert not np.any((cost <= cost[i]) & (frr <= frr[i]) & ((cost < cost[i]) | (frr < frr[i])))
    for j in range(len(points)):
        assert np.any((cost[front] <= cost[j]) & (frr[front] <= frr[j]))
