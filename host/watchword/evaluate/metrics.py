"""From detections to figures: misses, false alarms per hour, latency, trade-off curve. Pure functions.

Conventions (those of board benchmarks): a hit counts from the start of the word to one second
after its end; repeated detections within one second count once; false alarms are counted over
all the negative audio, and every rate comes with its exact one-sided 95 % bound.

Negative audio is every recording without the word and, where a truth file lists the words of a
recording, what lies outside them (from a word's start to one second after its end is not negative).
A clip given as a positive only promises to hold the word once: the rest of it counts neither as
negative audio nor, if the detector fires there, as a false alarm, but as an extra detection.
Where it does not list when, all of it is the word (`Recording.words`): a detection from its first
sample to one second after its last is the hit, further ones are repeats, and it has no latency.
An estimate of the word's place never decides what a detection is.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import overload

import numpy as np
from scipy import special

from watchword import core, spec
from watchword.data.recordings import LEAD_SAMPLES, Recording

GRACE_SAMPLES = spec.SAMPLE_RATE_HZ  # a hit may come this long after the word
REPEAT_SAMPLES = spec.SAMPLE_RATE_HZ  # detections closer than this count once
CONFIDENCE = 0.95


@dataclass(frozen=True)
class ScoredStream:
    """What a pipeline (host or board) made of one recording."""

    recording: Recording
    audio_samples: int  # of the recording itself, without the silence around it
    scores: np.ndarray  # uint8 [n], raw
    score_samples: np.ndarray  # int64 [n], stream sample index at which each score's window ends
    detections: np.ndarray  # int64 [d], stream sample index of each detection
    # float64 [d], in samples: what each detection took to compute after its audio had come; None = not known
    compute_samples: np.ndarray | None = None


# (stream, high threshold 0..1) -> indices into its scores at which the detector fires
Detect = Callable[[ScoredStream, float], np.ndarray]


@dataclass(frozen=True)
class Match:
    """Detections of one stream set against its words."""

    hits: tuple[int | None, ...]  # per word: the sample index of its detection, None = missed
    extras: tuple[int, ...]  # counted detections outside every word
    repeats: int  # detections that belong to an event already counted


@dataclass(frozen=True)
class Event:
    """A miss or a false alarm: where it is, in seconds of the recording."""

    stream: int  # index into the measured streams
    recording: Recording
    time_s: float


@dataclass(frozen=True)
class Accuracy:
    positives: int  # words
    misses: tuple[Event, ...]
    false_alarms: tuple[Event, ...]  # in negative audio
    extras: tuple[Event, ...]  # on clips of the word, but outside it
    repeats: int
    negative_hours: float
    # samples from word end to detection, one per hit of a word with listed times; with its computing if known
    latencies: tuple[float, ...]

    @property
    def frr(self) -> float | None:
        return len(self.misses) / self.positives if self.positives else None

    @property
    def frr_upper95(self) -> float | None:
        return binomial_upper(len(self.misses), self.positives) if self.positives else None

    @property
    def fah(self) -> float | None:
        return len(self.false_alarms) / self.negative_hours if self.negative_hours > 0 else None

    @property
    def fah_upper95(self) -> float | None:
        if self.negative_hours <= 0:
            return None
        return poisson_upper(len(self.false_alarms)) / self.negative_hours

    def latency_ms(self, percent: float) -> float | None:
        """Percentile of the latency from word end to detection; negative = before the word ended."""
        if not self.latencies:
            return None
        return float(np.percentile(self.latencies, percent)) * 1000.0 / spec.SAMPLE_RATE_HZ


@dataclass(frozen=True)
class CurvePoint:
    """FRR and FAH with the high threshold set to `threshold`."""

    threshold: float  # high threshold, 0..1
    frr: float | None  # missed words, share 0..1; null without recordings of the word
    fah: float | None  # false alarms per hour; null without negative audio
    fah_upper95: float | None  # one-sided 95 % bound of it; null without negative audio
    misses: int  # words missed
    false_alarms: int  # events in negative audio


@dataclass(frozen=True)
class AlarmRate:
    """False alarms in some audio without the word, and the rates that such a count can come from."""

    negative_hours: float  # hours of audio without the word
    false_alarms: int  # in it
    fah: float | None  # false alarms per hour; null without negative audio
    fah_lower95: float | None  # one-sided 95 % bound of it from below (Poisson, exact); null like `fah`
    fah_upper95: float | None  # one-sided 95 % bound of it from above (Poisson, exact); null like `fah`


def alarm_rate(false_alarms: int, hours: float) -> AlarmRate:
    if hours <= 0:
        return AlarmRate(0.0, false_alarms, None, None, None)
    counts = (false_alarms, poisson_lower(false_alarms), poisson_upper(false_alarms))
    return AlarmRate(hours, false_alarms, *(count / hours for count in counts))


@dataclass(frozen=True)
class GroupFigures:
    """The recordings of one speaker or source."""

    positives: int  # words
    misses: int  # of them, not detected
    negative_hours: float  # hours of audio without the word
    false_alarms: int  # in it
    frr: float | None = None  # misses / positives, share 0..1; null without words, and in older files
    frr_upper95: float | None = None  # one-sided 95 % bound of it (Clopper-Pearson); null like `frr`
    fah: float | None = None  # false alarms per hour; null without negative audio, and in older files
    fah_lower95: float | None = None  # one-sided 95 % bound of it from below (Poisson); null like `fah`
    fah_upper95: float | None = None  # one-sided 95 % bound of it from above (Poisson); null like `fah`


def group_figures(positives: int, misses: int, alarms: AlarmRate) -> GroupFigures:
    rates = (misses / positives, binomial_upper(misses, positives)) if positives else (None, None)
    hours, count, *bounds = astuple(alarms)
    return GroupFigures(positives, misses, hours, count, *rates, *bounds)


def poisson_lower(events: int, confidence: float = CONFIDENCE) -> float:
    """Smallest mean that would still show this many events with probability 1 - confidence (exact)."""
    return float(special.gammaincinv(events, 1.0 - confidence)) if events else 0.0


def poisson_upper(events: int, confidence: float = CONFIDENCE) -> float:
    """Largest mean that would still show this few events with probability 1 - confidence (exact)."""
    return float(special.gammaincinv(events + 1, confidence))  # = chi2.ppf(confidence, 2 events + 2) / 2


def binomial_upper(events: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided Clopper-Pearson bound on a proportion."""
    return 1.0 if events >= trials else float(special.betaincinv(events + 1, trials - events, confidence))


@overload
def in_window(sample: int, word: tuple[int, int]) -> bool: ...
@overload
def in_window(sample: np.ndarray, word: tuple[int, int]) -> np.ndarray: ...
def in_window(sample: int | np.ndarray, word: tuple[int, int]) -> bool | np.ndarray:
    """Whether a detection then is a hit of the word: from its start to a second after its end."""
    return (sample >= word[0]) & (sample <= word[1] + GRACE_SAMPLES)


def match(words: Sequence[tuple[int, int]], detections: Iterable[int]) -> Match:
    """Set detections against words [(start, end)], all in samples of one stream.

    Each detection, in time order, goes to the first word still unheard whose window it falls in.
    One within a second of the last counted event, or within the window of a word already heard,
    is a repeat; any other is an extra.
    """
    order = sorted(range(len(words)), key=lambda i: (words[i][1], words[i][0]))
    hits: list[int | None] = [None] * len(words)
    extras: list[int] = []
    repeats, last = 0, -math.inf
    for sample in sorted(int(d) for d in detections):
        open_words = [i for i in order if in_window(sample, words[i])]
        unheard = next((i for i in open_words if hits[i] is None), None)
        if unheard is not None:
            hits[unheard] = sample
        elif open_words or sample - last < REPEAT_SAMPLES:
            repeats += 1
            continue
        else:
            extras.append(sample)
        last = sample
    return Match(tuple(hits), tuple(extras), repeats)


def measure(streams: Sequence[ScoredStream]) -> Accuracy:
    """All figures of a set of streams, as its detector fired."""
    misses: list[Event] = []
    false_alarms: list[Event] = []
    extras: list[Event] = []
    latencies: list[float] = []
    repeats = 0
    for index, stream in enumerate(streams):
        words = stream.recording.word_samples
        found = match(words, stream.detections)
        repeats += found.repeats
        for (_, end), hit in zip(words, found.hits, strict=True):
            if hit is None:
                misses.append(Event(index, stream.recording, _shown_at(stream, end)))
            elif stream.recording.timed:
                latencies.append(hit - end + _compute_samples(stream, hit))
        events = [Event(index, stream.recording, _file_time(sample)) for sample in found.extras]
        (false_alarms if _has_negative_audio(stream) else extras).extend(events)
    return Accuracy(
        sum(len(s.recording.words) for s in streams),
        tuple(misses),
        tuple(false_alarms),
        tuple(extras),
        repeats,
        negative_hours(streams),
        tuple(latencies),
    )


def _shown_at(stream: ScoredStream, end: int) -> float:
    """Where in the recording to look for a missed word: its end, or what seems to be it. Seconds."""
    likely = stream.recording.likely
    return _file_time(end) if likely is None else likely[1]


def _compute_samples(stream: ScoredStream, detection: int) -> float:
    """How long the detection at that sample took to compute, in samples; 0 if that is not known."""
    if stream.compute_samples is None:
        return 0.0
    return float(stream.compute_samples[np.flatnonzero(stream.detections == detection)[0]])


def negative_hours(streams: Iterable[ScoredStream]) -> float:
    """Hours of audio without the word; the silence put around each recording does not count."""
    samples = sum(negative_samples(s.recording, s.audio_samples) for s in streams)
    return samples / spec.SAMPLE_RATE_HZ / 3600.0


def negative_samples(recording: Recording, audio_samples: int) -> int:
    """How much of a recording of this length is negative audio, in samples."""
    if recording.words and not recording.complete:
        return 0
    negative, at, end = 0, LEAD_SAMPLES, LEAD_SAMPLES + audio_samples
    for first, last in sorted(recording.word_samples):
        negative += max(0, min(first, end) - at)
        at = max(at, last + GRACE_SAMPLES)
    return negative + max(0, end - at)


def _has_negative_audio(stream: ScoredStream) -> bool:
    return stream.recording.complete or not stream.recording.words


def sweep(streams: Sequence[ScoredStream], thresholds: Iterable[float], detect: Detect) -> list[CurvePoint]:
    """FRR against FAH over the high threshold, from the recorded scores through the real detector."""
    hours = negative_hours(streams)
    positives = sum(len(s.recording.words) for s in streams)
    points = []
    for threshold in thresholds:
        misses = alarms = 0
        for stream in streams:
            fired = stream.score_samples[detect(stream, threshold)]
            found = match(stream.recording.word_samples, fired)
            misses += found.hits.count(None)
            alarms += len(found.extras) if _has_negative_audio(stream) else 0
        points.append(
            CurvePoint(
                threshold,
                misses / positives if positives else None,
                alarms / hours if hours > 0 else None,
                poisson_upper(alarms) / hours if hours > 0 else None,
                misses,
                alarms,
            )
        )
    return points


def breakdown(
    streams: Sequence[ScoredStream], accuracy: Accuracy, group: Callable[[Recording], str]
) -> dict[str, GroupFigures]:
    """The figures of every group; recordings without one are left out."""
    heard: dict[str, list[ScoredStream]] = defaultdict(list)
    for stream in streams:
        if name := group(stream.recording):
            heard[name].append(stream)
    misses = Counter(group(event.recording) for event in accuracy.misses)
    alarms = Counter(group(event.recording) for event in accuracy.false_alarms)
    return {
        name: group_figures(
            sum(len(s.recording.words) for s in heard[name]),
            misses[name],
            alarm_rate(alarms[name], negative_hours(heard[name])),
        )
        for name in sorted(heard)
    }


def worst_first(groups: dict[str, GroupFigures]) -> list[tuple[str, GroupFigures]]:
    """The groups with the most false alarms per hour first, those without negative audio by their FRR."""
    return sorted(groups.items(), key=lambda item: (-(item[1].fah or 0.0), -(item[1].frr or 0.0)))


def word_peaks(streams: Iterable[ScoredStream], smoothed: Sequence[np.ndarray]) -> list[float]:
    """Highest smoothed score (0..1) inside each word's window; smoothed: q15 [n] of each stream."""
    peaks = []
    for stream, levels in zip(streams, smoothed, strict=True):
        for start, end in stream.recording.word_samples:
            inside = in_window(stream.score_samples, (start, end))
            peaks.append(core.unit(int(levels[inside].max(initial=0))))
    return peaks


def negative_peaks(streams: Iterable[ScoredStream], smoothed: Sequence[np.ndarray]) -> list[float]:
    """Highest smoothed score (0..1) of every second of negative audio."""
    peaks: list[float] = []
    for stream, levels in zip(streams, smoothed, strict=True):
        times = stream.score_samples
        negative = np.full(levels.size, _has_negative_audio(stream))
        for start, end in stream.recording.word_samples:
            negative &= ~in_window(times, (start, end))
        if not negative.any():
            continue
        second = (times[negative] - times[0]) // spec.SAMPLE_RATE_HZ
        starts = np.flatnonzero(np.diff(second, prepend=-1))
        peaks.extend(core.unit(int(peak)) for peak in np.maximum.reduceat(levels[negative], starts))
    return peaks


def clip_peaks(streams: Iterable[ScoredStream], smoothed: Sequence[np.ndarray]) -> list[float]:
    """Highest smoothed score (0..1) of every recording without the word."""
    return [
        core.unit(int(levels.max(initial=0)))
        for stream, levels in zip(streams, smoothed, strict=True)
        if not stream.recording.words
    ]


def stretch_peaks(smoothed: np.ndarray, low_q15: int) -> list[int]:
    """The highest average of every stretch that stays at or above the low threshold (uint16 [n], Q15).

    The detector fires at most once in a stretch, so this is what its own settings make events of;
    `equal_alarms.separated_peaks` is the rule that asks nothing of a detector.
    """
    above = np.concatenate(([0], (smoothed >= max(1, low_q15)).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(above))
    return [int(smoothed[a:b].max()) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def threshold_for(peaks: np.ndarray, allowed: int, floor: float = 0) -> float:
    """The lowest threshold above zero and not below `floor` that at most `allowed` of `peaks` reach.

    A peak reaches a threshold that equals it, as in the detector. `peaks` are in descending order, and
    the threshold is of their kind: whole numbers (Q15), or floats. Peaks that equal the first one left
    out are left out with it, so fewer than `allowed` may reach the threshold.
    """
    reached = peaks[allowed] if allowed < len(peaks) else 0
    whole = np.issubdtype(peaks.dtype, np.integer)
    return max(int(reached) + 1 if whole else float(np.nextafter(float(reached), np.inf)), floor)


def _file_time(sample: int) -> float:
    """Stream sample index -> seconds of the recording."""
    return max(0.0, (sample - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ)
