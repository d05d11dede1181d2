"""What a run ends with: converted models, the calibrated detector, accuracy on validation, metrics.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core, spec
from watchword.config import RunConfig
from watchword.data.batches import Batches
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.settings import ModelSettings
from watchword.export.size_target import SizeTarget
from watchword.train import architectures, qat
from watchword.train.calibration import make_presets
from watchword.train.checkpoint import Run
from watchword.train.convert import to_tflite
from watchword.train.distill.choose import Distillation
from watchword.train.fit import Quantised
from watchword.train.metrics import Metrics, PresetFigures, TrainingFigures, ValidationFigures
from watchword.train.prepare import Prepared
from watchword.train.scoring import Scorer
from watchword.train.state import comparable
from watchword.train.validation import Score, ValidationScores

_DISTANCE_BATCHES = 20


@dataclass(frozen=True)
class Outcome:
    """The detector's settings, calibrated if a target is given, and the accuracy with them on validation.

    Accuracy of the float network ("float"), and of the .tflite files in the C engine ("int8", "int8 PTQ").
    """

    settings: ModelSettings
    accuracy: dict[str, ValidationScores]
    presets: dict[str, PresetFigures]

    @property
    def exported(self) -> ValidationScores:
        """Accuracy of the model that is exported; of a teacher, which stays float, the float one."""
        return self.accuracy["int8" if "int8" in self.accuracy else "float"]


def convert(config: RunConfig, quantised: Quantised, segments: np.ndarray, rows: int) -> dict[str, bytes]:
    """The model as int8 .tflite: trained for it ("int8"), and quantised after training ("int8 PTQ").

    segments: int8 [n, segment rows, coeffs], whose last windows set the ranges of the latter; rows: of a
    window.
    """
    f, windows = config.features, list(segments[:, -rows:])
    trained = qat.deployable(quantised.network, quantised.folded)
    return {
        "int8": to_tflite(trained, rows, f.coeffs, kind=f.kind),
        "int8 PTQ": to_tflite(quantised.folded, rows, f.coeffs, windows, f.kind),
    }


def validate_models(config: RunConfig, prepared: Prepared, network: Any, models: dict[str, bytes]) -> Outcome:
    """Calibrate the detector and measure every form of the model with it."""
    scorer = Scorer(architectures.logits_of(network), prepared.geometry)
    score: dict[str, Score] = {"float": scorer.scores}
    score |= {name: engine_scores(content, prepared.settings) for name, content in models.items()}
    validation = prepared.validation
    # The streams are scored once; what the detector makes of the scores costs little.
    found = {name: of(validation.rows) for name, of in score.items()}
    exported = found["int8" if models else "float"]
    presets = make_presets(validation, exported, prepared.settings.detector, config.detector)
    settings = with_presets(prepared.settings, presets)

    def measure(scores: list[np.ndarray]) -> ValidationScores:
        return validation.measure(lambda _: scores, settings.detector)

    accuracy = {name: measure(scores) for name, scores in found.items()}
    return Outcome(settings, accuracy, presets)


def with_presets(settings: ModelSettings, presets: dict[str, PresetFigures]) -> ModelSettings:
    """The settings with these presets, the default one in force; unchanged if there are none."""
    if not presets:
        return settings
    detectors = {name: preset.detector for name, preset in presets.items()}
    return replace(settings, detector=detectors[spec.DEFAULT_PRESET], presets=detectors)


def engine_scores(tflite: bytes, settings: ModelSettings) -> Score:
    image = core.ModelImage(build_image(read_network(tflite), settings))

    def scores(streams: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [image.scores(rows) for rows in streams]

    return scores


def size_target(config: RunConfig) -> SizeTarget:
    """The limits of `[size]` as the exporter takes them."""
    size = config.size
    return SizeTarget(round(size.flash_kb * 1024), round(size.ram_kb * 1024), size.on_excess)


def check_size(config: RunConfig, tflite: bytes, settings: ModelSettings) -> list[str]:
    """Warnings about a model that exceeds `[size]`; an error if that is asked for."""
    network = read_network(tflite)
    image = build_image(network, settings)
    return size_target(config).check(len(image), network.arena_bytes, f"model '{settings.word}'")


def distillation_facts(distillation: Distillation, network: Any, batches: Batches) -> dict[str, Any]:
    """The teacher, and how far the float student's scores are from its own on training segments."""
    distance = distillation.loss.distance(architectures.logits_of(network), batches.take(_DISTANCE_BATCHES))
    return {**distillation.facts, "distance": distance}


def make_metrics(
    run: Run,
    prepared: Prepared,
    outcome: Outcome,
    network: Any,
    *,
    distillation: dict[str, Any] | None,
    size_warnings: list[str],
) -> Metrics:
    """The content of metrics.json."""
    words = {name: len(peaks) for name, peaks in outcome.accuracy["float"].word_peaks.items()}
    settings, detector, presets = outcome.settings, outcome.settings.detector, outcome.presets
    results = {name: scores.figures(detector) for name, scores in outcome.accuracy.items()}
    return Metrics(
        word=settings.word,
        parameters=int(qat.fold_batch_norm(network, run.config.model, settings.coeffs).count_params()),
        receptive_field_s=prepared.geometry.receptive_rows * prepared.geometry.hop_s,
        command="watchword train --config config.toml, which holds `config`; then watchword export",
        config=_recorded(run.config),
        data=prepared.plan.provenance,
        clips=prepared.plan.clips,
        training=TrainingFigures(len(prepared.training.positives), prepared.negative_s / 3600.0),
        validation=ValidationFigures(words, prepared.validation.negative_hours, results),
        calibration=presets[spec.DEFAULT_PRESET].calibration if presets else None,
        findings=tuple(run.diagnosis.records()),
        seconds=run.seconds_so_far(),
        segments_per_s=run.speed,
        distillation=distillation,
        size_warnings=tuple(size_warnings),
        presets=presets,
    )


def _recorded(config: RunConfig) -> dict[str, Any]:
    """All settings that decided the result, without where this computer keeps its files."""
    settings = comparable(config)
    settings["data"]["manifest"] = Path(config.data.manifest).name
    return settings
