"""Choosing the detector's settings for a number of false alarms per hour, on validation audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from watchword import core, spec
from watchword.config import DetectorSettings
from watchword.train.metrics import Calibration, PresetFigures
from watchword.train.validation import ValidationSet, calibrate

_SMOOTHINGS = (1, 2, 3, 4, 5, 6, 8, 10)  # scores
_LOWS = (0.1, 0.2, 0.3, 0.4, 0.5)
_LEAST_GAIN = 0.002  # of the mean FRR: less does not outweigh a slower answer
_Chosen = tuple[core.DetectorConfig, Calibration]


def make_presets(
    validation: ValidationSet,
    scores: list[np.ndarray],
    detector: core.DetectorConfig,
    asked: DetectorSettings,
) -> dict[str, PresetFigures]:
    """The presets of a model, by name; none without a target.

    `scores`: raw, uint8 [n] of each stream of `validation`; only what the detector makes of them differs.
    """
    if asked.target_fah == 0:
        return {}
    targets = {name: times * asked.target_fah for name, times in spec.PRESETS.items()}
    choose = _choose_all if asked.calibrate == "all" else _choose_high
    chosen = choose(validation, scores, detector, list(targets.values()), asked.bound)
    presets = {}
    for name, (settings, reasons) in zip(targets, chosen, strict=True):
        figures = validation.measure(lambda _: scores, settings).figures(settings)
        presets[name] = PresetFigures(settings, reasons, figures)
    return presets


def _choose_high(
    validation: ValidationSet,
    scores: list[np.ndarray],
    detector: core.DetectorConfig,
    targets: Sequence[float],
    bound: str,
) -> list[_Chosen]:
    """The high threshold alone, for each target."""
    found = validation.measure(lambda _: scores, detector)
    return [calibrate(found, detector, target, bound) for target in targets]


def _choose_all(
    validation: ValidationSet,
    scores: list[np.ndarray],
    detector: core.DetectorConfig,
    targets: Sequence[float],
    bound: str,
) -> list[_Chosen]:
    """Smoothing, low and high with the fewest misses (mean over the conditions) for each target.

    Each pair of smoothing and low gets its own high threshold. Settings that miss equally few words are
    told apart by latency, then the given ones are kept. A target that can be reached comes first.
    """
    best: list[tuple[tuple[bool, float, float, bool], _Chosen] | None] = [None] * len(targets)
    for smoothing, low in product({*_SMOOTHINGS, detector.smoothing}, {*_LOWS, detector.low}):
        tried = replace(detector, smoothing=smoothing, low=low, high=max(detector.high, low))
        found = validation.measure(lambda _: scores, tried)
        asked = (smoothing, low) == (detector.smoothing, detector.low)
        for place, target in enumerate(targets):
            chosen, reasons = calibrate(found, tried, target, bound)
            frr = float(np.mean(list(found.frr_at(chosen.high).values())))
            misses, known = (not reasons.reached, round(frr / _LEAST_GAIN)), best[place]
            if known is not None and misses > known[0][:2]:
                continue  # whatever its latency
            latency = _latency_s(validation, scores, chosen)
            order = (*misses, round(latency, 2), not asked)
            if known is None or order < known[0]:
                best[place] = order, (chosen, replace(reasons, frr_mean=frr, latency_s=latency))
    return [found[1] for found in best if found is not None]


def _latency_s(validation: ValidationSet, scores: list[np.ndarray], detector: core.DetectorConfig) -> float:
    """Median from word end to detection; a model that finds no word is as slow as can be."""
    delays = validation.measure(lambda _: scores, detector).delays_s
    return float(np.median(delays)) if len(delays) else float("inf")
