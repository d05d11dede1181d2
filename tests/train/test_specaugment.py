"""Masks lie where they should, cover what they may, and mean what they say: mel bands, not cepstra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft
from watchword import core, spec
from watchword.config import AugmentConfig, FeaturesConfig
from watchword.core import Geometry
from watchword.data.batches import Batches, TrainingSet
from watchword.data.normalisation import fit_normalisation
from watchword.data.specaugment import Masks, make_masks
from watchword.export.affine import esphome_normalisation

CONFIG = AugmentConfig(specaugment_p=1.0, time_masks=2, time_mask_s=0.2, band_masks=1, band_mask_width=8)
HOP = 320
BASIS = fft.dct(np.eye(spec.MEL_BANDS), axis=0, norm="ortho")  # [coeffs, bands]


def normalisation(coeffs: int = 40) -> core.Normalisation:
    gain = np.geomspace(2000, 16_000, coeffs).astype(np.uint16)
    return core.Normalisation("global", 1, np.zeros(coeffs, np.int16), gain)


def masks(coeffs: int = 40, **changes: float) -> Masks:
    made = make_masks(replace(CONFIG, **changes), normalisation(coeffs), HOP)
    assert made is not None
    return made


def bands(rows: np.ndarray) -> np.ndarray:
    """Log-mel bands, in MFCC steps, of int8 rows [..., 40]."""
    gain = normalisation().gain / (1 << spec.NORM_GAIN_FRAC_BITS)
    return (rows / gain) @ BASIS


def test_off_by_default() -> None:
    assert make_masks(AugmentConfig(), normalisation(), HOP) is None


@given(seed=st.integers(0, 10_000), count=st.integers(0, 4), seconds=st.floats(0.0, 0.5))
def test_time_masks_cover_no_more_than_configured(seed: int, count: int, seconds: float) -> None:
    made = masks(band_masks=0, time_masks=count, time_mask_s=seconds)
    rows = np.full((6, 120, 40), 7, np.int8)
    out = made.apply(rows, np.random.default_rng(seed))
    masked = (out == 0).all(axis=2)
    assert np.array_equal(masked, (out == 0).any(axis=2))  # whole rows
    assert np.all(out[~masked] == 7)
    assert masked.sum(axis=1).max() <= count * round(seconds * spec.SAMPLE_RATE_HZ / HOP)
    assert np.all(rows == 7)  # the training set itself stays


def test_band_mask_takes_mel_bands_to_their_mean() -> None:
    """The masked bands lose nearly all their variance, the others keep what they had, within rounding."""
    rng = np.random.default_rng(0)
    gain = normalisation().gain / (1 << spec.NORM_GAIN_FRAC_BITS)
    logmel = rng.normal(0.0, 25.0, (1, 400, 40))
    rows = np.clip(np.rint((logmel @ BASIS.T) * gain), -128, 127).astype(np.int8)
    out = masks(time_masks=0).apply(rows, np.random.default_rng(4))
    before, after = bands(rows)[0], bands(out)[0]
    masked = after.std(axis=0) < 0.5 * before.std(axis=0)
    span = np.flatnonzero(masked)
    assert 1 <= len(span) <= 8 and np.array_equal(span, np.arange(span[0], span[-1] + 1))
    rounding = np.sqrt(np.mean((0.5 / gain) ** 2) / 3.0)  # of the int8 rows, seen in a band
    assert after[:, masked].std() < 2.5 * rounding
    assert np.std(after[:, ~masked] - before[:, ~masked]) < 2.5 * rounding
    direct = np.where(masked, 0.0, before) @ BASIS.T * gain  # the DCT of masked log-mel bands
    assert np.abs(out[0] - np.clip(direct, -128, 127)).max() <= 0.51


def test_fewer_coefficients_mask_what_they_hold() -> None:
    rng = np.random.default_rng(1)
    gain = normalisation(13).gain / (1 << spec.NORM_GAIN_FRAC_BITS)
    logmel = np.zeros((1, 200, 40))
    logmel[:, :, 20] = rng.normal(0.0, 100.0, (1, 200))
    rows = np.rint((logmel @ BASIS[:13].T) * gain).astype(np.int8)
    made = masks(13, time_masks=0, band_mask_width=40)
    whole = replace(made, to_bands=made.to_bands, from_bands=made.from_bands)
    outs = [whole.apply(rows, np.random.default_rng(seed)) for seed in range(20)]
    kept = [float(np.std(out.astype(float)) / np.std(rows.astype(float))) for out in outs]
    assert min(kept) < 0.2 and max(kept) <= 1.01  # a mask over it takes it away; none makes it louder


def test_share_of_segments() -> None:
    rows = np.full((2000, 30, 13), 9, np.int8)
    out = masks(13, specaugment_p=0.3, band_masks=0, time_mask_s=0.4).apply(rows, np.random.default_rng(0))
    assert np.mean((out == 0).any(axis=(1, 2))) == pytest.approx(0.3, abs=0.04)


def test_batches_with_masks_draw_the_same_segments() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(1, 9, (5, 240, 13)).astype(np.int8)
    data = TrainingSet(words, rng.integers(1, 9, (900, 13)).astype(np.int8), np.arange(0, 700, 101))
    geometry = Geometry(HOP, receptive_rows=69, stride_rows=2)
    masker = masks(13, band_masks=0)

    def draw(seed: int, made: Masks | None) -> list[np.ndarray]:
        return [
            batch.rows
            for batch in Batches(
                data,
                geometry,
                rows=101,
                size=12,
                negatives_per_positive=5.0,
                window_end_s=0.28,
                seed=seed,
                masks=made,
            ).take(3)
        ]

    plain, masked, again, other = draw(1, None), draw(1, masker), draw(1, masker), draw(2, masker)
    for a, b, c in zip(plain, masked, again, strict=True):
        assert np.array_equal(b, c) and not np.array_equal(a, b)
        assert np.array_equal(np.where(b == 0, a, b), a)  # only rows that became 0 differ
    assert not np.array_equal(masked[0], other[0])


def test_masks_fit_the_normalisation_of_a_run() -> None:
    streams = [np.random.default_rng(i).normal(0, 2000, (300, 16)).astype(np.int16) for i in range(4)]
    fitted = fit_normalisation(streams, FeaturesConfig(coeffs=16))
    made = make_masks(CONFIG, fitted, 160)
    assert made is not None and made.time_rows == 20
    assert made.to_bands.shape == (16, 40) and made.from_bands.shape == (40, 16)


def test_masked_micro_rows_are_what_silence_gives() -> None:
    made = make_masks(replace(CONFIG, time_masks=0), esphome_normalisation(), 160, "micro")
    assert made is not None
    rows = np.random.default_rng(2).integers(-127, 128, (20, 60, 40)).astype(np.int8)
    out = made.apply(rows, np.random.default_rng(3))
    assert (out != rows).any() and (out[out != rows] == -128).all()


def test_log_mel_rows_are_masked_band_by_band() -> None:
    """Without a transform in between, a masked band is 0 and every other keeps its exact value."""
    made = make_masks(replace(CONFIG, time_masks=0), normalisation(), HOP, "logmel")
    assert made is not None
    rows = np.random.default_rng(2).integers(-128, 128, (20, 60, 40)).astype(np.int8)
    out = made.apply(rows, np.random.default_rng(3))
    changed = (out != rows).any(axis=1)  # [segments, bands]
    assert changed.any() and changed.sum(axis=1).max() <= 8
    for segment, bands_of_it in enumerate(changed):
        assert not out[segment][:, bands_of_it].any()
