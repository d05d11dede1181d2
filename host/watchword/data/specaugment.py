"""SpecAugment (Park et al. 2019) on the int8 rows of training segments: masks over time and over mel bands.

A time mask sets rows to 0, which is the mean. A band mask sets mel bands to their mean, although rows hold
cepstral coefficients: those of mean-free log-mel bands b are x = G·D·b, with D the orthonormal DCT-II
[coeffs, bands] of the front end and G the normaliser's gains, so the masked bands B are taken away as
x - G·D_B·D_Bᵀ·G⁻¹·x. With all 40 coefficients that is exact but for rounding; with fewer, the part of the
bands that the truncation left away counts as 0. Log-mel rows are the bands themselves: D is the identity,
masked values become 0. Micro rows are bands too; masked ones become what row 0 is, the silence that noise
reduction leaves. Without CMVN the mean is not taken off, and 0 stands for the lowest level that the front end
knows. With running_mv the gains change over time; those at the typical spread stand for them, which is exact
for log-mel only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from watchword import core, spec

if TYPE_CHECKING:
    from watchword.config import AugmentConfig

SETTINGS = ("specaugment_p", "time_masks", "time_mask_s", "band_masks", "band_mask_width")  # of [augment]


@dataclass(frozen=True)
class Masks:
    """Which masks segments get, and the way from their rows to mel bands and back."""

    share: float  # of the segments
    time_masks: int
    time_rows: int  # in one, at most
    band_masks: int
    band_width: int  # mel bands in one, at most
    level: int  # int8 of what is masked
    to_bands: np.ndarray  # float32 [coeffs, bands]: D / G
    from_bands: np.ndarray  # float32 [bands, coeffs]: (G·D)ᵀ

    def apply(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A copy of int8 [segments, rows, coeffs] with masks on some of the segments."""
        out = rows.copy()
        for i in np.flatnonzero(rng.random(len(rows)) < self.share):
            bands = _union(len(self.from_bands), self.band_masks, self.band_width, rng)
            if bands.any():
                above = out[i].astype(np.float32) - self.level
                removed = (above @ self.to_bands[:, bands]) @ self.from_bands[bands]
                out[i] = np.clip(np.rint(out[i] - removed), -128, 127)
            out[i, _union(rows.shape[1], self.time_masks, self.time_rows, rng)] = self.level
        return out


def make_masks(
    config: AugmentConfig, normalisation: core.Normalisation, hop_samples: int, kind: str = "mfcc"
) -> Masks | None:
    """The masks of `[augment]` for rows of this kind and normalisation; None without SpecAugment."""
    if config.specaugment_p == 0.0:
        return None
    gain = normalisation.gain.astype(np.float64)[:, None]
    bands = np.eye(spec.MEL_BANDS)
    basis = bands if kind != "mfcc" else fft.dct(bands, axis=0, norm="ortho")[: len(gain)]
    time_rows = round(config.time_mask_s * spec.SAMPLE_RATE_HZ / hop_samples)
    return Masks(
        config.specaugment_p,
        config.time_masks,
        time_rows,
        config.band_masks,
        config.band_mask_width,
        int(normalisation.mean[0]) if normalisation.mode == "affine" else 0,
        (basis / gain).astype(np.float32),
        (gain * basis).T.astype(np.float32),
    )


def _union(length: int, count: int, longest: int, rng: np.random.Generator) -> np.ndarray:
    """Where `count` spans of 0..longest, each at a random place, lie: bool [length]."""
    covered = np.zeros(length, bool)
    for _ in range(count):
        span = int(rng.integers(0, min(longest, length) + 1))
        start = int(rng.integers(0, length - span + 1))
        covered[start : start + span] = True
    return covered
