"""Hard-negative mining: the false alarms of a model on training audio, cut out as clips to learn from.

The model listens through the C pipeline. Peaks of its smoothed score become clips, worst first, with
the sound that made it fire in front of them. A mined clip is an excerpt of training audio: its split is
train, it keeps the speaker of its recording, and its source begins with MINED.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import find_peaks

from watchword import audio, core, spec
from watchword.data.corpus import MINED, Clip, Skipped, number, read_manifest, write_manifest
from watchword.data.discovery import MANIFEST, MINED_LOG
from watchword.data.recordings import LEAD_SAMPLES
from watchword.data.tables import Row, read_table
from watchword.data.training_audio import require_train, training_audio
from watchword.errors import WatchwordError
from watchword.evaluate.ledger import open_ledger
from watchword.evaluate.metrics import ScoredStream, in_window, match, negative_hours
from watchword.evaluate.stream import HostRun, run_host
from watchword.export.image import load_image
from watchword.files import check_folder, with_suffixes, write_atomic

RATE = spec.SAMPLE_RATE_HZ
_LOG_COLUMNS = ("path", "recording", "start_s", "end_s", "peak_s", "score", "model")
_SEPARATION_S = 2.0  # of peaks closer than this, the highest counts
_BEFORE_S = 3.0  # kept in front of the windows that fired: running CMVN remembers about this much
_AFTER_S = 0.5
_STEM_BYTES = 150
_WORD_MARGIN = RATE // 5  # bounds of words are not exact


@dataclass(frozen=True)
class Alarm:
    """A peak of the smoothed score in training audio, and the part of the recording to learn from."""

    recording: Path
    score: float  # 0..1
    peak: int  # all in samples of the recording; the silence after it may hold the peak
    start: int
    stop: int

    @property
    def peak_s(self) -> float:
        return self.peak / RATE

    @property
    def start_s(self) -> float:
        return self.start / RATE

    @property
    def stop_s(self) -> float:
        return self.stop / RATE

    @property
    def seconds(self) -> float:
        return self.stop_s - self.start_s


@dataclass(frozen=True)
class Mined:
    """What a mining run found and wrote."""

    manifest: Path
    alarms: list[Alarm]  # newly written, worst first
    known: int  # found again: that part of the recording was mined before
    left_out: int  # beyond the limit of minutes
    total: int  # clips in the manifest now
    false_alarms: int  # of the model's own detector on this audio
    hours: float
    times_real_time: float
    skipped: tuple[Skipped, ...]


def mine(
    model: Path,
    data: Sequence[Path],
    out: Path,
    split: str = "train",
    threshold: float = 0.3,
    max_minutes: float | None = None,
    workers: int | None = None,
    progress: bool = True,
    resume: bool = False,
) -> Mined:
    """Let the model folder `model` listen to the training audio of `data`; add its false alarms to `out`.

    `threshold`: smoothed score (0..1) from which a peak is mined. `max_minutes` limits what is written,
    worst first. Clips of earlier runs stay, and nothing is cut out twice. `resume` goes on with
    an interrupted run.
    """
    require_train(split)
    check_folder(out)
    image = load_image(model)
    log, before = _read_log(out / MINED_LOG), _read_clips(out / MANIFEST)
    heard = training_audio(data, str(core.ModelImage(image).header["word"]))
    with open_ledger(out, resume) as ledger:
        run = run_host(image, heard.selection, workers, progress, ledger)
        alarms = [alarm for stream in run.streams for alarm in find_alarms(stream, image, threshold)]
        alarms.sort(key=lambda alarm: (-alarm.score, str(alarm.recording), alarm.peak))
        new = _unknown(alarms, log)
        kept = _within(new, max_minutes)
        clips = _write_clips(kept, heard.clips, out / "clips")
        rows = [_log_row(alarm, clip, model) for alarm, clip in zip(kept, clips, strict=True)]
        _write_log(out / MINED_LOG, [*log, *rows])
        manifest = write_manifest(out / MANIFEST, [*before, *clips])
        ledger.remove()
    counts = (len(alarms) - len(new), len(new) - len(kept), len(before) + len(clips))
    skipped = (*heard.selection.skipped, *run.skipped)
    return Mined(
        manifest, kept, *counts, _false_alarms(run), negative_hours(run.streams), run.times_real_time, skipped
    )


def _false_alarms(run: HostRun) -> int:
    return sum(len(match(s.recording.word_samples, s.detections).extras) for s in run.streams)


# ── What fired ───────────────────────────────────────────────────────────────────────────────
def find_alarms(stream: ScoredStream, image: bytes, threshold: float) -> list[Alarm]:
    """Peaks of the smoothed score of at least `threshold`, outside the words of the recording, in time order.

    Of peaks less than _SEPARATION_S apart the highest counts.
    """
    if not stream.scores.size:
        return []
    model = core.ModelImage(image)
    smoothed = core.detect(stream.scores, stream.score_samples, model.detector)[0]
    level = core.unit(smoothed)
    times = stream.score_samples
    level[times <= LEAD_SAMPLES] = 0.0  # nothing was heard yet
    for start, end in stream.recording.word_samples:
        level[in_window(times, (start - _WORD_MARGIN, end))] = 0.0
    step = model.geometry.score_step_samples
    padded = np.concatenate(([-1.0], level, [-1.0]))  # the first and the last score may be peaks
    apart = max(1, round(_SEPARATION_S * RATE / step))
    peaks = find_peaks(padded, height=threshold, distance=apart)[0] - 1
    reach = model.geometry.window_samples + model.detector.smoothing * step + round(_BEFORE_S * RATE)
    return [_alarm(stream, int(times[i]) - LEAD_SAMPLES, float(level[i]), reach) for i in peaks]


def _alarm(stream: ScoredStream, peak: int, score: float, reach: int) -> Alarm:
    """The part of the recording around its sample `peak` that holds no word, `reach` samples before it."""
    start, stop = max(0, peak - reach), min(stream.audio_samples, peak + round(_AFTER_S * RATE))
    for first, last in stream.recording.word_samples:
        if last - LEAD_SAMPLES <= peak:
            start = max(start, last - LEAD_SAMPLES + _WORD_MARGIN)
        else:
            stop = min(stop, first - LEAD_SAMPLES - _WORD_MARGIN)
    return Alarm(stream.recording.path, score, peak, start, stop)


def _unknown(alarms: Sequence[Alarm], log: Sequence[Row]) -> list[Alarm]:
    """The alarms that an earlier run has not cut out already."""
    known: dict[str, list[float]] = defaultdict(list)
    for row in log:
        known[row["recording"]].append(number(row["peak_s"], f"{MINED_LOG}, line {row.line}") or 0.0)

    def is_new(alarm: Alarm) -> bool:
        peaks = known[str(alarm.recording.resolve())]
        return all(abs(alarm.peak_s - peak_s) >= _SEPARATION_S for peak_s in peaks)

    return [alarm for alarm in alarms if is_new(alarm)]


def _within(alarms: Sequence[Alarm], max_minutes: float | None) -> list[Alarm]:
    """The worst alarms, as many as fit."""
    if max_minutes is None:
        return list(alarms)
    ends_s = np.cumsum([alarm.seconds for alarm in alarms])
    return list(alarms[: int(np.searchsorted(ends_s, max_minutes * 60.0, side="right"))])


# ── Writing ──────────────────────────────────────────────────────────────────────────────────
def _write_clips(alarms: Sequence[Alarm], clips: Mapping[Path, Clip], folder: Path) -> list[Clip]:
    """One FLAC an alarm, in the same order."""
    written: dict[Alarm, Clip] = {}
    for path in sorted({alarm.recording for alarm in alarms}):
        for alarm in (alarm for alarm in alarms if alarm.recording == path):
            pcm = audio.load_part(path, alarm.start, alarm.stop)
            file = audio.save_new(with_suffixes(folder / _file_name(alarm)), pcm)
            origin = clips[path]
            source = f"{MINED}: {origin.source}" if origin.source else MINED
            written[alarm] = replace(
                origin, path=file, label="negative", source=source, seconds=alarm.seconds
            )
    return [written[alarm] for alarm in alarms]


def _file_name(alarm: Alarm) -> str:
    """Begins with the score, so that a listing shows the worst last."""
    digest = hashlib.sha256(os.fsencode(alarm.recording.resolve())).hexdigest()[:6]
    stem = os.fsdecode(os.fsencode(alarm.recording.stem)[:_STEM_BYTES])  # most systems take 255 in all
    return f"{alarm.score:.3f}_{stem}_{digest}_{alarm.peak_s:.2f}s.flac"


def _log_row(alarm: Alarm, clip: Clip, model: Path) -> dict[str, str]:
    return {
        "path": f"clips/{clip.path.name}",
        "recording": str(alarm.recording.resolve()),
        "start_s": f"{alarm.start_s:.3f}",
        "end_s": f"{alarm.stop_s:.3f}",
        "peak_s": f"{alarm.peak_s:.3f}",
        "score": f"{alarm.score:.4f}",
        "model": str(model),
    }


def _read_log(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    header, rows = read_table(path)
    if not set(header) >= set(_LOG_COLUMNS):
        raise WatchwordError("is not a list of mined clips", path, "choose another --out")
    return rows


def _write_log(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, _LOG_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())


def _read_clips(manifest: Path) -> list[Clip]:
    """Clips mined before; those whose files were deleted since are forgotten."""
    if not manifest.is_file():
        return []
    return [clip for clip in read_manifest(manifest) if clip.path.is_file()]
