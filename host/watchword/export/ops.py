"""What each TFLite op is to the engine: a layer, or another view of an existing stream.

Whatever the engine cannot do bit for bit is an error naming the op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import tflite

from watchword import spec
from watchword.errors import WatchwordError
from watchword.export.builder import Builder, time_axis
from watchword.export.fixed_point import activation_range, multiplier_tables
from watchword.export.tables import added_tables, multiplied_tables, unary_table
from watchword.export.tflite_file import Operator, Tensor, refusing_damage

UNARY_OPS = ("LOGISTIC", "QUANTIZE", "RELU", "RELU6", "TANH", "HARD_SWISH")
VIEW_OPS = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE")

B = TypeVar("B", bound=Builder)


def read_ops(
    builder: B, operators: Sequence[Operator], handlers: Mapping[str, Callable[[B, Operator], None]]
) -> None:
    """Let the builder see every op in turn."""
    for op in operators:
        handler = handlers.get(op.name)
        if handler is None:
            known = ", ".join(sorted(handlers))
            raise WatchwordError("op is not supported", op.where, f"build the model of {known}")
        with refusing_damage(op.where):
            handler(builder, op)


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
    axis = time_axis(op.operand(0)) - 1
    options = op.options
    taps, across = kernel[axis], kernel[1 - axis]
    if across != 1:
        raise WatchwordError(f"kernel {list(kernel)} spans more than time", op.where, "use kernels [k, 1]")
    if taps > 1 and options.padding != tflite.Padding.VALID:
        raise WatchwordError("padding is not 'valid'", op.where, "use padding='valid' and crop the residual")
    dilation = (getattr(options, "dilation_h_factor", 1), getattr(options, "dilation_w_factor", 1))[axis]
    stride = (options.stride_h, options.stride_w)[axis]
    return {"taps": taps, "stride": stride, "dilation": dilation if taps > 1 else 1}


def _conv(builder: Builder, op: Operator) -> None:
    view, tensor = builder.view(op.operand(0), op), _weights(op)
    out, height, width, group_in = tensor.shape
    if group_in == 0 or view.channels % group_in or out % (view.channels // group_in):
        raise WatchwordError(f"weights {list(tensor.shape)} do not fit {view.channels} channels", op.where)
    fields: dict[str, Any] = _kernel_fields(op, (height, width))
    fields |= _scale_fields(op, _conv_scales(op, out), op.options.fused_activation_function)
    weights = np.asarray(tensor.data).reshape(out, -1, group_in)
    fields |= {"groups": view.channels // group_in, "zeros": (op.operand(0).zero_point, 0)}
    builder.add(op, view, "CONV", out, weights=weights, bias=_bias(op, np.zeros(out, np.int64)), **fields)


def _depthwise(builder: Builder, op: Operator) -> None:
    view, tensor = builder.view(op.operand(0), op), _weights(op)
    _, height, width, out = tensor.shape
    if out % view.channels:
        raise WatchwordError(f"weights {list(tensor.shape)} do not fit {view.channels} channels", op.where)
    fields = _kernel_fields(op, (height, width))
    fields |= _scale_fields(op, _conv_scales(op, out), op.options.fused_activation_function)
    weights = np.asarray(tensor.data).reshape(height * width, out)
    bias = _bias(op, weights.sum(axis=0, dtype=np.int64))
    builder.add(op, view, "DEPTHWISE", out, weights=weights, bias=bias, **fields)


def _fully_connected(builder: Builder, op: Operator) -> None:
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
    fields = _scale_fields(op, scales, op.options.fused_activation_function)
    weights = np.asarray(tensor.data).reshape(out, taps, view.channels)
    fields |= {"taps": taps, "zeros": (op.operand(0).zero_point, 0)}
    builder.add(op, view, "CONV", out, weights=weights, bias=_bias(op, np.zeros(out, np.int64)), **fields)


def _add(builder: Builder, op: Operator) -> None:
    if _constant_operand(op) is not None:
        _with_constant(builder, op)
        return
    # The engine wants the larger scale last: both come to twice that scale, so its factor is a half.
    operands = sorted((op.operand(0), op.operand(1)), key=lambda tensor: float(tensor.scale))
    a, b = (builder.view(tensor, op) for tensor in operands)
    if (a.rows, a.channels) != (b.rows, b.channels):
        raise WatchwordError("adds tensors of different shapes", op.where, "crop the longer branch in time")
    if b.first:
        raise WatchwordError("adds some channels of a wider row", op.where, "add before joining channels")
    small, large = (float(tensor.scale) for tensor in operands)
    reals = [small / (2 * large), 2 * large / ((1 << spec.MODEL_ADD_SHIFT) * float(op.outputs[0].scale))]
    fields = _scale_fields(op, reals, op.options.fused_activation_function)
    if (np.asarray(fields["shift"]) > 0).any():
        raise WatchwordError("its scales are out of range", op.where, "check the quantisation of the model")
    fields |= {"zeros": (operands[0].zero_point, operands[1].zero_point), "inputs": (a.value, b.value)}
    builder.add(op, a, "ADD", a.channels, **fields, **builder.meeting(op, a, b))


def _constant_operand(op: Operator) -> int | None:
    """Which of two operands the graph fixes."""
    fixed = [i for i in (0, 1) if op.operand(i).data is not None]
    return fixed[0] if fixed else None


def _with_constant(builder: Builder, op: Operator) -> None:
    """ADD or MUL with constants that repeat along the channels: a table for each constant."""
    fixed = _constant_operand(op)
    if fixed is None:
        raise WatchwordError("multiplies two streams", op.where, "multiply by constants only")
    constant, source = op.operand(fixed), op.operand(1 - fixed)
    view = builder.raw_view(source, op)
    order = np.arange(int(np.prod(constant.shape))).reshape(constant.shape)
    order = np.broadcast_to(order, source.shape).reshape(view.rows, view.channels)
    if (order != order[0]).any() or constant.kind != "INT8":
        raise WatchwordError("its constants are not int8 of the channels", op.where, "quantise to int8")
    numbers = np.asarray(constant.data).reshape(-1)[order[0]]
    period = next(p for p in range(1, len(numbers) + 1) if _repeats(numbers, p))
    tables = multiplied_tables if op.name == "MUL" else added_tables
    weights = tables(op, 1 - fixed, numbers[:period])
    builder.add(op, view, "LUT", view.channels, weights=weights, groups=period)


def _repeats(numbers: np.ndarray, period: int) -> bool:
    return len(numbers) % period == 0 and bool((numbers.reshape(-1, period) == numbers[:period]).all())


def _average(builder: Builder, op: Operator) -> None:
    view, source, output = builder.view(op.operand(0), op), op.operand(0), op.outputs[0]
    if not source.same_steps(output):
        raise WatchwordError("pooling with different scales in and out", op.where, "re-export the model")
    limits = activation_range(op.options.fused_activation_function, output, op.where)
    fields = _kernel_fields(op, (op.options.filter_height, op.options.filter_width))
    builder.add(op, view, "AVERAGE", view.channels, out_range=limits, **fields)


def _mean(builder: Builder, op: Operator) -> None:
    view, source = builder.view(op.operand(0), op), op.operand(0)
    axes = {int(a) % len(source.shape) for a in np.asarray(op.operand(1).data).reshape(-1)}
    reduced = int(np.prod([source.shape[a] for a in axes]))
    if len(source.shape) - 1 in axes or reduced != view.rows:
        raise WatchwordError(f"mean over axes {sorted(axes)}", op.where, "average over the time axis only")
    output, count = op.outputs[0], view.rows
    # TFLite folds 1/count into the multiplier, truncating
    fields = _scale_fields(
        op, [float(source.scale) / float(output.scale)], tflite.ActivationFunctionType.NONE
    )
    shift = int(fields["shift"][0])
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    fields["multiplier"] = np.array([(int(fields["multiplier"][0]) << extra) // count], np.int32)
    fields["shift"] = np.array([shift - extra], np.int8)
    bias = np.array([-source.zero_point * count], np.int32)
    builder.add(op, view, "MEAN", view.channels, taps=count, bias=bias, **fields)


def _bytes_of(source: Tensor, output: Tensor) -> bool:
    """Do the bytes of the output mean the same numbers, so that each is the int8 value and 128?"""
    return source.scale == output.scale and output.zero_point == source.zero_point + 128


def _unary(builder: Builder, op: Operator) -> None:
    view, source, output = builder.view(op.operand(0), op), op.operand(0), op.outputs[0]
    if op.name == "QUANTIZE" and output.kind == "UINT8" and _bytes_of(source, output):
        builder.see(op, view)
        return
    if op.outputs[0].kind != "INT8":
        raise WatchwordError(f"output is {op.outputs[0].kind}", op.where, "quantise the whole model to int8")
    builder.add(op, view, "LUT", view.channels, weights=unary_table(op))


def _same_stream(builder: Builder, op: Operator) -> None:
    view, output = builder.raw_view(op.operand(0), op), op.outputs[0]
    if int(np.prod(output.shape)) != view.rows * view.channels:
        raise WatchwordError(f"output shape {list(output.shape)}", op.where, "keep the number of values")
    builder.see(op, view)


def _strided_slice(builder: Builder, op: Operator) -> None:
    options, shape = op.options, op.operand(0).shape
    if options.ellipsis_mask or options.new_axis_mask or any(s != 1 for s in op.constant(3)):
        raise WatchwordError("slices with a step or new axes", op.where, "crop in time only")
    begins, ends = op.constant(1), op.constant(2)
    bounds = []
    for axis, size in enumerate(shape):
        bit = 1 << axis
        low, high, _ = slice(
            None if options.begin_mask & bit or axis >= len(begins) else begins[axis],
            None if options.end_mask & bit or axis >= len(ends) else ends[axis],
        ).indices(size)
        bounds.append((low, low + 1 if options.shrink_axis_mask & bit else high))
    builder.crop(op, op.operand(0), bounds)


def _slice(builder: Builder, op: Operator) -> None:
    begins, sizes = op.constant(1), op.constant(2)
    shape = op.operand(0).shape
    bounds = [(b, n if s < 0 else b + s) for b, s, n in zip(begins, sizes, shape, strict=True)]
    builder.crop(op, op.operand(0), bounds)


def _split(builder: Builder, op: Operator) -> None:
    """SPLIT_V: sizes and axis follow the tensor. SPLIT: the axis stands before it, all parts are equal."""
    index = 0 if op.name == "SPLIT_V" else 1
    source = op.operand(index)
    axis = op.constant(2 if op.name == "SPLIT_V" else 0)[0] % len(source.shape)
    count = len(op.outputs)
    sizes = op.constant(1) if op.name == "SPLIT_V" else [source.shape[axis] // count] * count
    if len(sizes) != count or sum(sizes) != source.shape[axis]:
        raise WatchwordError(f"sizes {sizes} do not add up", op.where, "split the whole tensor")
    begin = 0
    for output, size in enumerate(sizes):
        bounds = [(0, length) for length in source.shape]
        bounds[axis] = (begin, begin + size)
        builder.crop(op, source, bounds, output)
        begin += size


def _concatenation(builder: Builder, op: Operator) -> None:
    tensors = [op.operand(i) for i in range(len(op.inputs))]
    axis = op.options.axis % len(op.outputs[0].shape)
    if axis != len(op.outputs[0].shape) - 1:
        raise WatchwordError("joins rows in time", op.where, "join channels only")
    if op.options.fused_activation_function != tflite.ActivationFunctionType.NONE:
        raise WatchwordError("has a fused activation", op.where, "use one before it")
    if not all(tensor.same_steps(op.outputs[0]) for tensor in tensors):
        raise WatchwordError("joins tensors of different scales", op.where, "re-export the model")
    builder.join(op, tensors)


HANDLERS: dict[str, Callable[[Builder, Operator], None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _add,
    "MUL": _with_constant,
    "AVERAGE_POOL_2D": _average,
    "MEAN": _mean,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "CONCATENATION": _concatenation,
    **dict.fromkeys(UNARY_OPS, _unary),
    **dict.fromkeys(VIEW_OPS, _same_stream),
}
