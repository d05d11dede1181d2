"""From what was heard to the results of a session: figures, events, curves, verdict."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core, spec
from watchword.data.corpus import Skipped
from watchword.data.recordings import Selection
from watchword.errors import WatchwordError
from watchword.evaluate import budgets, metrics, trials
from watchword.evaluate.card_notes import known_sources
from watchword.evaluate.events import event_records
from watchword.evaluate.groups import by_voice
from watchword.evaluate.metrics import CurvePoint, ScoredStream
from watchword.evaluate.results import (
    SCHEMA,
    Budgets,
    Conditions,
    Cost,
    Details,
    DetCurve,
    Hashes,
    Latency,
    LinkFigures,
    Memory,
    Parity,
    PeakHistograms,
    Provenance,
    Results,
    SkippedFile,
    TrialFigures,
    Trials,
)
from watchword.evaluate.stream import detector_at
from watchword.export.image import starting_with

HOST = "host"
HISTOGRAM_BINS = 50
CURVE_THRESHOLDS = (*np.linspace(0.02, 0.96, 48).round(3), 0.97, 0.98, 0.985, 0.99, 0.995)
_PACKAGES = ("watchword", "numpy", "scipy", "soundfile")


@dataclass(frozen=True)
class Heard:
    """What was streamed and what came of it."""

    model: Path
    image: bytes
    selection: Selection
    streams: Sequence[ScoredStream]  # the recordings as they are
    skipped: Sequence[Skipped]  # while streaming
    seconds: float | None = None
    times_real_time: float | None = None
    partial: bool = False  # the run was interrupted
    preset: str | None = None  # of the model, that was in force; None: what it starts with

    @property
    def detector(self) -> core.DetectorConfig:
        return core.ModelImage(starting_with(self.image, self.preset)).detector


@dataclass(frozen=True)
class BoardFigures:
    """What only a board tells; without arguments that of the host pipeline, which tells nothing."""

    name: str = HOST
    port: str | None = None
    cost: Cost = field(default_factory=lambda: Cost(dict.fromkeys([*spec.STAGES, "total"]), None, None))
    ram_bytes: int | None = None
    stack_bytes: int | None = None
    code_bytes: int | None = None
    parity: Parity = field(default_factory=Parity)
    link: LinkFigures = field(default_factory=LinkFigures)
    firmware_sha256: str | None = None
    info: dict[str, int | str] | None = None
    stats: dict[str, int] | None = None
    firmware: dict[str, int | str] | None = None


@dataclass(frozen=True)
class Limits:
    """The limits of one board, and the file they were read from."""

    file: Path
    values: dict[str, float]


def build_results(
    heard: Heard,
    limits: Limits,
    board: BoardFigures | None = None,
    conditions: Conditions | None = None,
    notes: Sequence[str] = (),
) -> Results:
    """Everything that a session found, with the verdict on its limits."""
    if not heard.streams:
        raise WatchwordError("none of the recordings could be read", "", "see the skipped files above")
    board = board or BoardFigures()
    model, selection = core.ModelImage(heard.image), heard.selection
    preset = {"preset": heard.preset} if heard.preset else {}
    sizes = (board.ram_bytes, int(model.header["arena_bytes"]), board.stack_bytes, board.code_bytes)
    parts = accuracy_parts(heard.streams, heard.detector, board)
    known = known_sources(heard.model, parts["details"].sources)
    results = Results(
        schema=SCHEMA,
        word=str(model.header["word"]),
        board=board.name,
        **parts,
        cost=board.cost,
        memory=Memory(*sizes, len(heard.image)),
        parity=board.parity,
        link=board.link,
        hashes=Hashes(
            board.firmware_sha256, hashlib.sha256(heard.image).hexdigest(), f"{core.spec_id():08x}"
        ),
        conditions=conditions,
        origin={**selection.origin, "model": str(heard.model), **preset},
        recordings=len(heard.streams),
        notes=(*_partial_notes(heard), *selection.notes, *notes, *known),
        skipped=tuple(SkippedFile(str(s.path), s.reason) for s in (*selection.skipped, *heard.skipped)),
        provenance=_provenance(board.port, heard),
        budgets=Budgets(os.path.relpath(limits.file), True, ()),
        partial=heard.partial,
    )
    return replace(results, budgets=judged(results, limits))


def _partial_notes(heard: Heard) -> tuple[str, ...]:
    if not heard.partial:
        return ()
    total = len(heard.selection.recordings)
    return (f"partial: the run was interrupted after {len(heard.streams)} of {total} recordings",)


def judged(results: Results, limits: Limits) -> Budgets:
    """The verdict on the limits."""
    lines = budgets.check(results, limits.values)
    passed = all(line.passed is not False for line in lines)
    return Budgets(os.path.relpath(limits.file), passed, lines)


def accuracy_parts(
    streams: Sequence[ScoredStream], detector: core.DetectorConfig, board: BoardFigures
) -> dict[str, Any]:
    """The fields of Results that follow from scores and detections alone."""
    accuracy = metrics.measure(streams)
    smoothed = [core.detect(s.scores, s.score_samples, detector)[0] for s in streams]
    word_peaks = metrics.word_peaks(streams, smoothed)
    second_peaks = metrics.negative_peaks(streams, smoothed)
    threshold = core.unit(detector.high_q15)
    pitches, snrs = by_voice(streams, accuracy)
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
        "latency_ms": Latency(accuracy.latency_ms(50), accuracy.latency_ms(95), len(accuracy.latencies)),
        "word_places": dict(Counter(s.recording.placed for s in streams for _ in s.recording.words)),
        "detector": detector,
        "trials": Trials(
            _trials(word_peaks, second_peaks, threshold),
            _trials(word_peaks, metrics.clip_peaks(streams, smoothed), threshold),
        ),
        "details": Details(
            misses=event_records(accuracy.misses, streams, smoothed, lowest_first=True),
            false_alarms=event_records(accuracy.false_alarms, streams, smoothed),
            extra_detections=event_records(accuracy.extras, streams, smoothed),
            latencies_ms=tuple(round(n * 1000 / spec.SAMPLE_RATE_HZ, 1) for n in accuracy.latencies),
            curve=_curve(streams, detector),
            det=_det(word_peaks, second_peaks),
            peaks=PeakHistograms(HISTOGRAM_BINS, _histogram(word_peaks), _histogram(second_peaks)),
            speakers=metrics.breakdown(streams, accuracy, lambda recording: recording.speaker),
            sources=metrics.breakdown(streams, accuracy, lambda recording: recording.source),
            pitches=pitches,
            snrs=snrs,
            info=board.info,
            stats=board.stats,
            firmware=board.firmware,
        ),
    }


def _curve(streams: Sequence[ScoredStream], detector: core.DetectorConfig) -> tuple[CurvePoint, ...]:
    thresholds = sorted({*(float(t) for t in CURVE_THRESHOLDS), detector.high})
    return tuple(metrics.sweep(streams, thresholds, detector_at(detector)))


def _trials(words: Sequence[float], others: Sequence[float], threshold: float) -> TrialFigures:
    """Yes-or-no figures (trials.py) at the threshold in force, and those of every threshold."""
    found = trials.confusion(words, others, threshold)
    curve = trials.roc(words, others)
    return TrialFigures(
        words=len(words),
        others=len(others),
        hits=found.hits,
        misses=found.misses,
        false_alarms=found.false_alarms,
        correct_rejections=found.correct_rejections,
        accuracy=found.accuracy,
        balanced_accuracy=found.balanced_accuracy,
        fpr=found.fpr,
        fnr=found.fnr,
        eer=curve.eer if curve else None,
        auc=curve.auc if curve else None,
        partial_auc=curve.partial_auc() if curve else None,
    )


def _det(words: Sequence[float], others: Sequence[float]) -> DetCurve | None:
    """The curve over words and seconds of other audio, small enough to keep."""
    curve = trials.roc(words, others)
    if curve is None:
        return None
    kept = curve.thinned()
    return DetCurve(*(tuple(round(float(v), 6) for v in rates) for rates in (kept.fpr, kept.fnr)))


def _histogram(peaks: Sequence[float]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.histogram(peaks, bins=HISTOGRAM_BINS, range=(0.0, 1.0))[0])


def _provenance(port: str | None, heard: Heard) -> Provenance:
    """When, with what command and what versions."""
    versions = {name: _version(name) for name in _PACKAGES}
    versions |= {"python": platform.python_version(), "system": platform.platform(terse=True)}
    return Provenance(
        date=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        command=shlex.join(["watchword", *sys.argv[1:]]),
        versions=versions,
        port=port,
        seconds=heard.seconds,
        times_real_time=heard.times_real_time,
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
