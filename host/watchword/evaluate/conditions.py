"""Recordings as they sound elsewhere: in held-out rooms and noises, through the same pipeline.

The conditions and the mixing are those that training validates with (data/jobs.py); rooms and noises
are those of the evaluated split, so that training has heard none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from watchword import audio, core, spec
from watchword.data.bank import Bank
from watchword.data.corpus import SPLIT_NAMES, read_manifest
from watchword.data.job_keys import digest_file
from watchword.data.jobs import CONDITIONS, Piece, ValidationJob
from watchword.data.recordings import Recording, Selection
from watchword.errors import WatchwordError
from watchword.evaluate import metrics
from watchword.evaluate.events import event_records
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import ConditionFigures, Conditions, EventRecord, Latency, Results

AS_IT_IS = next(name for name, heard in CONDITIONS.items() if heard == (False, None))
ALARMS_ALLOWED = (1, 3)  # of the tables
_MOST_ALARMS = 20  # of the curve, which ends where no more events are to be had
_PART_S = 60.0  # a long recording without the word is heard in parts, each in a room and noise of its own


@dataclass(frozen=True)
class Scenes:
    """What is to be heard: `draws` of every word in every condition, from this bank, by this seed."""

    bank: Bank
    draws: int
    seed: int

    @property
    def conditions(self) -> list[str]:
        """Those that can be had: without a room there is no reverberation. The first is AS_IT_IS."""
        return [name for name, (in_room, _) in CONDITIONS.items() if self.bank.rooms or not in_room]

    @property
    def notes(self) -> tuple[str, ...]:
        notes = []
        if not self.bank.rooms:
            notes.append("the split has no room responses: conditions with reverberation are left out")
        if not self.bank.noises:
            notes.append("the split has no noises: coloured noise takes their place")
        return tuple(notes)


@dataclass(frozen=True)
class SoundInCondition:
    """Part of a recording under a condition.

    Room and noise depend on the sound, the condition, the draw and the seed, not on where files lie.
    """

    job: ValidationJob
    bank: Bank
    seed: int

    def __call__(self) -> np.ndarray:
        """int16 [samples]."""
        piece, job = self.job.piece, self.job
        part = Piece(piece.path, _digest(piece.path), piece.start, piece.stop)
        scene = hashlib.sha256(repr((part.content, job.condition, job.draw)).encode()).digest()
        rng = np.random.default_rng([self.seed, int.from_bytes(scene[:8], "little")])
        return audio.to_int16(job.heard(self.bank, rng))

    def describe(self) -> dict[str, Any]:
        piece, job = self.job.piece, self.job
        return {"condition": job.condition, "draw": job.draw, "start": piece.start, "stop": piece.stop}


def hear_again(results: Results, event: EventRecord, start: int, stop: int) -> np.ndarray:
    """Samples start..stop of what the pipeline heard at an event: the file, or the file under its condition.

    int16, fewer where the recording begins or ends.
    """
    scene, path = event.sound, Path(event.path)
    if scene is None:
        return audio.load_part(path, start, stop)
    if results.conditions is None or scene.start is None or scene.stop is None:
        raise WatchwordError("the results name no conditions", path, "run evaluate again")
    bank = _bank(results.origin["data"], results.origin["split"])
    job = ValidationJob(Piece(path, "", scene.start, scene.stop), scene.condition, scene.draw)
    return SoundInCondition(job, bank, results.conditions.seed)()[max(0, start) : max(0, stop)]


_digest = lru_cache(maxsize=4096)(digest_file)


def read_scenes(selection: Selection, draws: int, seed: int) -> Scenes:
    """The rooms and noises of the manifest and split that `selection` was made from."""
    manifest, split = selection.origin.get("data", ""), selection.origin.get("split", "")
    if not split:  # which only a manifest has
        raise WatchwordError(
            "--conditions needs rooms and noises that training has not heard",
            "",
            "use it with --data MANIFEST --split val (or test); the manifest labels rir and noise per split",
        )
    return Scenes(_bank(manifest, split), draws, seed)


@lru_cache(maxsize=1)
def _bank(manifest: str, split: str) -> Bank:
    """Rooms and noises of one split."""
    clips = [clip for clip in read_manifest(manifest) if clip.split == SPLIT_NAMES[split.lower()]]
    noises, rooms = (tuple(c.path for c in clips if c.label == label) for label in ("noise", "rir"))
    return Bank(noises, rooms)


def with_conditions(selection: Selection, scenes: Scenes) -> Selection:
    """The selection, and behind it every recording once more under the other conditions.

    Words are heard `draws` times in each, other audio once.
    """
    sized = [*zip(selection.recordings, selection.seconds, strict=True)]
    more = [
        item
        for condition in scenes.conditions
        if condition != AS_IT_IS
        for recording, seconds in sized
        for item in _variants(recording, seconds, condition, scenes)
    ]
    return replace(
        selection,
        recordings=selection.recordings + tuple(recording for recording, _ in more),
        seconds=selection.seconds + tuple(seconds for _, seconds in more),
    )


def condition_results(
    streams: Sequence[ScoredStream], detector: core.DetectorConfig, scenes: Scenes
) -> Conditions:
    """Every condition's figures; FRR also at the threshold that allows k false alarms as it is."""
    by_condition = {name: [s for s in streams if _condition(s) == name] for name in scenes.conditions}
    peaks = _alarm_peaks(by_condition[AS_IT_IS], detector)
    elsewhere = [s for s in streams if _condition(s) != AS_IT_IS]
    accuracy, smoothed = metrics.measure(elsewhere), _smoothed(elsewhere, detector)
    return Conditions(
        draws=scenes.draws,
        seed=scenes.seed,
        rooms=len(scenes.bank.rooms),
        noises=len(scenes.bank.noises),
        thresholds={str(k): _threshold(peaks, k, detector) for k in ALARMS_ALLOWED},
        rows=tuple(_row(name, by_condition[name], peaks, detector) for name in scenes.conditions),
        misses=event_records(accuracy.misses, elsewhere, smoothed, lowest_first=True),
        false_alarms=event_records(accuracy.false_alarms, elsewhere, smoothed),
    )


def _condition(stream: ScoredStream) -> str:
    return stream.recording.condition or AS_IT_IS


def _variants(
    recording: Recording, seconds: float, condition: str, scenes: Scenes
) -> Iterator[tuple[Recording, float]]:
    """A recording under a condition: each draw of a word; each part of other audio."""
    spans = [(draw, 0.0, seconds) for draw in range(scenes.draws)]
    if not recording.words:
        edges = np.linspace(0.0, seconds, max(1, round(seconds / _PART_S)) + 1)
        spans = [(0, float(a), float(b)) for a, b in pairwise(edges)]
    for draw, start_s, stop_s in spans:
        first, last = (round(at * spec.SAMPLE_RATE_HZ) for at in (start_s, stop_s))
        job = ValidationJob(Piece(recording.path, "", first, last), condition, draw)
        sound = SoundInCondition(job, scenes.bank, scenes.seed)
        yield replace(recording, condition=condition, sound=sound, limit_s=None), stop_s - start_s


def _row(
    name: str, streams: Sequence[ScoredStream], alarm_peaks: np.ndarray, detector: core.DetectorConfig
) -> ConditionFigures:
    accuracy = metrics.measure(streams)
    peaks = np.array(metrics.word_peaks(streams, _smoothed(streams, detector)))

    def frr(allowed: int) -> float:
        return float(np.mean(peaks < _threshold(alarm_peaks, allowed, detector)))

    return ConditionFigures(
        condition=name,
        positives=accuracy.positives,
        misses=len(accuracy.misses),
        frr=accuracy.frr,
        frr_upper95=accuracy.frr_upper95,
        frr_at_false_alarms={str(k): frr(k) if peaks.size else None for k in ALARMS_ALLOWED},
        frr_by_false_alarms=tuple(frr(k) for k in range(_curve_length(alarm_peaks))) if peaks.size else (),
        negative_hours=accuracy.negative_hours,
        false_alarms=len(accuracy.false_alarms),
        fah=accuracy.fah,
        fah_upper95=accuracy.fah_upper95,
        latency_ms=Latency(accuracy.latency_ms(50), accuracy.latency_ms(95), len(accuracy.latencies)),
    )


def _curve_length(alarm_peaks: np.ndarray) -> int:
    return 1 + min(_MOST_ALARMS, max(alarm_peaks.size, *ALARMS_ALLOWED))


def _threshold(alarm_peaks: np.ndarray, allowed: int, detector: core.DetectorConfig) -> float:
    """The lowest high threshold (0..1) that lets at most `allowed` events of the other audio pass."""
    return core.unit(int(metrics.threshold_for(alarm_peaks, allowed, detector.low_q15)))


def _alarm_peaks(streams: Sequence[ScoredStream], detector: core.DetectorConfig) -> np.ndarray:
    """How high each event of the audio without the word gets, Q15, descending."""
    negatives = [s for s in streams if not s.recording.words]
    peaks = [
        p
        for levels in _smoothed(negatives, detector)
        for p in metrics.stretch_peaks(levels, detector.low_q15)
    ]
    return np.sort(np.array(peaks, int))[::-1]


def _smoothed(streams: Sequence[ScoredStream], detector: core.DetectorConfig) -> list[np.ndarray]:
    return [core.detect(s.scores, s.score_samples, detector)[0] for s in streams]
