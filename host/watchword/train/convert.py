"""Keras -> .tflite, int8 throughout, and the checks that what comes out is what the engine expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from watchword import spec
from watchword.config import FeaturesConfig
from watchword.errors import WatchwordError
from watchword.export.affine import INPUT_STEPS
from watchword.export.input_steps import with_input
from watchword.processes import quiet_stderr
from watchword.train.tensorflow import load_tensorflow, network_input

OUTPUT_SCALE = 1.0 / (1 << spec.SCORE_FRAC_BITS)
OUTPUT_ZERO_POINT = -128


def to_tflite(
    network: Any,
    rows: int,
    coeffs: int,
    samples: Sequence[np.ndarray] | None = None,
    kind: str = FeaturesConfig.kind,
) -> bytes:
    """Convert to int8 with the input fixed at [1, rows, 1, coeffs], and check the result.

    `network` carries its own ranges (quantisation-aware training); without them, `samples` (int8
    [rows, coeffs] each) are what the converter measures them on. All networks take an int8 step for the same
    number; the model says of its input what it means for rows of this kind.
    """
    tf = load_tensorflow()
    shape = (1, rows, 1, coeffs)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def window(x: Any) -> Any:
        return network(x, training=False)

    with quiet_stderr():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([window.get_concrete_function()], network)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if samples is not None:
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: _representative(samples, rows, coeffs)
        content = bytes(converter.convert())
    check_tflite(content, rows, coeffs)
    return content if kind == FeaturesConfig.kind else with_input(content, *INPUT_STEPS[kind])


def _representative(samples: Sequence[np.ndarray], rows: int, coeffs: int) -> Iterator[list[np.ndarray]]:
    """Real-valued windows; the first spans the whole int8 range, which fixes the input scale."""
    extremes = np.resize(np.array([-128, 127], np.int8), (rows, coeffs))
    for window in (extremes, *samples):
        yield [network_input(window.reshape(1, rows, coeffs)).numpy()]


def check_tflite(content: bytes, rows: int, coeffs: int) -> None:
    """Raise unless input and output have the shapes and quantisation that the engine relies on."""
    interpreter = reference_interpreter(content)
    (first,), (last,) = interpreter.get_input_details(), interpreter.get_output_details()
    for name, tensor, size, scale, zero in (
        ("input", first, rows * coeffs, spec.INPUT_SCALE, 0),
        ("output", last, 1, OUTPUT_SCALE, OUTPUT_ZERO_POINT),
    ):
        found = (tensor["dtype"], int(np.prod(tensor["shape"])), *tensor["quantization"])
        if found != (np.int8, size, np.float32(scale), zero):
            raise WatchwordError(
                f"the converted {name} is {tensor['dtype'].__name__} {list(tensor['shape'])} with scale and "
                f"zero point {tensor['quantization']}, not int8 with {scale:g}, {zero}",
                "conversion to tflite",
                "use the TensorFlow version that pyproject.toml names",
            )


def reference_interpreter(content: bytes) -> Any:
    """TensorFlow Lite's interpreter with its reference kernels, which define the right result."""
    tf = load_tensorflow()
    with quiet_stderr():
        resolver = tf.lite.experimental.OpResolverType.BUILTIN_REF
        interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
    return interpreter
