"""Ops on one int8 value as tables of 256: what TFLite Micro's kernels make of every int8, from -128 up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from watchword.errors import WatchwordError
from watchword.export.fixed_point import (
    Integers,
    activation_range,
    divide_by_power,
    multiply_high,
    quantise_multiplier,
    requantise,
)
from watchword.export.tflite_file import Operator, Tensor

VALUES: Integers = np.arange(-128, 128, dtype=np.int64)
ONE = (1 << 31) - 1  # Q31
ADD_SHIFT = 20  # an ADD's inputs gain these bits before they meet


def unary_table(op: Operator) -> np.ndarray:
    """int8 [256] of an op without constants."""
    if op.name == "QUANTIZE":
        source, output = op.operand(0), op.outputs[0]
        real = float(source.scale) / float(output.scale)
        return _int8(requantise(VALUES - source.zero_point, real, op.where) + output.zero_point)
    if op.name == "LOGISTIC":
        return _logistic_table(op)
    return _kernel_table(op)


def multiplied_tables(op: Operator, variable: int, factors: np.ndarray) -> np.ndarray:
    """int8 [n, 256]: MUL of operand `variable` with each of n constants of the other operand."""
    source, constant, output = op.operand(variable), op.operand(1 - variable), op.outputs[0]
    real = float(op.operand(0).scale) * float(op.operand(1).scale) / float(output.scale)
    products = (factors.astype(np.int64)[:, None] - constant.zero_point) * (VALUES - source.zero_point)
    return _clamped(requantise(products, real, op.where), op)


def added_tables(op: Operator, variable: int, terms: np.ndarray) -> np.ndarray:
    """int8 [n, 256]: ADD of operand `variable` and each of n constants of the other operand."""
    source, constant, output = op.operand(variable), op.operand(1 - variable), op.outputs[0]
    twice = 2.0 * max(float(source.scale), float(constant.scale))

    def scaled(values: Integers, tensor: Tensor) -> Integers:
        steps = (values - tensor.zero_point) << ADD_SHIFT
        return requantise(steps, float(tensor.scale) / twice, op.where)

    sums = scaled(terms.astype(np.int64)[:, None], constant) + scaled(VALUES, source)
    return _clamped(requantise(sums, twice / ((1 << ADD_SHIFT) * float(output.scale)), op.where), op)


def _clamped(steps: Integers, op: Operator) -> np.ndarray:
    """Steps of the output, before its zero point, within its fused activation."""
    output = op.outputs[0]
    low, high = activation_range(op.options.fused_activation_function, output, op.where)
    return np.clip(steps + output.zero_point, low, high).astype(np.int8)


def _int8(values: Integers) -> np.ndarray:
    return np.clip(values, -128, 127).astype(np.int8)


# ── the logistic of gemmlowp's fixed-point numbers ───────────────────────────────────────────
INPUT_INTEGER_BITS = 4  # the logit as Q4.27
_INTERVAL = 25  # of exp: a quarter, in Q4.27
# exp(-2^k) in Q31, k = -2 .. 3
_EXP_OF_POWERS = [math.floor(math.exp(-(2.0**k)) * (1 << 31) + 0.5) for k in range(-2, INPUT_INTEGER_BITS)]
_EXP_OF_EIGHTH = math.floor(math.exp(-0.125) * (1 << 31) + 0.5)
_THIRD = math.floor((1 << 31) / 3 + 0.5)


def _logistic_table(op: Operator) -> np.ndarray:
    source, output = op.operand(0), op.outputs[0]
    if output.scale != np.float32(1 / 256) or output.zero_point != -128:
        raise WatchwordError("output must have scale 1/256 and zero point -128", op.where, "re-export it")
    real = float(source.scale) * (1 << (31 - INPUT_INTEGER_BITS))
    shift = quantise_multiplier(real)[1]
    # Beyond this many steps a logit needs more than the integer bits.
    radius = math.floor(math.ldexp(((1 << INPUT_INTEGER_BITS) - 1) << (31 - INPUT_INTEGER_BITS), -shift))
    steps = VALUES - source.zero_point
    inner = np.clip(steps, -max(radius - 1, 0), max(radius - 1, 0))
    logistic = _logistic(requantise(inner, real if radius > 1 else 0.0, op.where))
    scores = divide_by_power(logistic, 31 - 8) + output.zero_point
    return _int8(np.where(steps <= -radius, -128, np.where(steps >= radius, 127, scores)))


def _logistic(q4: Integers) -> Integers:
    """1 / (1 + exp(-x)) in Q31 of x in Q4.27."""
    positive = _reciprocal_of_one_plus(_exp_of_negative(-np.abs(q4)))
    halves = np.where(q4 == 0, 1 << 30, positive)
    return np.asarray(np.where(q4 < 0, ONE - halves, halves))


def _exp_of_negative(q4: Integers) -> Integers:
    """exp(x) in Q31, x <= 0 in Q4.27: a polynomial on the last quarter, and a factor for each bit above."""
    quarter = 1 << _INTERVAL
    rest = (q4 & (quarter - 1)) - quarter
    result = _exp_near_zero(rest << INPUT_INTEGER_BITS)
    above = rest - q4
    for bit, factor in enumerate(_EXP_OF_POWERS, start=_INTERVAL):
        result = np.where(above & (1 << bit), multiply_high(result, factor), result)
    return np.asarray(np.where(q4 == 0, ONE, result))


def _exp_near_zero(q31: Integers) -> Integers:
    """exp(x) in Q31 for x in -1/4 .. 0: Taylor's polynomial around -1/8."""
    x = q31 + (1 << 28)
    square = multiply_high(x, x)
    cube, fourth = multiply_high(square, x), multiply_high(square, square)
    higher = multiply_high(divide_by_power(fourth, 2) + cube, _THIRD) + square
    return _EXP_OF_EIGHTH + multiply_high(x + divide_by_power(higher, 1), _EXP_OF_EIGHTH)


def _reciprocal_of_one_plus(q31: Integers) -> Integers:
    """1 / (1 + x) in Q31 for x in 0 .. 1: three steps of Newton and Raphson on half the denominator."""
    total = q31 + ONE
    half = (total + np.where(total >= 0, 1, -1)) >> 1
    one = 1 << 29  # Q2.29
    x = round(48 / 17 * one) + multiply_high(half, round(-32 / 17 * one))
    for _ in range(3):
        x = x + (multiply_high(x, one - multiply_high(half, x)) << 2)
    return np.asarray(np.minimum(x << 1, ONE))


# ── ops that only the interpreter itself knows here ──────────────────────────────────────────
def _kernel_table(op: Operator) -> np.ndarray:
    try:
        from tflite_micro import runtime
        from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema
    except ImportError as error:
        raise WatchwordError(
            "reading this op needs tflite_micro", op.where, 'pip install "watchword[train]"'
        ) from error
    tensors = [_tensor_like(schema, op.operand(0), b"x", 1), _tensor_like(schema, op.outputs[0], b"y", 2)]
    code = getattr(schema.BuiltinOperator, op.name)
    operator = schema.OperatorT(inputs=[0], outputs=[1])
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=[operator])
    model = schema.ModelT(version=3, subgraphs=[graph], buffers=[schema.BufferT() for _ in range(3)])
    model.operatorCodes = [schema.OperatorCodeT(min(code, 127), None, op.version, code)]
    interpreter = runtime.Interpreter.from_bytes(pack_model(model))
    interpreter.set_input(VALUES.astype(np.int8).reshape(1, 256), 0)
    interpreter.invoke()
    return np.array(interpreter.get_output(0), np.int8).reshape(256)


def _tensor_like(schema: Any, tensor: Tensor, name: bytes, buffer: int) -> Any:
    quantization = schema.QuantizationParametersT(scale=[float(tensor.scale)], zeroPoint=[tensor.zero_point])
    return schema.TensorT([1, 256], schema.TensorType.INT8, buffer, name, quantization)


def pack_model(model: Any) -> bytes:
    """A model object as the bytes of a .tflite file."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
