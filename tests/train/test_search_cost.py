"""The instruction estimate: it gives back what was measured, grows with the work, and says what it lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.train.search.cost import BOARD, MEASURED, InstructionModel, Work, load_instruction_model
from watchword.train.search.plots import pareto_front

MODEL = Path(__file__).resolve().parents[2] / "models" / "hey_lighthouse" / "model.tflite"


@pytest.fixture(scope="module")
def rates() -> InstructionModel:
    return load_instruction_model()


def test_the_measured_model_comes_out_as_measured(rates: InstructionModel) -> None:
    """Within 2 %; the fit sees single layers only."""
    counts = json.loads(MEASURED.read_text())["boards"][BOARD]["counts"]
    estimate = rates.per_second(read_network(MODEL.read_bytes()), 320)
    assert estimate == pytest.approx(counts["pipeline per second"], rel=0.02)


def test_single_layers_come_out_as_measured(rates: InstructionModel) -> None:
    """Every kind of layer of docs/evidence/cost.json, within 10 %."""
    counts = json.loads(MEASURED.read_text())["boards"][BOARD]["counts"]
    assert rates.layer(Work("CONV", True, 65, 3120)) == pytest.approx(
        counts["layer 0 conv 13->48 k5"], rel=0.1
    )
    assert rates.layer(Work("DEPTHWISE", False, 240, 240)) == pytest.approx(
        counts["layer 1 depthwise 48->48 k5"], rel=0.1
    )
    assert rates.layer(Work("CONV", False, 48, 2304)) == pytest.approx(counts["layer 2 conv 48->48"], rel=0.1)


@given(
    st.sampled_from(["CONV", "DEPTHWISE", "ADD", "AVERAGE", "MEAN"]), st.integers(1, 512), st.integers(1, 64)
)
def test_more_work_never_costs_less(op: str, inputs: int, outputs: int) -> None:
    rates = load_instruction_model()
    one, more = Work(op, False, inputs, inputs * outputs), Work(op, False, inputs + 1, (inputs + 1) * outputs)
    assert 0 < rates.layer(one) < rates.layer(more)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"boards": {}}',
        '{"boards": {"emu-c3": {"counts": {}}}}',
        '{"boards": {"emu-c3": {"counts": {"layer 0 conv 4->4": 5}}}}',
    ],
)
def test_no_table_of_costs_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cost.json"
    path.write_text(content)
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
