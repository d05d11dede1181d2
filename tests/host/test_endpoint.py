"""Word bounds: on words whose place is known, on noise, and on real recordings."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchword import audio
from watchword.data.endpoint import word_bounds

RATE = 16_000
TOLERANCE_S = 0.045


def word(seconds: float = 0.6, level: float = 6000.0) -> np.ndarray:
    """Three syllables of a harmonic buzz with 60 ms gaps, as a plosive leaves them."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 30))
    syllable = (time % (seconds / 3)) < seconds / 3 - 0.06
    return level * buzz * syllable


def clip(lead_s: float, tail_s: float, noise: float, seed: int = 1, level: float = 6000.0) -> np.ndarray:
    spoken = word(level=level)
    signal = np.concatenate((np.zeros(round(lead_s * RATE)), spoken, np.zeros(round(tail_s * RATE))))
    signal += np.random.default_rng(seed).normal(0, noise, signal.size)
    return np.clip(signal, -32768, 32767).astype(np.int16)


def assert_found(pcm: np.ndarray, lead_s: float, tolerance_s: float = TOLERANCE_S) -> None:
    start, end = word_bounds(pcm)
    assert start / RATE == pytest.approx(lead_s, abs=tolerance_s)
    assert end / RATE == pytest.approx(lead_s + 0.6 - 0.06, abs=tolerance_s)  # the last gap is silent


@pytest.mark.parametrize("noise", [0.0, 20.0, 200.0, 800.0])
@pytest.mark.parametrize("lead_s", [0.2, 0.7, 2.0])
def test_word_in_noise_is_found(noise: float, lead_s: float) -> None:
    assert_found(clip(lead_s, 0.8, noise), lead_s)


def test_level_does_not_matter() -> None:
    for level in (100.0, 1000.0, 9000.0):
        assert_found(clip(0.5, 0.5, level / 100, level=level), 0.5)


def test_click_beside_the_word_is_not_the_word() -> None:
    pcm = clip(1.0, 1.0, 20.0)
    pcm[3000:3080] = 30000
    pcm[-4000:-3920] = -30000
    assert_found(pcm, 1.0)


def test_hum_is_noise_not_speech() -> None:
    pcm = clip(1.0, 1.0, 10.0).astype(np.float64)
    pcm += 1500 * np.sin(2 * np.pi * 200 * np.arange(pcm.size) / RATE)
    assert_found(pcm.astype(np.int16), 1.0)


def test_noise_that_stops_after_the_word_does_not_count() -> None:
    pcm = clip(1.0, 1.0, 100.0)
    pcm[round(1.6 * RATE) :] //= 50  # a noise gate closes
    assert_found(pcm, 1.0)


def test_digital_silence_around_a_noisy_recording_does_not_count() -> None:
    pcm = np.concatenate((np.zeros(RATE, np.int16), clip(0.8, 0.8, 100.0), np.zeros(RATE, np.int16)))
    assert_found(pcm, 1.8)


@pytest.mark.parametrize("samples", [0, 1, 399, 800, 16_000])
def test_silence_gives_the_whole(samples: int) -> None:
    assert word_bounds(np.zeros(samples, np.int16)) == (0, samples)


def test_steady_noise_gives_the_whole() -> None:
    pcm = np.random.default_rng(5).normal(0, 500, RATE).astype(np.int16)
    assert word_bounds(pcm) == (0, RATE)


@settings(max_examples=60)
@given(st.integers(0, 4000), st.integers(0, 2**31), st.sampled_from([1, 50, 32767]))
def test_bounds_are_always_inside(samples: int, seed: int, peak: int) -> None:
    pcm = np.random.default_rng(seed).integers(-peak, peak + 1, samples).astype(np.int16)
    start, end = word_bounds(pcm)
    assert 0 <= start <= end <= samples
    assert samples == 0 or start < end


@pytest.mark.real
def test_real_words_have_the_length_of_words(real_data: Path) -> None:
    with (real_data / "manifest.csv").open(newline="") as handle:
        rows = [r for r in csv.DictReader(handle) if r["kind"] == "keyword" and r["phrase"] == "alexa"]
    seconds = []
    for row in rows:
        start, end = word_bounds(audio.load(real_data / row["path"]))
        seconds.append((end - start) / RATE)
    low, median, high = np.percentile(seconds, [2, 50, 98])
    assert low > 0.35 and 0.45 < median < 0.8 and high < 1.1, f"{low:.2f} {median:.2f} {high:.2f} s"
