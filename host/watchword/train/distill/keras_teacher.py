"""A larger network, trained by `watchword train` on the same data, as teacher."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core
from watchword.config import FeaturesConfig, RunConfig, load_config
from watchword.core import Geometry
from watchword.errors import WatchwordError
from watchword.export.settings import ModelSettings
from watchword.train import architectures
from watchword.train.distill.encoding import FrontEnd
from watchword.train.distill.teacher import NetworkTeacher
from watchword.train.scoring import Scorer
from watchword.train.state import require_finished
from watchword.train.trainer import load_weights

_FILES = ("config.toml", "settings.json", "weights_float.npz")


def load_keras_teacher(folder: Path, student: RunConfig) -> NetworkTeacher:
    """The float network of a finished run folder; it must listen for the student's word."""
    for name in _FILES:
        if not (folder / name).is_file():
            raise WatchwordError(
                f"no {name}: not a finished run of `watchword train`",
                folder,
                "[distill] teacher names a run folder; train the teacher first",
            )
    require_finished(folder)
    config = load_config(folder / "config.toml")
    if config.word.phrase != student.word.phrase:
        raise WatchwordError(
            f"the teacher listens for '{config.word.phrase}', not '{student.word.phrase}'",
            folder,
            "train a teacher for this word",
        )
    normalisation = ModelSettings.load(folder / "settings.json").normalisation
    network = architectures.build_model(config.model, config.features.coeffs)
    try:
        load_weights(network, folder / "weights_float.npz")
    except (OSError, ValueError, KeyError) as error:
        raise WatchwordError(
            f"its weights do not fit its config.toml: {error}", folder, "train the teacher again"
        ) from error
    geometry = Geometry(
        config.features.hop_samples,
        architectures.receptive_rows(config.model),
        config.model.stem_stride,
        lead_samples=core.lead_samples(config.features.kind, config.features.hop_samples),
    )

    def normalise(rows: np.ndarray) -> np.ndarray:
        return core.normalise(rows, normalisation)

    return NetworkTeacher(
        _identity(folder),
        None if _same_rows(config.features, student.features) else FrontEnd(config.features),
        normalise,
        Scorer(architectures.logits_of(network), geometry),
        _facts(folder, config, int(network.count_params())),
        config.train.logit_scale,
    )


def _same_rows(a: FeaturesConfig, b: FeaturesConfig) -> bool:
    """Do both front ends give the same rows, before normalisation?"""
    return (a.kind, a.hop_samples, a.coeffs) == (b.kind, b.hop_samples, b.coeffs)


def _identity(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _facts(folder: Path, config: RunConfig, parameters: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"teacher": str(folder), "arch": config.model.arch, "parameters": parameters}
    try:
        results = json.loads((folder / "metrics.json").read_text("utf-8"))["validation"]["results"]
        return facts | {"validation": results["float"]}
    except (OSError, ValueError, KeyError):  # facts are for the record only
        return facts
