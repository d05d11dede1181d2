"""Depthwise-separable temporal convolutions with residual blocks: the default."""

from __future__ import annotations

from typing import Any

from watchword.config import ModelConfig
from watchword.train.architectures import parts
from watchword.train.tensorflow import load_tensorflow


def receptive_rows(model: ModelConfig) -> int:
    blocks = sum((model.kernel - 1) * dilation for dilation in model.dilations)
    return model.stem_kernel + blocks * model.stem_stride


def build(model: ModelConfig, coeffs: int, rows: int | None, batch: int | None, batch_norm: bool) -> Any:
    """A strided dense convolution over all coefficients, blocks, a pointwise convolution to one logit.

    A block is depthwise [k, 1] -> pointwise -> + the block's input, cropped to its latest rows -> ReLU.
    """
    layers = load_tensorflow().keras.layers
    first = parts.inputs(rows, coeffs, batch)
    x = parts.convolution(
        first,
        model.channels,
        "stem",
        batch_norm,
        kernel=(model.stem_kernel, 1),
        strides=(model.stem_stride, 1),
    )
    for number, dilation in enumerate(model.dilations, start=1):
        name = f"block{number}"
        y = parts.depthwise(x, model.kernel, dilation, f"{name}_depthwise", batch_norm)
        y = parts.convolution(y, model.channels, f"{name}_pointwise", batch_norm, relu=False)
        kept = parts.latest_rows(x, (model.kernel - 1) * dilation, name)
        x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, kept]))
    return parts.scored(first, x)
