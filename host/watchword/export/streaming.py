"""A streaming .tflite graph, as microWakeWord's, -> the layer list of the engine.

Such a graph takes a few new rows at a time and keeps what it needs of earlier ones in variables. Reading a
variable, joining the new rows to it in time and storing the last ones again is what a ring of the engine
does: the joined tensor is a view of more rows of the same value, and the variable's first value the fill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from watchword.errors import WatchwordError
from watchword.export.builder import Builder, View, rows_channels, time_axis
from watchword.export.layers import Layer, Network
from watchword.export.ops import HANDLERS, read_ops
from watchword.export.tflite_file import Operator, Tensor, TfliteFile, read_tflite, refusing_damage

SCORE_STEPS = {"INT8": -128, "UINT8": 0}  # zero points of an output where a step is 1/256


def read_streaming_network(content: bytes, where: str = "model.tflite") -> Network:
    """The layer list of a .tflite file that keeps state and gives a score for the rows it takes."""
    file = read_tflite(content, where)
    with refusing_damage(where):
        rows, coeffs = _check_ends(file)
        builder = _StreamBuilder(file.input, rows, coeffs, _first_values(file))
        read_ops(builder, file.operators, STREAM_HANDLERS)
        builder.check_output(file.output)
        return builder.network(file.input)


def _check_ends(file: TfliteFile) -> tuple[int, int]:
    """(rows, coeffs) of the input, of any scale; the output must be a score."""
    out = file.output
    if file.input.kind != "INT8":
        raise WatchwordError(
            f"input must be int8, not {file.input.kind}", f"tensor '{file.input.name}'", "quantise the model"
        )
    if out.scale != np.float32(1 / 256) or out.zero_point != SCORE_STEPS.get(out.kind, out.zero_point - 1):
        raise WatchwordError(
            "output must be int8 or uint8 with scale 1/256, from 0 to 255/256",
            f"tensor '{out.name}'",
            "end the model in one logit and a logistic",
        )
    return rows_channels(file.input)


def _name(op: Operator) -> str:
    """Of the variable behind a handle, the same in every graph of the file."""
    return f"{op.options.container}/{op.options.shared_name}"


def _first_values(file: TfliteFile) -> dict[str, Tensor]:
    """The constants that the starting graph stores in the variables."""
    handles: dict[int, str] = {}
    values: dict[str, Tensor] = {}
    for op in file.first:
        if op.name == "VAR_HANDLE":
            handles[op.outputs[0].index] = _name(op)
        elif op.name == "ASSIGN_VARIABLE" and op.operand(0).index in handles:
            values[handles[op.operand(0).index]] = op.operand(1)
        else:
            raise WatchwordError("op is not supported in the starting graph", op.where, "store constants")
    return values


@dataclass(frozen=True)
class _Reading:
    """Rows of a variable as they were before this push: the last `behind` are left out."""

    name: str
    rows: int
    channels: int
    behind: int = 0


class _StreamBuilder(Builder):
    """Every tensor holds the new rows of a push, or a window that ends with them."""

    def __init__(self, tensor: Tensor, rows: int, coeffs: int, first: dict[str, Tensor]) -> None:
        super().__init__(tensor, rows, coeffs)
        self.push_rows = rows
        self.new_rows = {0: rows}  # of each value in a push
        self.handles: dict[int, str] = {}
        self.readings: dict[int, _Reading] = {}  # by tensor
        self.stored: dict[str, int] = {}  # rows of each variable that was written
        self.fills: dict[str, int] = {}  # of the rows that a variable starts with
        self.first = first

    def timed(self, op: Operator, view: View, layer: Layer) -> tuple[Layer, int]:
        new, (_, step) = self.new_rows[view.value], self.timing(view)
        reach = (layer.taps - 1) * layer.dilation
        rows = (view.rows - reach - 1) // layer.stride + 1
        stride = new if rows == 1 else layer.stride
        if rows < 1 or rows * stride != new:
            what = f"makes {rows} rows of {view.rows}, of which {new} are new"
            raise WatchwordError(what, op.where, "compute every row once")
        if (rows - 1) * layer.stride + reach + 1 != view.rows or (view.behind and len(layer.inputs) == 1):
            raise WatchwordError("leaves out the latest rows", op.where, "read a window up to its end")
        layer = replace(layer, stride=stride, row_step=step * stride)
        return replace(layer, first_row=self.push_rows - (rows - 1) * layer.row_step), rows

    def _append(self, op: Operator, layer: Layer, rows: int) -> View:
        view = super()._append(op, layer, rows)
        self.new_rows[view.value] = rows
        return view

    def meeting(self, op: Operator, a: View, b: View) -> dict[str, Any]:
        if self.timing(a) != self.timing(b):
            raise WatchwordError(
                "adds streams of different strides", op.where, "stride only before the branch"
            )
        return {"lags": (a.behind, b.behind)}

    def handle(self, op: Operator) -> str:
        name = self.handles.get(op.operand(0).index)
        if name is None:
            raise WatchwordError("its first input is not a variable", op.where, "re-export the model")
        return name

    def read(self, op: Operator) -> None:
        name, output = self.handle(op), op.outputs[0]
        if name in self.stored:
            raise WatchwordError("reads a variable after writing it", op.where, "read it first")
        start = self.first.get(name)
        if start is None or start.data is None or start.kind != "INT8" or output.kind != "INT8":
            raise WatchwordError("its variable does not start as int8", op.where, "quantise the whole model")
        if start.shape != output.shape or not (start.data == start.data.flat[0]).all():
            what = "its variable does not start with the same number everywhere"
            raise WatchwordError(what, op.where, "start it with the zero point")
        self.fills[name] = int(start.data.flat[0])
        self.readings[output.index] = _Reading(name, *rows_channels(output))

    def crop(self, op: Operator, source: Tensor, bounds: Any, output: int = 0) -> None:
        """Of a variable some of its last rows; of anything else a view."""
        reading = self.readings.get(source.index)
        if reading is None:
            super().crop(op, source, bounds, output)
            return
        time = time_axis(source)
        begin, end = bounds[time]
        others = [b for axis, b in enumerate(bounds) if axis != time]
        sizes = [(0, n) for axis, n in enumerate(source.shape) if axis != time]
        if others != sizes or not 0 <= begin < end <= reading.rows:
            raise WatchwordError("crops a variable in other ways than in time", op.where, "crop in time only")
        cropped = replace(reading, rows=end - begin, behind=reading.behind + reading.rows - end)
        self.readings[op.outputs[output].index] = cropped

    def lengthen(self, op: Operator, reading: _Reading, new: Tensor) -> None:
        """The output is the rows of a variable and, behind them, the new ones of its value."""
        view = self.view(new, op)
        if view.rows != self.new_rows[view.value] or view.behind or reading.behind:
            raise WatchwordError("joins rows that do not follow one another", op.where, "re-export the model")
        if view.channels != reading.channels or reading.name in self.views:
            raise WatchwordError("its variable holds other rows", op.where, "re-export the model")
        # By its name the variable is the view of the rows that follow it.
        self.views[reading.name] = view
        self.see(op, replace(view, rows=reading.rows + view.rows))

    def store(self, op: Operator) -> None:
        name, view = self.handle(op), self.view(op.operand(1), op)
        source = self.views.get(name)
        if source is None or name in self.stored:
            raise WatchwordError("writes a variable that is not read", op.where, "re-export the model")
        same = (view.value, view.first, view.channels) == (source.value, source.first, source.channels)
        if not same or view.behind:
            raise WatchwordError("does not store the latest rows that it joined", op.where, "re-export it")
        self.stored[name] = view.rows
        if op.operand(1).shape != self.first[name].shape:
            raise WatchwordError("stores rows of another shape", op.where, "re-export the model")

    def network(self, source: Tensor) -> Network:
        """The layers with the fills of their rings."""
        for name in self.first:
            if name in self.fills and name not in self.stored:
                what = f"variable '{name}' is read and never written"
                raise WatchwordError(what, "model", "re-export the model")
        fills: dict[int, int] = {}  # by the value that has the ring
        for name in self.stored:
            value = self.views[name].value
            owner = (self.layers[value - 1].joins or value) if value else 0
            if fills.setdefault(owner, self.fills[name]) != self.fills[name]:
                what = f"variable '{name}' starts with another number than others of its rows"
                raise WatchwordError(what, "model", "start them with the zero point")
        layers = [
            replace(layer, fill=fills.get(layer.joins or value, 0))
            for value, layer in enumerate(self.layers, start=1)
        ]
        quantised = {"input_scale": float(source.scale), "input_zero": source.zero_point}
        return Network(self.coeffs, tuple(layers), **quantised, input_fill=fills.get(0, 0))  # type: ignore[arg-type]


def _variable(builder: _StreamBuilder, op: Operator) -> None:
    builder.handles[op.outputs[0].index] = _name(op)


def _concatenation(builder: _StreamBuilder, op: Operator) -> None:
    """In time behind a variable, or of channels."""
    reading = builder.readings.get(op.operand(0).index)
    if reading is None:
        HANDLERS["CONCATENATION"](builder, op)
        return
    output = op.outputs[0]
    axis = op.options.axis % len(output.shape)
    if len(op.inputs) != 2 or axis in (0, len(output.shape) - 1):
        raise WatchwordError("joins a variable in another way than in time", op.where, "re-export the model")
    if not all(op.operand(i).same_steps(output) for i in (0, 1)):
        raise WatchwordError("joins tensors of different scales", op.where, "re-export the model")
    builder.lengthen(op, reading, op.operand(1))


STREAM_HANDLERS: dict[str, Callable[[_StreamBuilder, Operator], None]] = {
    **HANDLERS,
    "CALL_ONCE": lambda builder, op: None,  # what it runs is read before
    "VAR_HANDLE": _variable,
    "READ_VARIABLE": lambda builder, op: builder.read(op),
    "ASSIGN_VARIABLE": lambda builder, op: builder.store(op),
    "CONCATENATION": _concatenation,
}
