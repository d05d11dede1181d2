"""Reads a .tflite flatbuffer into plain records, without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from watchword.errors import WatchwordError

REMEDY = "use a .tflite file as the converter writes it"

SMALLEST_SCALE, LARGEST_SCALE = 1e-9, 1e6  # of int8 tensors; far beyond what training gives


def _names(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


OP_NAMES = _names(schema.BuiltinOperator)
TYPE_NAMES = _names(schema.TensorType)
NUMPY_TYPES = {
    "INT8": np.int8,
    "INT32": np.int32,
    "INT64": np.int64,
    "FLOAT32": np.float32,
    "UINT8": np.uint8,
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


@dataclass(frozen=True)
class Operator:
    """One op; an input that is left out is None."""

    name: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options_type: int
    options: Any

    def operand(self, index: int) -> Tensor:
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise WatchwordError(f"input {index} is missing", self.where, REMEDY)
        return tensor

    @property
    def where(self) -> str:
        writing = f" writing '{self.outputs[0].name}'" if self.outputs else ""
        return f"op {self.name}{writing}"


@dataclass(frozen=True)
class TfliteFile:
    input: Tensor
    output: Tensor
    operators: tuple[Operator, ...]


def read_tflite(content: bytes, where: str = "model.tflite") -> TfliteFile:
    """The only subgraph of a TFLite file with one input and one output."""
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise WatchwordError("not a TFLite file", where, REMEDY)
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graphs = model.subgraphs
        if len(graphs) != 1 or len(graphs[0].inputs) != 1 or len(graphs[0].outputs) != 1:
            raise WatchwordError("must have one subgraph with one input and one output", where, REMEDY)
        tensors = [_tensor(i, raw, model.buffers) for i, raw in enumerate(graphs[0].tensors)]
        operators = tuple(_operator(raw, model.operatorCodes, tensors) for raw in graphs[0].operators)
        return TfliteFile(tensors[graphs[0].inputs[0]], tensors[graphs[0].outputs[0]], operators)
    except WatchwordError:
        raise
    except Exception as error:  # the flatbuffer reader checks nothing: damage shows as any exception
        raise WatchwordError(f"damaged TFLite file ({error})", where, REMEDY) from error


def _values(array: Any, dtype: Any) -> np.ndarray:
    return np.array([] if array is None else array, dtype)


def _tensor(index: int, raw: Any, buffers: list[Any]) -> Tensor:
    kind = TYPE_NAMES.get(raw.type, f"type {raw.type}")
    shape = tuple(int(n) for n in _values(raw.shape, np.int64))
    content = buffers[raw.buffer].data
    data = None
    if content is not None and len(content) and kind in NUMPY_TYPES:
        data = np.frombuffer(bytes(bytearray(content)), NUMPY_TYPES[kind]).reshape(shape)
    quantization = raw.quantization
    scales = _values(quantization.scale if quantization else None, np.float32)
    zeros = _values(quantization.zeroPoint if quantization else None, np.int64)
    name = raw.name.decode("utf-8", "replace") if raw.name else f"#{index}"
    sane = ((scales > SMALLEST_SCALE) & (scales < LARGEST_SCALE)).all() and (np.abs(zeros) <= 128).all()
    if kind == "INT8" and not sane:
        raise WatchwordError("scale or zero point is out of range", f"tensor '{name}'", REMEDY)
    return Tensor(index, name, shape, kind, scales, zeros, data)


def _operator(raw: Any, codes: list[Any], tensors: list[Tensor]) -> Operator:
    code = codes[raw.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return Operator(
        OP_NAMES.get(number, f"number {number}"),
        code.version,
        tuple(tensors[i] if i >= 0 else None for i in _values(raw.inputs, np.int64)),
        tuple(tensors[i] for i in _values(raw.outputs, np.int64)),
        raw.builtinOptionsType,
        raw.builtinOptions,
    )
