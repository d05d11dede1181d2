"""Choosing the detector's settings of a run anew: for another target, or on other validation audio."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from watchword import core, spec
from watchword.config import RunConfig, adjusted, load_config
from watchword.data.plan import make_plan, validation_streams
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.train.calibration import make_presets
from watchword.train.outcome import engine_scores, with_presets
from watchword.train.run_folder import TrainedModel
from watchword.train.validation import make_validation_set
from watchword.typed_json import to_json


def calibration_config(
    run: Path, target_fah: float, bound: str | None, manifest: Path | None, cache: Path | None
) -> RunConfig:
    """The settings of a run with another target, and what else is given."""
    changes = {
        ("detector", "target_fah"): target_fah,
        ("detector", "bound"): bound,
        ("data", "manifest"): str(manifest.resolve()) if manifest else None,
        ("data", "cache"): str(cache) if cache else None,
    }
    return adjusted(load_config(run / "config.toml"), changes)


def recalibrated(trained: TrainedModel, config: RunConfig) -> TrainedModel:
    """The model with presets chosen on the validation audio of `config`; the run itself stays as it is.

    Smoothing, low threshold and cooldown begin from those that the run was configured with.
    """
    settings = replace(trained.settings, detector=config.detector.to_core(), presets={})
    image = core.ModelImage(build_image(read_network(trained.tflite), settings))
    streams = validation_streams(config, make_plan(config))
    validation = make_validation_set(streams, settings.normalisation, image.geometry)
    scores = engine_scores(trained.tflite, settings)(validation.rows)
    presets = make_presets(validation, scores, settings.detector, config.detector)
    figures = {name: json.loads(to_json(preset)) for name, preset in presets.items()}
    default = figures.get(spec.DEFAULT_PRESET)
    training = {**trained.training, "presets": figures, "calibration": default and default["calibration"]}
    return TrainedModel(trained.tflite, with_presets(settings, presets), training)
