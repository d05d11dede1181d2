"""A training run that takes no time: its FRR is a known function of its settings."""

from __future__ import annotations

import os
import time
from dataclasses import fields
from math import log10
from pathlib import Path
from typing import Any

from watchword.config import RunConfig
from watchword.errors import WatchwordError
from watchword.train.metrics import Metrics, OperatingFigures, TrainingFigures, ValidationFigures
from watchword.train.search.footprint import Footprint
from watchword.train.stage import OnValidation, ValidationResult

BEST_RATE = 2e-3
EPOCHS = 4


def footprint(config: RunConfig) -> Footprint:
    """1 kB of flash and 100,000 instructions a channel."""
    channels = config.model.channels
    return Footprint(1024 * channels, 1000, 1e5 * channels)


def frr_of(config: RunConfig) -> float:
    """Best at one learning rate; a little better with every channel."""
    return min(1.0, 0.3 * abs(log10(config.train.learning_rate / BEST_RATE)) + 1.0 / config.model.channels)


def result_of(rank: float) -> ValidationResult:
    return ValidationResult(**dict.fromkeys((f.name for f in fields(ValidationResult)), rank))


def train(
    config: RunConfig, out: Path, progress: bool, on_validation: OnValidation, epochs: int = EPOCHS
) -> Metrics:
    """As train_run, as far as a search can tell."""
    frr = frr_of(config)
    out.mkdir(parents=True)
    (out / "pid").write_text(str(os.getpid()))
    for epoch in range(1, epochs + 1):
        on_validation("float", epoch, result_of(frr + (epochs - epoch) / 10))
    on_validation("int8 QAT", 1, result_of(1.0))
    result = OperatingFigures({}, {"clean": frr / 2, "reverb": 1.5 * frr}, 0, 0.0, 0.0, None, frr)
    validation = ValidationFigures({}, 1.0, {"float": result, "int8": result})
    nothing: dict[str, Any] = {}
    training = TrainingFigures(0, 0.0)
    return Metrics("", 0, 0.0, "", nothing, nothing, {}, training, validation, None, (), {}, {}, None, ())


def slow(config: RunConfig, out: Path, progress: bool, on_validation: OnValidation) -> Metrics:
    time.sleep(0.3)
    return train(config, out, progress, on_validation)


def endless(config: RunConfig, out: Path, progress: bool, on_validation: OnValidation) -> Metrics:
    out.mkdir(parents=True)
    time.sleep(600)
    raise AssertionError


def broken(config: RunConfig, out: Path, progress: bool, on_validation: OnValidation) -> Metrics:
    raise WatchwordError("the loss became nan", out)
