"""A quantised .tflite graph of a whole window -> the layer list of the streaming engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from watchword import spec
from watchword.errors import WatchwordError
from watchword.export.affine import INPUT_STEPS
from watchword.export.builder import Builder, View, rows_channels
from watchword.export.layers import Layer, Network
from watchword.export.ops import HANDLERS, read_ops
from watchword.export.tflite_file import Operator, TfliteFile, read_tflite, refusing_damage


def read_network(content: bytes, where: str = "model.tflite") -> Network:
    """The layer list of a .tflite file, checked against the model graph contract."""
    file = read_tflite(content, where)
    with refusing_damage(where):
        rows, coeffs = _check_ends(file)
        builder = _WindowBuilder(file.input, rows, coeffs)
        read_ops(builder, file.operators, HANDLERS)
        builder.check_output(file.output)
    steps = float(file.input.scale), file.input.zero_point
    network = Network(coeffs, tuple(builder.layers), *steps)
    if network.first_rows != rows:
        what = f"reads {network.first_rows} of its {rows} input rows"
        raise WatchwordError(what, "model", f"export it with T = {network.first_rows}")
    return network


def _check_ends(file: TfliteFile) -> tuple[int, int]:
    """(rows, coeffs) of the input; refuses other scales than the contract's."""
    t = file.input
    known = {(np.float32(scale), zero) for scale, zero in INPUT_STEPS.values()}
    if t.kind != "INT8" or (t.scale, t.zero_point) not in known:
        found = f"{t.kind}, scale {t.scales.tolist()}, zero point {t.zero_points.tolist()}"
        raise WatchwordError(
            f"input must be int8 with scale {spec.INPUT_SCALE} and zero point 0, not {found}",
            f"tensor '{t.name}'",
            "train with `watchword train`, or quantise the input so",
        )
    out = file.output
    if out.kind != "INT8" or out.scale != np.float32(1 / 256) or out.zero_point != -128:
        raise WatchwordError(
            "output must be int8 with scale 1/256 and zero point -128",
            f"tensor '{out.name}'",
            "end the model in one logit and a logistic",
        )
    return rows_channels(t)


class _WindowBuilder(Builder):
    """Every tensor holds all rows that the window gives; `begin` counts in the tensor not yet cropped."""

    def timed(self, op: Operator, view: View, layer: Layer) -> tuple[Layer, int]:
        step = self.timing(view)[1]
        reach = (layer.taps - 1) * layer.dilation
        if len(layer.inputs) == 1:
            layer = replace(layer, first_row=self._first_row(view) + reach * step)
        rows = (view.rows - reach - 1) // layer.stride + 1
        return replace(layer, row_step=step * layer.stride), rows

    def _first_row(self, view: View) -> int:
        """Input rows of the model before the first row of the view exists."""
        first, step = self.timing(view)
        return first + view.begin * step

    def meeting(self, op: Operator, a: View, b: View) -> dict[str, Any]:
        step = self.timing(a)[1]
        firsts = self._first_row(a), self._first_row(b)
        if self.timing(b)[1] != step or (firsts[0] - firsts[1]) % step:
            raise WatchwordError(
                "adds streams of different strides", op.where, "stride only before the branch"
            )
        lags = (max(firsts) - firsts[0]) // step, (max(firsts) - firsts[1]) // step
        return {"first_row": max(firsts), "lags": lags}
