"""What the architectures share: batch norm that can be folded, the head, and causal crops."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from watchword.train.tensorflow import load_tensorflow

_AS_SHIFTS: ContextVar[bool] = ContextVar("depthwise as shifts", default=False)

LOGIT_LAYER = "logit"
SCORE_LAYER = "score"


def inputs(rows: int | None, coeffs: int, batch: int | None) -> Any:
    """The input [batch, rows, 1, coeffs]."""
    return load_tensorflow().keras.layers.Input((rows, 1, coeffs), batch_size=batch, name="rows")


def convolution(x: Any, channels: int, name: str, batch_norm: bool, relu: bool = True, **more: Any) -> Any:
    """Convolution (pointwise unless `more` gives a kernel), batch norm, ReLU."""
    layers = load_tensorflow().keras.layers
    kernel = more.pop("kernel", 1)
    layer = layers.Conv2D(channels, kernel, **more, **_activated(batch_norm, relu), name=name)
    return _normed(layer(x), name, batch_norm, relu)


def depthwise(x: Any, kernel: int, dilation: int, name: str, batch_norm: bool) -> Any:
    """Depthwise convolution [kernel, 1], batch norm, ReLU."""
    kind = _temporal_depthwise() if batch_norm else load_tensorflow().keras.layers.DepthwiseConv2D
    layer = kind((kernel, 1), dilation_rate=(dilation, 1), **_activated(batch_norm, True), name=name)
    return _normed(layer(x), name, batch_norm, True)


@contextlib.contextmanager
def depthwise_as_shifts() -> Iterator[None]:
    """Within, graphs are traced with every depthwise convolution as a sum of shifted, scaled inputs.

    XLA fuses that into one pass; its own depthwise convolution is five times slower on a CPU, and without
    XLA it is the other way round.
    """
    token = _AS_SHIFTS.set(True)
    try:
        yield
    finally:
        _AS_SHIFTS.reset(token)


@lru_cache(maxsize=1)
def _temporal_depthwise() -> Any:
    """A DepthwiseConv2D of shape [k, 1] without bias or activation that heeds `depthwise_as_shifts`."""
    tf = load_tensorflow()
    base: Any = tf.keras.layers.DepthwiseConv2D

    class TemporalDepthwise(base):
        def call(self, inputs: Any) -> Any:
            if not _AS_SHIFTS.get():
                return super().call(inputs)
            taps, dilation = self.kernel_size[0], self.dilation_rate[0]
            kernel = tf.cast(self.depthwise_kernel, inputs.dtype)[:, 0, :, 0]
            rows = tf.shape(inputs)[1] - (taps - 1) * dilation
            return tf.add_n([inputs[:, i * dilation : i * dilation + rows] * kernel[i] for i in range(taps)])

    return TemporalDepthwise


def latest_rows(x: Any, dropped: int, name: str) -> Any:
    """Without the first `dropped` rows: what a block with valid padding leaves of its input."""
    return load_tensorflow().keras.layers.Cropping2D(((dropped, 0), (0, 0)), name=f"{name}_crop")(x)


def scored(first: Any, x: Any, taps: int = 1) -> Any:
    """The model: a convolution of x [batch, n, 1, channels] to one logit, then the sigmoid."""
    layers = load_tensorflow().keras.layers
    return finished(first, layers.Conv2D(1, (taps, 1), bias_initializer=rare(), name=LOGIT_LAYER)(x))


def finished(first: Any, logit: Any) -> Any:
    """The model from its input and its logits [batch, n, 1, 1]."""
    keras = load_tensorflow().keras
    return keras.Model(first, keras.layers.Activation("sigmoid", name=SCORE_LAYER)(logit))


def rare() -> Any:
    """Start from what is true of nearly every window: the word is not there."""
    return load_tensorflow().keras.initializers.Constant(-3.0)


def _activated(batch_norm: bool, relu: bool) -> dict[str, Any]:
    """Bias and ReLU belong to the convolution itself, or follow with the batch norm."""
    return {"use_bias": not batch_norm, "activation": "relu" if relu and not batch_norm else None}


def _normed(x: Any, name: str, batch_norm: bool, relu: bool) -> Any:
    if not batch_norm:
        return x
    layers = load_tensorflow().keras.layers
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
