"""Which teacher `[distill] teacher` names, and what it gives a run to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchword.config import RunConfig
from watchword.core import Geometry
from watchword.data.plan import Features
from watchword.errors import WatchwordError
from watchword.train.distill.head import Listener, train_headed_teacher
from watchword.train.distill.keras_teacher import load_keras_teacher
from watchword.train.distill.soft_labels import make_soft_labels
from watchword.train.distill.speech_embedding import SpeechEmbedding
from watchword.train.distill.target import Lesson
from watchword.train.distill.teacher import Teacher
from watchword.train.distill.wav2vec2 import Wav2Vec2

SPEECH_EMBEDDING = "speech-embedding"
WAV2VEC2 = "wav2vec2:"


def check_teacher(config: RunConfig) -> None:
    """Fail now, not after the features, when the teacher that is named cannot be had."""
    name = config.distill.teacher
    if not name:
        return
    listener = _listener(name)
    if listener is not None:
        _ = listener.identity  # reads its files
    elif Path(name).is_dir():
        load_keras_teacher(Path(name), config)
    else:
        raise WatchwordError(
            f"no teacher '{name}'", "[distill] teacher",
            f"name a run folder, '{SPEECH_EMBEDDING}', or '{WAV2VEC2}' and a folder or hub name",
        )  # fmt: skip


@dataclass(frozen=True)
class Taught:
    """What a run takes from its teacher."""

    lesson: Lesson
    facts: dict[str, Any]


def make_lesson(
    config: RunConfig, features: Features, geometry: Geometry, progress: bool = True
) -> Taught | None:
    """Soft labels by the configured teacher for every training stream; None without a teacher.

    geometry: the student's. A teacher's head, if it needs one, is trained first.
    """
    settings = config.distill
    if not settings.teacher:
        return None
    listener = _listener(settings.teacher)
    teacher: Teacher = (
        train_headed_teacher(listener, config, features, progress)
        if listener is not None
        else load_keras_teacher(Path(settings.teacher), config)
    )
    labels = make_soft_labels(teacher, features, config, progress)
    lesson = Lesson(labels, geometry, settings.temperature, settings.weight)
    return Taught(lesson, teacher.facts)


def _listener(name: str) -> Listener | None:
    """The pre-trained encoder called `name`, if one is."""
    if name == SPEECH_EMBEDDING:
        return SpeechEmbedding()
    if name.startswith(WAV2VEC2):
        return Wav2Vec2(name.removeprefix(WAV2VEC2))
    return None
