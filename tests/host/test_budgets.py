"""Budgets: the file is checked strictly, and every limit can fail."""

from __future__ import annotations

from pathlib import Path

import pytest
import synthetic
from watchword.data.recordings import Selection
from watchword.device import bench
from watchword.errors import WatchwordError
from watchword.evaluate import assemble, budgets, host
from watchword.evaluate.results import Budgets, Results
from watchword.evaluate.session import Session

GENEROUS = {limit.key: 1e12 for limit in budgets.LIMITS}


@pytest.fixture(scope="module")
def results() -> Results:
    return synthetic.make_results(synthetic.make_streams(positives=8, negative_minutes=2.0))


def judged(results: Results, limits: dict[str, float]) -> Budgets:
    return assemble.judged(results, assemble.Limits(Path("budgets.toml"), limits))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_projects_own_file_is_valid_and_limits_everything_on_its_board() -> None:
    assert set(budgets.read_budgets("emu-c3")) == {limit.key for limit in budgets.LIMITS}  # and no BUILD_KEYS
    assert budgets.read_budgets("host").keys() == {"max_frr", "max_fah", "latency_p95_ms"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[emu-c3]\nmax_far = 1\n", "unknown key 'max_far'"),
        ("[emu-c3]\nmax_frr = '5 %'\n", "must be a number"),
        ("[emu-c3]\nmax_frr = -0.1\n", "must be a number"),
        ("[emu-c3]\nmax_frr = nan\n", "must be a number"),
        ("[emu-c3]\nmax_frr = true\n", "must be a number"),
        ("[esp32]\nmax_frr = 0.1\n", "no budgets for board 'emu-c3'"),
        ("max_frr = 0.1\n", "is not a table"),
        ("[emu-c3\n", "not valid TOML"),
    ],
)
def test_a_typo_never_lifts_a_limit(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(WatchwordError, match=says):
        budgets.read_budgets("emu-c3", write(tmp_path / "b.toml", text))


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="no budgets"):
        budgets.read_budgets("emu-c3", tmp_path / "none.toml")


def test_all_pass_within_generous_limits(results: Results) -> None:
    verdict = judged(results, GENEROUS)
    assert verdict.passed is True
    assert [line.passed for line in verdict.lines] == [True] * len(budgets.LIMITS)


@pytest.mark.parametrize("limit", budgets.LIMITS, ids=lambda limit: limit.key)
def test_each_limit_alone_fails_the_run(results: Results, limit: budgets.Limit) -> None:
    value = limit.value(results)
    assert value is not None and value > 0
    assert judged(results, {**GENEROUS, limit.key: value}).passed is True
    verdict = judged(results, {**GENEROUS, limit.key: value * 0.999})
    assert verdict.passed is False
    assert [line.key for line in verdict.lines if line.passed is False] == [limit.key]


@pytest.mark.parametrize("limit", budgets.LIMITS, ids=lambda limit: limit.key)
def test_what_was_not_measured(limit: budgets.Limit) -> None:
    """A board that does not tell its size has failed; without recordings of the word, FRR is open."""
    nothing = synthetic.make_results([], board="host")
    verdict = judged(nothing, {limit.key: 1.0})
    assert verdict.passed is limit.needs_recordings
    assert [line.value for line in verdict.lines] == [
        {"arena_bytes": 9_216, "model_bytes": 26_512}.get(line.key) for line in budgets.LIMITS
    ]


def test_without_a_budget_nothing_is_demanded(results: Results) -> None:
    verdict = judged(results, {})
    assert verdict.passed is True
    assert {line.passed for line in verdict.lines} == {None}


@pytest.mark.parametrize(("text", "says"), [("[host]\nmax_far = 1\n", "unknown key"), ("[emu-c3\n", "TOML")])
def test_a_bad_budgets_file_is_told_before_any_streaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    def too_late(*_: object) -> None:
        raise AssertionError("long work before the budgets were read")

    for module in (host, bench):
        monkeypatch.setattr(module, "load_image", lambda _: b"")
        monkeypatch.setattr(module, "announce", too_late)
    limits, log = write(tmp_path / "b.toml", text), Session(tmp_path)
    nothing = Selection((), ())
    with pytest.raises(WatchwordError, match=says):
        host.evaluate_on_host(tmp_path, nothing, log, limits)
    with pytest.raises(WatchwordError, match=says):
        bench.bench("emu:c3", tmp_path, nothing, log, limits)
