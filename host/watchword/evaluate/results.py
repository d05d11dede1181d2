"""The results of a run as one JSON-able dict: the stable keys of results.json and their details.

Everything the report shows is in here, so that a report can be rendered again from the file alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core, spec
from watchword.data.recordings import LEAD_SAMPLES, Recording, Selection
from watchword.errors import WatchwordError
from watchword.evaluate import metrics, trials
from watchword.evaluate.metrics import Accuracy, Event, ScoredStream
from watchword.evaluate.stream import detector_at

SCHEMA = 2
TRACE_BEFORE_S, TRACE_AFTER_S = 2.0, 1.5
MAX_TRACES = 12  # of each kind, the worst; the lists themselves are complete
HISTOGRAM_BINS = 50
CURVE_THRESHOLDS = (*np.linspace(0.02, 0.96, 48).round(3), 0.97, 0.98, 0.985, 0.99, 0.995)

Results = dict[str, Any]


def accuracy_results(
    streams: Sequence[ScoredStream], accuracy: Accuracy, detector: core.DetectorConfig
) -> Results:
    """The part of the results that follows from scores and detections alone."""
    smoothed = [core.detect(s.scores, s.score_samples, detector)[0] for s in streams]
    word_peaks = metrics.word_peaks(streams, smoothed)
    second_peaks = metrics.negative_peaks(streams, smoothed)
    threshold = core.unit(detector.high_q15)
    return {
        "frr": accuracy.frr,
        "frr_upper95": accuracy.frr_upper95,
        "positives": accuracy.positives,
        "misses": len(accuracy.misses),
        "fah": accuracy.fah,
        "fah_upper95": accuracy.fah_upper95,
        "false_alarms": len(accuracy.false_alarms),
        "negative_hours": accuracy.negative_hours,
        "extra_detections": len(accuracy.extras),
        "repeats": accuracy.repeats,
        "latency_ms": {"p50": accuracy.latency_ms(50), "p95": accuracy.latency_ms(95)},
        "detector": {
            "smoothing": detector.smoothing,
            "high": detector.high,
            "low": detector.low,
            "cooldown_ms": detector.cooldown_ms,
        },
        "trials": {
            "seconds": _trials(word_peaks, second_peaks, threshold),
            "clips": _trials(word_peaks, metrics.clip_peaks(streams, smoothed), threshold),
        },
        "details": {
            "misses": event_rows(accuracy.misses, streams, smoothed, lowest_first=True),
            "false_alarms": event_rows(accuracy.false_alarms, streams, smoothed),
            "extra_detections": event_rows(accuracy.extras, streams, smoothed),
            "latencies_ms": [round(n * 1000 / spec.SAMPLE_RATE_HZ, 1) for n in accuracy.latencies],
            "curve": _curve(streams, detector),
            "det": _det(word_peaks, second_peaks),
            "peaks": {
                "bins": HISTOGRAM_BINS,
                "words": _histogram(word_peaks),
                "negative_seconds": _histogram(second_peaks),
            },
            "speakers": metrics.breakdown(streams, accuracy, _field("speaker")),
            "sources": metrics.breakdown(streams, accuracy, _field("source")),
        },
    }


def selection_results(selection: Selection, skipped: Sequence[Any]) -> Results:
    """Where the audio came from and what of it was not used."""
    unused = [*selection.skipped, *skipped]
    return {
        "origin": dict(selection.origin),
        "recordings": len(selection.recordings) - len(skipped),
        "notes": list(selection.notes),
        "skipped": [{"path": str(s.path), "reason": s.reason} for s in unused],
    }


def empty_board_results() -> Results:
    """The board's part of the results, for a run without one."""
    return {
        "cost": {
            "instructions_per_audio_second": dict.fromkeys([*spec.STAGES, "total"]),
            "instructions_per_hop": None,
            "estimate": None,
        },
        "memory": dict.fromkeys(["ram_bytes", "arena_bytes", "stack_bytes", "code_bytes", "model_bytes"]),
        "parity": {"checked_scores": 0, "mismatches": 0, "checked_detections": 0, "detection_mismatches": 0},
        "link": dict.fromkeys(["bytes", "retransmissions", "lost_samples"]),
        "hashes": dict.fromkeys(["firmware", "model", "spec"]),
    }


def to_json(results: Results) -> str:
    """Text of results.json; a figure that is not finite would be a bug, so it is refused."""
    return json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_results(folder: Path) -> Results:
    """results.json of a session folder."""
    path = folder / "results.json"
    if not path.is_file():
        raise WatchwordError("holds no results.json", folder, "name a folder that bench or evaluate wrote")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WatchwordError(f"not readable: {error}", path, "run bench or evaluate again") from error
    if not isinstance(results, dict) or results.get("schema") != SCHEMA:
        found = results.get("schema") if isinstance(results, dict) else None
        raise WatchwordError(f"has schema {found}, not {SCHEMA}", path, "run bench or evaluate again")
    return results


def _field(name: str) -> Callable[[Recording], str]:
    return lambda recording: getattr(recording, name)


def _curve(streams: Sequence[ScoredStream], detector: core.DetectorConfig) -> list[Results]:
    thresholds = sorted({*(float(t) for t in CURVE_THRESHOLDS), detector.high})
    return [
        {
            "threshold": p.threshold,
            "frr": p.frr,
            "fah": p.fah,
            "fah_upper95": p.fah_upper95,
            "misses": p.misses,
            "false_alarms": p.false_alarms,
        }
        for p in metrics.sweep(streams, thresholds, detector_at(detector))
    ]


def _trials(words: Sequence[float], others: Sequence[float], threshold: float) -> Results:
    """Yes-or-no figures (trials.py) at the threshold in force, and those of every threshold."""
    found = trials.confusion(words, others, threshold)
    curve = trials.roc(words, others)
    return {
        "words": len(words),
        "others": len(others),
        "hits": found.hits,
        "misses": found.misses,
        "false_alarms": found.false_alarms,
        "correct_rejections": found.correct_rejections,
        "accuracy": found.accuracy,
        "balanced_accuracy": found.balanced_accuracy,
        "fpr": found.fpr,
        "fnr": found.fnr,
        "eer": curve.eer if curve else None,
        "auc": curve.auc if curve else None,
        "partial_auc": curve.partial_auc() if curve else None,
    }


def _det(words: Sequence[float], others: Sequence[float]) -> Results | None:
    """The curve over words and seconds of other audio, small enough to keep."""
    curve = trials.roc(words, others)
    if curve is None:
        return None
    kept = curve.thinned()
    return {"fpr": [round(float(v), 6) for v in kept.fpr], "fnr": [round(float(v), 6) for v in kept.fnr]}


def _histogram(peaks: Sequence[float]) -> list[int]:
    return [int(n) for n in np.histogram(peaks, bins=HISTOGRAM_BINS, range=(0.0, 1.0))[0]]


def event_rows(
    events: Sequence[Event],
    streams: Sequence[ScoredStream],
    smoothed: Sequence[np.ndarray],
    lowest_first: bool = False,
) -> list[Results]:
    """File, time and peak score of each event, the worst first, and for the worst the scores around it.

    The worst false alarm is the surest, the worst miss (lowest_first) the one with the lowest score.
    """
    sign = 1 if lowest_first else -1
    around = [_around(event, streams[event.stream]) for event in events]
    peaks = [int(smoothed[e.stream][w].max(initial=0)) for e, w in zip(events, around, strict=True)]
    rows: list[Results] = []
    for i in sorted(range(len(events)), key=lambda i: sign * peaks[i]):
        event, levels = events[i], smoothed[events[i].stream][around[i]]
        rows.append(
            {
                "path": str(event.recording.path),
                "name": event.recording.name or event.recording.path.name,
                "time_s": round(event.time_s, 3),
                "peak": round(core.unit(peaks[i]), 3) if levels.size else None,
                "speaker": event.recording.speaker,
                "source": event.recording.source,
            }
        )
        if event.recording.sound:
            rows[-1]["sound"] = event.recording.sound.describe()
        if len(rows) <= MAX_TRACES and levels.size:
            rows[-1]["trace"] = _trace(event, streams[event.stream], around[i], levels)
    return rows


def _around(event: Event, stream: ScoredStream) -> np.ndarray:
    """Indices of the scores in the neighbourhood of an event."""
    centre = LEAD_SAMPLES + event.time_s * spec.SAMPLE_RATE_HZ
    first, last = (
        np.searchsorted(stream.score_samples, centre + offset * spec.SAMPLE_RATE_HZ)
        for offset in (-TRACE_BEFORE_S, TRACE_AFTER_S)
    )
    return np.arange(first, last)


def _trace(event: Event, stream: ScoredStream, around: np.ndarray, levels: np.ndarray) -> Results:
    """Raw and smoothed scores in percent against seconds from the event, small enough to keep."""
    times = (stream.score_samples[around] - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ - event.time_s
    return {
        "first_s": round(float(times[0]), 3),
        "step_s": round(float(np.diff(times).mean()), 4) if times.size > 1 else 0.0,
        "raw": [math.floor(100 * int(v) / 256 + 0.5) for v in stream.scores[around]],
        "smoothed": [round(100 * core.unit(int(v))) for v in levels],
        "words": [
            [round(a - event.time_s, 3), round(b - event.time_s, 3)]
            for a, b in stream.recording.words
            if b - event.time_s > -TRACE_BEFORE_S and a - event.time_s < TRACE_AFTER_S
        ],
    }
