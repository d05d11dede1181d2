"""The streaming form of a model: layers over row streams, their timing and their ring buffers.

Value 0 is the stream of input rows, value i + 1 the output of layer i (see spec.py, model image).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from watchword import spec


@dataclass(frozen=True)
class Layer:
    """One op on row streams. Weights: CONV int8 [out, taps, in / groups], others as in spec.MODEL_OPS."""

    op: str
    name: str  # of the tensor it writes
    inputs: tuple[int, ...]  # value numbers; two for ADD
    in_channels: int
    out_channels: int
    first_row: int  # input rows of the model before its first output row
    row_step: int  # input rows of the model from one output row to the next
    groups: int = 1
    taps: int = 1
    dilation: int = 1
    stride: int = 1
    lags: tuple[int, int] = (0, 0)
    zeros: tuple[int, int] = (0, 0)
    zero_out: int = 0
    out_range: tuple[int, int] = (-128, 127)
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    multiplier: np.ndarray | None = None  # Q31, as TFLite has it
    shift: np.ndarray | None = None

    @property
    def products(self) -> int:
        """Multiply-accumulates (additions, for pooling) of one output row."""
        per_channel = {"CONV": self.taps * self.in_channels // self.groups, "LUT": 0, "ADD": 0}
        return per_channel.get(self.op, self.taps) * self.out_channels

    def reach(self, operand: int = 0) -> int:
        """How many rows before the latest one it reads of an operand."""
        return self.lags[operand] + (self.taps - 1) * self.dilation


@dataclass(frozen=True)
class Network:
    """A whole model; `window_rows` input rows give one score."""

    coeffs: int
    window_rows: int
    layers: tuple[Layer, ...]

    @property
    def stride_rows(self) -> int:
        return self.layers[-1].row_step

    def channels(self, value: int) -> int:
        return self.coeffs if value == 0 else self.layers[value - 1].out_channels

    def ring_rows(self) -> list[int]:
        """Rows each value keeps: as far back as its furthest reader looks."""
        rows = [1] * (len(self.layers) + 1)
        for layer in self.layers:
            for operand, value in enumerate(layer.inputs):
                rows[value] = max(rows[value], layer.reach(operand) + 1)
        return rows

    def ring_bytes(self) -> list[int]:
        """Arena bytes of each value's ring, padded to 4."""
        return [-(-rows * self.channels(v) // 4) * 4 for v, rows in enumerate(self.ring_rows())]

    def ring_offsets(self) -> list[int]:
        start = (len(self.layers) + 1) * spec.MODEL_STATE_BYTES
        return [start + sum(self.ring_bytes()[:v]) for v in range(len(self.layers) + 1)]

    @property
    def arena_bytes(self) -> int:
        return (len(self.layers) + 1) * spec.MODEL_STATE_BYTES + sum(self.ring_bytes())

    @property
    def products_per_score(self) -> int:
        return sum(layer.products * self.stride_rows // layer.row_step for layer in self.layers)

    def table(self) -> str:
        """One line a layer: op, shape, work and ring."""
        head = f"{'layer':<5} {'op':<10} {'shape':<26} {'MAC/row':>8} {'ring rows':>9} {'ring bytes':>10}"
        rows, sizes = self.ring_rows(), self.ring_bytes()
        lines = [head, f"{'':<5} {'input':<10} {f'{self.coeffs} ch':<26} {'':>8} {rows[0]:>9} {sizes[0]:>10}"]
        for i, layer in enumerate(self.layers):
            lines.append(
                f"{i:<5} {layer.op.lower():<10} {_shape(layer):<26} {layer.products:>8} "
                f"{rows[i + 1]:>9} {sizes[i + 1]:>10}"
            )
        return "\n".join(lines)


def _shape(layer: Layer) -> str:
    parts = [f"{layer.in_channels}->{layer.out_channels}"]
    if layer.taps > 1:
        parts.append(f"k{layer.taps}")
    for letter, number in (("s", layer.stride), ("d", layer.dilation), ("g", layer.groups)):
        if number > 1:
            parts.append(f"{letter}{number}")
    if any(layer.lags):
        parts.append(f"lag {max(layer.lags)}")
    return " ".join(parts)
