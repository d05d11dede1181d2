"""The shape of the shipped models (a depthwise-separable temporal CNN) with random weights."""

from __future__ import annotations

import numpy as np
from tflite_builder import RELU, T, TfliteBuilder
from watchword import core
from watchword.export.settings import ModelSettings

DILATIONS = (1, 1, 2, 2, 2)
KERNEL = 5
POOL_ROWS = 4


def block(b: TfliteBuilder, x: T, dilation: int) -> T:
    """Residual depthwise-separable block; the skip path is cropped to what valid padding leaves."""
    y = b.conv(b.depthwise(x, KERNEL, dilation=dilation), x.shape[3], 1, act=RELU)
    lost = (KERNEL - 1) * dilation
    return b.add(y, b.crop(x, lost // 2, lost - lost // 2), act=RELU)


def ds_tcn(rng: np.random.Generator, coeffs: int = 40, channels: int = 48, pooled: bool = True) -> bytes:
    """A .tflite whose window is exactly its receptive field."""
    rows = 1 + sum((KERNEL - 1) * d for d in DILATIONS) + (POOL_ROWS - 1 if pooled else 0)
    b = TfliteBuilder(rng, (rows - 1) * 2 + KERNEL, coeffs)
    x = b.conv(b.input, channels, KERNEL, stride=2, act=RELU)
    for dilation in DILATIONS:
        x = block(b, x, dilation)
    windows = feature_like_rows(rng, 40 * b.input.shape[1], coeffs).reshape(40, -1, coeffs)
    return b.build(b.logistic(b.lively_logit(b.mean(x) if pooled else x, windows)))


def feature_like_rows(rng: np.random.Generator, count: int, coeffs: int) -> np.ndarray:
    """int8 rows [count, coeffs]: a bounded random walk, with stretches of full-scale noise."""
    walk = np.zeros((count, coeffs))
    for i in range(1, count):
        walk[i] = 0.95 * walk[i - 1] + rng.normal(0, 12, coeffs)
    noise = rng.integers(-128, 128, (count, coeffs))
    use_noise = (np.arange(count) // 60 % 4 == 0)[:, None]
    return np.clip(np.round(np.where(use_noise, noise, walk)), -128, 127).astype(np.int8)


def settings(coeffs: int = 40, word: str = "random word", mode: str = "running") -> ModelSettings:
    mean, gain = np.arange(coeffs, dtype=np.int16), np.full(coeffs, 900, core.gain_type(mode))
    spread = np.full(coeffs, 300, np.uint16) if mode == "running_mv" else None
    normalisation = core.Normalisation(mode, 164, mean, gain, spread)
    return ModelSettings(word, 320, coeffs, normalisation, core.DetectorConfig())
