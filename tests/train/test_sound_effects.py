"""Each effect on the voice and of the microphone does what it says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from watchword.data import acoustics, voice_effects
from watchword.data.mixing import RATE

F0_HZ, FORMANT_HZ = 125.0, 2200.0


def vowel(seconds: float = 1.0) -> np.ndarray:
    """Pulses of F0_HZ through resonances at 700 Hz and FORMANT_HZ, peak 0.3: float32 [samples]."""
    signal = np.zeros(round(seconds * RATE))
    signal[:: round(RATE / F0_HZ)] = 1.0
    for hz, width_hz in ((700.0, 90.0), (FORMANT_HZ, 120.0)):
        radius = np.exp(-np.pi * width_hz / RATE)
        signal = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * hz / RATE), radius**2], signal)
    return (0.3 * signal / np.abs(signal).max()).astype(np.float32)


def pitch_hz(signal: np.ndarray) -> float:
    """Where the autocorrelation of the middle peaks, between 90 and 250 Hz."""
    middle = signal[len(signal) // 4 : 3 * len(signal) // 4].astype(float)
    correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    lags = np.arange(RATE // 250, RATE // 90)
    return RATE / float(lags[np.argmax(correlation[lags])])


def formant_hz(signal: np.ndarray) -> float:
    """Centre of gravity of the power between 1500 and 3200 Hz."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / RATE)
    inside = (hz > 1500) & (hz < 3200)
    return float(np.sum(hz[inside] * power[inside]) / np.sum(power[inside]))


def power_db(signal: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(signal)) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / RATE)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].mean() + 1e-20))


def noise(seconds: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(0.0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("semitones", [-3.0, -1.0, 2.0, 4.0])
def test_pitch_moves_and_nothing_else(semitones: float) -> None:
    clip = vowel()
    shifted = voice_effects.shift_pitch(clip, semitones)
    assert len(shifted) == len(clip) and shifted.dtype == np.float32
    assert pitch_hz(shifted) == pytest.approx(F0_HZ * 2 ** (semitones / 12), rel=0.015)
    assert formant_hz(shifted) == pytest.approx(formant_hz(clip), rel=0.06)  # 4 semitones are 26 %


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_tempo_changes_and_pitch_stays(factor: float) -> None:
    clip = vowel()
    stretched = voice_effects.stretch_time(clip, factor)
    assert len(stretched) == pytest.approx(RATE / factor, abs=2)
    assert pitch_hz(stretched) == pytest.approx(F0_HZ, rel=0.015)
    assert formant_hz(stretched) == pytest.approx(formant_hz(clip), rel=0.02)


def test_sounds_stay_where_they_are() -> None:
    """A word's end, known in the clip, is where its share of the length says after any voice effect."""
    clip = np.concatenate([np.zeros(4000), vowel(0.5), np.zeros(4000)]).astype(np.float32)
    for changed in (voice_effects.shift_pitch(clip, 2.0), voice_effects.stretch_time(clip, 1.15)):
        loud = np.flatnonzero(np.abs(changed) > 0.05 * np.abs(changed).max())
        scale = len(changed) / len(clip)
        assert loud[0] == pytest.approx(4000 * scale, abs=RATE * 0.01)
        assert loud[-1] == pytest.approx(12_000 * scale, abs=RATE * 0.02)


def test_voice_effects_depend_on_nothing_before_them() -> None:
    clip = vowel(0.4)
    first = voice_effects.shift_pitch(clip, 1.5), voice_effects.stretch_time(clip, 0.9)
    voice_effects.shift_pitch(noise(0.7), -2.0)
    second = voice_effects.shift_pitch(clip, 1.5), voice_effects.stretch_time(clip, 0.9)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_no_change_gives_the_clip_itself() -> None:
    clip = noise()
    assert voice_effects.shift_pitch(clip, 0.0) is clip and voice_effects.stretch_time(clip, 1.0) is clip
    tiny = noise(0.01)
    assert len(voice_effects.shift_pitch(tiny, 3.0)) == len(tiny)


@pytest.mark.parametrize("codec", acoustics.CODECS)
def test_codec_removes_what_a_telephone_does(codec: str) -> None:
    """Nothing is left above 4 kHz, the voice band keeps its power, and quantisation is heard."""
    clip = noise()
    heard = acoustics.through_codec(clip, codec)
    assert len(heard) == len(clip)
    assert power_db(heard, 4200, 8000) < power_db(clip, 4200, 8000) - 40
    assert power_db(heard, 500, 3000) == pytest.approx(power_db(clip, 500, 3000), abs=2.0)
    lags = range(-300, 301)
    likeness = [np.dot(clip[400:8000], heard[400 + lag : 8000 + lag]) for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= 1


@pytest.mark.parametrize("codec", ["ULAW", "ALAW"])
def test_companding_is_as_coarse_as_it_is_known_to_be(codec: str) -> None:
    """Eight bits leave about 38 dB of signal to noise, loud or 20 dB lower (G.711)."""
    phase = 2 * np.pi * 1237 / RATE * np.arange(RATE)
    for amplitude in (0.5, 0.05):
        heard = acoustics.through_codec((amplitude * np.sin(phase)).astype(np.float32), codec)[800:-800]
        waves = np.stack([np.sin(phase), np.cos(phase)], axis=1)[800:-800]
        tone = waves @ np.linalg.lstsq(waves, heard, rcond=None)[0]
        measured = 10 * np.log10(np.mean(tone**2) / np.mean((heard - tone) ** 2))
        assert measured == pytest.approx(38.0, abs=5.0)


def test_gsm_is_coarser_than_companding() -> None:
    clip = noise()

    def error(codec: str) -> float:
        return float(np.mean((acoustics.through_codec(clip, codec) - reference) ** 2))

    reference = acoustics.through_codec(clip, "ALAW")
    assert error("GSM610") > 10 * error("ULAW")


def test_codec_of_overdriven_sound_does_not_wrap_around() -> None:
    tone = 3.0 * np.sin(2 * np.pi * 300 / RATE * np.arange(RATE)).astype(np.float32)
    heard = acoustics.through_codec(tone, "ULAW")
    assert np.mean(heard * tone > 0) > 0.97


@pytest.mark.parametrize("depth_db", [3.0, 12.0])
def test_hard_clipping_flattens_the_peaks(depth_db: float) -> None:
    clip = np.sin(np.arange(RATE) * 0.1).astype(np.float32) * 0.5
    clipped = acoustics.overload(clip, depth_db, soft=False)
    ceiling = np.abs(clip).max() * 10 ** (-depth_db / 20)
    beyond = np.abs(clip) > ceiling * 1.0001
    assert np.allclose(np.abs(clipped[beyond]), ceiling, rtol=1e-5)
    assert np.allclose(clipped[~beyond], clip[~beyond], rtol=2e-4)  # at the very edge: up to the ceiling
    assert beyond.mean() > 0.4


def test_soft_clipping_bends_the_peaks() -> None:
    clip = np.sin(np.arange(RATE) * 0.1).astype(np.float32) * 0.5
    bent = acoustics.overload(clip, 12.0, soft=True)
    assert np.abs(bent).max() < 0.5 * 10 ** (-12 / 20)
    assert np.all(np.diff(bent[np.argsort(clip)]) >= 0)  # no sample overtakes another
    quiet = np.abs(clip) < 0.02
    assert np.allclose(bent[quiet], clip[quiet], atol=1e-3)
    assert np.array_equal(acoustics.overload(np.zeros(9, np.float32), 6.0, soft=True), np.zeros(9))


def test_microphone_has_its_resonance_and_low_cut() -> None:
    clip = noise(4.0)
    heard = acoustics.colour(clip, 0.0, False, [(1000.0, 6.0, 0.3)], low_cut_hz=200.0)
    gain = {
        hz: power_db(heard, hz * 0.97, hz * 1.03) - power_db(clip, hz * 0.97, hz * 1.03)
        for hz in (50, 200, 1000, 5000)
    }
    assert gain[1000] == pytest.approx(6.0, abs=0.4) and gain[5000] == pytest.approx(0.0, abs=0.2)
    assert gain[200] == pytest.approx(-3.0, abs=0.6) and gain[50] == pytest.approx(-24.0, abs=1.5)


def test_drawn_microphones_stay_within_their_limit() -> None:
    rng = np.random.default_rng(0)
    drawn = [acoustics.draw_peaks(6.0, rng) for _ in range(200)]
    assert {len(peaks) for peaks in drawn} == {1, 2, 3, 4}
    assert max(abs(db) for peaks in drawn for _, db, _ in peaks) <= 6.0
    assert all(40.0 <= acoustics.draw_low_cut(rng) <= 250.0 for _ in range(50))
