"""The integer arithmetic of quantised ops and its constants, as TFLite Micro has them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from tflite import ActivationFunctionType as Activation

from watchword.errors import WatchwordError
from watchword.export.tflite_file import Tensor

Integers = NDArray[np.int64]


def quantise_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real = multiplier * 2^(shift - 31), multiplier in 2^30..2^31-1."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def multiplier_tables(reals: Iterable[float], where: str) -> tuple[np.ndarray, np.ndarray]:
    """int32 multipliers and int8 shifts; 30 is the largest shift the kernels take."""
    pairs = [quantise_multiplier(float(real)) for real in reals]
    if any(real < 0 or shift > 30 for real, (_, shift) in zip(reals, pairs, strict=True)):
        raise WatchwordError("its scales are out of range", where, "check the quantisation of the model")
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def multiply_high(a: Integers, b: Integers | int) -> Integers:
    """a * b / 2^31, rounded to the nearest, halves up: of Q31 numbers the product."""
    return np.asarray((a * b + (1 << 30)) >> 31)


def divide_by_power(x: Integers, exponent: int) -> Integers:
    """x / 2^exponent, rounded to the nearest, halves away from zero."""
    half = (1 << exponent) >> 1
    return np.asarray(np.sign(x) * ((np.abs(x) + half) >> exponent))


def requantise(x: Integers, real: float, where: str) -> Integers:
    """x * real with the two roundings of the kernels."""
    multipliers, shifts = multiplier_tables([real], where)
    multiplier, shift = int(multipliers[0]), int(shifts[0])
    return divide_by_power(multiply_high(x << max(shift, 0), multiplier), max(-shift, 0))


def activation_range(activation: int, output: Tensor, where: str) -> tuple[int, int]:
    """int8 limits of a fused activation."""
    limits = {
        Activation.NONE: (None, None),
        Activation.RELU: (0.0, None),
        Activation.RELU_N1_TO_1: (-1.0, 1.0),
        Activation.RELU6: (0.0, 6.0),
    }
    if activation not in limits:
        raise WatchwordError(f"fused activation {activation} is not supported", where, "use ReLU or ReLU6")
    low, high = limits[activation]

    def quantise(real: float) -> int:
        steps = float(np.float32(real) / output.scale)
        return output.zero_point + int(math.copysign(math.floor(abs(steps) + 0.5), steps))

    return (
        -128 if low is None else max(-128, quantise(low)),
        127 if high is None else min(127, quantise(high)),
    )
