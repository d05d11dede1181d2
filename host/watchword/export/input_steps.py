"""Other numbers for the int8 values of a model's input to mean; equal bytes give equal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from watchword.errors import WatchwordError
from watchword.export.tables import pack_model


def with_input(content: bytes, scale: float, zero_point: int) -> bytes:
    """The .tflite file with this scale and zero point of its input; its output for the same bytes stays.

    The scales of the convolutions that read it change by the opposite factor, and their biases take up the
    zero point. That is exact but for the last of the 24 bits of a scale.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    first = graph.inputs[0]
    steps = graph.tensors[first].quantization
    factor, shift = float(steps.scale[0]) / float(np.float32(scale)), zero_point - int(steps.zeroPoint[0])
    steps.scale, steps.zeroPoint = [float(np.float32(scale))], [zero_point]
    for op in graph.operators:
        if first in op.inputs:
            _adapt(model, op, factor, shift, float(np.float32(scale)))
    return pack_model(model)


def _adapt(model: Any, op: Any, factor: float, shift: int, scale: float) -> None:
    """Scale the weights of a convolution that reads the input, and let its bias take up the shift."""
    code = model.operatorCodes[op.opcodeIndex]
    if max(code.builtinCode, code.deprecatedBuiltinCode) != schema.BuiltinOperator.CONV_2D:
        raise WatchwordError("an op other than CONV_2D reads the input", "model", "begin with a convolution")
    weights, bias = (model.subgraphs[0].tensors[op.inputs[i]] for i in (1, 2))
    scales = (np.asarray(weights.quantization.scale, np.float64) * factor).astype(np.float32)
    kernel = _data(model, weights, np.int8).reshape(weights.shape[0], -1)
    values = _data(model, bias, np.int32) + shift * kernel.sum(axis=1, dtype=np.int64)
    model.buffers.append(schema.BufferT(np.frombuffer(values.astype("<i4").tobytes(), np.uint8)))
    bias.buffer = len(model.buffers) - 1
    weights.quantization.scale = [float(s) for s in scales]
    bias.quantization.scale = [float(np.float32(scale) * s) for s in scales]


def _data(model: Any, tensor: Any, dtype: Any) -> np.ndarray:
    return np.frombuffer(bytes(bytearray(model.buffers[tensor.buffer].data)), dtype)
