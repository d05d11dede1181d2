"""Stacks of random layers whose window is exactly their receptive field."""

from __future__ import annotations

import numpy as np
from tflite_builder import RELU, TfliteBuilder
from watchword import core
from watchword.export.graph import read_network


def whole_stack(seed: int) -> bytes:
    """A .tflite of random depth, kernels, dilations, strides and residuals, 13 coefficients a row."""
    rows = 60 + seed % 20
    tflite = random_stack(seed, rows)
    return random_stack(seed, needed_rows(tflite) or rows)  # export refuses rows that the strides skip


def random_stack(seed: int, rows: int) -> bytes:
    rng = np.random.default_rng(seed)
    builder = TfliteBuilder(rng, rows, 13)
    x = builder.input
    for _ in range(int(rng.integers(1, 5))):
        x = random_layer(builder, x, rng)
    return builder.build(builder.score_head(x))


def random_layer(b: TfliteBuilder, x, rng: np.random.Generator):
    k, d = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    lost = (k - 1) * d
    kind = rng.integers(0, 5)
    if x.shape[1] <= lost + 4:
        return b.requantise(x)
    if kind == 0:
        return b.conv(x, int(rng.integers(1, 20)), k, stride=int(rng.integers(1, 4)), dilation=1)
    if kind == 1:
        return b.depthwise(x, k, dilation=d, act=RELU)
    if kind == 2:
        return b.add(b.depthwise(x, k, dilation=d), b.crop(x, lost // 2, lost - lost // 2))
    if kind == 3:
        return b.average(x, k)
    return b.conv(x, 12, k, dilation=d)


def needed_rows(tflite: bytes) -> int | None:
    """None if the graph uses every input row, else how many it uses."""
    try:
        read_network(tflite)
    except core.WatchwordError as error:
        assert "of its" in error.what, error
        return int(error.what.split()[1])
    return None
