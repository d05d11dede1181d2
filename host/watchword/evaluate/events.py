"""Misses, false alarms and extra detections as lists for people, with the scores around the worst."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from watchword import core, spec
from watchword.data.recordings import LEAD_SAMPLES
from watchword.evaluate.metrics import Event, ScoredStream
from watchword.evaluate.results import EventRecord, Scene, Trace

TRACE_BEFORE_S, TRACE_AFTER_S = 2.0, 1.5
MAX_TRACES = 12  # of each kind, the worst; the lists themselves are complete


def event_records(
    events: Sequence[Event],
    streams: Sequence[ScoredStream],
    smoothed: Sequence[np.ndarray],
    lowest_first: bool = False,
) -> tuple[EventRecord, ...]:
    """File, time and peak score of each event, the worst first, and for the worst the scores around it.

    The worst false alarm is the surest, the worst miss (lowest_first) the one with the lowest score.
    """
    sign = 1 if lowest_first else -1
    around = [_around(event, streams[event.stream]) for event in events]
    peaks = [int(smoothed[e.stream][w].max(initial=0)) for e, w in zip(events, around, strict=True)]
    order = sorted(range(len(events)), key=lambda i: sign * peaks[i])
    records = []
    for rank, i in enumerate(order):
        event, levels = events[i], smoothed[events[i].stream][around[i]]
        traced = rank < MAX_TRACES and levels.size
        sound = event.recording.sound
        records.append(
            EventRecord(
                str(event.recording.path),
                event.recording.name or event.recording.path.name,
                round(event.time_s, 3),
                round(core.unit(peaks[i]), 3) if levels.size else None,
                event.recording.speaker,
                event.recording.source,
                Scene(**sound.describe()) if sound else None,
                _trace(event, streams[event.stream], around[i], levels) if traced else None,
                event.recording.placed if lowest_first else None,
            )
        )
    return tuple(records)


def _around(event: Event, stream: ScoredStream) -> np.ndarray:
    """Indices of the scores in the neighbourhood of an event."""
    centre = LEAD_SAMPLES + event.time_s * spec.SAMPLE_RATE_HZ
    first, last = (
        np.searchsorted(stream.score_samples, centre + offset * spec.SAMPLE_RATE_HZ)
        for offset in (-TRACE_BEFORE_S, TRACE_AFTER_S)
    )
    return np.arange(first, last)


def _trace(event: Event, stream: ScoredStream, around: np.ndarray, levels: np.ndarray) -> Trace:
    """Raw and smoothed scores in percent against seconds from the event, small enough to keep."""
    times = (stream.score_samples[around] - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ - event.time_s
    return Trace(
        first_s=round(float(times[0]), 3),
        step_s=round(float(np.diff(times).mean()), 4) if times.size > 1 else 0.0,
        raw=tuple(math.floor(100 * int(v) / 256 + 0.5) for v in stream.scores[around]),
        smoothed=tuple(round(100 * core.unit(int(v))) for v in levels),
        words=tuple(
            (round(a - event.time_s, 3), round(b - event.time_s, 3))
            for a, b in _shown_words(stream)
            if b - event.time_s > -TRACE_BEFORE_S and a - event.time_s < TRACE_AFTER_S
        ),
    )


def _shown_words(stream: ScoredStream) -> tuple[tuple[float, float], ...]:
    """Words as listed, or where the one of a clip seems to be."""
    likely = stream.recording.likely
    return stream.recording.words if likely is None else (likely,)
