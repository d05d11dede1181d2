"""Reads a .tflite flatbuffer into plain records, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import tflite

from watchword.errors import WatchwordError

REMEDY = "use a .tflite file as the converter writes it"

SMALLEST_SCALE, LARGEST_SCALE = 1e-9, 1e6  # of int8 tensors; far beyond what training gives
MOST_ITEMS = 4096  # tensors or ops of a graph, and buffers: a chip's model has a few hundred


def _names(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


OP_NAMES = _names(tflite.BuiltinOperator)
TYPE_NAMES = _names(tflite.TensorType)
NUMPY_TYPES = {
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "FLOAT32": np.float32,
    "UINT8": np.uint8,
}
_CONV_FIELDS = ("padding", "stride_h", "stride_w", "fused_activation_function")
_DILATIONS = ("dilation_h_factor", "dilation_w_factor")
OPTIONS = {  # of the ops that are read: the flatbuffer's table, and its fields
    "CONV_2D": ("Conv2DOptions", (*_CONV_FIELDS, *_DILATIONS)),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_CONV_FIELDS, *_DILATIONS)),
    "AVERAGE_POOL_2D": ("Pool2DOptions", (*_CONV_FIELDS, "filter_height", "filter_width")),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("fused_activation_function",)),
    "ADD": ("AddOptions", ("fused_activation_function",)),
    "MUL": ("MulOptions", ("fused_activation_function",)),
    "CONCATENATION": ("ConcatenationOptions", ("axis", "fused_activation_function")),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"),
    ),
    "CALL_ONCE": ("CallOnceOptions", ("init_subgraph_index",)),
    "VAR_HANDLE": ("VarHandleOptions", ("container", "shared_name")),
}


@dataclass(frozen=True)
class Tensor:
    """One tensor; `data` only for constants. Scales are float32, as the file has them."""

    index: int
    name: str
    shape: tuple[int, ...]
    kind: str
    scales: np.ndarray
    zero_points: np.ndarray
    data: np.ndarray | None

    @property
    def scale(self) -> np.float32:
        """Of a tensor quantised as a whole."""
        if len(self.scales) != 1 or len(self.zero_points) != 1:
            raise WatchwordError("is not quantised as a whole", f"tensor '{self.name}'", "export it as int8")
        return np.float32(self.scales[0])

    @property
    def zero_point(self) -> int:
        return int(self.zero_points[0]) if len(self.zero_points) else 0

    def same_steps(self, other: Tensor) -> bool:
        """Do the int8 values of both mean the same numbers?"""
        return self.scale == other.scale and self.zero_point == other.zero_point


@dataclass(frozen=True)
class Operator:
    """One op; an input that is left out is None. Its options have the fields of OPTIONS."""

    name: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Any

    def operand(self, index: int) -> Tensor:
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise WatchwordError(f"input {index} is missing", self.where, REMEDY)
        return tensor

    def constant(self, index: int) -> list[int]:
        """The numbers of an input that the graph fixes."""
        data = self.operand(index).data
        if data is None:
            raise WatchwordError(f"input {index} is not constant", self.where, "use fixed shapes")
        return [int(v) for v in data.reshape(-1)]

    @property
    def where(self) -> str:
        writing = f" writing '{self.outputs[0].name}'" if self.outputs else ""
        return f"op {self.name}{writing}"


@contextmanager
def refusing_damage(where: str) -> Iterator[None]:
    """What a damaged file makes fail becomes an error that says where: no reader checks every number."""
    try:
        yield
    except (AttributeError, TypeError, LookupError, ValueError, ArithmeticError) as error:
        remedy = "use a file the converter wrote"
        raise WatchwordError(f"malformed op ({error})", where, remedy) from error


@dataclass(frozen=True)
class TfliteFile:
    """The graph with one input and one output, and the one that CALL_ONCE runs before it, if any."""

    input: Tensor
    output: Tensor
    operators: tuple[Operator, ...]
    first: tuple[Operator, ...] = ()


def read_tflite(content: bytes, where: str = "model.tflite") -> TfliteFile:
    """The main subgraph of a TFLite file, and at most one more, which gives variables their first values."""
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise WatchwordError("not a TFLite file", where, REMEDY)
    try:
        model = tflite.Model.GetRootAs(content, 0)
        graphs = _items(model.SubgraphsLength, model.Subgraphs)
        if len(graphs) not in (1, 2) or (graphs[0].InputsLength(), graphs[0].OutputsLength()) != (1, 1):
            what = "must have one graph with one input and one output, and at most one more that starts it"
            raise WatchwordError(what, where, REMEDY)
        tensors, operators = _graph(graphs[0], model)
        first = _graph(graphs[1], model)[1] if len(graphs) == 2 else ()
        return TfliteFile(tensors[graphs[0].Inputs(0)], tensors[graphs[0].Outputs(0)], operators, first)
    except WatchwordError:
        raise
    except Exception as error:  # the flatbuffer reader checks nothing: damage shows as any exception
        raise WatchwordError(f"damaged TFLite file ({error})", where, REMEDY) from error


def _items(length: Callable[[], int], item: Callable[[int], Any]) -> list[Any]:
    """All tables of a vector. What a damaged file says of its length is bounded."""
    count = length()
    if count > MOST_ITEMS:
        raise ValueError(f"{count} items in a list")
    return [item(i) for i in range(count)]


def _graph(graph: Any, model: Any) -> tuple[list[Tensor], tuple[Operator, ...]]:
    raw = _items(graph.TensorsLength, graph.Tensors)
    tensors = [_tensor(i, tensor, model) for i, tensor in enumerate(raw)]
    operators = _items(graph.OperatorsLength, graph.Operators)
    return tensors, tuple(_operator(operator, model, tensors) for operator in operators)


def _numbers(vector: Any, dtype: Any = np.int64) -> np.ndarray:
    """A vector of numbers; one that the file leaves out is read as 0."""
    return np.array([] if isinstance(vector, int) else vector, dtype)


def _tensor(index: int, raw: Any, model: Any) -> Tensor:
    kind = TYPE_NAMES.get(raw.Type(), f"type {raw.Type()}")
    shape = tuple(int(n) for n in _numbers(raw.ShapeAsNumpy()))
    content = _numbers(model.Buffers(raw.Buffer()).DataAsNumpy(), np.uint8)
    data = None
    if len(content) and kind in NUMPY_TYPES:
        data = np.frombuffer(content.tobytes(), NUMPY_TYPES[kind]).reshape(shape)
    quantization = raw.Quantization()
    scales = _numbers(quantization.ScaleAsNumpy() if quantization else 0, np.float32)
    zeros = _numbers(quantization.ZeroPointAsNumpy() if quantization else 0)
    name = (raw.Name() or b"").decode("utf-8", "replace") or f"#{index}"
    sane = ((scales > SMALLEST_SCALE) & (scales < LARGEST_SCALE)).all() and (np.abs(zeros) <= 128).all()
    if kind == "INT8" and not sane:
        raise WatchwordError("scale or zero point is out of range", f"tensor '{name}'", REMEDY)
    return Tensor(index, name, shape, kind, scales, zeros, data)


def _operator(raw: Any, model: Any, tensors: list[Tensor]) -> Operator:
    code = model.OperatorCodes(raw.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = OP_NAMES.get(number, f"number {number}")
    return Operator(
        name,
        code.Version(),
        tuple(tensors[i] if i >= 0 else None for i in _numbers(raw.InputsAsNumpy())),
        tuple(tensors[i] for i in _numbers(raw.OutputsAsNumpy())),
        _options(name, raw.BuiltinOptions()),
    )


def _options(name: str, table: Any) -> Any:
    """The fields of an op's options; None if nothing reads them."""
    if table is None or name not in OPTIONS:
        return None
    kind, fields = OPTIONS[name]
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    methods = {field: "".join(part.capitalize() for part in field.split("_")) for field in fields}
    return SimpleNamespace(**{field: getattr(options, method)() for field, method in methods.items()})
