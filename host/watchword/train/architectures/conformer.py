"""Conformer (Gulati et al. 2020): attention and convolution over a window. A teacher and judge.

Attention looks at a whole window at once, so each window of a segment is encoded by itself: windows
of `window_rows` (less what does not fill a stride), one every stride. The first convolution is shared
between them. Layer norms stand where the paper has a batch norm, so there is none to fold.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from watchword.config import ModelConfig
from watchword.train.architectures import parts
from watchword.train.architectures.tiny_conv import receptive_rows as receptive_rows
from watchword.train.tensorflow import load_tensorflow

_WIDER = 4  # the feed-forward modules' inner width, in channels
_DROPOUT = 0.1


def build(model: ModelConfig, coeffs: int, rows: int | None, batch: int | None, batch_norm: bool) -> Any:
    """A strided convolution -> windows -> every second step of them -> blocks -> mean over time -> logit."""
    tf = load_tensorflow()
    layers = tf.keras.layers
    steps = (receptive_rows(model) - model.stem_kernel) // model.stem_stride + 1
    first = parts.inputs(rows, coeffs, batch)
    stem = layers.Conv2D(
        model.channels, (model.stem_kernel, 1), strides=(model.stem_stride, 1), activation="relu", name="stem"
    )
    windows = tf.signal.frame(stem(first)[:, :, 0, :], steps, 1, axis=1)  # [batch, n, steps, channels]
    x = tf.reshape(windows, (-1, steps, model.channels))
    x = layers.Conv1D(model.channels, 3, strides=2, padding="same", activation="relu", name="halve")(x)
    x = _classes()(name="positions")(x)
    for number in range(1, model.blocks + 1):
        x = _block(x, model, f"block{number}")
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    logit = layers.Dense(1, bias_initializer=parts.rare(), name=parts.LOGIT_LAYER)(x)
    return parts.finished(first, tf.reshape(logit, (-1, tf.shape(windows)[1], 1, 1)))


def _block(x: Any, model: ModelConfig, name: str) -> Any:
    """Half a feed-forward module, attention, convolution, the other half; each adds to x [.., steps, c]."""
    layers = load_tensorflow().keras.layers
    x = x + 0.5 * _feed_forward(x, model.channels, f"{name}_before")
    y = layers.LayerNormalization(name=f"{name}_attention_norm")(x)
    attention = layers.MultiHeadAttention(
        model.heads, model.channels // model.heads, dropout=_DROPOUT, name=f"{name}_attention"
    )
    x = x + attention(y, y)
    x = x + _convolution(x, model, f"{name}_convolution")
    x = x + 0.5 * _feed_forward(x, model.channels, f"{name}_after")
    return layers.LayerNormalization(name=f"{name}_norm")(x)


def _feed_forward(x: Any, channels: int, name: str) -> Any:
    layers = load_tensorflow().keras.layers
    x = layers.LayerNormalization(name=f"{name}_norm")(x)
    x = layers.Dense(_WIDER * channels, activation="swish", name=f"{name}_wide")(x)
    x = layers.Dense(channels, name=f"{name}_narrow")(x)
    return layers.Dropout(_DROPOUT, name=f"{name}_dropout")(x)


def _convolution(x: Any, model: ModelConfig, name: str) -> Any:
    """Pointwise to a gated linear unit, depthwise over time, norm, swish, pointwise."""
    tf = load_tensorflow()
    layers = tf.keras.layers
    x = layers.LayerNormalization(name=f"{name}_norm")(x)
    value, gate = (layers.Dense(model.channels, name=f"{name}_{part}")(x) for part in ("value", "gate"))
    x = layers.DepthwiseConv1D(model.kernel, padding="same", name=f"{name}_depthwise")(
        value * tf.sigmoid(gate)
    )
    x = layers.LayerNormalization(name=f"{name}_depthwise_norm")(x)
    x = layers.Dense(model.channels, name=f"{name}_out")(tf.nn.silu(x))
    return layers.Dropout(_DROPOUT, name=f"{name}_dropout")(x)


@lru_cache(maxsize=1)
def _classes() -> Any:
    """The layer of learnt positions; made late, because its base class is TensorFlow's."""
    base: Any = load_tensorflow().keras.layers.Layer

    class Positions(base):
        """Adds a learnt vector to each step of [.., steps, channels]."""

        def build(self, shape: Any) -> None:
            self.table = self.add_weight(
                "table", shape=tuple(shape[1:]), initializer="random_normal", trainable=True
            )
            super().build(shape)

        def call(self, x: Any) -> Any:
            return x + self.table

    return Positions
