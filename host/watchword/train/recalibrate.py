"""Choosing the detector's settings of a run, or of an exported model, anew: for another target, or on other
validation audio."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from watchword import core, spec
from watchword.config import DetectorSettings, RunConfig, WordConfig, adjusted, load_config, load_preset
from watchword.data.plan import plan_validation, validation_streams
from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.settings import ModelSettings
from watchword.train.calibration import make_presets
from watchword.train.metrics import PresetFigures
from watchword.train.outcome import engine_scores, with_presets
from watchword.train.run_folder import TrainedModel
from watchword.train.validation import ValidationSet, make_validation_set
from watchword.typed_json import to_json


def calibration_config(
    source: Path,
    trained: TrainedModel,
    target_fah: float,
    bound: str | None,
    manifest: Path | None,
    cache: Path | None,
) -> RunConfig:
    """The settings of the run `source` with another target, and what else is given.

    An exported model has no run: its features and detector are its own, the rest is the full preset.
    """
    run = source / "config.toml"
    if not run.is_file() and manifest is None:
        raise WatchwordError("an exported model brings no validation audio", source, "name --manifest")
    changes = {
        ("detector", "target_fah"): target_fah,
        ("detector", "bound"): bound,
        ("data", "manifest"): str(manifest.resolve()) if manifest else None,
        ("data", "cache"): str(cache) if cache else None,
    }
    return adjusted(load_config(run) if run.is_file() else _config_of(trained.settings), changes)


def _config_of(settings: ModelSettings) -> RunConfig:
    preset, detector = load_preset("full"), settings.detector
    features = replace(
        preset.features,
        kind=settings.kind,
        hop_samples=settings.hop_samples,
        coeffs=settings.coeffs,
        cmvn=settings.normalisation.mode,
    )
    return replace(
        preset,
        word=WordConfig(settings.word),
        features=features,
        detector=DetectorSettings(detector.smoothing, detector.high, detector.low, detector.cooldown_ms),
    )


@dataclass(frozen=True)
class Recalibrated:
    """A model with presets chosen anew, and what chose them."""

    trained: TrainedModel
    presets: dict[str, PresetFigures]
    validation: ValidationSet


def recalibrated(trained: TrainedModel, config: RunConfig) -> Recalibrated:
    """The model with presets chosen on the validation audio of `config`; the run itself stays as it is.

    Smoothing, low threshold and cooldown begin from those that the run was configured with.
    """
    settings = replace(trained.settings, detector=config.detector.to_core(), presets={})
    image = core.ModelImage(build_image(read_network(trained.tflite), settings))
    plan = plan_validation(config)
    streams = validation_streams(config, plan)
    validation = make_validation_set(streams, settings.normalisation, image.geometry)
    scores = engine_scores(trained.tflite, settings)(validation.rows)
    presets = make_presets(validation, scores, settings.detector, config.detector)
    figures = {name: json.loads(to_json(preset)) for name, preset in presets.items()}
    default = figures.get(spec.DEFAULT_PRESET)
    training = {
        **trained.training,
        "data": _judged_by(trained.training.get("data", {}), plan.provenance),
        "presets": figures,
        "calibration": default and default["calibration"],
    }
    chosen = TrainedModel(trained.tflite, with_presets(settings, presets), training)
    return Recalibrated(chosen, presets, validation)


def _judged_by(trained: dict[str, Any], judged: dict[str, Any]) -> dict[str, Any]:
    """The record of what the model was trained on, with what chose its presets in place of validation."""
    sources = [row for row in trained.get("sources", []) if row["split"] == "train"]
    return {**trained, "sources": [*sources, *(row for row in judged["sources"] if row["split"] == "val")]}
