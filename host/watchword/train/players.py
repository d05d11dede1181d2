"""What microWakeWord's players do on validation audio, and the cutoff that keeps the promise there too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from watchword import core, spec, words
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import in_window, match
from watchword.evaluate.players import esphome_detects
from watchword.export.esphome import (
    LEVELS,
    About,
    export_esphome,
    least_level,
    probability_cutoff,
)
from watchword.export.image import build_image
from watchword.export.importing import detector_of
from watchword.export.settings import ModelSettings
from watchword.export.stream_writer import streaming_tflite
from watchword.export.streaming import read_streaming_network
from watchword.export.streaming_card import PlayerFigures
from watchword.train.recalibrate import Recalibrated
from watchword.train.run_folder import TrainedModel
from watchword.train.validation import ValidationSet

_BESIDE = "esphome"  # of the default folder's name: it stands beside that of our own form
Fires = Callable[[np.ndarray], np.ndarray]  # scores of all calls -> indices of those at which it detects


def export_for_players(
    trained: TrainedModel, found: Recalibrated | None, preset: str | None, about: About, out: Path | None
) -> Path:
    """Write the model for microWakeWord's players, with the detector of `preset`, or the model's own.

    `found`: its presets were chosen just now, so the cutoff is tried on the same audio.
    """
    settings = trained.settings
    if preset is not None:
        if preset not in settings.presets:
            remedy = "export it with --target-fah, which makes them"
            raise WatchwordError("the model brings no presets", f"preset '{preset}'", remedy)
        settings = replace(settings, detector=settings.presets[preset])
    level, players = None, None
    if found is not None:
        allowed = found.presets[preset or spec.DEFAULT_PRESET].calibration.false_alarms
        level, players = safe_level(trained.tflite, settings, found.validation, allowed)
    folder = out or Path("models") / f"{words.folder_name(settings.word)}-{_BESIDE}"
    return export_esphome(trained.tflite, settings, folder, about, trained.training, level, players)


def safe_level(
    tflite: bytes, settings: ModelSettings, validation: ValidationSet, allowed: int
) -> tuple[int, dict[str, PlayerFigures]]:
    """ESPHome's lowest cutoff that is no lower than the detector's threshold and, on validation, gives no
    more false alarms than `allowed`, which that threshold gives; and what each player does with it.

    The scores are those of the streaming file, which begin before the first whole window.
    """
    network = read_streaming_network(streaming_tflite(tflite))
    model = core.ModelImage(build_image(network, settings))
    scores = [model.scores(rows) for rows in validation.rows]
    heard = replace(validation, geometry=model.geometry)
    for level in range(least_level(settings.detector), LEVELS):
        found = _players(heard, scores, settings.detector.smoothing, level)
        if found["ESPHome"].false_alarms <= allowed:
            return level, found
    what = f"by ESPHome's rule no cutoff keeps to the {allowed} false alarms of validation that are allowed"
    raise WatchwordError(what, f"model '{settings.word}'", "allow more: --preset eager, --target-fah")


def _players(
    validation: ValidationSet, scores: Sequence[np.ndarray], window: int, level: int
) -> dict[str, PlayerFigures]:
    rules: dict[str, Fires] = {
        "ESPHome": partial(
            esphome_detects, level=level, window=window, stride_rows=validation.geometry.stride_rows
        ),
        "pymicro-wakeword": partial(_rises, detector=detector_of(probability_cutoff(level), window, 0)),
    }
    return {name: _figures(validation, scores, fires) for name, fires in rules.items()}


def _rises(scores: np.ndarray, detector: core.DetectorConfig) -> np.ndarray:
    """Where our detector fires that has pymicro-wakeword's rule."""
    return core.detect(scores, np.arange(len(scores)), detector)[1]


def _figures(validation: ValidationSet, scores: Sequence[np.ndarray], fires: Fires) -> PlayerFigures:
    alarms, words, misses = 0, 0, 0
    for stream, found in zip(validation.streams, scores, strict=True):
        samples = validation.geometry.score_samples(len(found))[fires(found)]
        if stream.word is None:
            alarms += len(match([], samples.tolist()).extras)
        else:
            words += 1
            misses += not np.any(in_window(samples, stream.word))
    return PlayerFigures(alarms, validation.negative_hours, words, misses)
