"""A trained model as a streaming TFLite file: a call takes the rows of one score, the file keeps the others.

The form that microWakeWord's models have: variables hold the rows that the next call still needs; a call
joins them with the new ones, runs each layer on as many rows as its outputs need, and keeps the latest.
Weights, biases, scales and zero points are those of the model, so every score is the same. The ops are among
those that ESPHome's `micro_wake_word` gives its interpreter; what cannot be written with them is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.export.layers import Layer, Network
from watchword.export.ops import VIEW_OPS
from watchword.export.stream_graph import Rows, StreamGraph
from watchword.export.tflite_file import Operator, TfliteFile, read_tflite

ESPHOME_VARIABLES = 20  # that its interpreter has room for
_NO_LAYER = (*VIEW_OPS, "STRIDED_SLICE", "SLICE")
_VALID = schema.Padding.VALID


def streaming_tflite(content: bytes, where: str = "model.tflite") -> bytes:
    """The model of a .tflite file that takes whole windows as one that takes int8 [1, stride, coeffs] a call.

    Its output is uint8 [1, 1], scale 1/256. A call's score is that of the window that ends with its rows.
    """
    network, file = read_network(content, where), read_tflite(content, where)
    writer = _Writer(network, file)
    operators = (op for op in file.operators if op.name not in _NO_LAYER)
    for number, (layer, op) in enumerate(zip(network.layers, operators, strict=True)):
        writer.write(number, layer, op)
    return writer.finish()


class _Writer:
    """Writes one layer after the other; `fresh` and `kept` are by value, as in Network."""

    def __init__(self, network: Network, file: TfliteFile) -> None:
        self.network, self.graph = network, StreamGraph()
        self.fresh: list[Rows] = []  # the rows that this call adds to a value
        self.kept: list[Rows] = []  # the same, after those of earlier calls that are still needed
        self.where = "model"
        scale, zero = float(file.input.scale), file.input.zero_point
        stride, coeffs = network.stride_rows, network.coeffs
        self.input = self.graph.tensor((1, stride, coeffs), schema.TensorType.INT8, scale, zero, "rows")
        first = self.graph.rows(stride, coeffs, scale, zero, "rows of one call")
        self._reshape(self.input, first)
        self._keep(first)

    def write(self, number: int, layer: Layer, op: Operator) -> None:
        self.where = f"layer {number}, op {op.name} writing '{layer.name}'"
        handler = _HANDLERS.get(op.name)
        if handler is None:
            usable = ", ".join(sorted(_HANDLERS))
            self.refuse("ESPHome's micro_wake_word does not have this op", f"train a model of {usable}")
        else:
            handler(self, layer, op)

    def refuse(self, what: str, remedy: str) -> None:
        raise WatchwordError(what, self.where, remedy)

    def source(self, layer: Layer, operand: int = 0) -> Rows:
        """What the layer's outputs of this call read of an operand."""
        value, lag = layer.inputs[operand], layer.lags[operand]
        fresh, kept = self.fresh[value], self.kept[value]
        count = fresh.rows - layer.stride + layer.reach(operand) - lag + 1
        x = fresh if count + lag <= fresh.rows else kept
        return self.graph.cut(x, x.rows - lag - count, count)

    def output(self, layer: Layer, op: Operator) -> Rows:
        """The tensor for the layer's rows of this call."""
        tensor = op.outputs[0]
        rows = self.network.stride_rows // layer.row_step
        return self.graph.rows(rows, layer.out_channels, float(tensor.scale), tensor.zero_point, layer.name)

    def add(self, name: str, inputs: list[int], y: Rows, options: Any = None) -> None:
        """An op whose output is the layer's."""
        self.graph.op(name, inputs, [y.index], options)
        self._keep(y)

    def weighted(self, op: Operator, weights: np.ndarray, axis: int) -> list[int]:
        """Weights and bias of a layer as constants."""
        channels = weights.shape[axis]
        bias = op.inputs[2] if len(op.inputs) > 2 else None
        none = np.zeros(channels, np.int32)
        values = none if bias is None or bias.data is None else bias.data.reshape(-1)
        return [self.graph.constant(weights, op.operand(1), axis), self.graph.constant(values, bias)]

    def flattened(self, x: Rows, rows: int) -> int:
        """x as int8 [rows, the rest]."""
        shape = (rows, x.rows * x.channels // rows)
        flat = self.graph.tensor(shape, schema.TensorType.INT8, x.scale, x.zero, "flat")
        self.graph.op("RESHAPE", [x.index, self.graph.shape(*shape)], [flat])
        return flat

    def one_row(self, layer: Layer) -> None:
        """Refuse what would give several rows a call."""
        if layer.row_step != self.network.stride_rows:
            self.refuse("it gives several rows for one score", "let only layers before it stride")

    def finish(self) -> bytes:
        """The file; the score becomes an unsigned byte."""
        last = self.fresh[-1]
        flat = self.flattened(last, 1)
        score = self.graph.tensor((1, 1), schema.TensorType.UINT8, last.scale, last.zero + 128, "score")
        self.graph.op("QUANTIZE", [flat], [score])
        if self.graph.variables > ESPHOME_VARIABLES:
            self.where = "model"
            what = f"{self.graph.variables} of its streams must be kept between calls"
            self.refuse(what, f"ESPHome has room for {ESPHOME_VARIABLES}: train one of fewer blocks")
        return self.graph.pack([self.input], [score])

    def _reshape(self, source: int, y: Rows) -> None:
        self.graph.op("RESHAPE", [source, self.graph.shape(1, y.rows, 1, y.channels)], [y.index])

    def _keep(self, fresh: Rows) -> None:
        """Append a value: its new rows, joined with the earlier ones that its readers look back at."""
        value = len(self.fresh)
        self.fresh.append(fresh)
        history = 0
        for layer in self.network.layers:
            for operand, read in enumerate(layer.inputs):
                if read == value:
                    history = max(history, layer.reach(operand) + 1 - layer.stride)
        if history == 0:
            self.kept.append(fresh)
            return
        handle, earlier = self.graph.variable(history, fresh)
        joined = self.graph.joined(earlier, fresh)
        latest = self.graph.cut(joined, joined.rows - history, history)
        self.graph.op("ASSIGN_VARIABLE", [handle, latest.index], [], schema.AssignVariableOptionsT())
        self.kept.append(joined)


def _conv(writer: _Writer, layer: Layer, op: Operator) -> None:
    if layer.groups > 1:
        writer.refuse("ESPHome's convolution has no groups", "train a model without grouped convolutions")
    x, y = writer.source(layer), writer.output(layer, op)
    weights = np.asarray(layer.weights).reshape(layer.out_channels, layer.taps, 1, layer.in_channels)
    options = schema.Conv2DOptionsT(
        _VALID, 1, layer.stride, op.options.fused_activation_function, 1, layer.dilation
    )
    writer.add("CONV_2D", [x.index, *writer.weighted(op, weights, 0)], y, options)


def _depthwise(writer: _Writer, layer: Layer, op: Operator) -> None:
    x, y = writer.source(layer), writer.output(layer, op)
    weights = np.asarray(layer.weights).reshape(1, layer.taps, 1, layer.out_channels)
    options = schema.DepthwiseConv2DOptionsT(
        _VALID, 1, layer.stride, layer.out_channels // layer.in_channels,
        op.options.fused_activation_function, 1, layer.dilation,
    )  # fmt: skip # what belongs together in one line
    writer.add("DEPTHWISE_CONV_2D", [x.index, *writer.weighted(op, weights, 3)], y, options)


def _fully_connected(writer: _Writer, layer: Layer, op: Operator) -> None:
    if layer.taps > 1:
        writer.one_row(layer)
    x, y = writer.source(layer), writer.output(layer, op)
    weights = np.asarray(layer.weights).reshape(layer.out_channels, -1)
    inputs = [writer.flattened(x, y.rows), *writer.weighted(op, weights, 0)]
    flat = writer.graph.tensor((y.rows, y.channels), schema.TensorType.INT8, y.scale, y.zero, layer.name)
    options = schema.FullyConnectedOptionsT(op.options.fused_activation_function)
    writer.graph.op("FULLY_CONNECTED", inputs, [flat], options)
    writer.add("RESHAPE", [flat, writer.graph.shape(1, y.rows, 1, y.channels)], y)


def _add(writer: _Writer, layer: Layer, op: Operator) -> None:
    a, b = writer.source(layer, 0), writer.source(layer, 1)
    options = schema.AddOptionsT(op.options.fused_activation_function)
    writer.add("ADD", [a.index, b.index], writer.output(layer, op), options)


def _average(writer: _Writer, layer: Layer, op: Operator) -> None:
    x = writer.source(layer)
    activation = op.options.fused_activation_function
    options = schema.Pool2DOptionsT(_VALID, 1, layer.stride, 1, layer.taps, activation)
    writer.add("AVERAGE_POOL_2D", [x.index], writer.output(layer, op), options)


def _mean(writer: _Writer, layer: Layer, op: Operator) -> None:
    writer.one_row(layer)
    x, axes = writer.source(layer), writer.graph.shape(1, 2)
    writer.add("MEAN", [x.index, axes], writer.output(layer, op), schema.ReducerOptionsT(True))


def _unary(writer: _Writer, layer: Layer, op: Operator) -> None:
    writer.add(op.name, [writer.source(layer).index], writer.output(layer, op), op.options)


_HANDLERS: dict[str, Callable[[_Writer, Layer, Operator], None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _add,
    "AVERAGE_POOL_2D": _average,
    "MEAN": _mean,
    "LOGISTIC": _unary,
    "QUANTIZE": _unary,
}
