"""What is known of a model in the form that microWakeWord's players take.

The comment beside a field is its description in docs/reference/results.md and in the JSON Schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from watchword.export.card import Source

FILE = "export-card.json"  # no word's own files have a name with a hyphen


@dataclass(frozen=True)
class PlayerFigures:
    """What a player would have done on the validation audio."""

    false_alarms: int  # events on sound without the word
    negative_hours: float  # of such sound
    words: int  # that were said, over all conditions
    misses: int  # of them


@dataclass(frozen=True)
class StreamingCard:
    """What is known of a model in the form that microWakeWord's players take."""

    word: str  # the wake word
    sha256: dict[str, str]  # of the .tflite file and the manifest
    settings: dict[str, Any]  # of the run: features, normalisation, detector, presets
    detector: dict[str, Any]  # those settings of the detector that the manifest has the nearest to
    lost: tuple[str, ...]  # settings of the model that these players do not have
    stride_rows: int  # rows, of 10 ms, from one score to the next
    arena_bytes: int  # that TensorFlow Lite Micro needs on the computer that exported it
    scores_equal_to_engine: int  # scores that were compared with our engine's, all equal
    attribution: tuple[Source, ...]  # everything it was trained or validated on
    training: dict[str, Any]  # metrics.json of the run
    players: dict[str, PlayerFigures] = field(default_factory=dict)  # by name; empty: not tried
