"""ResNet18 (He et al. 2016) over time and frequency: a teacher and judge.

Its 17 convolutions and their order are the paper's. In time they have valid padding and no stride
beyond the first layer's, so it scores a segment of any length window by window like the others; in
frequency they are padded, and halve it in the first layer and in each of the last three stages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from watchword import spec
from watchword.config import ModelConfig
from watchword.train.architectures import parts
from watchword.train.tensorflow import load_tensorflow

_STAGES = 4
_BLOCKS_A_STAGE = 2
_TRIMMED = 2  # rows that each block's two convolutions of 3 take at either end
_STEM_BANDS = 5  # height of the first convolution in frequency


def receptive_rows(model: ModelConfig) -> int:
    return model.stem_kernel + _STAGES * _BLOCKS_A_STAGE * 2 * _TRIMMED * model.stem_stride


def build(model: ModelConfig, coeffs: int, rows: int | None, batch: int | None, batch_norm: bool) -> Any:
    layers = load_tensorflow().keras.layers
    first = parts.inputs(rows, coeffs, batch)
    bands = layers.Conv2D(
        spec.MEL_BANDS, 1, use_bias=False, kernel_initializer=_inverse_dct(coeffs), name="bands"
    )
    x = layers.Permute((1, 3, 2), name="image")(bands(first))  # [batch, time, bands, 1]
    x = _convolution(
        x, model.channels, "stem", batch_norm, (model.stem_kernel, _STEM_BANDS), (model.stem_stride, 2)
    )
    for stage in range(_STAGES):
        for number in range(_BLOCKS_A_STAGE):
            halve = stage > 0 and number == 0
            x = _block(
                x, model.channels << stage, 2 if halve else 1, f"stage{stage + 1}_{number + 1}", batch_norm
            )
    x = layers.AveragePooling2D((1, x.shape[2]), name="pool")(x)
    return parts.scored(first, x)


def _block(x: Any, channels: int, stride: int, name: str, batch_norm: bool) -> Any:
    """Two 3x3 convolutions + the input, trimmed in time and projected where the shape changes -> ReLU."""
    layers = load_tensorflow().keras.layers
    y = _convolution(x, channels, f"{name}_a", batch_norm, (3, 3), (1, stride))
    y = _convolution(y, channels, f"{name}_b", batch_norm, (3, 3), (1, 1), relu=False)
    kept = layers.Cropping2D(((_TRIMMED, _TRIMMED), (0, 0)), name=f"{name}_crop")(x)
    if stride > 1:
        kept = parts.convolution(
            kept, channels, f"{name}_project", batch_norm, relu=False, strides=(1, stride)
        )
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, kept]))


def _convolution(
    x: Any,
    channels: int,
    name: str,
    batch_norm: bool,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    relu: bool = True,
) -> Any:
    """Valid in time, padded in frequency; kernel and strides are (time, frequency)."""
    side = kernel[1] // 2
    padded = load_tensorflow().keras.layers.ZeroPadding2D(((0, 0), (side, side)), name=f"{name}_pad")(x)
    return parts.convolution(padded, channels, name, batch_norm, relu, kernel=kernel, strides=strides)


def start_from_bands(network: Any) -> None:
    """For rows that are mel bands already: the first layer begins as the identity."""
    network.get_layer("bands").set_weights([np.eye(spec.MEL_BANDS, dtype=np.float32)[None, None]])


def _inverse_dct(coeffs: int) -> Any:
    """Start from mel bands again, where neighbours belong together: the orthonormal DCT-II, transposed.

    The rows' scaling, coefficient by coefficient, only smooths or sharpens them along frequency.
    """
    order, band = np.arange(coeffs)[:, None], np.arange(spec.MEL_BANDS)[None, :]
    basis = np.cos(np.pi * order * (band + 0.5) / spec.MEL_BANDS) * np.sqrt(2.0 / spec.MEL_BANDS)
    basis[0] /= np.sqrt(2.0)
    return load_tensorflow().keras.initializers.Constant(basis[None, None])
