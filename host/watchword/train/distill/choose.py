"""Finds the teacher that `[distill] teacher` names, and makes the loss that a run learns from it with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchword.config import RunConfig
from watchword.core import Geometry
from watchword.data.plan import Features
from watchword.errors import WatchwordError
from watchword.train.distill.head import PretrainedEncoder, train_headed_teacher
from watchword.train.distill.keras_teacher import load_keras_teacher
from watchword.train.distill.loss import DistillationLoss
from watchword.train.distill.soft_labels import make_soft_labels
from watchword.train.distill.speech_embedding import SpeechEmbedding
from watchword.train.distill.teacher import Teacher
from watchword.train.distill.wav2vec2 import Wav2Vec2

SPEECH_EMBEDDING = "speech-embedding"
WAV2VEC2 = "wav2vec2:"


def check_teacher(config: RunConfig) -> None:
    """Refuse a teacher that cannot be loaded before the features are computed."""
    name = config.distill.teacher
    if not name:
        return
    encoder = _pretrained_encoder(name)
    if encoder is not None:
        _ = encoder.identity  # reads its files
    elif Path(name).is_dir():
        load_keras_teacher(Path(name), config)
    else:
        raise WatchwordError(
            f"no teacher '{name}'",
            "[distill] teacher",
            f"name a run folder, '{SPEECH_EMBEDDING}', or '{WAV2VEC2}' and a folder or hub name",
        )


@dataclass(frozen=True)
class Distillation:
    """What a run takes from its teacher."""

    loss: DistillationLoss
    facts: dict[str, Any]  # about the teacher, for metrics.json


def make_distillation(
    config: RunConfig, features: Features, geometry: Geometry, progress: bool = True
) -> Distillation:
    """The distillation loss with soft labels by the configured teacher for every training stream.

    geometry: the student's. If the teacher is a pre-trained encoder, its head is trained first.
    """
    settings = config.distill
    encoder = _pretrained_encoder(settings.teacher)
    teacher: Teacher = (
        train_headed_teacher(encoder, config, features, progress)
        if encoder is not None
        else load_keras_teacher(Path(settings.teacher), config)
    )
    labels = make_soft_labels(teacher, features, config, progress)
    loss = DistillationLoss(labels, geometry, settings.temperature, settings.weight, config.train.logit_scale)
    return Distillation(loss, teacher.facts)


def _pretrained_encoder(name: str) -> PretrainedEncoder | None:
    """The pre-trained encoder called `name`, if one is."""
    if name == SPEECH_EMBEDDING:
        return SpeechEmbedding()
    if name.startswith(WAV2VEC2):
        return Wav2Vec2(name.removeprefix(WAV2VEC2))
    return None
