"""Builds a TFLite graph that runs call by call: rows, constants, ops, and variables that outlast a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from watchword.export.tables import pack_model
from watchword.export.tflite_file import Tensor

SCHEMA_VERSION = 3
_KINDS = {np.dtype(np.int8): schema.TensorType.INT8, np.dtype(np.int32): schema.TensorType.INT32}
# The lowest version of each op that knows int8, where that is not 1.
_VERSIONS = {"CONCATENATION": 2, "STRIDED_SLICE": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "ADD": 2,
             "MEAN": 2, "FULLY_CONNECTED": 4, "LOGISTIC": 2, "AVERAGE_POOL_2D": 2}  # fmt: skip # a table


@dataclass(frozen=True)
class Rows:
    """A tensor int8 [1, rows, 1, channels] of the graph."""

    index: int
    rows: int
    channels: int
    scale: float
    zero: int


class StreamGraph:
    """The graph of one call, and the one that fills the variables before the first call."""

    def __init__(self) -> None:
        self.buffers = [schema.BufferT()]  # the first one is empty, for tensors that are no constants
        self.codes: dict[str, int] = {}
        self.used: list[schema.OperatorCodeT] = []
        self.step, self.start = schema.SubGraphT(name=b"step"), schema.SubGraphT(name=b"start")
        for graph in (self.step, self.start):
            graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
        options = schema.CallOnceOptionsT(initSubgraphIndex=1)
        self.op("CALL_ONCE", [], [], options)
        self.variables = 0

    def tensor(
        self,
        shape: tuple[int, ...],
        kind: int,
        scale: float | None = None,
        zero: int = 0,
        name: str = "",
        buffer: int = 0,
        graph: schema.SubGraphT | None = None,
    ) -> int:
        """A tensor quantised as a whole, or not at all."""
        quantization = None
        if scale is not None:
            quantization = schema.QuantizationParametersT(scale=[float(scale)], zeroPoint=[int(zero)])
        return self._add(schema.TensorT(shape, kind, buffer, name.encode(), quantization), graph)

    def rows(self, rows: int, channels: int, scale: float, zero: int, name: str) -> Rows:
        index = self.tensor((1, rows, 1, channels), schema.TensorType.INT8, scale, zero, name)
        return Rows(index, rows, channels, scale, zero)

    def constant(self, data: np.ndarray, like: Tensor | None = None, axis: int = 0) -> int:
        """An array; quantised as the tensor `like`, along `axis`."""
        quantization = None
        if like is not None and len(like.scales):
            quantization = schema.QuantizationParametersT(
                scale=[float(s) for s in like.scales],
                zeroPoint=[0] * len(like.scales),
                quantizedDimension=axis,
            )
        name = b"constant" if like is None else like.name.encode()
        tensor = schema.TensorT(data.shape, _KINDS[data.dtype], self._buffer(data), name, quantization)
        return self._add(tensor, None)

    def shape(self, *sizes: int) -> int:
        return self.constant(np.array(sizes, np.int32))

    def op(
        self,
        name: str,
        inputs: list[int],
        outputs: list[int],
        options: Any = None,
        graph: schema.SubGraphT | None = None,
    ) -> None:
        operator = schema.OperatorT(self._code(name), inputs, outputs)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        (graph or self.step).operators.append(operator)

    def variable(self, rows: int, like: Rows) -> tuple[int, Rows]:
        """Rows of `like`'s stream that outlast a call, real 0 at first: (handle, what the last call left)."""
        name = f"rows {self.variables}"
        self.variables += 1
        handle = self._handle(name, self.step)
        at_first = np.full((1, rows, 1, like.channels), like.zero, np.int8)
        first = self.tensor(
            at_first.shape,
            schema.TensorType.INT8,
            like.scale,
            like.zero,
            buffer=self._buffer(at_first),
            graph=self.start,
        )
        self.op("ASSIGN_VARIABLE", [self._handle(name, self.start), first], [], graph=self.start)
        kept = self.rows(rows, like.channels, like.scale, like.zero, name)
        self.op("READ_VARIABLE", [handle], [kept.index], schema.ReadVariableOptionsT())
        return handle, kept

    def cut(self, x: Rows, begin: int, rows: int) -> Rows:
        """Rows [begin, begin + rows) of x."""
        if (begin, rows) == (0, x.rows):
            return x
        y = self.rows(rows, x.channels, x.scale, x.zero, "latest rows")
        bounds = [
            self.shape(0, begin, 0, 0),
            self.shape(1, begin + rows, 1, x.channels),
            self.shape(1, 1, 1, 1),
        ]
        self.op("STRIDED_SLICE", [x.index, *bounds], [y.index], schema.StridedSliceOptionsT())
        return y

    def joined(self, a: Rows, b: Rows) -> Rows:
        """a, then b, in time."""
        y = self.rows(a.rows + b.rows, b.channels, b.scale, b.zero, "kept and new rows")
        options = schema.ConcatenationOptionsT(axis=1)
        self.op("CONCATENATION", [a.index, b.index], [y.index], options)
        return y

    def pack(self, inputs: list[int], outputs: list[int]) -> bytes:
        self.step.inputs, self.step.outputs = inputs, outputs
        model = schema.ModelT(SCHEMA_VERSION, self.used, [self.step, self.start], buffers=self.buffers)
        model.description = b"Watchword"
        return pack_model(model)

    def _add(self, tensor: schema.TensorT, graph: schema.SubGraphT | None) -> int:
        tensors = (graph or self.step).tensors
        tensors.append(tensor)
        return len(tensors) - 1

    def _buffer(self, data: np.ndarray) -> int:
        self.buffers.append(schema.BufferT(np.frombuffer(data.tobytes(), np.uint8)))
        return len(self.buffers) - 1

    def _code(self, name: str) -> int:
        if name not in self.codes:
            number = getattr(schema.BuiltinOperator, name)
            self.codes[name] = len(self.used)
            self.used.append(schema.OperatorCodeT(min(number, 127), None, _VERSIONS.get(name, 1), number))
        return self.codes[name]

    def _handle(self, name: str, graph: schema.SubGraphT) -> int:
        handle = self.tensor((), schema.TensorType.RESOURCE, name=name, graph=graph)
        options = schema.VarHandleOptionsT(container="", sharedName=name)
        self.op("VAR_HANDLE", [], [handle], options, graph)
        return handle
