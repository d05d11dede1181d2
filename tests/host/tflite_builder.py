"""Hand-made int8 .tflite files with random weights and scales, for parity tests without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema
from watchword.export.tables import pack_model

VALID, SAME = schema.Padding.VALID, schema.Padding.SAME
NONE, RELU, RELU6 = (getattr(schema.ActivationFunctionType, n) for n in ("NONE", "RELU", "RELU6"))
TYPICAL_STD = 60.0  # of int8 activations and weights, for scales that neither vanish nor saturate


@dataclass(frozen=True)
class T:
    """A tensor of the graph under construction."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero: int


class TfliteBuilder:
    """Ops append themselves; `build(tensor)` gives the file that ends in any tensor made so far."""

    def __init__(self, rng: np.random.Generator, rows: int, coeffs: int) -> None:
        self.rng = rng
        self.tensors: list[schema.TensorT] = []
        self.buffers = [schema.BufferT()]
        self.codes: list[schema.OperatorCodeT] = []
        self.ops: list[schema.OperatorT] = []
        self.input = self.tensor((1, rows, 1, coeffs), 1 / 32, 0)

    def tensor(self, shape: tuple[int, ...], scale: float, zero: int) -> T:
        quantization = schema.QuantizationParametersT(scale=[float(scale)], zeroPoint=[int(zero)])
        self.tensors.append(
            schema.TensorT(shape, schema.TensorType.INT8, 0, b"t%d" % len(self.tensors), quantization)
        )
        return T(len(self.tensors) - 1, shape, float(np.float32(scale)), zero)

    def constant(self, data: np.ndarray, scales: Any = None, axis: int = 0) -> int:
        kinds = {np.dtype(np.int8): schema.TensorType.INT8, np.dtype(np.int32): schema.TensorType.INT32}
        buffer = schema.BufferT(np.frombuffer(data.tobytes(), np.uint8))
        self.buffers.append(buffer)
        quantization = None
        if scales is not None:
            zeros = [0] * len(scales)
            quantization = schema.QuantizationParametersT(
                scale=[float(s) for s in scales], zeroPoint=zeros, quantizedDimension=axis
            )
        name = b"c%d" % len(self.tensors)
        self.tensors.append(
            schema.TensorT(data.shape, kinds[data.dtype], len(self.buffers) - 1, name, quantization)
        )
        return len(self.tensors) - 1

    def op(self, name: str, inputs: list[int], output: T, options: Any = None) -> T:
        code = getattr(schema.BuiltinOperator, name)
        self.codes.append(schema.OperatorCodeT(min(code, 127), None, 1, code))
        raw = schema.OperatorT(len(self.codes) - 1, inputs, [output.index])
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            raw.builtinOptionsType, raw.builtinOptions = getattr(schema.BuiltinOptions, kind), options
        self.ops.append(raw)
        return output

    def build(self, output: T) -> bytes:
        ops = []
        for op in self.ops:
            ops.append(op)
            if op.outputs == [output.index]:
                break
        graph = schema.SubGraphT(self.tensors, [self.input.index], [output.index], ops)
        return pack_model(schema.ModelT(3, self.codes, [graph], buffers=self.buffers))

    # ── quantisation ────────────────────────────────────────────────────────────────────────
    def _random_zero(self) -> int:
        return int(self.rng.integers(-100, 101))

    def _weights(
        self, shape: tuple[int, ...], x: T, channels: int, products: int, per_channel: bool, axis: int
    ):
        """int8 weights, int32 bias as constants, and the output scale that suits them."""
        weights = np.clip(np.round(self.rng.normal(0, TYPICAL_STD, shape)), -127, 127).astype(np.int8)
        count = channels if per_channel else 1
        scales = np.float32(self.rng.uniform(0.001, 0.02, count))
        accumulator = np.sqrt(products) * TYPICAL_STD**2
        bias = np.round(self.rng.normal(0, accumulator, channels)).astype(np.int32)
        bias_scales = np.float32(x.scale) * scales
        constants = [self.constant(weights, scales, axis), self.constant(bias, bias_scales)]
        out_scale = x.scale * float(np.median(scales)) * accumulator / 50.0 * self.rng.uniform(0.7, 1.4)
        return constants, out_scale

    # ── ops ─────────────────────────────────────────────────────────────────────────────────
    def conv(
        self,
        x: T,
        out: int,
        k: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        act: int = NONE,
        per_channel: bool = True,
        padding: int = VALID,
    ) -> T:
        _, rows, _, channels = x.shape
        shape = (out, k, 1, channels // groups)
        constants, scale = self._weights(shape, x, out, k * channels // groups, per_channel, 0)
        rows = (rows - (k - 1) * dilation - 1) // stride + 1
        options = schema.Conv2DOptionsT(padding, 1, stride, act, 1, dilation)
        y = self.tensor((1, rows, 1, out), scale, self._random_zero())
        return self.op("CONV_2D", [x.index, *constants], y, options)

    def depthwise(
        self,
        x: T,
        k: int,
        stride: int = 1,
        dilation: int = 1,
        multiplier: int = 1,
        act: int = NONE,
        per_channel: bool = True,
    ) -> T:
        _, rows, _, channels = x.shape
        out = channels * multiplier
        constants, scale = self._weights((1, k, 1, out), x, out, k, per_channel, 3)
        rows = (rows - (k - 1) * dilation - 1) // stride + 1
        # Keras has one stride for both axes of a depthwise convolution
        options = schema.DepthwiseConv2DOptionsT(VALID, stride, stride, multiplier, act, 1, dilation)
        y = self.tensor((1, rows, 1, out), scale, self._random_zero())
        return self.op("DEPTHWISE_CONV_2D", [x.index, *constants], y, options)

    def dense(self, x: T, out: int, act: int = NONE, per_channel: bool = False) -> T:
        """On a tensor [1, features]."""
        features = x.shape[-1]
        constants, scale = self._weights((out, features), x, out, features, per_channel, 0)
        y = self.tensor((1, out), scale, self._random_zero())
        return self.op("FULLY_CONNECTED", [x.index, *constants], y, schema.FullyConnectedOptionsT(act))

    def lively_logit(self, x: T, windows: np.ndarray) -> T:
        """One logit of x [.., channels], a single row, whose score varies over the given windows.

        Random weights; bias and scale measured so that the logit has mean 0 and deviation 2.
        """
        oracle, channels = Oracle(self.build(x)), x.shape[-1]
        seen = np.stack([oracle(w).reshape(channels).astype(np.int64) - x.zero for w in windows])
        weights = self.rng.integers(-127, 128, (1, channels)).astype(np.int8)
        sums = seen @ weights[0]
        weight_scale = np.float32(2.0 / (x.scale * max(float(sums.std()), 1.0)))
        bias = np.array([-round(float(sums.mean()))], np.int32)
        shape = (1, channels) if len(x.shape) == 2 else (1, 1, 1, channels)
        constants = [
            self.constant(weights.reshape(shape), [weight_scale]),
            self.constant(bias, [np.float32(x.scale) * weight_scale]),
        ]
        if len(x.shape) == 2:
            y = self.tensor((1, 1), 0.06, 7)
            return self.op("FULLY_CONNECTED", [x.index, *constants], y, schema.FullyConnectedOptionsT(NONE))
        y = self.tensor((1, 1, 1, 1), 0.06, 7)
        return self.op("CONV_2D", [x.index, *constants], y, schema.Conv2DOptionsT(VALID, 1, 1, NONE, 1, 1))

    def add(self, a: T, b: T, act: int = NONE) -> T:
        scale = np.hypot(a.scale, b.scale) * self.rng.uniform(0.8, 1.3)
        y = self.tensor(a.shape, scale, self._random_zero())
        return self.op("ADD", [a.index, b.index], y, schema.AddOptionsT(act))

    def crop(self, x: T, begin: int, end: int) -> T:
        """Rows [begin, rows - end) as Cropping2D becomes it."""
        _, rows, _, channels = x.shape
        bounds = ([0, begin, 0, 0], [0, rows - end, 0, 0], [1, 1, 1, 1])
        constants = [self.constant(np.array(b, np.int32)) for b in bounds]
        y = self.tensor((1, rows - begin - end, 1, channels), x.scale, x.zero)
        options = schema.StridedSliceOptionsT(beginMask=0b1101, endMask=0b1101)
        return self.op("STRIDED_SLICE", [x.index, *constants], y, options)

    def reshape(self, x: T, shape: tuple[int, ...]) -> T:
        target = self.constant(np.array(shape, np.int32))
        return self.op("RESHAPE", [x.index, target], self.tensor(shape, x.scale, x.zero))

    def average(self, x: T, k: int, stride: int = 1, act: int = NONE) -> T:
        _, rows, _, channels = x.shape
        y = self.tensor((1, (rows - k) // stride + 1, 1, channels), x.scale, x.zero)
        options = schema.Pool2DOptionsT(VALID, 1, stride, 1, k, act)
        return self.op("AVERAGE_POOL_2D", [x.index], y, options)

    def mean(self, x: T) -> T:
        axes = self.constant(np.array([1, 2], np.int32))
        y = self.tensor((1, x.shape[3]), x.scale * self.rng.uniform(0.2, 1.2), self._random_zero())
        return self.op("MEAN", [x.index, axes], y, schema.ReducerOptionsT(False))

    def unary(self, name: str, x: T, scale: float, zero: int) -> T:
        return self.op(name, [x.index], self.tensor(x.shape, scale, zero))

    def requantise(self, x: T) -> T:
        scale = x.scale * self.rng.uniform(0.5, 1.5)
        return self.unary("QUANTIZE", x, scale, self._random_zero())

    def logistic(self, x: T) -> T:
        return self.unary("LOGISTIC", x, 1 / 256, -128)

    def score_head(self, x: T) -> T:
        """Everything of x -> one logit -> score."""
        flat = x if len(x.shape) == 2 else self.reshape(x, (1, int(np.prod(x.shape))))
        return self.logistic(self.dense(flat, 1))


class Oracle:
    """TFLite Micro on one file."""

    def __init__(self, tflite: bytes) -> None:
        self.interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)
        self.shape = tuple(int(n) for n in self.interpreter.get_input_details(0)["shape"])

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Rows int8 [T, coeffs] -> the output int8, whatever its shape."""
        self.interpreter.set_input(np.ascontiguousarray(rows, np.int8).reshape(self.shape), 0)
        self.interpreter.invoke()
        return np.array(self.interpreter.get_output(0))
