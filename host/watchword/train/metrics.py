"""What is known of a training run: the types behind metrics.json.

The comment beside a field is its description in docs/reference/results.md and in the JSON Schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from watchword.core import DetectorConfig
from watchword.evaluate.metrics import AlarmRate, GroupFigures


@dataclass(frozen=True)
class OperatingFigures:
    """One form of the model on the validation streams."""

    frr_at_false_alarms: dict[str, dict[str, float]]  # FRR by condition, by how many false alarms are allowed
    frr_at_high: dict[str, float]  # FRR by condition, at the detector's own threshold
    false_alarms_at_high: int  # false alarms at that threshold
    fah_at_high: float  # the same, per hour
    fah_at_high_upper95: float  # its one-sided 95 % Poisson bound
    latency_ms_p50: float | None  # word end to detection, milliseconds; null: nothing was detected
    rank: float  # mean FRR over the conditions and over 1 to 5 false alarms
    # `rank` with each source of half an hour or more held to the same rate; null in older files
    source_rank: float | None = None
    # false alarms at that threshold by source, the most per hour first; a source's recordings are heard
    # clean and in a noisy room, and its hours count both
    sources: dict[str, AlarmRate] = field(default_factory=dict)
    # misses at that threshold by source of the words, the most first; all conditions and draws count
    word_sources: dict[str, GroupFigures] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibration:
    """What a threshold was chosen for, and what it promises."""

    target_fah: float  # false alarms per hour that were asked for
    bound: str  # "point": expected_fah is to keep the target; "upper95": source_upper95 is
    reached: bool  # false: not even the highest threshold there is does
    # true: expected_fah rests on false alarms counted above the threshold; false: on a fitted tail
    counted: bool
    expected_fah: float  # per hour, to expect on a source that is not in validation
    source_upper95: float  # per hour; 95 % of such sources stay below
    false_alarms: int  # of validation, at the threshold
    negative_hours: float  # of validation
    fah_upper95: float  # one-sided 95 % Poisson bound of the rate on validation's own audio
    frr_mean: float | None = None  # mean over the conditions; null unless all settings were chosen
    latency_s: float | None = None  # word end to detection, seconds; null likewise


@dataclass(frozen=True)
class PresetFigures:
    """One of the detector settings that a model brings, and what it misses on validation."""

    detector: DetectorConfig  # smoothing, thresholds, cooldown
    calibration: Calibration  # what it was chosen for
    figures: OperatingFigures  # of the exported form of the model, with these settings


@dataclass(frozen=True)
class TrainingFigures:
    """What was trained on."""

    positive_draws: int  # augmented words
    negative_hours: float  # augmented sound without the word, hours


@dataclass(frozen=True)
class ValidationFigures:
    """What validation found."""

    words: dict[str, int]  # how many, by condition
    negative_hours: float  # sound without the word, hours
    results: dict[str, OperatingFigures]  # by form of the model: float, int8, int8 PTQ; a teacher stays float


@dataclass(frozen=True)
class Metrics:
    """One finished training run."""

    word: str  # the wake word
    parameters: int  # weights and biases, batch normalisation folded in
    receptive_field_s: float  # sound that one score is made from, seconds
    command: str  # how to make the run again
    config: dict[str, Any]  # all settings that decided the result
    data: dict[str, Any]  # the sources, how long, synthetic or not; a digest of all their sounds
    clips: dict[str, int]  # how many, by split and label
    training: TrainingFigures  # what was trained on
    validation: ValidationFigures  # what validation found
    calibration: Calibration | None  # of the detector as stored; null: not asked for
    findings: tuple[dict[str, str], ...]  # what looks wrong with the run, as in findings.json
    seconds: dict[str, float]  # time taken, by stage
    segments_per_s: dict[str, float]  # training speed, by stage
    distillation: dict[str, Any] | None  # the teacher and how close the student is; null: none
    size_warnings: tuple[str, ...]  # limits of [size] that the model exceeds
    presets: dict[str, PresetFigures] = field(default_factory=dict)  # by name; empty: not calibrated
