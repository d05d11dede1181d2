"""From the float network to one that trains as the int8 engine computes.

Batch norms are folded first, so what is quantised is what is deployed. Weights are per channel and
symmetric; activations keep the ranges they had on training segments; the input is exactly the int8 row
(1/32 a step, zero point 0) and the logit is 1/16 a step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from watchword import spec
from watchword.config import ModelConfig
from watchword.train.architectures import LOGIT_LAYER, build_model
from watchword.train.tensorflow import load_model_optimization, load_tensorflow, network_input

LOGIT_STEP = 1.0 / 16.0  # ±8: beyond, a score is 0 or 255 anyway
_CLIPPED_PERCENT = 0.005  # of the activations may lie beyond each end of a range
_PREFIX = "quant_"  # that model-optimization gives the layers it wraps
_RANGE = ("activation_min", "activation_max")


def fold_batch_norm(network: Any, model: ModelConfig, coeffs: int) -> Any:
    """The same function without batch-norm layers: a new model with the norms in kernels and biases."""
    folded = build_model(model, coeffs, batch_norm=False)
    norms = {layer.name for layer in network.layers if layer.name.endswith("_bn")}
    for layer in folded.layers:
        if not layer.weights:
            continue
        weights = network.get_layer(layer.name).get_weights()
        if f"{layer.name}_bn" in norms:
            norm = network.get_layer(f"{layer.name}_bn")
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            depthwise = type(layer).__name__ == "DepthwiseConv2D"  # kernel [k, 1, channels, 1]
            weights = [weights[0] * (scale[:, None] if depthwise else scale), beta - mean * scale]
        layer.set_weights(weights)
    return folded


def quantise(folded: Any, rows: np.ndarray) -> Any:
    """A folded network wrapped for training with quantisation; rows: int8 [n, t, coeffs], for the ranges."""
    quantised = _wrap(folded, weights=True)
    for layer in quantised.layers:
        if layer.name.startswith(_PREFIX):
            _copy_weights(folded.get_layer(layer.name.removeprefix(_PREFIX)), layer)
    _set_ranges(quantised, _measure_ranges(folded, rows))
    return quantised


def deployable(quantised: Any, folded: Any) -> Any:
    """The network for the converter: the ranges of `quantised`, its weights as they are.

    The converter quantises weights itself, per channel and symmetric, as training imitated; only so
    does it do so for depthwise kernels too.
    """
    plain = _wrap(folded, weights=False)
    for source, target in zip(quantised.layers, plain.layers, strict=True):
        _copy_weights(source, target)
    return plain


def _copy_weights(source: Any, target: Any) -> None:
    """Copy every weight that both layers have, by the last part of its name."""
    values = {_short_name(weight): weight for weight in source.weights}
    for weight in target.weights:
        if _short_name(weight) in values:
            weight.assign(values[_short_name(weight)])


def _short_name(weight: Any) -> str:
    return str(weight.name).split(":")[0].split("/")[-1]


def _wrap(folded: Any, weights: bool) -> Any:
    keras = load_model_optimization().quantization.keras
    classes = _classes()
    kind = classes["TrainedConvolution" if weights else "PlainConvolution"]

    def annotate(layer: Any) -> Any:
        config: Any = None
        if _has_range(layer):
            config = kind if hasattr(layer, "kernel_size") else classes["RangedOutput"]
        return keras.quantize_annotate_layer(layer, config() if config else None)

    clone_model = load_tensorflow().keras.models.clone_model
    with keras.quantize_scope(classes):
        # Twice: annotating must not wrap the layers of `folded` itself.
        wrapped = keras.quantize_apply(clone_model(clone_model(folded), clone_function=annotate))
    for layer in wrapped.layers:
        if type(layer).__name__ == "QuantizeLayer":
            # It only ever widens its range, and int8 rows never leave this one.
            ends = {"min": -128 * spec.INPUT_SCALE, "max": 127 * spec.INPUT_SCALE}
            _assign(layer, {f"{layer.name}_{end}": value for end, value in ends.items()})
    return wrapped


def _has_range(layer: Any) -> bool:
    """True for a layer whose output is quantised: a sum that goes into a ReLU is not, the ReLU is."""
    kind = type(layer).__name__
    if kind == "Add":
        return not any(type(node.layer).__name__ == "ReLU" for node in layer.outbound_nodes)
    return kind in ("Conv2D", "DepthwiseConv2D", "ReLU")


def _measure_ranges(folded: Any, rows: np.ndarray) -> dict[str, tuple[float, float]]:
    """Range of each layer's activation over int8 rows [n, t, coeffs], without the rarest values."""
    tf = load_tensorflow()
    layers = [layer for layer in folded.layers if _has_range(layer)]
    probe = tf.keras.Model(folded.inputs, [layer.output for layer in layers])
    outputs = probe(network_input(rows))
    ranges = {}
    for layer, output in zip(layers, outputs, strict=True):
        low, high = np.percentile(output.numpy(), [_CLIPPED_PERCENT, 100.0 - _CLIPPED_PERCENT])
        ranges[layer.name] = (min(0.0, float(low)), max(1e-3, float(high)))
    ranges[LOGIT_LAYER] = (-128 * LOGIT_STEP, 127 * LOGIT_STEP)
    return ranges


def _set_ranges(quantised: Any, ranges: dict[str, tuple[float, float]]) -> None:
    for layer in quantised.layers:
        ends = ranges.get(layer.name.removeprefix(_PREFIX))
        if ends is not None:
            _assign(layer, dict(zip(_RANGE, ends, strict=True)))


def _assign(layer: Any, values: dict[str, float]) -> None:
    for weight in layer.weights:
        if _short_name(weight) in values:
            weight.assign(values[_short_name(weight)])


@lru_cache(maxsize=1)
def _classes() -> dict[str, Any]:
    """Made when model-optimization is first needed: the base classes live there."""
    keras = load_model_optimization().quantization.keras
    return _configs(keras.QuantizeConfig, *_quantizers(keras.quantizers.Quantizer))


def _quantizers(base: Any) -> tuple[Any, Any]:
    """The quantisers of weights and of activations."""
    tf = load_tensorflow()

    class WeightQuantizer(base):
        """Symmetric, per output channel, to ±127 steps of the weights as they are now."""

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            return {}

        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            depthwise = inputs.shape[-1] == 1 and inputs.shape[-2] > 1 and inputs.shape[0] > 1
            kernel = tf.transpose(inputs, (0, 1, 3, 2)) if depthwise else inputs
            peak = tf.stop_gradient(tf.reduce_max(tf.abs(kernel), axis=(0, 1, 2)) + 1e-9)
            kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
                kernel, -peak, peak, narrow_range=True
            )
            return tf.transpose(kernel, (0, 1, 3, 2)) if depthwise else kernel

        def get_config(self) -> dict[str, Any]:
            return {}

    class RangeQuantizer(base):
        """To 256 steps of a range that is set once."""

        def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
            constant = tf.keras.initializers.Constant
            return {
                key: layer.add_weight(key, initializer=constant(start), trainable=False)
                for key, start in zip(_RANGE, (-1.0, 1.0), strict=True)
            }

        def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
            return tf.quantization.fake_quant_with_min_max_vars(inputs, *(weights[key] for key in _RANGE))

        def get_config(self) -> dict[str, Any]:
            return {}

    return WeightQuantizer, RangeQuantizer


def _configs(base: Any, weight_quantizer: Any, range_quantizer: Any) -> dict[str, Any]:
    """What is quantised in each kind of layer."""

    class Nothing(base):
        def _none(self, layer: Any, values: Any = None) -> list[Any]:
            return []

        get_weights_and_quantizers = get_activations_and_quantizers = get_output_quantizers = _none
        set_quantize_weights = set_quantize_activations = _none

        def get_config(self) -> dict[str, Any]:
            return {}

    nothing: Any = Nothing

    class RangedOutput(nothing):
        def get_output_quantizers(self, layer: Any) -> list[Any]:
            return [range_quantizer()]

    class PlainConvolution(nothing):
        """Its activation is quantised, its kernel is left to the converter."""

        def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
            return [(layer.activation, range_quantizer())]

        def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
            layer.activation = quantize_activations[0]

    plain: Any = PlainConvolution

    class TrainedConvolution(plain):
        """Its kernel is quantised too."""

        def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
            return [(getattr(layer, _kernel_name(layer)), weight_quantizer())]

        def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
            setattr(layer, _kernel_name(layer), quantize_weights[0])

    return {kind.__name__: kind for kind in (RangedOutput, PlainConvolution, TrainedConvolution)}


def _kernel_name(layer: Any) -> str:
    return "depthwise_kernel" if type(layer).__name__ == "DepthwiseConv2D" else "kernel"
