"""Smoothing, hysteresis and cooldown, score by score."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import core, spec
from watchword.errors import WatchwordError

STEP = 640  # samples between scores: 40 ms


def run(scores: list[int], **settings: float) -> list[int]:
    config = core.DetectorConfig(**{"cooldown_ms": 0, **settings})
    _, fired = core.detect(np.array(scores, np.uint8), (np.arange(len(scores)) + 1) * STEP, config)
    return fired.tolist()


def test_a_single_high_score_is_smoothed_away() -> None:
    assert run([0] * 10 + [255] + [0] * 10) == []


def test_fires_when_the_average_of_five_reaches_the_high_threshold() -> None:
    assert run([0] * 10 + [255] * 10) == [13]  # 4 of 5 at 255/256: 0.797


def test_fires_once_until_the_average_falls_below_low() -> None:
    word, hesitation, pause = [255] * 10, [120] * 10, [0] * 10
    assert len(run(word + hesitation + word)) == 1
    assert len(run(word + pause + word)) == 2


def test_cooldown_silences_a_second_event() -> None:
    word, pause = [255] * 5, [0] * 5
    assert len(run(word + pause + word, cooldown_ms=10_000)) == 1
    assert len(run(word + pause + word, cooldown_ms=100)) == 2


def test_event_after_cooldown_when_the_score_stayed_high() -> None:
    """Hysteresis, not the clock, decides: a long vowel is one event however short the cooldown."""
    assert len(run([255] * 100, cooldown_ms=500)) == 1


@given(st.lists(st.integers(0, 255), min_size=1, max_size=300), st.integers(1, 32))
def test_smoothing_is_the_moving_average(scores: list[int], window: int) -> None:
    config = core.DetectorConfig(smoothing=window)
    smoothed, _ = core.detect(np.array(scores, np.uint8), (np.arange(len(scores)) + 1) * STEP, config)
    padded = np.concatenate([np.zeros(window - 1, int), scores])
    sums = np.convolve(padded, np.ones(window, int), "valid")
    assert np.array_equal(smoothed, (sums << 7) // window)


@given(
    st.lists(st.integers(0, 255), max_size=400),
    st.floats(0.1, spec.DETECTOR_MAX_HIGH),
    st.floats(0, 1),
    st.integers(0, 3_000),
)
def test_events_keep_their_distance_and_reach_the_threshold(
    scores: list[int], high: float, low_part: float, cooldown_ms: int
) -> None:
    config = core.DetectorConfig(high=high, low=high * low_part, cooldown_ms=cooldown_ms)
    smoothed, fired = core.detect(np.array(scores, np.uint8), (np.arange(len(scores)) + 1) * STEP, config)
    assert (smoothed[fired] >= config.high_q15).all()
    assert (np.diff(fired) * STEP >= cooldown_ms * 16).all()
    for first, second in itertools.pairwise(fired):
        assert smoothed[first:second].min() < config.low_q15


@pytest.mark.parametrize(
    "bad",
    [
        {"smoothing": 0},
        {"smoothing": 33},
        {"high": 0.2, "low": 0.3},
        {"high": 1.5},
        {"high": 0.997},
        {"cooldown_ms": -1},
    ],
)
def test_bad_settings_name_the_field(bad: dict[str, float]) -> None:
    with pytest.raises(WatchwordError, match="detector"):
        core.DetectorConfig(**bad)


def test_the_highest_threshold_there_is_can_be_reached() -> None:
    assert len(run([255] * 10, high=spec.DETECTOR_MAX_HIGH)) == 1
