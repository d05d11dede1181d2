"""Voices that no engine has: mixes of Kokoro's, and clean speech said by another person."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from scipy.signal import lfilter
from watchword.data import kokoro_styles, revoice
from watchword.data.revoice import Revoicing

RATE = 16_000
FORMANT_HZ = 2200.0
needs_world = pytest.mark.skipif(not find_spec("pyworld"), reason="the tts extra is not installed")


# ── Mixes ────────────────────────────────────────────────────────────────────────────────────
VOICES = [f"{group}_{n}" for group in ("af", "am", "bf", "bm") for n in range(7)]
STYLES = dict(zip(VOICES, np.random.default_rng(1).normal(size=(28, 256)).astype(np.float32), strict=True))


def mixes(among: list[str], count: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(2)
    return [kokoro_styles.draw(VOICES[:2], among, rng) for _ in range(count)]


def test_a_mix_is_made_of_its_own_split_alone() -> None:
    for recipe in (half for pair in mixes(VOICES[:9], 50) for half in pair):
        weights = {name: float(weight) for name, weight in (part.split(":") for part in recipe.split())}
        assert weights.keys() == set(VOICES[:9])
        assert sum(weights.values()) == pytest.approx(1.0, abs=0.01)


def test_mixed_voices_are_as_far_apart_as_those_they_are_made_of() -> None:
    made = np.array([kokoro_styles.style(*pair, STYLES.__getitem__) for pair in mixes(VOICES, 300)])
    given = np.array(list(STYLES.values()))
    assert 0.7 < made.std(axis=0).mean() / given.std(axis=0).mean() < 1.3
    assert len(np.unique(made.round(3), axis=0)) == 300


def test_a_style_takes_its_halves_from_their_own_recipes() -> None:
    style = kokoro_styles.style("af_0:1.0", "am_1:0.25 bm_2:0.75", STYLES.__getitem__)
    assert np.array_equal(style[:128], STYLES["af_0"][:128])
    assert style[128:] == pytest.approx(0.25 * STYLES["am_1"][128:] + 0.75 * STYLES["bm_2"][128:], abs=1e-5)


# ── Another person ───────────────────────────────────────────────────────────────────────────
def vowel(f0_hz: float = 125.0, seconds: float = 0.8) -> np.ndarray:
    """Pulses through resonances at 700 Hz and FORMANT_HZ: float32 [samples]."""
    signal = np.zeros(round(seconds * RATE))
    signal[:: round(RATE / f0_hz)] = 1.0
    for hz, width_hz in ((700.0, 90.0), (FORMANT_HZ, 120.0)):
        radius = np.exp(-np.pi * width_hz / RATE)
        signal = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * hz / RATE), radius**2], signal)
    return (0.3 * signal / np.abs(signal).max()).astype(np.float32)


def pitch_hz(signal: np.ndarray, low_hz: float = 70.0, high_hz: float = 400.0) -> float:
    """Where the autocorrelation peaks."""
    correlation = np.correlate(signal, signal, "full")[len(signal) - 1 :]
    lags = np.arange(round(RATE / high_hz), round(RATE / low_hz))
    return RATE / float(lags[np.argmax(correlation[lags])])


def formant_hz(signal: np.ndarray) -> float:
    """The peak of the smoothed spectrum above 1500 Hz."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / RATE)
    width = round(250.0 / hz[1])
    smooth = np.convolve(power, np.hanning(width), "same")
    above = hz > 1500.0
    return float(hz[above][np.argmax(smooth[above])])


@needs_world
@pytest.mark.parametrize("wanted_hz", [90.0, 125.0, 240.0])
def test_the_pitch_becomes_what_was_asked_for(wanted_hz: float) -> None:
    made = revoice.revoice(vowel(), RATE, Revoicing(wanted_hz))
    assert pitch_hz(made[RATE // 5 : -RATE // 5]) == pytest.approx(wanted_hz, rel=0.05)


@needs_world
def test_a_child_has_higher_formants_and_a_tract_of_its_own_can_be_asked_for() -> None:
    same, child, long = (
        formant_hz(revoice.revoice(vowel(), RATE, change))
        for change in (Revoicing(125.0), Revoicing(260.0), Revoicing(125.0, tract=0.9))
    )
    assert same == pytest.approx(FORMANT_HZ, rel=0.06)
    assert child / same == pytest.approx((260.0 / 125.0) ** 0.33, rel=0.08)
    assert long / same == pytest.approx(0.9, rel=0.06)


@needs_world
def test_a_question_rises_and_a_statement_does_not() -> None:
    def climb(rise: float) -> float:
        made = revoice.revoice(vowel(), RATE, Revoicing(125.0, rise=rise))
        third = len(made) // 3
        first, last = (pitch_hz(part, 85.0, 165.0) for part in (made[800:third], made[-third:-800]))
        return 12 * np.log2(last / first)

    assert climb(0.0) == pytest.approx(0.0, abs=0.5)
    assert 1.0 < climb(4.0) < 4.0
    assert -4.0 < climb(-4.0) < -1.0


@needs_world
def test_what_has_no_pitch_stays_as_it_is() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, RATE).astype(np.float32)
    silence = np.zeros(RATE // 2, np.float32)
    assert np.array_equal(revoice.revoice(silence, RATE, Revoicing(200.0)), silence)
    assert np.isfinite(revoice.revoice(noise, RATE, Revoicing(200.0))).all()


def test_drawn_people_reach_from_low_men_to_small_children() -> None:
    rng = np.random.default_rng(1)
    pitches = [revoice.draw(rng).pitch_hz for _ in range(300)]
    assert min(pitches) < 100 and max(pitches) > 330
    assert 0.1 < np.mean(np.array(pitches) > 250) < 0.5
