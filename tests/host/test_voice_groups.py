"""Misses by pitch and SNR: what is estimated of a voice, and when nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal
from watchword import audio, spec
from watchword.data.recordings import LEAD_SAMPLES, Recording
from watchword.data.voice_measures import pitch_hz, snr_db
from watchword.evaluate import groups, metrics
from watchword.evaluate.metrics import ScoredStream

RATE = spec.SAMPLE_RATE_HZ


def voice(f0_hz: float, seconds: float = 0.6, glide: float = 0.1) -> np.ndarray:
    """Pulses at a falling pitch through two formants, silence of 0.5 s on both sides: float [samples]."""
    times = np.arange(round(seconds * RATE)) / RATE
    pitch = f0_hz * 2.0 ** (glide * (0.5 - times / seconds))
    phase = np.cumsum(pitch) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0)
    for formant_hz in (600.0, 1400.0):
        pole = 0.97 * np.exp(2j * np.pi * formant_hz / RATE)
        pulses = signal.lfilter([1.0], [1.0, -2.0 * pole.real, abs(pole) ** 2], pulses)
    return np.pad(0.3 * pulses / np.abs(pulses).max(), RATE // 2)


def noisy(clean: np.ndarray, snr: float, rng: np.random.Generator) -> np.ndarray:
    power = np.mean(clean[np.abs(clean) > 0] ** 2)
    return clean + rng.normal(0.0, np.sqrt(power / 10.0 ** (snr / 10.0)), clean.size)


@pytest.mark.parametrize("f0_hz", [90.0, 130.0, 210.0, 330.0])
@pytest.mark.parametrize("snr", [30.0, 10.0])
def test_the_pitch_of_a_voice_is_found_in_noise_too(f0_hz: float, snr: float) -> None:
    found = pitch_hz(noisy(voice(f0_hz), snr, np.random.default_rng(1)))
    assert found == pytest.approx(f0_hz, rel=0.06)


def test_what_is_no_voice_has_no_pitch() -> None:
    rng = np.random.default_rng(1)
    assert pitch_hz(rng.normal(0.0, 0.1, RATE)) is None
    assert pitch_hz(np.zeros(RATE, np.int16)) is None
    assert pitch_hz(np.zeros(10, np.int16)) is None
    assert pitch_hz(noisy(voice(150.0), -15.0, rng)) is None


@pytest.mark.parametrize("snr", [25.0, 15.0, 5.0])
def test_the_ratio_of_voice_to_noise_is_found(snr: float) -> None:
    assert snr_db(noisy(voice(150.0), snr, np.random.default_rng(1))) == pytest.approx(snr, abs=3.5)


def test_a_clip_without_noise_to_hear_tells_no_ratio() -> None:
    assert snr_db(np.zeros(RATE, np.int16)) is None
    assert snr_db(voice(150.0, seconds=0.1)) is None  # digital zeros on both sides
    assert snr_db(np.ones(100)) is None


def test_words_and_misses_are_counted_by_group(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sounds = {
        "man": noisy(voice(110.0), 35.0, rng),
        "woman": noisy(voice(220.0), 12.0, rng),
        "child": noisy(voice(340.0), 35.0, rng),
        "noise": rng.normal(0.0, 0.1, RATE),
    }
    streams = []
    for name, sound in {**sounds, "gone": None}.items():
        path = tmp_path / f"{name}.flac"
        if sound is not None:
            audio.save(path, audio.to_int16(sound))
        times = LEAD_SAMPLES + np.arange(1, 5) * RATE // 2
        heard = np.array([times[1]] if name == "man" else [], np.int64)
        recording = Recording(path, ((0.0, 1.5),), "positive", placed="whole")
        streams.append(ScoredStream(recording, 2 * RATE, np.zeros(4, np.uint8), times, heard))
    other = Recording(tmp_path / "talk.flac", (), "negative")
    streams.append(ScoredStream(other, RATE, np.zeros(0, np.uint8), np.zeros(0, int), np.zeros(0, int)))
    pitches, snrs = groups.by_voice(streams, metrics.measure(streams))
    assert {name: (found.positives, found.misses) for name, found in pitches.items()} == {
        "low, below 165 Hz": (1, 0),
        "high, 165 to 270 Hz": (1, 1),
        "child-like, above 270 Hz": (1, 1),
        "unsure": (2, 2),  # noise alone, and a recording that is gone
    }
    assert sum(found.positives for found in snrs.values()) == 5
    assert snrs["10 to 20 dB"].positives == 1 and snrs["30 dB and above"].positives == 2
    assert pitches["unsure"].frr == 1.0 and pitches["unsure"].frr_upper95 == 1.0
    assert groups.too_few(pitches["unsure"])


def test_too_few_words_are_those_that_say_nothing_even_without_a_miss() -> None:
    assert (
        metrics.binomial_upper(0, groups.FEWEST_WORDS - 1)
        > 0.14
        > metrics.binomial_upper(0, groups.FEWEST_WORDS)
    )
