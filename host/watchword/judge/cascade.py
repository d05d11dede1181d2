"""The cascade: a sentry with a low threshold detects; a larger network, the judge, checks what it detects."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core, spec
from watchword.data.recordings import LEAD_SAMPLES, Recording, stream_pcm
from watchword.errors import WatchwordError
from watchword.evaluate import metrics
from watchword.evaluate.metrics import Accuracy, ScoredStream
from watchword.judge.network import Judge
from watchword.judge.results import (
    CascadeResults,
    JudgeSettings,
    OperatingPoint,
    RulingRecord,
    SentryThreshold,
    SweptPoint,
)

SWEPT = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Ruling:
    """One detection of the sentry and the judge's answer to it; scores are 0..1."""

    recording: Recording
    sample: int  # of the stream, at which the sentry fired
    sentry: float
    score: float
    accepted: bool
    seconds: float  # the judge's computing time

    def line(self) -> str:
        """For the terminal and the log."""
        verdict = "accepted" if self.accepted else "rejected"
        at = max(0.0, (self.sample - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ)
        name = self.recording.name or self.recording.path.name
        return f"{verdict}  judge {self.score:.3f}  sentry {self.sentry:.3f}  {name} at {at:.2f} s"

    def record(self) -> RulingRecord:
        """For the results."""
        time_s = round((self.sample - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ, 3)
        return RulingRecord(str(self.recording.path), time_s, self.sentry, self.score, self.accepted)


@dataclass(frozen=True)
class JudgedStream:
    """One stream of the sentry with the judge's rulings on its detections, in their order."""

    stream: ScoredStream
    rulings: tuple[Ruling, ...]


@dataclass(frozen=True)
class Cascade:
    """A judge and the settings of its sentry."""

    judge: Judge
    detector: core.DetectorConfig  # of the sentry
    after_s: float  # of sound after the detection that the judge waits for

    @property
    def after_samples(self) -> int:
        return round(self.after_s * spec.SAMPLE_RATE_HZ)

    def judge_stream(self, stream: ScoredStream) -> JudgedStream:
        """Judge every detection of a stream that the sentry has scored."""
        if not stream.detections.size:
            return JudgedStream(stream, ())
        pcm = stream_pcm(stream.recording)
        smoothed, _ = core.detect(stream.scores, stream.score_samples, self.detector)
        levels = dict(zip(stream.score_samples.tolist(), smoothed.tolist(), strict=True))
        rulings = []
        for sample in stream.detections.tolist():
            started = time.perf_counter()
            score = self.judge.score(self.judge.around(pcm, sample, self.after_samples))
            taken = time.perf_counter() - started
            accepted = score >= self.judge.threshold
            rulings.append(
                Ruling(stream.recording, sample, core.unit(levels[sample]), score, accepted, taken)
            )
        return JudgedStream(stream, tuple(rulings))

    def figures(self, judged: Sequence[JudgedStream], own: core.DetectorConfig) -> dict[str, Any]:
        """Fields of CascadeResults: the sentry as stored and as it was, the cascade, its curve."""
        rulings = [ruling for one in judged for ruling in one.rulings]
        seconds = [ruling.seconds for ruling in rulings]
        as_stored = [redetected(one.stream, own) for one in judged]
        swept = {threshold: self._accuracy(judged, threshold) for threshold in SWEPT}
        return {
            "word": self.judge.word,
            "judge": JudgeSettings(self.judge.arch, self.judge.threshold, self.after_s),
            "sentry_high": SentryThreshold(own.high, self.detector.high),
            "detections": len(rulings),
            "accepted": sum(ruling.accepted for ruling in rulings),
            "judging_ms_p50": 1000.0 * float(np.median(seconds)) if seconds else None,
            "sentry_own_settings": OperatingPoint(**_rates(metrics.measure(as_stored))),
            "sentry": OperatingPoint(**_rates(metrics.measure([one.stream for one in judged]))),
            "cascade": OperatingPoint(**_rates(self._accuracy(judged, self.judge.threshold))),
            "curve": tuple(SweptPoint(**_rates(found), threshold=at) for at, found in swept.items()),
            "rulings": tuple(ruling.record() for ruling in rulings),
        }

    def _accuracy(self, judged: Iterable[JudgedStream], threshold: float) -> Accuracy:
        """Accuracy with that threshold; a detection comes after the sound that the judge waits for."""
        streams = []
        for one in judged:
            kept = [r.sample + self.after_samples for r in one.rulings if r.score >= threshold]
            streams.append(replace(one.stream, detections=np.asarray(kept, np.int64)))
        return metrics.measure(streams)


def _rates(accuracy: Accuracy) -> dict[str, Any]:
    """The fields of an OperatingPoint."""
    return {
        "frr": accuracy.frr,
        "frr_upper95": accuracy.frr_upper95,
        "misses": len(accuracy.misses),
        "positives": accuracy.positives,
        "fah": accuracy.fah,
        "fah_upper95": accuracy.fah_upper95,
        "false_alarms": len(accuracy.false_alarms),
        "negative_hours": accuracy.negative_hours,
        "latency_ms_p50": accuracy.latency_ms(50),
    }


def redetected(stream: ScoredStream, detector: core.DetectorConfig) -> ScoredStream:
    """The same scores through a detector with other settings."""
    fired = core.detect(stream.scores, stream.score_samples, detector)[1]
    return replace(stream, detections=stream.score_samples[fired])


def sentry_settings(image: bytes, high: float | None) -> core.DetectorConfig:
    """The model's own detector, or with another high threshold; the low one goes no higher than it."""
    own = core.ModelImage(image).detector
    return own if high is None else replace(own, high=high, low=min(own.low, high))


def check_words(judge: Judge, image: bytes, model: Path) -> None:
    """Raise unless sentry and judge are models of the same word."""
    word = str(core.ModelImage(image).header["word"])
    if word != judge.word:
        what = f"the sentry listens for '{word}', the judge for '{judge.word}'"
        raise WatchwordError(what, model, "use a model and a run of the same word")


def table(results: CascadeResults) -> str:
    """The figures as text."""
    own, used = results.sentry_high.own, results.sentry_high.used
    rows: list[tuple[str, OperatingPoint]] = [(f"sentry alone, at {own:.3f}", results.sentry_own_settings)]
    if used != own:
        rows.append((f"sentry alone, at {used:.3f}", results.sentry))
    rows += [(f"cascade, judge at {results.judge.threshold:.2f}", results.cascade)]
    rows += [(f"cascade, judge at {point.threshold:.2f}", point) for point in results.curve]
    head = f"{'':<28}{'missed':>14}{'FRR':>8}{'<=':>8}{'alarms':>8}{'FAH':>8}{'<=':>8}{'latency':>10}"
    lines = [
        f"'{results.word}', judge {results.judge.arch}: {results.accepted} of "
        f"{results.detections} detections accepted; <= are 95 % bounds",
        head,
        *(_row(name, point) for name, point in rows),
    ]
    if results.judging_ms_p50 is not None:
        lines.append(
            f"judging took {results.judging_ms_p50:.0f} ms (median, this computer); the latencies of the "
            f"cascade include {1000 * results.judge.after_s:.0f} ms of waiting for sound, not that"
        )
    return "\n".join(lines)


def _row(name: str, point: OperatingPoint) -> str:
    def shown(value: float | None, scale: float, digits: int, unit: str = "") -> str:
        return "-" if value is None else f"{scale * value:.{digits}f}{unit}"

    missed = f"{point.misses}/{point.positives}"
    return (
        f"{name:<28}{missed:>14}{shown(point.frr, 100, 1, ' %'):>8}"
        f"{shown(point.frr_upper95, 100, 1, ' %'):>8}{point.false_alarms:>8}"
        f"{shown(point.fah, 1, 2):>8}{shown(point.fah_upper95, 1, 2):>8}"
        f"{shown(point.latency_ms_p50, 1, 0, ' ms'):>10}"
    )
