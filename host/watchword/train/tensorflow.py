"""The one place that imports TensorFlow: late, quiet, and with the Keras that quantisation needs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from watchword import spec
from watchword.errors import WatchwordError
from watchword.processes import quiet_stderr

# Model-optimization works on Keras 2 only, and TensorFlow decides which Keras it is at import.
ENVIRONMENT = {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # TensorFlow 2.21's AVX-512 kernels crash in the gradients of wide convolutions (resnet18; AMD EPYC).
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}


def network_input(rows: Any) -> Any:
    """int8 rows [batch, t, coeffs] -> what a network takes: float32 [batch, t, 1, coeffs]."""
    tf = load_tensorflow()
    return tf.cast(rows, tf.float32)[:, :, None, :] * spec.INPUT_SCALE


def load_tensorflow() -> ModuleType:
    """The `tensorflow` module with Keras 2 behind `tf.keras`; a clear error when it is not installed."""
    if "tensorflow" in sys.modules:
        return _checked(sys.modules["tensorflow"])
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        with quiet_stderr():
            import tensorflow
    except ImportError as error:
        raise WatchwordError(
            "TensorFlow is not installed", "training", "pip install 'watchword[train]'"
        ) from error
    tensorflow.get_logger().setLevel("ERROR")
    return _checked(tensorflow)


def _checked(tensorflow: ModuleType) -> ModuleType:
    if not tensorflow.keras.__name__.startswith("tf_keras"):
        raise WatchwordError(
            "TensorFlow was loaded with Keras 3", "training", "set TF_USE_LEGACY_KERAS=1 before importing it"
        )
    return tensorflow


def load_model_optimization() -> ModuleType:
    """The `tensorflow_model_optimization` module (quantisation-aware training)."""
    load_tensorflow()
    try:
        with quiet_stderr():
            import tensorflow_model_optimization
    except ImportError as error:
        raise WatchwordError(
            "tensorflow-model-optimization is not installed", "training", "pip install 'watchword[train]'"
        ) from error
    module: ModuleType = tensorflow_model_optimization
    return module


def make_reproducible(seed: int) -> None:
    """Fix every seed, and let TensorFlow use only operations that repeat bit for bit."""
    tf = load_tensorflow()
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def precision(mixed: str) -> Iterator[None]:
    """Within, layers are made to compute in 16-bit floats if `[train] mixed_precision` says so.

    Their weights stay float32. "auto" asks for it only where it is faster: on a GPU.
    """
    tf = load_tensorflow()
    wanted = mixed == "on" or (mixed == "auto" and bool(tf.config.list_physical_devices("GPU")))
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("mixed_float16" if wanted else "float32")
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
