"""What `watchword export` takes: a run of `watchword train`, an exported model, or a bare .tflite file."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchword.config import MODEL_KEYS, ModelConfig
from watchword.errors import WatchwordError
from watchword.export.card import FILE as CARD
from watchword.export.card import Card, read_card
from watchword.export.settings import ModelSettings
from watchword.files import read_text
from watchword.train.architectures import require_streaming
from watchword.train.state import METRICS_FILE, require_finished


@dataclass(frozen=True)
class TrainedModel:
    """The inputs of an export; `training` is the run's metrics.json, or empty."""

    tflite: bytes
    settings: ModelSettings
    training: dict[str, Any]


def read_trained(source: Path, settings_path: Path | None = None) -> TrainedModel:
    """Read model.tflite, settings.json and metrics.json of a run; the model and card.json of an exported
    model; or one file and its settings."""
    folder = source if source.is_dir() else source.parent
    _refuse_teacher(source)
    require_finished(folder)
    model_path = source / "model.tflite" if source.is_dir() else source
    try:
        tflite = model_path.read_bytes()
    except OSError as error:
        raise WatchwordError(
            "cannot read the trained model", model_path, "run `watchword train` first"
        ) from error
    chosen = settings_path or folder / "settings.json"
    if settings_path is None and not chosen.is_file() and (source / CARD).is_file():
        card = read_card(source)
        if card.origin is not None:
            what = f"was imported ({card.origin.format}): it is a model for other players already"
            raise WatchwordError(what, source, "use its own files; import it again with another --cutoff")
        settings = ModelSettings.from_json(json.dumps(card.settings), source / CARD)
        return TrainedModel(tflite, settings, _with_licences(card))
    if not chosen.is_file():
        raise WatchwordError("no settings for this model", chosen, "give --settings settings.json")
    metrics = _metrics(source / METRICS_FILE) if source.is_dir() else {}
    return TrainedModel(tflite, ModelSettings.load(chosen), metrics)


def _with_licences(card: Card) -> dict[str, Any]:
    """The training's record; its sources with the licences that the card tells and an older record lacks."""
    licences = {entry.source: entry.licence for entry in card.attribution}
    data = card.training.get("data", {})
    sources = [{"licence": licences.get(row["source"], ""), **row} for row in data.get("sources", [])]
    return {**card.training, "data": {**data, "sources": sources}} if sources else card.training


def _refuse_teacher(run: Path) -> None:
    """Only the architecture is looked at: a run of an older version may have settings unknown today."""
    try:
        arch = tomllib.loads(read_text(run / "config.toml", "surrogateescape"))["model"]["arch"]
    except (OSError, ValueError, LookupError, TypeError):
        return  # not a run folder, or one that says nothing about it
    if arch in MODEL_KEYS:
        require_streaming(ModelConfig(arch=arch), run)


def _metrics(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise WatchwordError(f"cannot read the run's metrics: {error}", path, "train again") from error
