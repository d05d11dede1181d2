"""A quantised .tflite graph -> the layer list of the streaming engine.

Every op handler turns one TFLite op into a layer, or into another view of an existing stream (a
reshape, a crop in time). Whatever the engine cannot do bit for bit is an error naming the op.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from watchword import spec
from watchword.errors import WatchwordError
from watchword.export.fixed_point import activation_range, multiplier_tables, unary_table
from watchword.export.layers import Layer, Network
from watchword.export.tflite_file import Operator, Tensor, TfliteFile, read_tflite

UNARY_OPS = ("LOGISTIC", "QUANTIZE", "RELU", "RELU6", "TANH", "HARD_SWISH")
VIEW_OPS = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")


@dataclass(frozen=True)
class View:
    """Rows [begin, begin + rows) of a value, counted in the window of the .tflite graph."""

    value: int
    channels: int
    rows: int
    begin: int = 0


def read_network(content: bytes, where: str = "model.tflite") -> Network:
    """The layer list of a .tflite file, checked against the model graph contract."""
    file = read_tflite(content, where)
    rows, coeffs = _check_ends(file)
    builder = _Builder(file.input, View(0, coeffs, rows))
    for op in file.operators:
        handler = HANDLERS.get(op.name)
        if handler is None:
            known = ", ".join(sorted(HANDLERS))
            raise WatchwordError("op is not supported", op.where, f"build the model of {known}")
        try:
            handler(builder, op)
        except (AttributeError, TypeError, LookupError, ValueError, ArithmeticError) as error:
            raise WatchwordError(
                f"malformed op ({error})", op.where, "use a file the converter wrote"
            ) from error
    return builder.finish(file.output)


def _check_ends(file: TfliteFile) -> tuple[int, int]:
    """(rows, coeffs) of the input; refuses other scales than the contract's."""
    t = file.input
    if t.kind != "INT8" or t.scale != np.float32(spec.INPUT_SCALE) or t.zero_point != 0:
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
    return _rows_channels(t)


def _rows_channels(tensor: Tensor) -> tuple[int, int]:
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


def _time_axis(tensor: Tensor) -> int:
    """0 if time runs along the height of a 4-D tensor, 1 if along its width."""
    return 1 if tensor.shape[1] == 1 and tensor.shape[2] > 1 else 0


class _Builder:
    """Collects layers while the ops of the graph go by in order."""

    def __init__(self, tensor: Tensor, view: View) -> None:
        self.views: dict[int, View] = {tensor.index: view}
        self.layers: list[Layer] = []
        self.coeffs, self.window_rows = view.channels, view.rows

    def raw_view(self, tensor: Tensor, op: Operator) -> View:
        if tensor.kind != "INT8" or tensor.index not in self.views:
            what = f"input '{tensor.name}' ({tensor.kind}) is not an int8 stream of rows"
            raise WatchwordError(what, op.where, "quantise the whole model to int8")
        return self.views[tensor.index]

    def view(self, tensor: Tensor, op: Operator) -> View:
        """The stream behind a tensor whose shape must be [.., rows, channels] of that stream."""
        view = self.raw_view(tensor, op)
        if (view.rows, view.channels) != _rows_channels(tensor):
            found = f"{list(tensor.shape)} for a stream of {view.rows} rows of {view.channels}"
            raise WatchwordError(f"input shape {found}", op.where, "keep time and channels apart")
        return view

    def first_row(self, view: View) -> int:
        """Input rows of the model before the first row of the view exists."""
        return self._timing(view)[0] + view.begin * self._timing(view)[1]

    def _timing(self, view: View) -> tuple[int, int]:
        if view.value == 0:
            return 1, 1
        layer = self.layers[view.value - 1]
        return layer.first_row, layer.row_step

    def row_step(self, view: View) -> int:
        return self._timing(view)[1]

    def see(self, op: Operator, view: View) -> None:
        """The op's output is this view; no layer is needed."""
        self.views[op.outputs[0].index] = view

    def add(self, op: Operator, view: View, op_code: str, channels: int, **fields: Any) -> None:
        """Append a layer that reads `view` (a two-input op passes `inputs`, `first_row`, `lags`)."""
        output = op.outputs[0]
        layer = Layer(op_code, output.name, (view.value,), view.channels, channels, self.first_row(view), 1)
        layer = replace(layer, row_step=self.row_step(view), **fields)
        reach = (layer.taps - 1) * layer.dilation
        if "first_row" not in fields:
            layer = replace(layer, first_row=layer.first_row + reach * layer.row_step)
        layer = replace(layer, row_step=layer.row_step * layer.stride)
        rows = (view.rows - reach - 1) // layer.stride + 1
        if output.kind != "INT8" or _rows_channels(output) != (rows, channels):
            found = f"output {output.kind} {list(output.shape)}, expected int8 with {rows} rows of {channels}"
            raise WatchwordError(found, op.where, "use valid padding and full quantisation")
        _check_limits(layer, op)
        self.layers.append(layer)
        self.views[output.index] = View(len(self.layers), channels, rows)

    def finish(self, output: Tensor) -> Network:
        view = self.views.get(output.index)
        if view is None or view.value != len(self.layers) or not self.layers:
            raise WatchwordError(
                "output is not that of the last op", f"tensor '{output.name}'", "prune the graph"
            )
        if (view.rows, view.channels, view.begin) != (1, 1, 0):
            what = f"output has {view.rows} rows of {view.channels}, not one score"
            raise WatchwordError(what, f"tensor '{output.name}'", "export with T = the receptive field")
        if len(self.layers) > spec.MODEL_MAX_LAYERS:
            raise WatchwordError(
                f"{len(self.layers)} layers", "model", f"use at most {spec.MODEL_MAX_LAYERS}"
            )
        used = self.layers[-1].first_row
        if used != self.window_rows:
            what = f"reads {used} of its {self.window_rows} input rows"
            raise WatchwordError(what, "model", f"export it with T = {used}")
        return Network(self.coeffs, self.window_rows, tuple(self.layers))


def _check_limits(layer: Layer, op: Operator) -> None:
    widest = max(layer.out_channels, layer.in_channels)
    if widest > spec.MODEL_MAX_CHANNELS or layer.first_row > spec.MODEL_MAX_ROWS:
        what = f"{widest} channels, {layer.first_row} rows of context"
        limit = f"at most {spec.MODEL_MAX_CHANNELS} and {spec.MODEL_MAX_ROWS}"
        raise WatchwordError(what, op.where, limit)
    products = layer.taps * layer.in_channels // layer.groups
    if layer.op == "CONV" and products > spec.MODEL_MAX_PRODUCTS:
        raise WatchwordError(f"{products} products an output", op.where, f"at most {spec.MODEL_MAX_PRODUCTS}")


def _weights(op: Operator) -> Tensor:
    """The constant, symmetric int8 weights of a conv or fully connected op."""
    tensor = op.operand(1)
    if tensor.data is None or tensor.kind != "INT8" or len(tensor.scales) == 0 or tensor.zero_points.any():
        raise WatchwordError(
            f"weights '{tensor.name}' are not constant symmetric int8", op.where, "quantise to int8"
        )
    return tensor


def _bias(op: Operator, sums: np.ndarray) -> np.ndarray:
    """int32 [out]: the op's bias minus its input's zero point times `sums` int64 [out]."""
    bias = np.zeros(len(sums), np.int64)
    tensor = op.inputs[2] if len(op.inputs) > 2 else None
    if tensor is not None:
        if tensor.data is None or tensor.kind != "INT32":
            raise WatchwordError(f"bias '{tensor.name}' is not constant int32", op.where, "quantise to int8")
        bias = tensor.data.astype(np.int64).reshape(-1)
    folded = bias - op.operand(0).zero_point * sums
    if np.abs(folded).max() >= spec.MODEL_MAX_BIAS:
        raise WatchwordError("bias is out of range", op.where, "check the quantisation of the model")
    biases: np.ndarray = folded.astype(np.int32)
    return biases


def _scale_fields(op: Operator, reals: list[float], activation: int) -> dict[str, Any]:
    """Layer fields for requantisation with a fused activation."""
    multiplier, shift = multiplier_tables(reals, op.where)
    output = op.outputs[0]
    limits = activation_range(activation, output, op.where)
    return {"multiplier": multiplier, "shift": shift, "zero_out": output.zero_point, "out_range": limits}


def _conv_scales(op: Operator, channels: int) -> list[float]:
    """Real multiplier of each output channel, in double as TFLite has it."""
    scales = op.operand(1).scales
    if len(scales) not in (1, channels):
        raise WatchwordError(f"{len(scales)} weight scales for {channels} channels", op.where, "re-export it")
    input_scale, output_scale = float(op.operand(0).scale), float(op.outputs[0].scale)
    return [input_scale * float(s) / output_scale for s in np.broadcast_to(scales, channels)]


def _kernel_fields(op: Operator, kernel: tuple[int, int]) -> dict[str, int]:
    """taps, stride (and dilation) along time of a conv or pooling op with kernel (h, w)."""
    axis = _time_axis(op.operand(0))
    options = op.options
    taps, across = kernel[axis], kernel[1 - axis]
    if across != 1:
        raise WatchwordError(f"kernel {list(kernel)} spans more than time", op.where, "use kernels [k, 1]")
    if taps > 1 and options.padding != schema.Padding.VALID:
        raise WatchwordError("padding is not 'valid'", op.where, "use padding='valid' and crop the residual")
    dilation = (getattr(options, "dilationHFactor", 1), getattr(options, "dilationWFactor", 1))[axis]
    stride = (options.strideH, options.strideW)[axis]
    return {"taps": taps, "stride": stride, "dilation": dilation if taps > 1 else 1}


def _conv(builder: _Builder, op: Operator) -> None:
    view, tensor = builder.view(op.operand(0), op), _weights(op)
    out, height, width, group_in = tensor.shape
    if group_in == 0 or view.channels % group_in or out % (view.channels // group_in):
        raise WatchwordError(f"weights {list(tensor.shape)} do not fit {view.channels} channels", op.where)
    fields: dict[str, Any] = _kernel_fields(op, (height, width))
    fields |= _scale_fields(op, _conv_scales(op, out), op.options.fusedActivationFunction)
    weights = np.asarray(tensor.data).reshape(out, -1, group_in)
    fields |= {"groups": view.channels // group_in, "zeros": (op.operand(0).zero_point, 0)}
    builder.add(op, view, "CONV", out, weights=weights, bias=_bias(op, np.zeros(out, np.int64)), **fields)


def _depthwise(builder: _Builder, op: Operator) -> None:
    view, tensor = builder.view(op.operand(0), op), _weights(op)
    _, height, width, out = tensor.shape
    if out % view.channels:
        raise WatchwordError(f"weights {list(tensor.shape)} do not fit {view.channels} channels", op.where)
    fields = _kernel_fields(op, (height, width))
    fields |= _scale_fields(op, _conv_scales(op, out), op.options.fusedActivationFunction)
    weights = np.asarray(tensor.data).reshape(height * width, out)
    bias = _bias(op, weights.sum(axis=0, dtype=np.int64))
    builder.add(op, view, "DEPTHWISE", out, weights=weights, bias=bias, **fields)


def _fully_connected(builder: _Builder, op: Operator) -> None:
    view, tensor = builder.raw_view(op.operand(0), op), _weights(op)
    out, features = tensor.shape
    taps = 1 if features == view.channels else view.rows
    if features != taps * view.channels:
        what = f"{features} features of {view.rows} rows of {view.channels}"
        raise WatchwordError(what, op.where, "flatten or pool over time before it")
    scales = _conv_scales(op, out)
    if len(tensor.scales) == 1:  # TFLite multiplies these two in single precision
        product = np.float32(op.operand(0).scale) * np.float32(tensor.scales[0])
        scales = [float(product) / float(op.outputs[0].scale)] * out
    fields = _scale_fields(op, scales, op.options.fusedActivationFunction)
    weights = np.asarray(tensor.data).reshape(out, taps, view.channels)
    fields |= {"taps": taps, "zeros": (op.operand(0).zero_point, 0)}
    builder.add(op, view, "CONV", out, weights=weights, bias=_bias(op, np.zeros(out, np.int64)), **fields)


def _add(builder: _Builder, op: Operator) -> None:
    # The engine wants the larger scale last: both come to twice that scale, so its factor is a half.
    operands = sorted((op.operand(0), op.operand(1)), key=lambda tensor: float(tensor.scale))
    a, b = (builder.view(tensor, op) for tensor in operands)
    if (a.rows, a.channels) != (b.rows, b.channels):
        raise WatchwordError("adds tensors of different shapes", op.where, "crop the longer branch in time")
    step = builder.row_step(a)
    firsts = builder.first_row(a), builder.first_row(b)
    if builder.row_step(b) != step or (firsts[0] - firsts[1]) % step:
        raise WatchwordError("adds streams of different strides", op.where, "stride only before the branch")
    small, large = (float(tensor.scale) for tensor in operands)
    reals = [small / (2 * large), 2 * large / ((1 << spec.MODEL_ADD_SHIFT) * float(op.outputs[0].scale))]
    fields = _scale_fields(op, reals, op.options.fusedActivationFunction)
    if (np.asarray(fields["shift"]) > 0).any():
        raise WatchwordError("its scales are out of range", op.where, "check the quantisation of the model")
    builder.add(
        op, a, "ADD", a.channels, inputs=(a.value, b.value), first_row=max(firsts),
        lags=((max(firsts) - firsts[0]) // step, (max(firsts) - firsts[1]) // step),
        zeros=(operands[0].zero_point, operands[1].zero_point), **fields,
    )  # fmt: skip # what belongs together in one line


def _average(builder: _Builder, op: Operator) -> None:
    view, source, output = builder.view(op.operand(0), op), op.operand(0), op.outputs[0]
    if source.scale != output.scale or source.zero_point != output.zero_point:
        raise WatchwordError("pooling with different scales in and out", op.where, "re-export the model")
    limits = activation_range(op.options.fusedActivationFunction, output, op.where)
    fields = _kernel_fields(op, (op.options.filterHeight, op.options.filterWidth))
    builder.add(op, view, "AVERAGE", view.channels, out_range=limits, **fields)


def _mean(builder: _Builder, op: Operator) -> None:
    view, source = builder.view(op.operand(0), op), op.operand(0)
    axes = {int(a) % len(source.shape) for a in np.asarray(op.operand(1).data).reshape(-1)}
    reduced = int(np.prod([source.shape[a] for a in axes]))
    if len(source.shape) - 1 in axes or reduced != view.rows:
        raise WatchwordError(f"mean over axes {sorted(axes)}", op.where, "average over the time axis only")
    output, count = op.outputs[0], view.rows
    # TFLite folds 1/count into the multiplier, truncating
    fields = _scale_fields(
        op, [float(source.scale) / float(output.scale)], schema.ActivationFunctionType.NONE
    )
    shift = int(fields["shift"][0])
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    fields["multiplier"] = np.array([(int(fields["multiplier"][0]) << extra) // count], np.int32)
    fields["shift"] = np.array([shift - extra], np.int8)
    bias = np.array([-source.zero_point * count], np.int32)
    builder.add(op, view, "MEAN", view.channels, taps=count, bias=bias, **fields)


def _unary(builder: _Builder, op: Operator) -> None:
    view = builder.view(op.operand(0), op)
    if op.outputs[0].kind != "INT8":
        raise WatchwordError(f"output is {op.outputs[0].kind}", op.where, "quantise the whole model to int8")
    builder.add(op, view, "LUT", view.channels, weights=unary_table(op))


def _same_stream(builder: _Builder, op: Operator) -> None:
    view, output = builder.raw_view(op.operand(0), op), op.outputs[0]
    if int(np.prod(output.shape)) != view.rows * view.channels:
        raise WatchwordError(f"output shape {list(output.shape)}", op.where, "keep the number of values")
    builder.see(op, view)


def _constant(op: Operator, index: int) -> list[int]:
    data = op.operand(index).data
    if data is None:
        raise WatchwordError(f"input {index} is not constant", op.where, "use fixed shapes")
    return [int(v) for v in data.reshape(-1)]


def _strided_slice(builder: _Builder, op: Operator) -> None:
    options, shape = op.options, op.operand(0).shape
    if options.ellipsisMask or options.newAxisMask or any(s != 1 for s in _constant(op, 3)):
        raise WatchwordError("slices with a step or new axes", op.where, "crop in time only")
    begins, ends = _constant(op, 1), _constant(op, 2)
    bounds = []
    for axis, size in enumerate(shape):
        bit = 1 << axis
        low, high, _ = slice(
            None if options.beginMask & bit or axis >= len(begins) else begins[axis],
            None if options.endMask & bit or axis >= len(ends) else ends[axis],
        ).indices(size)
        bounds.append((low, low + 1 if options.shrinkAxisMask & bit else high))
    _crop(builder, op, bounds)


def _slice(builder: _Builder, op: Operator) -> None:
    begins, sizes = _constant(op, 1), _constant(op, 2)
    shape = op.operand(0).shape
    bounds = [(b, n if s < 0 else b + s) for b, s, n in zip(begins, sizes, shape, strict=True)]
    _crop(builder, op, bounds)


def _crop(builder: _Builder, op: Operator, bounds: list[tuple[int, int]]) -> None:
    """A view of fewer rows; bounds (begin, end) for each axis of the input."""
    source = op.operand(0)
    view = builder.view(source, op)
    if len(source.shape) < 3:
        raise WatchwordError("crops a tensor without a time axis", op.where, "crop in time only")
    time = 1 + (_time_axis(source) if len(source.shape) == 4 else 0)
    for axis, (size, (begin, end)) in enumerate(zip(source.shape, bounds, strict=True)):
        if axis != time and (begin, end) != (0, size):
            raise WatchwordError("crops another axis than time", op.where, "crop in time only")
    begin, end = bounds[time]
    if not 0 <= begin < end <= view.rows:
        raise WatchwordError(f"crops to rows {begin}..{end} of {view.rows}", op.where, "crop less")
    builder.see(op, replace(view, begin=view.begin + begin, rows=end - begin))


HANDLERS: dict[str, Callable[[_Builder, Operator], None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _add,
    "AVERAGE_POOL_2D": _average,
    "MEAN": _mean,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    **dict.fromkeys(UNARY_OPS, _unary),
    **dict.fromkeys(VIEW_OPS, _same_stream),
}
