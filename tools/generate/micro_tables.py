"""The tables of firmware/core/src/micro.c, from watchword.spec; `tools/generate/core.py` writes them.

TensorFlow's micro frontend computes its window, mel scale and gains in single precision when it starts. Three
entries lie so near the middle between two integers that this decides: `single` rounds where it does. `log1pf`
of newlib, musl and glibc before 2.41 gives the upper limit one unit in the last place too high; so do we.
With a library that rounds it correctly, two of the weights there are one step away, of 4096.
"""

from __future__ import annotations

import math
import struct
from itertools import pairwise

from watchword import spec

LOG_TABLE_BITS = 7  # segments of the logarithm's table, linear between them
OCTAVES = 32  # of the noise estimate, each with a parabola for the gain
RAISE_BITS = spec.MICRO_FFT_SAMPLES.bit_length() - 1 - spec.MICRO_WEIGHT_FRAC_BITS // 2  # of a channel's root
COPIED = (
    *("WINDOW_SAMPLES", "FFT_SAMPLES", "CHANNELS", "WINDOW_FRAC_BITS", "WEIGHT_FRAC_BITS"),
    *("NOISE_FRAC_BITS", "RATIO_FRAC_BITS", "OUT_FRAC_BITS", "LOG_BITS"),
)


def constants() -> dict[str, object]:
    """What ww_spec.h says of the micro front end."""
    to_q32 = 32 - spec.MICRO_COEFFICIENT_BITS

    def q32(share: float) -> int:
        return int(share * (1 << spec.MICRO_COEFFICIENT_BITS)) << to_q32

    return {
        "MICRO_FRONTEND_ID": f"0x{spec.MICRO_FRONTEND_ID:08x}u",
        **{f"MICRO_{name}": getattr(spec, f"MICRO_{name}") for name in COPIED},
        "MICRO_FIRST_BIN": _segments()[0][0],
        **{f"MICRO_{name}_Q32": q32(share) for name, share in spec.MICRO_NOISE_FOLLOW.items()},
        "MICRO_SIGNAL_LEFT_Q32": q32(spec.MICRO_SIGNAL_LEFT),
        "MICRO_RATIO_SHIFT": spec.MICRO_PCAN_GAIN_BITS - RAISE_BITS - spec.MICRO_RATIO_FRAC_BITS,
        "MICRO_LOG_RAISE": RAISE_BITS,
        "MICRO_LOG_TABLE_BITS": LOG_TABLE_BITS,
        "MICRO_LN2_Q16": round(math.log(2.0) * 65_536),
    }


def tables() -> dict[str, tuple[str, list[int]]]:
    """Name -> (C type, values)."""
    segments = _segments()
    split_points = range(segments[0][0], spec.MICRO_FFT_SAMPLES // 4 + 1)
    return {
        "ww_micro_window": ("int16_t", _window()),
        "ww_micro_twiddles": ("int16_t", _rotations(range(spec.MICRO_FFT_SAMPLES * 3 // 8), 0.0, 2)),
        "ww_micro_split": ("int16_t", _rotations(split_points, 0.25, 1)),
        "ww_micro_ends": ("uint16_t", [end for _, end in segments]),
        "ww_micro_weights": ("uint16_t", _rising_weights(segments)),
        "ww_micro_roots": ("uint8_t", [min(255, round(16 * math.sqrt(i + 0.5))) for i in range(64, 256)]),
        "ww_micro_gain": (
            "int16_t",
            [value for octave in range(OCTAVES) for value in _gain_parabola(octave)],
        ),
        "ww_micro_log2": ("uint16_t", _log2_above_chord()),
    }


def single(value: float) -> float:
    """The nearest number of single precision."""
    nearest: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return nearest


def next_single(value: float) -> float:
    """The one above a positive number of single precision."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    above: float = struct.unpack("<f", struct.pack("<I", bits + 1))[0]
    return above


def _nearest(value: float) -> int:
    return math.floor(single(value + 0.5))


def _window() -> list[int]:
    """Hann, sampled in the middle of each step."""
    n, one = spec.MICRO_WINDOW_SAMPLES, 1 << spec.MICRO_WINDOW_FRAC_BITS
    step = single(single(math.pi) * 2.0 / n)
    cosines = [single(math.cos(single(step * (i + 0.5)))) for i in range(n)]
    return [_nearest(single(0.5 - 0.5 * cosine) * one) for cosine in cosines]


def _rotations(steps: range, start: float, stride: int) -> list[int]:
    """exp(-2 pi i (start + stride k / FFT length)) as interleaved re, im, where 32767 is one."""
    angles = [-2 * math.pi * (start + stride * k / spec.MICRO_FFT_SAMPLES) for k in steps]
    return [math.floor(32_767 * part + 0.5) for a in angles for part in (math.cos(a), math.sin(a))]


def _mel(hz: float) -> float:
    return single(1127.0 * single(math.log1p(single(hz / 700.0))))


def _corners() -> list[float]:
    """In mel, evenly spaced: a channel rises from a corner to the next and falls to the one after."""
    low, count = _mel(spec.MICRO_LOW_HZ), spec.MICRO_CHANNELS + 1
    high = next_single(_mel(spec.MICRO_HIGH_HZ))
    spacing = single(single(high - low) / count)
    return [single(low + single(spacing * i)) for i in range(count + 1)]


def _bin_mel(k: int) -> float:
    return _mel(k * spec.SAMPLE_RATE_HZ / spec.MICRO_FFT_SAMPLES)


def _segments() -> list[tuple[int, int]]:
    """(first bin, bin after the last) between neighbouring corners; a bin on a corner is before it.

    The lowest bin is the one after that which is nearest to the lower limit.
    """
    first = int(1.5 + spec.MICRO_LOW_HZ * spec.MICRO_FFT_SAMPLES / spec.SAMPLE_RATE_HZ)
    ends = [next(k for k in range(first, 1 << 20) if _bin_mel(k) > corner) for corner in _corners()[1:]]
    return list(pairwise([first, *ends]))


def _rising_weights(segments: list[tuple[int, int]]) -> list[int]:
    """Each bin's weight in the channel that rises there; in the one that falls it has the rest."""
    one = 1 << spec.MICRO_WEIGHT_FRAC_BITS
    weights = []
    for (low, high), (first, end) in zip(pairwise(_corners()), segments, strict=True):
        falls = [single(single(high - _bin_mel(k)) / single(high - low)) for k in range(first, end)]
        weights += [one - _nearest(fall * one) for fall in falls]
    return weights


def _gain(noise: int) -> int:
    level = single(noise / (1 << (spec.MICRO_NOISE_FRAC_BITS - RAISE_BITS)))
    power = single(single(level + spec.MICRO_PCAN_OFFSET) ** -single(spec.MICRO_PCAN_STRENGTH))
    gain = single((1 << spec.MICRO_PCAN_GAIN_BITS) * power)
    return min(32_767, _nearest(gain))


def _gain_parabola(octave: int) -> tuple[int, int, int]:
    """Through the gains at the octave's start, middle and end: constant, linear and square term."""
    start = 1 << octave
    if octave == 0:  # it has one number
        return _gain(start), 0, 0
    low, middle = _gain(start), _gain(start + start // 2)
    high = _gain(min(2 * start, (1 << OCTAVES) - 1))
    linear = 4 * (middle - low) - (high - low)
    return low, linear, high - low - linear


def _log2_above_chord() -> list[int]:
    """log2(1 + x) - x in Q16."""
    steps = [i / (1 << LOG_TABLE_BITS) for i in range((1 << LOG_TABLE_BITS) + 1)]
    return [round((math.log2(1 + x) - x) * 65_536) for x in steps]
