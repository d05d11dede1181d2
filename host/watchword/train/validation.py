"""How good a set of scores is: misses in every condition at a low, fixed number of false alarms.

One pass over the scores finds the events that the detector could fire on (stretches in which the
average stays above its low threshold) and how high each gets; every threshold then is a count. The
settings that a run ends with are checked with the detector itself (`calibrate`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from watchword import core, spec
from watchword.core import Geometry
from watchword.data.jobs import CONDITIONS
from watchword.data.plan import ValidationStream
from watchword.evaluate.metrics import (
    AlarmRate,
    GroupFigures,
    alarm_rate,
    group_figures,
    in_window,
    poisson_upper,
    stretch_peaks,
    threshold_for,
    worst_first,
)
from watchword.evaluate.tail import AlarmModel, SourceAlarms, fit_alarms
from watchword.train.metrics import Calibration, OperatingFigures

BUDGETS = (1, 3, 10)  # false alarms over the validation negatives, for the tables
_RANKED_BUDGETS = range(1, 6)  # a checkpoint's figure is the mean over these
SOURCE_HOURS = 0.5  # validation audio that a source must have to be held to a rate by itself
_ROUNDING = 1e-9  # of shares that are whole numbers
Score = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class ValidationScores:
    """Peaks of the averaged score, Q15: one per word, and one per event on the negatives."""

    word_peaks: dict[str, np.ndarray]  # by condition
    sources: tuple[SourceAlarms, ...]  # of the negatives
    latencies_s: (
        np.ndarray
    )  # word end to detection with the detector as configured; of words with listed times
    delays_s: np.ndarray  # the same of all words, from where they seem to end: to compare settings by
    low_q15: int = 0  # the least a threshold can be; lower scores are no events, on words neither
    # Of each recording without the word, under its condition: the highest average.
    negative_peaks: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    # The peaks of the words again, in all conditions, by the source that says them.
    word_sources: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def alarm_peaks(self) -> np.ndarray:
        """One per event on the negatives of any source, descending."""
        return _descending([source.peaks for source in self.sources])

    @cached_property
    def alarm_model(self) -> AlarmModel:
        """False alarms to expect on a source that is not among these."""
        return fit_alarms(self.sources)

    @property
    def negative_hours(self) -> float:
        return sum(source.hours for source in self.sources)

    def sources_at(self, high: float) -> dict[str, AlarmRate]:
        """False alarms of every source, the most per hour first."""
        rates = {source.name: source.rate_at(high) for source in self.sources}
        return dict(sorted(rates.items(), key=lambda item: -(item[1].fah or 0.0)))

    def word_sources_at(self, high: float) -> dict[str, GroupFigures]:
        """Misses of every source of words, the most first."""
        found = {
            name: group_figures(len(peaks), int(np.sum(peaks < spec.q15(high))), alarm_rate(0, 0.0))
            for name, peaks in self.word_sources.items()
        }
        return dict(worst_first(found))

    def frr(self, alarms: int) -> dict[str, float]:
        """Share of words missed in each condition when at most `alarms` false alarms are allowed."""
        return self._missed(threshold_for(self.alarm_peaks, alarms, self.low_q15))

    def frr_at(self, high: float) -> dict[str, float]:
        return self._missed(spec.q15(high))

    def frr_in_sources(self, alarms: int) -> dict[str, float]:
        """The same when each larger source is held to the rate too that `alarms` are in all sources together.

        A source is allowed its share by hours, rounded up: one event more than none proves nothing.
        """
        thresholds = [threshold_for(self.alarm_peaks, alarms, self.low_q15)]
        for source in self.sources:
            if source.hours >= SOURCE_HOURS:
                share = alarms * source.hours / self.negative_hours
                thresholds.append(threshold_for(source.peaks, max(1, math.ceil(share - _ROUNDING))))
        return self._missed(max(thresholds))

    def _missed(self, threshold: float) -> dict[str, float]:
        """Share of words below a threshold in Q15, by condition."""
        return {name: float(np.mean(peaks < threshold)) for name, peaks in self.word_peaks.items()}

    def alarms_at(self, high: float) -> int:
        return int(np.sum(self.alarm_peaks >= spec.q15(high)))

    def fnr_at(self, high: float) -> float:
        """Share of all words missed, whatever the condition."""
        return float(np.mean(self._words < spec.q15(high)))

    def fpr_at(self, high: float) -> float:
        """Share of the recordings without the word in which the detector fires."""
        return float(np.mean(self.negative_peaks >= spec.q15(high))) if len(self.negative_peaks) else 0.0

    def correct_at(self, high: float) -> float:
        """Accuracy over words and recordings without one; means little where one kind is rare."""
        right = np.sum(self._words >= spec.q15(high)) + np.sum(self.negative_peaks < spec.q15(high))
        return float(right / (len(self._words) + len(self.negative_peaks)))

    @property
    def loss(self) -> float:
        """Cross-entropy of the highest averages, words and recordings without one counting alike."""
        parts = [
            -np.log(np.clip(share, 0.5 / 256, 1.0))
            for share in (core.unit(self._words), 1.0 - core.unit(self.negative_peaks))
        ]
        return float(np.mean([np.mean(part) for part in parts if len(part)]))

    @property
    def spread(self) -> float:
        """Between the highest and the lowest of all averages that count, 0..1."""
        return core.unit(int(np.ptp(np.concatenate([self._words, self.negative_peaks]))))

    @property
    def _words(self) -> np.ndarray:
        return np.concatenate(list(self.word_peaks.values()))

    @property
    def rank(self) -> float:
        """Mean FRR over the conditions and over 1 to 5 false alarms; lower is better."""
        return float(np.mean([list(self.frr(k).values()) for k in _RANKED_BUDGETS]))

    @property
    def source_rank(self) -> float:
        """The same with every larger source held to the rate as well; of one source it is `rank`."""
        return float(np.mean([list(self.frr_in_sources(k).values()) for k in _RANKED_BUDGETS]))

    def figures(self, detector: core.DetectorConfig) -> OperatingFigures:
        """Figures for metrics.json and for the eye."""
        rate = alarm_rate(self.alarms_at(detector.high), self.negative_hours)
        return OperatingFigures(
            frr_at_false_alarms={str(k): self.frr(k) for k in BUDGETS},
            frr_at_high=self.frr_at(detector.high),
            false_alarms_at_high=rate.false_alarms,
            fah_at_high=rate.fah or 0.0,
            fah_at_high_upper95=rate.fah_upper95 or 0.0,
            latency_ms_p50=float(np.median(self.latencies_s)) * 1000.0 if len(self.latencies_s) else None,
            rank=self.rank,
            source_rank=self.source_rank,
            sources=self.sources_at(detector.high),
            word_sources=self.word_sources_at(detector.high),
        )


@dataclass(frozen=True)
class ValidationSet:
    """Normalised validation streams."""

    streams: tuple[ValidationStream, ...]
    rows: tuple[np.ndarray, ...]  # int8 [rows, coeffs] of each stream
    geometry: Geometry

    @property
    def negative_hours(self) -> float:
        return sum(self.source_hours.values())

    @property
    def source_hours(self) -> dict[str, float]:
        """Hours without the word of every source."""
        hours: dict[str, float] = defaultdict(float)
        for stream in self.streams:
            if stream.word is None:
                hours[stream.source] += stream.seconds / 3600.0
        return dict(sorted(hours.items()))

    def measure(
        self, score: Callable[[Sequence[np.ndarray]], list[np.ndarray]], detector: core.DetectorConfig
    ) -> ValidationScores:
        """`score` turns int8 rows of the streams into their raw scores, uint8 [n] each."""
        words: dict[str, list[int]] = {name: [] for name in CONDITIONS}
        spoken: dict[str, list[int]] = defaultdict(list)
        alarms: dict[str, list[int]] = {name: [] for name in self.source_hours}
        latencies: list[float] = []
        delays: list[float] = []
        quiet: list[int] = []
        for stream, scores in zip(self.streams, score(self.rows), strict=True):
            ends = self.geometry.score_samples(len(scores))
            smoothed, fired = core.detect(scores, ends, detector)
            if stream.word is None:
                alarms[stream.source] += stretch_peaks(smoothed, detector.low_q15)
                quiet.append(int(smoothed.max(initial=0)))
                continue
            start, end = stream.word
            inside = in_window(ends, (start, end))
            words[stream.condition].append(int(smoothed[inside].max(initial=0)))
            spoken[stream.source].append(words[stream.condition][-1])
            hits = [ends[i] for i in fired if inside[i]]
            if hits:
                delays.append(
                    (hits[0] - (end if stream.likely_end is None else stream.likely_end))
                    / spec.SAMPLE_RATE_HZ
                )
                latencies += delays[-1:] if stream.likely_end is None else []
        peaks = {name: np.array(found) for name, found in words.items() if found}
        hours = self.source_hours
        return ValidationScores(
            peaks,
            tuple(SourceAlarms(name, _descending([found]), hours[name]) for name, found in alarms.items()),
            np.array(latencies),
            np.array(delays),
            detector.low_q15,
            np.array(quiet, int),
            {name: np.array(found) for name, found in spoken.items()},
        )


def _descending(peaks: Sequence[Sequence[int] | np.ndarray]) -> np.ndarray:
    return np.sort(np.concatenate([np.zeros(0, int), *peaks]))[::-1]


def make_validation_set(
    streams: Sequence[ValidationStream], normalisation: core.Normalisation, geometry: Geometry
) -> ValidationSet:
    rows = tuple(core.normalise(stream.rows, normalisation) for stream in streams)
    return ValidationSet(tuple(streams), rows, geometry)


def calibrate(
    accuracy: ValidationScores, detector: core.DetectorConfig, target_fah: float, bound: str = "point"
) -> tuple[core.DetectorConfig, Calibration]:
    """The lowest high threshold that keeps other sources than those of validation within `target_fah`.

    bound: "point", the rate to expect there, or "upper95", the rate that 95 % of sources stay below. Where
    no threshold does, the highest score there is: then more pass, and `reached` says so.
    """
    model = accuracy.alarm_model
    found = model.threshold(target_fah, bound, detector.low_q15)
    chosen = replace(detector, high=found.high, low=min(detector.low, found.high))
    alarms = accuracy.alarms_at(found.high)
    return chosen, Calibration(
        target_fah=target_fah,
        bound=bound,
        reached=found.reached,
        counted=found.counted,
        expected_fah=model.expected(found.high),
        source_upper95=model.upper95(found.high),
        false_alarms=alarms,
        negative_hours=accuracy.negative_hours,
        fah_upper95=poisson_upper(alarms) / accuracy.negative_hours,
    )
