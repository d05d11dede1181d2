"""Collects the engine's layers while the ops of a .tflite graph go by in order.

A tensor of the graph is a view of a value: some of its rows and channels. How rows lie in time is the
business of the two readers: graph.py (a graph of a whole window) and streaming.py (one that keeps state).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from watchword import spec
from watchword.errors import WatchwordError
from watchword.export.layers import Layer
from watchword.export.tables import VALUES
from watchword.export.tflite_file import Operator, Tensor


@dataclass(frozen=True)
class View:
    """Rows and channels of a value, as one tensor of the graph holds them."""

    value: int
    channels: int
    rows: int
    begin: int = 0  # rows of the whole tensor before the first one here
    behind: int = 0  # rows of it after the last one here
    first: int = 0  # first channel


def rows_channels(tensor: Tensor) -> tuple[int, int]:
    """(time steps, channels) of [1, T, 1, C], [1, 1, T, C], [1, T, C] or [1, C]."""
    shape = tensor.shape
    if len(shape) == 4 and shape[0] == 1 and 1 in shape[1:3]:
        return shape[1] * shape[2], shape[3]
    if len(shape) == 3 and shape[0] == 1:
        return shape[1], shape[2]
    if len(shape) == 2 and shape[0] == 1:
        return 1, shape[1]
    raise WatchwordError(
        f"shape {list(shape)} is not [1, time, 1, channels]", f"tensor '{tensor.name}'", "keep that layout"
    )


def time_axis(tensor: Tensor) -> int:
    """Which axis of a tensor of three or four is the time."""
    return 2 if len(tensor.shape) == 4 and tensor.shape[1] == 1 and tensor.shape[2] > 1 else 1


class Builder(ABC):
    """Views of the tensors so far, and the layers that make them."""

    def __init__(self, tensor: Tensor, rows: int, coeffs: int) -> None:
        self.views: dict[int | str, View] = {tensor.index: View(0, coeffs, rows)}
        self.layers: list[Layer] = []
        self.coeffs = coeffs

    @abstractmethod
    def timed(self, op: Operator, view: View, layer: Layer) -> tuple[Layer, int]:
        """The layer, which reads `view`, with its timing and stride, and how many rows its tensor has."""

    @abstractmethod
    def meeting(self, op: Operator, a: View, b: View) -> dict[str, Any]:
        """Timing fields of a layer that reads a row of each view at once."""

    def raw_view(self, tensor: Tensor, op: Operator) -> View:
        if tensor.kind != "INT8" or tensor.index not in self.views:
            what = f"input '{tensor.name}' ({tensor.kind}) is not an int8 stream of rows"
            raise WatchwordError(what, op.where, "quantise the whole model to int8")
        return self.views[tensor.index]

    def view(self, tensor: Tensor, op: Operator) -> View:
        """The stream behind a tensor whose shape must be [.., rows, channels] of that stream."""
        view = self.raw_view(tensor, op)
        if (view.rows, view.channels) != rows_channels(tensor):
            found = f"{list(tensor.shape)} for a stream of {view.rows} rows of {view.channels}"
            raise WatchwordError(f"input shape {found}", op.where, "keep time and channels apart")
        return view

    def timing(self, view: View) -> tuple[int, int]:
        """Input rows of the model before the first row of the view's value, and from one to the next."""
        if view.value == 0:
            return 1, 1
        layer = self.layers[view.value - 1]
        return layer.first_row, layer.row_step

    def see(self, op: Operator, view: View, output: int = 0) -> None:
        """An output of the op is this view; no layer is needed."""
        self.views[op.outputs[output].index] = view

    def add(self, op: Operator, view: View, code: str, channels: int, **fields: Any) -> None:
        """Append a layer that reads `view` and writes the op's output."""
        layer, rows = self._layer(op, view, code, channels, **fields)
        output = op.outputs[0]
        if output.kind != "INT8" or int(np.prod(output.shape)) != rows * channels:
            found = f"output {output.kind} {list(output.shape)}, expected int8 with {rows} rows of {channels}"
            raise WatchwordError(found, op.where, "use valid padding and full quantisation")
        self.see(op, self._append(op, layer, rows))

    def _layer(self, op: Operator, view: View, code: str, channels: int, **fields: Any) -> tuple[Layer, int]:
        layer = Layer(code, op.outputs[0].name, (view.value,), view.channels, channels, 1, 1)
        return self.timed(op, view, replace(layer, in_first=view.first, **fields))

    def _append(self, op: Operator, layer: Layer, rows: int) -> View:
        _check_limits(layer, op)
        self.layers.append(layer)
        return View(len(self.layers), layer.out_channels, rows)

    def crop(self, op: Operator, source: Tensor, bounds: Sequence[tuple[int, int]], output: int = 0) -> None:
        """An output is a view of fewer rows and channels; bounds (begin, end) for each axis of the source."""
        view = self.view(source, op)
        if len(source.shape) < 3:
            raise WatchwordError("crops a tensor without a time axis", op.where, "crop in time only")
        time, last = time_axis(source), len(source.shape) - 1
        for axis, (size, (begin, end)) in enumerate(zip(source.shape, bounds, strict=True)):
            if axis not in (time, last) and (begin, end) != (0, size):
                raise WatchwordError("crops another axis than time and channels", op.where, "crop in time")
            if not 0 <= begin < end <= size:
                raise WatchwordError(f"crops to {begin}..{end} of {size}", op.where, "crop less")
        (begin, end), (first, beyond) = bounds[time], bounds[last]
        cropped = replace(view, begin=view.begin + begin, behind=view.behind + view.rows - end)
        cropped = replace(cropped, rows=end - begin, first=view.first + first, channels=beyond - first)
        self.see(op, cropped, output)

    def join(self, op: Operator, tensors: Sequence[Tensor]) -> None:
        """The op's output is the channels of all tensors side by side: their layers share one ring."""
        total = sum(rows_channels(tensor)[1] for tensor in tensors)
        parts = [self._part(op, tensor, tensors[:i]) for i, tensor in enumerate(tensors)]
        timings = {(self.timing(part), part.rows) for part in parts}
        if len(timings) != 1:
            raise WatchwordError("joins rows of different times", op.where, "crop the longer branch in time")
        owner, first = min(part.value for part in parts), 0
        for part in parts:
            joins = owner if part.value != owner else 0
            self._place(part.value, joins, first, total)
            first += part.channels
        self.see(op, replace(parts[0], value=max(part.value for part in parts), channels=total))

    def _part(self, op: Operator, tensor: Tensor, before: Sequence[Tensor]) -> View:
        """The tensor as the whole output of a layer that can write elsewhere; else as that of a copy."""
        view = self.view(tensor, op)
        whole = view == View(view.value, view.channels, view.rows)
        layer = self.layers[view.value - 1] if view.value else None
        fits = whole and layer is not None and layer.out_channels == view.channels
        if fits and layer and not layer.row_channels and tensor not in before and not self._is_second(view):
            return view
        copy = VALUES.astype(np.int8)
        return self._append(op, *self._layer(op, view, "LUT", view.channels, weights=copy))

    def _is_second(self, view: View) -> bool:
        """An ADD reads its second operand from the first channel on."""
        return any(view.value in layer.inputs[1:] for layer in self.layers)

    def _place(self, value: int, joins: int, first: int, total: int) -> None:
        """Let a layer write from channel `first` of a wider row on, and its readers read there."""
        layer = self.layers[value - 1]
        self.layers[value - 1] = replace(layer, joins=joins, out_first=first, row_channels=total)
        for key, view in self.views.items():
            if view.value == value:
                self.views[key] = replace(view, first=view.first + first)
        for i, layer in enumerate(self.layers):
            if layer.inputs[0] == value:
                self.layers[i] = replace(layer, in_first=layer.in_first + first)

    def check_output(self, output: Tensor) -> None:
        """One score, by the last layer."""
        view = self.views.get(output.index)
        if view is None or view.value != len(self.layers) or not self.layers:
            raise WatchwordError(
                "output is not that of the last op", f"tensor '{output.name}'", "prune the graph"
            )
        if view != View(view.value, 1, 1) or self.layers[-1].row_channels:
            what = f"output has {view.rows} rows of {view.channels}, not one score"
            raise WatchwordError(what, f"tensor '{output.name}'", "export with T = the receptive field")
        if len(self.layers) > spec.MODEL_MAX_LAYERS:
            raise WatchwordError(
                f"{len(self.layers)} layers", "model", f"use at most {spec.MODEL_MAX_LAYERS}"
            )


def _check_limits(layer: Layer, op: Operator) -> None:
    widest = max(layer.out_channels, layer.in_channels)
    if widest > spec.MODEL_MAX_CHANNELS or layer.first_row > spec.MODEL_MAX_ROWS:
        what = f"{widest} channels, {layer.first_row} rows of context"
        limit = f"at most {spec.MODEL_MAX_CHANNELS} and {spec.MODEL_MAX_ROWS}"
        raise WatchwordError(what, op.where, limit)
    products = layer.taps * layer.in_channels // layer.groups
    if layer.op == "CONV" and products > spec.MODEL_MAX_PRODUCTS:
        raise WatchwordError(f"{products} products an output", op.where, f"at most {spec.MODEL_MAX_PRODUCTS}")
