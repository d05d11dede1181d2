"""The integer constants of quantised arithmetic, computed as TFLite Micro's Prepare functions do."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from watchword.errors import WatchwordError
from watchword.export.tflite_file import Operator, Tensor


def quantise_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real = multiplier * 2^(shift - 31), multiplier in 2^30..2^31-1."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def multiplier_tables(reals: Iterable[float], where: str) -> tuple[np.ndarray, np.ndarray]:
    """int32 multipliers and int8 shifts; 30 is the largest shift the kernels take."""
    pairs = [quantise_multiplier(float(real)) for real in reals]
    if any(real < 0 or shift > 30 for real, (_, shift) in zip(reals, pairs, strict=True)):
        raise WatchwordError("its scales are out of range", where, "check the quantisation of the model")
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def activation_range(activation: int, output: Tensor, where: str) -> tuple[int, int]:
    """int8 limits of a fused activation."""
    kinds = schema.ActivationFunctionType
    limits = {
        kinds.NONE: (None, None),
        kinds.RELU: (0.0, None),
        kinds.RELU_N1_TO_1: (-1.0, 1.0),
        kinds.RELU6: (0.0, 6.0),
    }
    if activation not in limits:
        raise WatchwordError(f"fused activation {activation} is not supported", where, "use ReLU or ReLU6")
    low, high = limits[activation]

    def quantise(real: float) -> int:
        steps = float(np.float32(real) / output.scale)
        return output.zero_point + int(math.copysign(math.floor(abs(steps) + 0.5), steps))

    return (
        -128 if low is None else max(-128, quantise(low)),
        127 if high is None else min(127, quantise(high)),
    )


def unary_table(op: Operator) -> np.ndarray:
    """int8 [256]: what TFLite Micro's own kernel makes of every int8, from -128 up."""
    tensors = [_tensor_like(op.operand(0), b"x", 1), _tensor_like(op.outputs[0], b"y", 2)]
    code = getattr(schema.BuiltinOperator, op.name)
    operator = schema.OperatorT(inputs=[0], outputs=[1])
    operator.builtinOptionsType, operator.builtinOptions = op.options_type, op.options
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=[operator])
    model = schema.ModelT(version=3, subgraphs=[graph], buffers=[schema.BufferT() for _ in range(3)])
    model.operatorCodes = [schema.OperatorCodeT(min(code, 127), None, op.version, code)]
    interpreter = runtime.Interpreter.from_bytes(pack_model(model))
    interpreter.set_input(np.arange(-128, 128, dtype=np.int8).reshape(1, 256), 0)
    interpreter.invoke()
    return np.array(interpreter.get_output(0), np.int8).reshape(256)


def _tensor_like(tensor: Tensor, name: bytes, buffer: int) -> schema.TensorT:
    quantization = schema.QuantizationParametersT(scale=[float(tensor.scale)], zeroPoint=[tensor.zero_point])
    return schema.TensorT([1, 256], schema.TensorType.INT8, buffer, name, quantization)


def pack_model(model: schema.ModelT) -> bytes:
    """A model object as the bytes of a .tflite file."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
