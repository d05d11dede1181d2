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
    in_first: int = 0  # first channel of its (first) input that it reads
    joins: int = 0  # value whose rows it continues; 0: its rows are its own
    out_first: int = 0  # first channel of the row that it writes
    row_channels: int = 0  # of the whole row; 0: out_channels
    fill: int = 0  # value of the rows before the first one
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    multiplier: np.ndarray | None = None  # Q31, as TFLite has it
    shift: np.ndarray | None = None

    @property
    def products(self) -> int:
        """Multiply-accumulates (additions, for pooling) of one output row."""
        per_channel = {"CONV": self.taps * self.in_channels // self.groups, "LUT": 0, "ADD": 0}
        return per_channel.get(self.op, self.taps) * self.out_channels

    @property
    def row_bytes(self) -> int:
        return self.row_channels or self.out_channels

    def reach(self, operand: int = 0) -> int:
        """How many rows before the latest one it reads of an operand."""
        return self.lags[operand] + (self.taps - 1) * self.dilation


@dataclass(frozen=True)
class Network:
    """A whole model. Its input: int8 rows, where `input_zero` stands for 0 and a step for `input_scale`."""

    coeffs: int
    layers: tuple[Layer, ...]
    input_scale: float = spec.INPUT_SCALE
    input_zero: int = 0
    input_fill: int = 0  # value of the input's rows before the first one

    @property
    def first_rows(self) -> int:
        """Input rows before the first score."""
        return self.layers[-1].first_row

    @property
    def receptive_rows(self) -> int:
        """Input rows that one score is made from, those counted too that a crop leaves out at their start."""
        spans, steps = [1] * (len(self.layers) + 1), [1]
        for value, layer in enumerate(self.layers, start=1):
            owner = self._owner(value)
            reaches = [
                spans[self._owner(source)] + layer.reach(operand) * steps[source]
                for operand, source in enumerate(layer.inputs)
            ]
            spans[owner] = max(spans[owner], *reaches)
            steps.append(layer.row_step)
        return max(spans[-1], self.first_rows)

    @property
    def fill_rows(self) -> int:
        """How many of them stand before the stream, at the first score: a streaming model's state."""
        return self.receptive_rows - self.first_rows

    @property
    def stride_rows(self) -> int:
        return self.layers[-1].row_step

    def row_bytes(self, value: int) -> int:
        """Of one row in the ring of a value."""
        return self.coeffs if value == 0 else self.layers[value - 1].row_bytes

    def ring_rows(self) -> list[int]:
        """Rows each value keeps: as far back as the furthest reader of its ring looks."""
        rows = [1] * (len(self.layers) + 1)
        for layer in self.layers:
            for operand, value in enumerate(layer.inputs):
                owner = self._owner(value)
                rows[owner] = max(rows[owner], layer.reach(operand) + 1)
        return [rows[self._owner(value)] for value in range(len(rows))]

    def _owner(self, value: int) -> int:
        """The value that has the ring."""
        return (self.layers[value - 1].joins or value) if value else 0

    def ring_bytes(self) -> list[int]:
        """Arena bytes of each value's own ring, padded to 4; 0 where it continues another's rows."""
        rows = self.ring_rows()
        return [
            -(-rows[v] * self.row_bytes(v) // 4) * 4 if self._owner(v) == v else 0 for v in range(len(rows))
        ]

    def ring_offsets(self) -> list[int]:
        start, sizes = (len(self.layers) + 1) * spec.MODEL_STATE_BYTES, self.ring_bytes()
        return [start + sum(sizes[: self._owner(v)]) for v in range(len(sizes))]

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
    last = layer.in_first + layer.in_channels - 1
    source = f"[{layer.in_first}..{last}]" if layer.in_first else str(layer.in_channels)
    parts = [f"{source}->{layer.out_channels}"]
    if layer.taps > 1:
        parts.append(f"k{layer.taps}")
    for letter, number in (("s", layer.stride), ("d", layer.dilation), ("g", layer.groups)):
        if number > 1:
            parts.append(f"{letter}{number}")
    if layer.joins:
        parts.append(f"joins {layer.joins - 1}")
    if any(layer.lags):
        parts.append(f"lag {max(layer.lags)}")
    return " ".join(parts)
