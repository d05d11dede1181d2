"""The fixed-point front end against librosa's float log-mel and MFCC of the same parameters."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft
from watchword import core, spec
from watchword.errors import WatchwordError

LSB_DB = 10 * np.log10(2) / (1 << spec.MFCC_FRAC_BITS)  # one int16 step of an MFCC row
# Stated bound, also in docs/reference/frontend.md: worst case over every signal below.
BOUND_LSB, BOUND_RMS_LSB = 3.0, 1.0


def float_logmel(pcm: np.ndarray, hop: int) -> np.ndarray:
    """[bands, rows] in log2 power units; librosa's window and mel filters."""
    padded = np.concatenate([np.zeros(spec.WINDOW_SAMPLES - hop), pcm.astype(np.float64)])
    spectrum = librosa.stft(padded, n_fft=spec.WINDOW_SAMPLES, hop_length=hop, window="hann", center=False)
    filters = librosa.filters.mel(
        sr=spec.SAMPLE_RATE_HZ,
        n_fft=spec.WINDOW_SAMPLES,
        n_mels=spec.MEL_BANDS,
        fmin=spec.MEL_LOW_HZ,
        fmax=spec.MEL_HIGH_HZ,
        htk=True,
        norm=None,
        dtype=np.float64,
    )
    filters /= filters.sum(axis=1, keepdims=True)
    levels: np.ndarray = np.log2(1 + filters @ np.abs(spectrum) ** 2 / spec.floor_power())
    return levels


def float_mfcc(pcm: np.ndarray, hop: int, coeffs: int) -> np.ndarray:
    """[rows, coeffs] in log2 power units; librosa's DCT of it."""
    return librosa.feature.mfcc(S=float_logmel(pcm, hop), n_mfcc=coeffs).T


def signals() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    t = np.arange(16_000) / spec.SAMPLE_RATE_HZ
    vowel = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 40)) * (1 + np.sin(2 * np.pi * 4 * t))
    return {
        "speech-like": 6_000 * vowel,
        "noise": rng.normal(0, 3000, 16_000),
        "whisper": rng.normal(0, 5, 16_000),
        "silence": np.zeros(16_000),
        "full-scale noise": rng.integers(-32_768, 32_768, 16_000),
        "full-scale sine": 32_767 * np.sin(2 * np.pi * 440 * t),
        "full-scale square": 32_767 * np.sign(np.sin(2 * np.pi * 300 * t) + 1e-9),
        "full-scale DC": np.full(16_000, -32_768),
        "impulse": 32_767 * np.eye(1, 16_000, 5_000)[0],
        "one-LSB noise": rng.integers(-1, 2, 16_000),
        "one-sided LSB": -rng.integers(0, 2, 16_000),
        "one-LSB tone": np.sin(2 * np.pi * 700 * t),
    }


def as_pcm(signal: np.ndarray) -> np.ndarray:
    return np.clip(np.round(signal), -32_768, 32_767).astype(np.int16)


@pytest.mark.parametrize("name", list(signals()))
@pytest.mark.parametrize(("hop", "coeffs"), [(320, 40), (160, 40), (320, 13)])
def test_rows_match_librosa_within_the_bound(name: str, hop: int, coeffs: int) -> None:
    pcm = as_pcm(signals()[name])
    rows = core.frontend_rows(pcm, hop, coeffs)
    error = np.abs(rows - (1 << spec.MFCC_FRAC_BITS) * float_mfcc(pcm, hop, coeffs)[: len(rows)])
    print(f"{name}: max {error.max():.2f} LSB = {error.max() * LSB_DB:.3f} dB")
    assert error.max() <= BOUND_LSB
    assert np.sqrt((error**2).mean()) <= BOUND_RMS_LSB


@pytest.mark.parametrize("name", list(signals()))
@pytest.mark.parametrize("hop", spec.HOP_CHOICES_SAMPLES)
def test_logmel_rows_match_librosa_within_the_bound(name: str, hop: int) -> None:
    pcm = as_pcm(signals()[name])
    rows = core.frontend_rows(pcm, hop, 40, "logmel")
    error = np.abs(rows - (1 << spec.MFCC_FRAC_BITS) * float_logmel(pcm, hop).T[: len(rows)])
    print(f"{name}: max {error.max():.2f} LSB = {error.max() * LSB_DB:.3f} dB")
    assert error.max() <= BOUND_LSB
    assert np.sqrt((error**2).mean()) <= BOUND_RMS_LSB


@pytest.mark.real
def test_real_speech_matches_librosa_within_the_bound(real_data) -> None:
    from watchword import audio

    for path in sorted((real_data / "clips" / "dev" / "alexa").glob("*.flac"))[:10]:
        pcm = audio.load(path)
        rows = core.frontend_rows(pcm, 320, 40)
        error = np.abs(rows - (1 << spec.MFCC_FRAC_BITS) * float_mfcc(pcm, 320, 40)[: len(rows)])
        assert error.max() <= BOUND_LSB, path


def test_silence_is_exactly_zero() -> None:
    for kind in spec.FEATURE_KINDS:
        hop = 160 if kind == "micro" else 320
        assert not core.frontend_rows(np.zeros(3200, np.int16), hop, 40, kind).any()


def test_mfcc_are_the_dct_of_the_logmel_rows() -> None:
    """One front end: the two kinds differ by the transform alone, within the rounding of both."""
    pcm = as_pcm(signals()["speech-like"])
    logmel = core.frontend_rows(pcm, 320, 40, "logmel")
    transformed = fft.dct(logmel.astype(float), norm="ortho", axis=1)
    assert np.abs(transformed - core.frontend_rows(pcm, 320, 40)).max() <= BOUND_LSB


@settings(max_examples=50)
@given(st.integers(1, 12), st.sampled_from([1, 10, 1_000, 32_767]), st.integers(0, 2**32 - 1))
def test_a_row_depends_only_on_its_window(row: int, level: int, seed: int) -> None:
    """Whatever came before the 512 samples of a row leaves no trace in it."""
    rng = np.random.default_rng(seed)
    pcm = rng.integers(-level, level + 1, 320 * 16).astype(np.int16)
    end = 320 * (row + 2)
    other = pcm.copy()
    other[: end - spec.WINDOW_SAMPLES] = rng.integers(-32_768, 32_768, end - spec.WINDOW_SAMPLES)
    index = end // 320 - 1
    assert np.array_equal(core.frontend_rows(pcm, 320, 40)[index], core.frontend_rows(other, 320, 40)[index])


def test_fewer_coefficients_are_a_prefix() -> None:
    pcm = as_pcm(signals()["noise"])
    assert np.array_equal(core.frontend_rows(pcm, 320, 13), core.frontend_rows(pcm, 320, 40)[:, :13])


@pytest.mark.parametrize(
    ("hop", "coeffs", "kind"),
    [
        (0, 40, "mfcc"),
        (200, 40, "mfcc"),
        (320, 12, "mfcc"),
        (320, 41, "mfcc"),
        (320, 39, "logmel"),
        (200, 40, "logmel"),
    ],
)
def test_unsupported_settings_are_refused(hop: int, coeffs: int, kind: str) -> None:
    with pytest.raises(WatchwordError, match="ERR_ARGUMENT"):
        core.frontend_rows(np.zeros(640, np.int16), hop, coeffs, kind)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(WatchwordError, match="unknown kind 'plp'"):
        core.frontend_rows(np.zeros(640, np.int16), 320, 40, "plp")
