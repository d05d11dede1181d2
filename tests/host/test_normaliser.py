"""CMVN in fixed point against its definition in floating point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchword import core, spec
from watchword.errors import WatchwordError

GAIN_ONE = 1 << spec.NORM_GAIN_FRAC_BITS


def normalisation(mode: str, coeffs: int = 40, **changes: object) -> core.Normalisation:
    values = {
        "mode": mode,
        "alpha_q15": 436,
        "mean": np.arange(coeffs, dtype=np.int16) * 20,
        "gain": np.full(coeffs, GAIN_ONE // 12, np.uint16),
    }
    if mode == "running_mv":
        values["spread"] = np.linspace(40, 4_000, coeffs).astype(np.uint16)
    return core.Normalisation(**{**values, **changes})


def rows(seed: int, count: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3_000, 20_000, (count, 40)).astype(np.int16)


def test_none_scales_only() -> None:
    n = normalisation("none")
    expected = np.clip(np.floor(rows(1) * (n.gain[0] / GAIN_ONE) + 0.5), -128, 127)
    assert np.array_equal(core.normalise(rows(1), n), expected)


def test_global_subtracts_the_mean() -> None:
    n = normalisation("global")
    expected = np.clip(np.floor((rows(2) - n.mean) * (n.gain / GAIN_ONE) + 0.5), -128, 127)
    assert np.array_equal(core.normalise(rows(2), n), expected)


def test_running_follows_the_exponential_mean() -> None:
    n = normalisation("running")
    mean, alpha, expected = n.mean.astype(float), n.alpha_q15 / (1 << spec.CMVN_ALPHA_FRAC_BITS), []
    for row in rows(3):
        mean += alpha * (row - mean)
        expected.append(np.clip((row - mean) * (n.gain / GAIN_ONE), -128, 127))
    assert np.abs(core.normalise(rows(3), n) - np.array(expected)).max() <= 1.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 32_767), st.sampled_from(["running", "running_mv"]))
def test_running_modes_never_overflow(seed: int, alpha: int, mode: str) -> None:
    """Square waves between the int16 extremes: the output keeps the sign of the deviation."""
    rng = np.random.default_rng(seed)
    extremes = np.where(rng.random((50, 1)) < 0.5, -32_768, 32_767).astype(np.int16).repeat(40, axis=1)
    n = normalisation(mode, alpha_q15=alpha, mean=np.zeros(40, np.int16))
    out = core.normalise(extremes, n).astype(int)
    assert ((out >= 0) | (extremes < 0)).all() and ((out <= 0) | (extremes > 0)).all()


def float_running_mv(rows: np.ndarray, n: core.Normalisation) -> np.ndarray:
    """The definition of docs/reference/frontend.md, float64 [rows, coeffs], before rounding to int8."""
    alpha, gain = n.alpha_q15 / (1 << spec.CMVN_ALPHA_FRAC_BITS), n.gain / GAIN_ONE
    mean, typical = n.mean.astype(float), n.spread.astype(float)
    spread, out = typical.copy(), []
    for row in rows:
        mean += alpha * (row - mean)
        spread += alpha / 4 * (np.abs(row - mean) - spread)
        spread = np.clip(spread, typical / 4, typical * 4)
        out.append(np.clip((row - mean) * gain * typical / spread, -128, 127))
    return np.array(out)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([100, 436, 5_000, 30_000]))
def test_running_mv_follows_its_definition(seed: int, alpha: int) -> None:
    """Within two int8 steps of floating point: the mean is rounded to a row step, the gain to 1/400."""
    rng = np.random.default_rng(seed)
    n = normalisation("running_mv", alpha_q15=alpha)
    n = replace(n, gain=np.clip(32 * GAIN_ONE / n.spread, 1, GAIN_ONE // 3).astype(np.uint16))
    levels = np.repeat(2.0 ** rng.uniform(-4, 3, (10, 1)), 40, axis=0)  # of the typical spread
    values = n.mean + rng.normal(0, 1.25, (400, 40)) * n.spread * levels
    rows = np.clip(np.rint(values), -32_768, 32_767).astype(np.int16)
    assert np.abs(core.normalise(rows, n) - float_running_mv(rows, n)).max() <= 2.0


def test_running_mv_makes_quiet_and_lively_input_alike() -> None:
    """Half or twice the typical spread ends at the output's usual width; far outside, the gain stops at 4."""
    rng, n = np.random.default_rng(0), normalisation("running_mv")
    n = replace(n, spread=np.full(40, 400, np.uint16), gain=np.full(40, 32 * GAIN_ONE // 500, np.uint16))
    shape = rng.normal(0, 500, (4_000, 40))
    widths = {}
    for level in (0.05, 0.5, 1.0, 2.0):
        rows = np.clip(np.rint(n.mean + shape * level), -32_768, 32_767).astype(np.int16)
        widths[level] = core.normalise(rows, n)[2_000:].astype(float).std()
    assert widths[0.5] == pytest.approx(widths[1.0], rel=0.05)
    assert widths[2.0] == pytest.approx(widths[1.0], rel=0.05)
    assert widths[0.05] == pytest.approx(0.05 * 4 * widths[1.0], rel=0.08)


def test_warm_up_of_running_modes() -> None:
    """The first row is normalised by the model's own tables; their weight fades as documented."""
    first = rows(5, 1)
    for mode in ("running", "running_mv"):
        tiny = normalisation(mode, alpha_q15=1)
        assert (
            np.abs(
                core.normalise(first, tiny) - core.normalise(first, normalisation("global")).astype(int)
            ).max()
            <= 1
        )
    n = normalisation("running", alpha_q15=436, gain=np.full(40, GAIN_ONE // 60, np.uint16))
    constant = np.tile(n.mean + 6_000, (300, 1)).astype(np.int16)
    left = 6_000 / 60 * (1 - 436 / 32_768) ** np.arange(1, 301)
    assert np.abs(core.normalise(constant, n)[:, 0] - left).max() <= 1.0


@pytest.mark.parametrize("mode", ["running", "running_mv"])
def test_running_modes_start_afresh_each_time(mode: str) -> None:
    n = normalisation(mode)
    assert np.array_equal(core.normalise(rows(6), n), core.normalise(rows(6), n))
    assert np.array_equal(core.normalise(rows(6), n)[:50], core.normalise(rows(6)[:50], n))


@pytest.mark.parametrize("spread", [None, 0, 15, 8_192])
def test_spreads_out_of_range_are_refused(spread: int | None) -> None:
    table = None if spread is None else np.full(40, spread, np.uint16)
    with pytest.raises(WatchwordError, match="ERR_ARGUMENT"):
        core.normalise(rows(4), normalisation("running_mv", spread=table))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(WatchwordError, match="CMVN mode"):
        core.normalise(rows(4), normalisation("sideways"))
    with pytest.raises(WatchwordError, match="ERR_ARGUMENT"):
        core.normalise(rows(4), normalisation("running", alpha_q15=0))
    with pytest.raises(WatchwordError, match="differ in length"):
        core.normalise(rows(4), normalisation("global", coeffs=13))
