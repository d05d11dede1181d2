"""The corpus: what a clip is, and the manifest (a CSV) that lists them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from watchword import words
from watchword.data.tables import read_table
from watchword.errors import WatchwordError
from watchword.files import write_atomic

TIME_TOLERANCE_S = 0.05  # times in manifests are rounded, and resampling moves an end
SPLITS = ("train", "val", "test")
LABELS = ("positive", "negative", "noise", "rir")
SPLIT_NAMES = {  # what folders and other people's manifests call them
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
TIME_TOLERANCE_S = 0.05  # times in manifests are rounded, and resampling moves an end
MINED = "mined"  # how the source of a clip cut out by `mine` begins
# How the times of a word are known. Estimates (word_places.py) are found, or unsure.
LISTED, FOUND, UNSURE = "listed", "found", "unsure"
NOBODY = frozenset(("", "unknown"))  # speaker names that name no one
COLUMNS = (
    "path",
    "split",
    "label",
    "phrase",
    "speaker",
    "source",
    "seconds",
    "word_start_s",
    "word_end_s",
    "synthetic",
    "licence",
    "word_place",
)


@dataclass(frozen=True)
class Skipped:
    """A file that was found and not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Clip:
    """One sound file with what is known about it.

    `speaker` keeps a person (or a synthetic voice) inside one split; empty when unknown.
    `word_start_s` and `word_end_s` bound the spoken phrase of a positive, in seconds from its start;
    `word_place` is FOUND or UNSURE where they are an estimate.
    """

    path: Path
    split: str  # one of SPLITS; empty before it is assigned
    label: str  # one of LABELS
    phrase: str = ""  # what is said, if known; in a positive the wake word
    speaker: str = ""
    source: str = ""  # the collection it came from
    seconds: float = 0.0
    word_start_s: float | None = None
    word_end_s: float | None = None
    synthetic: bool = False
    licence: str = ""  # of the recording, as its collection tells it; model cards list it
    word_place: str = LISTED

    @property
    def has_times(self) -> bool:
        """Whether there are times of the word, listed or estimated."""
        return self.word_start_s is not None and self.word_end_s is not None

    @property
    def has_listed_times(self) -> bool:
        return self.has_times and self.word_place == LISTED

    @property
    def has_speaker(self) -> bool:
        return self.speaker.lower() not in NOBODY


def is_mined(clip: Clip) -> bool:
    """Whether a clip was cut out by `mine`."""
    return clip.source == MINED or clip.source.startswith(f"{MINED}: ")


def read_manifest(path: Path | str) -> list[Clip]:
    """The clips of a manifest written by `scan` or `synth`; relative paths are relative to its folder."""
    path = Path(path)
    header, rows = read_table(path)
    missing = [column for column in ("path", "split", "label") if column not in header]
    if missing:
        remedy = f"make one with: watchword scan {path} --word WORD --out manifest.csv"
        raise WatchwordError(f"no column {', '.join(missing)}", path, remedy)
    return [_clip(row, path, row.line) for row in rows]


def other_positives(clips: Iterable[Clip], word: str) -> Counter[str]:
    """Positives that say something else than `word`, by what they say, as far as they tell."""
    phrases = [clip.phrase for clip in clips if clip.label == "positive"]
    return Counter(phrase for phrase in phrases if phrase and not words.same(phrase, word))


def require_word(manifest: Path, word: str) -> None:
    """Raise if positives of a manifest say something else than the word that a model is to learn."""
    clips = read_manifest(manifest)
    others = other_positives(clips, word)
    if others:
        said = others.most_common(1)[0][0]
        count = sum(clip.label == "positive" for clip in clips)
        raise WatchwordError(
            f"{others.total()} of {count} positives say '{said}', not '{word}'",
            manifest,
            f"give --word '{said}'; or let their label follow the word: watchword scan {manifest} --word "
            f"'{word}' --out FILE",
        )


def write_manifest(path: Path | str, clips: Iterable[Clip]) -> Path:
    """Write `clips` as CSV; paths inside the manifest's folder are written relative to it."""
    path = Path(path)
    folder = path.absolute().parent
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for clip in clips:
        writer.writerow(_cells(clip, folder))
    return write_atomic(path, text.getvalue())


def _cells(clip: Clip, folder: Path) -> list[str]:
    absolute = clip.path.absolute()
    shown = absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute
    bounds = ["" if value is None else f"{value:.4f}" for value in (clip.word_start_s, clip.word_end_s)]
    return [
        shown.as_posix(),
        clip.split,
        clip.label,
        clip.phrase,
        clip.speaker,
        clip.source,
        f"{clip.seconds:.4f}",
        *bounds,
        str(int(clip.synthetic)),
        clip.licence,
        clip.word_place if clip.has_times else "",
    ]


def recordings_of(path: Path, split: str | None) -> list[Clip]:
    """Clips of a manifest (of one split), without room responses."""
    if split is not None and split.lower() not in SPLIT_NAMES:
        raise WatchwordError(f"--split {split!r} is unknown", "", "use train, val or test")
    clips = [c for c in read_manifest(path) if c.label != "rir"]
    chosen = [c for c in clips if split is None or c.split == SPLIT_NAMES[split.lower()]]
    if not chosen:
        splits = ", ".join(sorted({c.split for c in clips})) or "none at all"
        what = "no recordings" if split is None else f"no recordings in split {split!r}"
        raise WatchwordError(what, path, f"splits with recordings: {splits}")
    return chosen


def _clip(row: dict[str, str], manifest: Path, line: int) -> Clip:
    where = f"{manifest}, line {line}"
    split = SPLIT_NAMES.get(row["split"].strip().lower(), "")
    if not split:
        raise WatchwordError(f"split '{row['split']}' is unknown", where, "use train, val or test")
    label = row["label"].strip().lower()
    if label not in LABELS:
        raise WatchwordError(f"label '{row['label']}' is unknown", where, f"use {', '.join(LABELS)}")
    if not row["path"].strip():
        raise WatchwordError("no path", where, "name the sound file")
    seconds = number(row.get("seconds", ""), where) or 0.0
    start_s, end_s = _word_times(row, seconds, where)
    return Clip(
        path=manifest.parent / row["path"].strip(),
        split=split,
        label=label,
        phrase=words.written(row.get("phrase", "")),
        speaker=row.get("speaker", "").strip(),
        source=row.get("source", ""),
        seconds=seconds,
        word_start_s=start_s,
        word_end_s=end_s,
        word_place=_word_place(row, where),
        synthetic=row.get("synthetic", "").strip().lower() in ("1", "true", "yes"),
        licence=licence_of(row),
    )


def licence_of(row: dict[str, str]) -> str:
    """The licence that a row of a manifest tells, in either spelling of the column."""
    return (row.get("licence") or row.get("license") or "").strip()


def _word_place(row: dict[str, str], where: str) -> str:
    """How the times of the word are known."""
    place = row.get("word_place", "").strip().lower()
    if place not in ("", LISTED, FOUND, UNSURE):
        remedy = f"use {LISTED}, {FOUND} or {UNSURE}, or leave it out"
        raise WatchwordError(f"word_place '{place}' is unknown", where, remedy)
    return place or LISTED


def _word_times(row: dict[str, str], seconds: float, where: str) -> tuple[float | None, float | None]:
    """Start and end of the word, both or neither; WatchwordError for times that no word can have."""
    start_s, end_s = (number(row.get(f"word_{edge}_s", ""), where) for edge in ("start", "end"))
    shown = f"word_start_s '{row.get('word_start_s', '')}', word_end_s '{row.get('word_end_s', '')}'"
    if start_s is None and end_s is None:
        return None, None
    if start_s is None or end_s is None:
        raise WatchwordError(
            f"{shown}: only one of them", where, "give both, or neither: scan finds the word"
        )
    if start_s >= end_s:
        what = f"{shown}: the word does not end after it starts"
        raise WatchwordError(what, where, "swap or correct them, or empty both: scan finds the word")
    if seconds and end_s > seconds + TIME_TOLERANCE_S:
        what = f"{shown}: the word ends beyond the recording of {seconds:g} s"
        raise WatchwordError(what, where, "times are in seconds, not in milliseconds or samples")
    return start_s, end_s


def number(text: str | None, where: str) -> float | None:
    """A number of a manifest's cell in seconds, or None if the cell is empty."""
    if not text or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1e7:
        raise WatchwordError(f"'{text}' is not a time in seconds", where, "correct or empty the cell")
    return value
