"""Speech-like audio of whole numbers only: the same samples on every computer, with no data set.

python -m tools.cost.audio OUT.wav [--seconds 60]
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from watchword import audio

RATE = 16_000
FRAC_BITS = 14
FORMANT_HZ = ((280, 820), (850, 2300), (2350, 3300))
BANDWIDTH_HZ = (90, 110, 170)


class _Random:
    """A linear congruential generator (the C standard's example, 31 bits)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, limit: int) -> int:
        self.state = (1_103_515_245 * self.state + 12_345) & 0x7FFF_FFFF
        return (self.state >> 8) % limit

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)


def _resonator(frequency: int, bandwidth: int) -> tuple[int, int]:
    """Coefficients of y[n] = x[n] + a y[n-1] - b y[n-2], Q14."""
    radius = math.exp(-math.pi * bandwidth / RATE)
    one = 1 << FRAC_BITS
    return round(2 * radius * math.cos(2 * math.pi * frequency / RATE) * one), round(radius * radius * one)


def _sound(random: _Random, samples: int) -> list[int]:
    """One syllable: glottal pulses or hiss through three formants, faded in and out."""
    period = 0 if random.below(4) == 0 else random.between(70, 180)  # 0 = unvoiced
    signal = [
        random.between(-300, 300) if period == 0 else (3_000 if i % period == 0 else 0)
        for i in range(samples)
    ]
    for (low, high), width in zip(FORMANT_HZ, BANDWIDTH_HZ, strict=True):
        a, b = _resonator(random.between(low, high), width)
        before = last = 0
        for i, x in enumerate(signal):
            before, last = last, x + ((a * last - b * before) >> FRAC_BITS)
            signal[i] = last >> 1
    loudest = max(1, max(map(abs, signal)))
    level = 200 << random.below(7)  # 200..12,800
    fade = samples // 4
    return [s * level // loudest * min(fade, i + 1, samples - i) // fade for i, s in enumerate(signal)]


def speech_like(seconds: float, seed: int = 1) -> np.ndarray:
    """int16 [samples]: syllables and pauses over a little noise."""
    random, wanted = _Random(seed), round(seconds * RATE)
    out: list[int] = []
    while len(out) < wanted:
        out += _sound(random, random.between(RATE // 12, RATE // 4))
        if random.below(3) == 0:
            out += [0] * random.between(RATE // 20, RATE // 2)
    noise = [random.between(-24, 24) for _ in range(wanted)]
    return np.clip(np.array(out[:wanted]) + noise, -32_768, 32_767).astype(np.int16)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT.wav")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    audio.save(arguments.out, speech_like(arguments.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
