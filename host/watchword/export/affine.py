"""The affine normalisation of micro rows that a quantised model input asks for, proven for every row."""

from __future__ import annotations

import math

import numpy as np

from watchword import core, spec
from watchword.errors import WatchwordError

# Real value of a row's step for microWakeWord's models, which were trained on rows divided by 25.6.
ROW_STEP = 0.0390625
ESPHOME_GAIN = 256 / 666  # ESPHome's own, whatever the model says: (256 row + 333) / 666 - 128
ESPHOME_ZERO = -128
# With this scale of its input a model gets the same bytes from pymicro-wakeword, which asks the model, as
# from ESPHome, which does not: no row lies half-way between two steps.
ESPHOME_SCALE = ROW_STEP / ESPHOME_GAIN
# (scale, zero point) that a model says of its input, by the kind of its features.
INPUT_STEPS = {
    kind: (ESPHOME_SCALE, ESPHOME_ZERO) if kind == "micro" else (spec.INPUT_SCALE, 0)
    for kind in spec.FEATURE_KINDS
}
INT8 = np.iinfo(np.int8)
INPUT = "quantisation of the input"


def affine_normalisation(input_scale: float, zero_point: int) -> core.Normalisation:
    """What quantises micro rows for a model whose int8 input has this scale and zero point.

    It equals round(row · ROW_STEP / input_scale + zero_point) in double precision, limited to int8, for every
    int16 row of at least 0: what pymicro-wakeword computes, except that there values above 127 wrap around.
    """
    if not (math.isfinite(input_scale) and input_scale > 0 and INT8.min <= zero_point <= INT8.max):
        raise WatchwordError(
            f"scale {input_scale}, zero point {zero_point}",
            "quantisation of the input",
            "int8 and a scale above 0",
        )
    rows = _all_rows()
    wanted = np.clip(np.round(rows * ROW_STEP / input_scale + zero_point), INT8.min, INT8.max)
    return _proven(ROW_STEP / input_scale, zero_point, wanted)


def esphome_normalisation() -> core.Normalisation:
    """What ESPHome's micro_wake_word feeds to every model, for every int16 row of at least 0."""
    rows = _all_rows().astype(np.int64)
    wanted = np.clip((256 * rows + 333) // 666 + ESPHOME_ZERO, INT8.min, INT8.max)
    return _proven(ESPHOME_GAIN, ESPHOME_ZERO, wanted)


def _all_rows() -> np.ndarray:
    return np.arange(1 << 15, dtype=np.int16)


def _proven(gain: float, zero_point: int, wanted: np.ndarray) -> core.Normalisation:
    """The normalisation with this gain, if it gives `wanted` [32768] for the rows 0..32767.

    In the integers of the C core, which need not be built here; tests hold the two together.
    """
    steps, limit = round(gain * (1 << spec.AFFINE_GAIN_FRAC_BITS)), np.iinfo(np.uint32).max
    if not 1 <= steps <= limit:
        raise WatchwordError(
            f"a gain of {gain:g} int8 steps for a step of a row",
            "quantisation of the input",
            "not a model of micro rows",
        )
    channels = spec.MICRO_CHANNELS
    normalisation = core.Normalisation(
        "affine", 0, np.full(channels, zero_point, np.int16), np.full(channels, steps, np.uint32)
    )
    half = 1 << (spec.AFFINE_GAIN_FRAC_BITS - 1)
    given = ((_all_rows().astype(np.int64) * steps + half) >> spec.AFFINE_GAIN_FRAC_BITS) + zero_point
    if not np.array_equal(np.clip(given, INT8.min, INT8.max), wanted):
        raise WatchwordError(
            "no integer gain gives exactly its rounding",
            f"quantisation of the input, gain {gain:g}",
            "quantise the model again",
        )
    return normalisation


def require_input(scale: float, zero_point: int, kind: str) -> None:
    """Refuse a model whose input says other numbers than those of this kind of features."""
    wanted, zero = INPUT_STEPS[kind]
    if (np.float32(scale), zero_point) != (np.float32(wanted), zero):
        what = f"its input has scale {scale:g} and zero point {zero_point}, not those of {kind} rows"
        raise WatchwordError(what, INPUT, "train it again")
