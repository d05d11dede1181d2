"""What `watchword judge` finds: the types behind the file of its --out.

The comment beside a field is its description in docs/reference/results.md and in the JSON Schema.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JudgeSettings:
    """The judge."""

    arch: str  # architecture of its network
    threshold: float  # score from which it accepts, 0..1
    after_s: float  # seconds of sound after a detection that it waits for


@dataclass(frozen=True)
class SentryThreshold:
    """High threshold of the sentry's detector, 0..1."""

    own: float  # stored in the model
    used: float  # in this run


@dataclass(frozen=True)
class OperatingPoint:
    """Misses and false alarms with one setting."""

    frr: float | None  # missed words, share 0..1; null without recordings of the word
    frr_upper95: float | None  # one-sided 95 % bound of it; null like `frr`
    misses: int  # words not detected
    positives: int  # words spoken
    fah: float | None  # false alarms per hour; null without negative audio
    fah_upper95: float | None  # one-sided 95 % bound of it; null like `fah`
    false_alarms: int  # in negative audio
    negative_hours: float  # hours of audio without the word
    # median from word end to detection, ms, with waiting for sound, without computing; null without hits
    latency_ms_p50: float | None


@dataclass(frozen=True)
class SweptPoint(OperatingPoint):
    """The cascade with another threshold of the judge."""

    threshold: float  # of the judge, 0..1


@dataclass(frozen=True)
class RulingRecord:
    """One detection of the sentry and the judge's answer to it."""

    path: str  # sound file
    time_s: float  # of the detection, in seconds of the file
    sentry: float  # the sentry's smoothed score, 0..1
    score: float  # the judge's score, 0..1
    accepted: bool  # by the judge


@dataclass(frozen=True)
class CascadeResults:
    """One run of the cascade over recordings."""

    word: str  # of both models
    judge: JudgeSettings  # the second stage
    sentry_high: SentryThreshold  # the first stage
    detections: int  # of the sentry
    accepted: int  # of them, by the judge
    judging_ms_p50: float | None  # median computing time of a ruling, ms; null without rulings
    sentry_own_settings: OperatingPoint  # the sentry alone, as stored in its model
    sentry: OperatingPoint  # the sentry alone, as it was in this run
    cascade: OperatingPoint  # both together
    curve: tuple[SweptPoint, ...]  # both together, over thresholds of the judge
    model: str  # folder of the sentry's model
    run: str  # folder of the judge's run
    port: str  # of the sentry's board, or "host"
    origin: dict[str, str]  # the folders, or the manifest and split, that were given
    notes: tuple[str, ...]  # what qualifies the figures, in words
    rulings: tuple[RulingRecord, ...]  # every detection, in order
