"""TinyConv: one convolution and one fully connected layer over the window. The least a chip can run."""

from __future__ import annotations

from typing import Any

from watchword.config import ModelConfig
from watchword.train.architectures import parts


def receptive_rows(model: ModelConfig) -> int:
    """`window_rows`, less the rows that do not fill a stride."""
    return model.stem_kernel + (_steps(model) - 1) * model.stem_stride


def _steps(model: ModelConfig) -> int:
    return (model.window_rows - model.stem_kernel) // model.stem_stride + 1


def build(model: ModelConfig, coeffs: int, rows: int | None, batch: int | None, batch_norm: bool) -> Any:
    """The fully connected layer is a convolution as long as the window, so that it streams."""
    first = parts.inputs(rows, coeffs, batch)
    x = parts.convolution(
        first,
        model.channels,
        "stem",
        batch_norm,
        kernel=(model.stem_kernel, 1),
        strides=(model.stem_stride, 1),
    )
    return parts.scored(first, x, _steps(model))
