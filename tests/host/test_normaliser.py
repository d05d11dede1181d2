"""CMVN in fixed point against its definition in floating point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
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


@given(st.integers(0, 2**32 - 1), st.integers(1, 32_767))
def test_running_mean_never_overflows(seed: int, alpha: int) -> None:
    """Square waves between the int16 extremes: the output keeps the sign of the deviation."""
    rng = np.random.default_rng(seed)
    extremes = np.where(rng.random((50, 1)) < 0.5, -32_768, 32_767).astype(np.int16).repeat(40, axis=1)
    n = normalisation("running", alpha_q15=alpha, mean=np.zeros(40, np.int16))
    out = core.normalise(extremes, n).astype(int)
    assert ((out >= 0) | (extremes < 0)).all() and ((out <= 0) | (extremes > 0)).all()


def test_bad_settings_are_refused() -> None:
    with pytest.raises(WatchwordError, match="CMVN mode"):
        core.normalise(rows(4), normalisation("sideways"))
    with pytest.raises(WatchwordError, match="ERR_ARGUMENT"):
        core.normalise(rows(4), normalisation("running", alpha_q15=0))
    with pytest.raises(WatchwordError, match="differ in length"):
        core.normalise(rows(4), normalisation("global", coeffs=13))
