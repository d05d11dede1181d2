"""Rows of the micro front end against pymicro-features (TensorFlow's code), bit for bit."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from watchword import audio, core, spec
from watchword.errors import WatchwordError
from watchword.export.affine import affine_normalisation, esphome_normalisation

from tools.generate import micro_tables

HOP = spec.MICRO_HOP_SAMPLES
SECONDS = 4


def our_rows(pcm: np.ndarray) -> np.ndarray:
    return core.frontend_rows(pcm, HOP, spec.MICRO_CHANNELS, "micro")


def their_rows(pcm: np.ndarray) -> np.ndarray:
    """The package gives rows divided by 25.6, and takes a hop at a time."""
    peer = pytest.importorskip("pymicro_features", reason="the package pymicro-features is not installed")
    frontend, rows = peer.MicroFrontend(), []
    for start in range(0, len(pcm) - HOP + 1, HOP):
        result = frontend.process_samples(pcm[start : start + HOP].tobytes())
        if result.features:
            rows.append(np.rint(np.array(result.features) * 25.6))
    return np.array(rows, np.int16).reshape(-1, spec.MICRO_CHANNELS)


def assert_equal_rows(pcm: np.ndarray) -> None:
    _skip_where_log1pf_differs()
    np.testing.assert_array_equal(our_rows(pcm), their_rows(pcm))


def _skip_where_log1pf_differs() -> None:
    """The peer computes its tables with the C library; ours are those of all but the newest."""
    library = ctypes.CDLL(None)
    library.log1pf.restype, library.log1pf.argtypes = ctypes.c_float, [ctypes.c_float]
    argument = struct.unpack("<f", struct.pack("<f", spec.MICRO_HIGH_HZ / 700.0))[0]
    nearest = struct.unpack("<f", struct.pack("<f", math.log1p(argument)))[0]
    if library.log1pf(argument) == nearest:
        pytest.skip("this C library's log1pf gives the peer two other weights: see micro_tables.py")


def signals() -> dict[str, np.ndarray]:
    rng, n = np.random.default_rng(7), SECONDS * spec.SAMPLE_RATE_HZ
    t = np.arange(n)
    full = 32_767.0
    return {
        "silence": np.zeros(n),
        "whisper": rng.normal(0, 3, n),
        "noise": rng.normal(0, 3_000, n),
        "full-scale noise": rng.choice([-32_768, 32_767], n),
        "white to the last code": rng.integers(-32_768, 32_768, n),
        "DC": np.full(n, full),
        "lowest code": np.full(n, -32_768),
        "one LSB": np.ones(n),
        "minus one LSB": -np.ones(n),
        "LSB noise": rng.integers(-1, 2, n),
        "lowest code among zeros": rng.choice([0, -32_768], n, p=[0.999, 0.001]),
        "lowest code among LSBs": rng.choice([0, -32_768, 1, -1], n, p=[0.497, 0.003, 0.25, 0.25]),
        "sine": full * np.sin(0.1 * t),
        "chirp": full * np.sin(3e-6 * t * t),
        "square": np.where(t // 40 % 2, full, -32_768.0),
        "step": np.where(t < n // 2, 0.0, 20_000.0),
        "bursts": np.where(t // 4_000 % 2, rng.normal(0, 12_000, n), rng.normal(0, 0.6, n)),
        "fading": rng.normal(0, 1, n) * full * np.exp(-t / 4_000),
    }


@pytest.mark.parametrize("name", list(signals()))
def test_rows_equal_tensorflows(name: str) -> None:
    assert_equal_rows(np.clip(np.round(signals()[name]), -32_768, 32_767).astype(np.int16))


@pytest.mark.real
def test_rows_of_recordings_equal_tensorflows(real_data: Path) -> None:
    """Speech and noise as they come, joined so that the noise estimate runs on from one to the next."""
    for files in recordings(real_data):
        pcm = np.concatenate([audio.load(path) for path in files])
        assert_equal_rows(pcm[: len(pcm) // HOP * HOP])


def recordings(folder: Path) -> Iterator[list[Path]]:
    clips = sorted((folder / "clips").rglob("*.flac"))[::40]
    yield clips[:100]
    yield sorted((folder / "noise").rglob("*.flac"))[:3]


def test_the_first_row_comes_with_the_window() -> None:
    pcm = np.ones(spec.MICRO_WINDOW_SAMPLES + HOP, np.int16)
    for length, rows in ((0, 0), (HOP, 0), (479, 0), (480, 1), (639, 1), (640, 2)):
        assert len(our_rows(pcm[:length])) == rows


def test_rows_of_another_length_are_refused() -> None:
    for hop, coeffs in ((200, 40), (160, 39), (320, 13)):
        with pytest.raises(WatchwordError, match="ERR_ARGUMENT"):
            core.frontend_rows(np.zeros(1_000, np.int16), hop, coeffs, "micro")


def test_the_window_keeps_the_transform_within_16_bits() -> None:
    """What firmware/core/src/micro.c says of its butterflies: any part of a frame that a pass sums up."""
    window = np.zeros(spec.MICRO_FFT_SAMPLES)
    window[: spec.MICRO_WINDOW_SAMPLES] = micro_tables.tables()["ww_micro_window"][1]
    pairs = window.reshape(-1, 2).max(axis=1) / (1 << spec.MICRO_WINDOW_FRAC_BITS)
    for points in (4, 16, 64, 256):
        means = pairs.reshape(points, -1).mean(axis=0)  # every 256 / points-th pair, from each start
        rounding = 2 * math.log(points, 4)
        assert math.sqrt(2) * (1 << 15) * means.max() + rounding < 1 << 15


# ── Rows to int8 ────────────────────────────────────────────────────────────────────────────────
ALL_ROWS = np.repeat(np.arange(1 << 15, dtype=np.int16)[:, None], spec.MICRO_CHANNELS, axis=1)


@pytest.mark.parametrize("zero_point", [-128, -100, 0])
@pytest.mark.parametrize(
    "scale", [np.float32(26 / 255), np.float32(0.1018), np.float32(0.0941), np.float32(0.033)]
)
def test_affine_rounds_as_pymicro_wakeword_for_every_row(scale: np.float32, zero_point: int) -> None:
    got = core.normalise(ALL_ROWS, affine_normalisation(float(scale), zero_point))
    features = ALL_ROWS[:, 0].astype(np.float32) * np.float32(0.0390625)  # as the peers hold them
    quantised = np.round(features.astype(np.float64) / float(scale) + zero_point)
    np.testing.assert_array_equal(got, np.repeat(np.clip(quantised, -128, 127)[:, None], 40, axis=1))


def test_affine_rounds_as_esphome_for_every_row() -> None:
    got = core.normalise(ALL_ROWS, esphome_normalisation())[:, 0]
    expected = [max(-128, min(127, (row * 256 + 333) // 666 - 128)) for row in range(1 << 15)]
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("scale", "zero_point"),
    [(0.0, 0), (-0.1, 0), (math.nan, 0), (math.inf, 0), (0.1, 128), (0.005, 0), (1e12, 0), (0.25, 0)],
)
def test_a_quantisation_that_cannot_be_is_refused(scale: float, zero_point: int) -> None:
    with pytest.raises(WatchwordError):
        affine_normalisation(scale, zero_point)
