"""Fits the normaliser of the model's input to training features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from watchword import core, spec
from watchword.export.affine import esphome_normalisation

if TYPE_CHECKING:
    from watchword.config import FeaturesConfig

INPUT_STEPS_PER_SIGMA = round(1.0 / spec.INPUT_SCALE)  # one standard deviation becomes the real value 1.0


def fit_normalisation(streams: Sequence[np.ndarray], features: FeaturesConfig) -> core.Normalisation:
    """Mean and gain of each coefficient from training streams, int16 [rows, coeffs] each.

    The gain makes one standard deviation of the coefficient that varies most the real value 1.0, so that
    int8 spans about ±4 of them. The others get less, by `[features] spread_power` of how much less they
    vary: all at 1.0, the many that hold mostly noise would drown the few that hold the speech. Spreads
    are measured on the C normaliser's own output, after a first pass with gains that surely fit. Mode affine
    has nothing to fit: players of microWakeWord's models apply it, whatever the model.
    """
    if features.cmvn == "affine":
        return esphome_normalisation()
    joined = np.concatenate(streams).astype(np.float64)
    mean = joined.mean(axis=0)
    around = np.zeros_like(mean) if features.cmvn == "none" else mean
    spread = np.sqrt(np.mean((joined - around) ** 2, axis=0))
    mean16 = np.clip(np.rint(mean), -32768, 32767).astype(np.int16)
    first = core.Normalisation(features.cmvn, _alpha_q15(features), mean16, _gain(spread))
    if features.cmvn == "running_mv":
        first = replace(first, spread=_typical_spread(streams, replace(first, mode="running")))
    levels = _levels(streams, first)
    measured = spread * np.sqrt(np.mean(levels**2, axis=0)) / INPUT_STEPS_PER_SIGMA
    target = np.maximum(measured / measured.max(), 1e-3) ** features.spread_power
    return replace(first, gain=_gain(measured / target))


def _levels(streams: Sequence[np.ndarray], normalisation: core.Normalisation) -> np.ndarray:
    """The normaliser's output, float64 [rows, coeffs]."""
    return np.concatenate([core.normalise(rows, normalisation) for rows in streams]).astype(np.float64)


def _typical_spread(streams: Sequence[np.ndarray], running: core.Normalisation) -> np.ndarray:
    """Mean absolute deviation of each coefficient from its running mean, uint16 [coeffs], in row steps."""
    steps = np.abs(_levels(streams, running)).mean(axis=0)
    spread = steps / running.gain * (1 << spec.NORM_GAIN_FRAC_BITS)
    clipped: np.ndarray = np.clip(np.rint(spread), spec.CMVN_MIN_SPREAD, spec.CMVN_MAX_SPREAD)
    return clipped.astype(np.uint16)


def _gain(spread: np.ndarray) -> np.ndarray:
    """Q2.14 int8 steps per row step, uint16 [coeffs], for a standard deviation in row steps."""
    gain = INPUT_STEPS_PER_SIGMA / np.maximum(spread, 1e-3) * (1 << spec.NORM_GAIN_FRAC_BITS)
    clipped: np.ndarray = np.clip(np.rint(gain), 1, 65_535)
    return clipped.astype(np.uint16)


def _alpha_q15(features: FeaturesConfig) -> int:
    """Weight of a new row in the running mean, for its time constant."""
    hop_s = features.hop_samples / spec.SAMPLE_RATE_HZ
    scale = 1 << spec.CMVN_ALPHA_FRAC_BITS
    return max(1, min(scale - 1, round((1.0 - math.exp(-hop_s / features.cmvn_tau_s)) * scale)))
