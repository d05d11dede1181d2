"""Model graphs by name. Input [batch, time, 1, coeffs] (NHWC, time = height), output [batch, n, 1, 1] scores.

On a segment of any length every graph gives one score for every stride, each equal to what the graph
gives for that window alone. Those that a chip can run stream: they are stacks of temporal layers with
valid padding, striding in their first layer only. The others serve as teachers and as judges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from watchword.config import ModelConfig
from watchword.errors import WatchwordError
from watchword.train.architectures import conformer, ds_tcn, mobilenet, resnet18, tiny_conv
from watchword.train.architectures.parts import LOGIT_LAYER as LOGIT_LAYER
from watchword.train.tensorflow import load_tensorflow


@dataclass(frozen=True)
class Architecture:
    """How to build a graph, how many rows one window of it spans, and whether a chip can stream it."""

    # (settings, coeffs, rows or None for any, batch size or None for any, batch norm?) -> Keras model
    build: Callable[[ModelConfig, int, int | None, int | None, bool], Any]
    receptive_rows: Callable[[ModelConfig], int]
    streams: bool = True
    start_from_bands: Callable[[Any], None] | None = None  # where it begins otherwise on log-mel rows


ARCHITECTURES: dict[str, Architecture] = {
    "ds_tcn": Architecture(ds_tcn.build, ds_tcn.receptive_rows),
    "tiny_conv": Architecture(tiny_conv.build, tiny_conv.receptive_rows),
    "mobilenet": Architecture(mobilenet.build, mobilenet.receptive_rows),
    "resnet18": Architecture(resnet18.build, resnet18.receptive_rows, False, resnet18.start_from_bands),
    "conformer": Architecture(conformer.build, conformer.receptive_rows, streams=False),
}


def architecture(model: ModelConfig) -> Architecture:
    """The architecture that `[model] arch` names."""
    if model.arch not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise WatchwordError(f"[model] arch '{model.arch}' is unknown", "configuration", f"known: {known}")
    return ARCHITECTURES[model.arch]


def require_streaming(model: ModelConfig, where: object) -> None:
    """Refuse an architecture that no chip can run, naming those that one can."""
    if not architecture(model).streams:
        others = ", ".join(sorted(name for name, known in ARCHITECTURES.items() if known.streams))
        raise WatchwordError(
            f"'{model.arch}' is a teacher and judge: it does not stream on a chip and is not exported",
            str(where),
            f"train arch {others} for the chip, and use this run with `watchword judge --judge`",
        )


def receptive_rows(model: ModelConfig) -> int:
    """Rows one score depends on: the time dimension of the exported graph."""
    return architecture(model).receptive_rows(model)


def build_model(
    model: ModelConfig,
    coeffs: int,
    rows: int | None = None,
    batch: int | None = None,
    batch_norm: bool = True,
) -> Any:
    """A Keras model. `batch_norm=False` gives the twin whose convolutions have it folded in."""
    return architecture(model).build(model, coeffs, rows, batch, batch_norm)


def start_from(network: Any, model: ModelConfig, kind: str) -> None:
    """Set the weights of a new network that depend on the kind of features it will see."""
    prepare = architecture(model).start_from_bands
    if kind != "mfcc" and prepare is not None:
        prepare(network)


def logits_of(network: Any) -> Any:
    """The same network, stopping before the sigmoid: [batch, n, 1, 1] logits."""
    tf = load_tensorflow()
    score = network.layers[-1]
    return tf.keras.Model(network.inputs, score.input)
