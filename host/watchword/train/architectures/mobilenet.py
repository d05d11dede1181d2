"""MobileNetV2 in time: inverted residuals with linear bottlenecks (Sandler et al. 2018).

The streams between the blocks, which are what the chip must keep, stay narrow; the work is done in a
wider space inside each block.
"""

from __future__ import annotations

from typing import Any

from watchword.config import ModelConfig
from watchword.train.architectures import parts
from watchword.train.architectures.ds_tcn import receptive_rows as receptive_rows
from watchword.train.tensorflow import load_tensorflow


def build(model: ModelConfig, coeffs: int, rows: int | None, batch: int | None, batch_norm: bool) -> Any:
    """A strided dense convolution, blocks, a last pointwise convolution, a pointwise one to one logit.

    A block is pointwise to `expansion` times the channels -> depthwise [k, 1] -> pointwise back, without
    activation -> + the block's input, cropped to its latest rows, without activation.
    """
    layers = load_tensorflow().keras.layers
    wide = model.channels * model.expansion
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
        y = parts.convolution(x, wide, f"{name}_expand", batch_norm)
        y = parts.depthwise(y, model.kernel, dilation, f"{name}_depthwise", batch_norm)
        y = parts.convolution(y, model.channels, f"{name}_project", batch_norm, relu=False)
        kept = parts.latest_rows(x, (model.kernel - 1) * dilation, name)
        x = layers.Add(name=f"{name}_add")([y, kept])
    return parts.scored(first, parts.convolution(x, wide, "last", batch_norm))
