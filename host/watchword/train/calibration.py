"""Choosing all of the detector's settings for a number of false alarms per hour, on validation audio."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from watchword import core
from watchword.train.validation import ValidationSet, calibrate

_SMOOTHINGS = (1, 2, 3, 4, 5, 6, 8, 10)  # scores
_LOWS = (0.1, 0.2, 0.3, 0.4, 0.5)
_LEAST_GAIN = 0.002  # of the mean FRR: less does not outweigh a slower answer


def calibrate_all(
    validation: ValidationSet, scores: list[np.ndarray], detector: core.DetectorConfig, target_fah: float
) -> tuple[core.DetectorConfig, dict[str, float]]:
    """Smoothing, low and high with the fewest misses (mean over the conditions) within `target_fah`.

    `scores`: raw, uint8 [n] of each stream of `validation`; only what the detector makes of them differs.
    Each pair of smoothing and low gets its own high threshold. Settings that miss equally few words are
    told apart by latency, then the given ones are kept. Returns them and what they were chosen by.
    """
    best: tuple[tuple[bool, float, float, bool], core.DetectorConfig, dict[str, float]] | None = None
    for smoothing, low in product({*_SMOOTHINGS, detector.smoothing}, {*_LOWS, detector.low}):
        tried = replace(detector, smoothing=smoothing, low=low, high=max(detector.high, low))
        found = validation.measure(lambda _: scores, tried)
        chosen, reasons = calibrate(found, tried, target_fah)
        frr = float(np.mean(list(found.frr_at(chosen.high).values())))
        latency = _latency_s(validation, scores, chosen)
        asked = (smoothing, low) == (detector.smoothing, detector.low)
        too_many = reasons["false_alarms"] > int(target_fah * found.negative_hours)
        order = (too_many, round(frr / _LEAST_GAIN), round(latency, 2), not asked)
        if best is None or order < best[0]:
            best = order, chosen, reasons | {"frr_mean": frr, "latency_s": latency}
    assert best is not None
    return best[1], best[2]


def _latency_s(validation: ValidationSet, scores: list[np.ndarray], detector: core.DetectorConfig) -> float:
    """Median from word end to detection; a model that finds no word is as slow as can be."""
    delays = validation.measure(lambda _: scores, detector).delays_s
    return float(np.median(delays)) if len(delays) else float("inf")
