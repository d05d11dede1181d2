"""What is to be evaluated: which recordings, where the word is in each, and which are negatives."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from watchword import audio, spec
from watchword.data.clip_check import FEWEST_REPEATS, cut_off, fault
from watchword.data.copies import count_once, merge_spans
from watchword.data.corpus import FOUND, LISTED, TIME_TOLERANCE_S, Clip, Skipped, recordings_of
from watchword.data.discovery import MANIFEST, TRUTH, Found, describe_documents, find_sounds, is_truth
from watchword.data.endpoint import find_word, utterances
from watchword.data.split_warnings import about_voices
from watchword.data.tables import Row, read_table, time_span
from watchword.errors import WatchwordError

# Every recording is a stream of its own: pipeline reset, silence, the audio, silence.
LEAD_SAMPLES = spec.SAMPLE_RATE_HZ * 3 // 2
TAIL_SAMPLES = spec.SAMPLE_RATE_HZ
ADDED_SAMPLES = LEAD_SAMPLES + TAIL_SAMPLES

EXCLUDE_EACH_OTHER = "--data and --positives/--negatives exclude each other"
PLACES = {
    LISTED: "as listed",
    FOUND: "anywhere in the recording (shown where its energy stands out of the noise)",
    "whole": "anywhere in the recording (nothing stands out of its noise)",
}


class Sound(Protocol):
    """A recording as it sounds elsewhere; the same at every call."""

    def __call__(self) -> np.ndarray:
        """Make it: int16 [samples]."""

    def describe(self) -> dict[str, Any]:
        """What it takes to make it again, beside the file; JSON-able."""


@dataclass(frozen=True)
class Recording:
    """One sound file, with the start and end of each word in it, in seconds of the file.

    The word of a clip without listed times may be anywhere in it: such a clip is all of it the word, so
    that every figure counts a detection anywhere as the hit, and the ones after it as repeats.
    """

    path: Path
    words: tuple[tuple[float, float], ...]
    label: str  # "positive" (holds the word) or "negative"
    name: str = ""  # short path for lists and reports
    speaker: str = ""  # "" = not known
    source: str = ""
    limit_s: float | None = None  # stream only this much of the file
    complete: bool = False  # `words` lists every word (truth file): the sound outside them is negative
    condition: str = ""  # acoustic condition it is heard under; "" = as it is
    sound: Sound | None = None  # what is heard in place of the file itself
    placed: str = LISTED  # how the place of its words is known: a key of PLACES
    likely: tuple[float, float] | None = None  # where the one word of such a clip seems to be, to show it
    phrase: str = ""  # which word it holds, where there are several

    @property
    def timed(self) -> bool:
        """Whether it is known when its words end, so that a latency can be told."""
        return self.placed == LISTED

    @property
    def word_samples(self) -> list[tuple[int, int]]:
        """Start and end of each word as sample indices of the stream (silence in front included)."""
        rate = spec.SAMPLE_RATE_HZ
        return [(LEAD_SAMPLES + round(a * rate), LEAD_SAMPLES + round(b * rate)) for a, b in self.words]


@dataclass(frozen=True)
class Selection:
    """The recordings to stream, what was left out, and in words where they came from."""

    recordings: tuple[Recording, ...]
    seconds: tuple[float, ...]  # of each recording, from its header
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)

    @property
    def positives(self) -> list[Recording]:
        return [r for r in self.recordings if r.words]

    @property
    def negatives(self) -> list[Recording]:
        return [r for r in self.recordings if not r.words]


def stream_pcm(recording: Recording) -> np.ndarray:
    """The int16 [samples] that a pipeline hears: silence, the recording, silence."""
    return np.concatenate(list(stream_blocks(recording)))


def stream_blocks(recording: Recording) -> Iterator[np.ndarray]:
    """What `stream_pcm` gives, in blocks of bounded size, so that a long file takes no more memory."""
    left = None if recording.limit_s is None else round(recording.limit_s * spec.SAMPLE_RATE_HZ)
    yield np.zeros(LEAD_SAMPLES, np.int16)
    for block in [recording.sound()] if recording.sound else audio.blocks(recording.path):
        yield block[:left]
        left = None if left is None else max(0, left - block.size)
        if left == 0:
            break
    yield np.zeros(TAIL_SAMPLES, np.int16)


def select(
    positives: Path | None = None,
    negatives: Path | None = None,
    data: Path | None = None,
    split: str | None = None,
    limit_minutes: float | None = None,
) -> Selection:
    """Recordings named on the command line: folders, or a data set with a truth file or manifest."""
    if data is not None and (positives is not None or negatives is not None):
        raise WatchwordError(EXCLUDE_EACH_OTHER, "", "give one of the two")
    if data is not None:
        selection = from_data(data, split)
    elif positives is not None or negatives is not None:
        if split is not None:
            raise WatchwordError("--split needs a manifest", "", "use it with --data MANIFEST")
        selection = from_folders(positives, negatives)
    else:
        raise WatchwordError("nothing to evaluate", "", "give --positives DIR --negatives DIR, or --data DIR")
    return selection if limit_minutes is None else limit_negatives(selection, limit_minutes)


def from_folders(positives: Path | None, negatives: Path | None) -> Selection:
    """Every clip of `positives` holds the word once; every second of `negatives` is negative audio."""
    rows: list[tuple[Recording, bool]] = []
    left_out: list[Found] = []
    for folder, label in ((positives, "positive"), (negatives, "negative")):
        if folder is None:
            continue
        found, of_folder = folder_rows(folder, label)
        left_out.append(found)
        rows += of_folder
    refuse_overlap([recording for recording, _ in rows])
    origin = {"positives": str(positives or ""), "negatives": str(negatives or "")}
    return probe(rows, origin, left_out)


def folder_rows(folder: Path, label: str) -> tuple[Found, list[tuple[Recording, bool]]]:
    """The sound files of a folder, each with whether its word is to be found."""
    found, rows = audio_files(folder, label), []
    for path in found.sounds:
        name = str(path.relative_to(folder))
        group = Path(name).parts[0] if len(Path(name).parts) > 1 else folder.name
        rows.append((Recording(path, (), label, name, source=group), label == "positive"))
    return found, rows


def refuse_overlap(recordings: list[Recording]) -> None:
    """One folder inside the other would count every word as a false alarm."""
    positive = {r.path.resolve() for r in recordings if r.label == "positive"}
    if both := [r.path for r in recordings if r.label == "negative" and r.path.resolve() in positive]:
        what = f"{len(both)} recordings are given as positive and as negative"
        raise WatchwordError(what, both[0], "keep the folders apart")


def from_data(data: Path, split: str | None = None) -> Selection:
    """A folder with truth.csv or manifest.csv in it, or one of those files itself."""
    path = data_table(data)
    header, table = read_table(path)
    left_out: list[Found] = []
    notes: tuple[str, ...] = ()
    if is_truth(path, header):
        if split is not None:
            raise WatchwordError("--split needs a manifest; this is a truth file", path, "leave --split out")
        left_out.append(found := find_sounds(path.parent))
        rows = _truth_rows(path, table, found.sounds)
    else:
        chosen = recordings_of(path, split)
        rows, notes = [manifest_row(clip, path.parent) for clip in chosen], about_voices(chosen)
    selection = probe(rows, {"data": str(path), "split": split or ""}, left_out)
    return replace(selection, notes=(*notes, *selection.notes))


def audio_files(folder: Path, what: str) -> Found:
    """The sound files below `folder` and what is passed over; a missing folder or one without is an error."""
    if not folder.exists():
        raise WatchwordError(f"no such folder for the {what} recordings", folder, "check the path")
    if not folder.is_dir():
        raise WatchwordError("is a file, not a folder", folder, f"name the folder of the {what} recordings")
    found = find_sounds(folder)
    if not found.sounds:
        others = [f"{skipped.path.name}: {skipped.reason}" for skipped in found.passed_over[:3]]
        others += [text] if (text := describe_documents(found.documents)) else []
        seen = f" ({'; '.join(others)})" if others else ""
        kinds = " ".join(sorted(audio.SUFFIXES))
        raise WatchwordError(f"holds no {what} recordings{seen}", folder, f"looked for {kinds}")
    return found


def limit_negatives(selection: Selection, minutes: float) -> Selection:
    """Keep at most `minutes` of the recordings without the word, drawn evenly; those with it stay whole.

    The choice depends only on the file names, so a rerun streams the same audio. The last file
    taken is cut so that the total is exact.
    """
    if not (math.isfinite(minutes) and minutes > 0):
        raise WatchwordError(
            f"--limit-minutes must be above 0, got {minutes:g}", "", "leave it out for no limit"
        )
    sized = dict(zip(selection.recordings, selection.seconds, strict=True))
    total_s = sum(sized[r] for r in selection.negatives)
    left_s = minutes * 60.0
    if total_s <= left_s:
        return selection
    kept: list[tuple[Recording, float]] = [(r, sized[r]) for r in selection.positives]
    for recording in sorted(selection.negatives, key=_spread_key):
        if left_s <= 0:
            break
        taken = min(sized[recording], left_s)
        cut = recording if taken >= sized[recording] else replace(recording, limit_s=taken)
        kept.append((cut, taken))
        left_s -= taken
    note = f"recordings without the word: {minutes:g} of {total_s / 60:.1f} minutes (--limit-minutes)"
    return replace(
        selection,
        recordings=tuple(r for r, _ in kept),
        seconds=tuple(s for _, s in kept),
        notes=(*selection.notes, note),
    )


def _spread_key(recording: Recording) -> bytes:
    return hashlib.sha256(os.fsencode(recording.name or recording.path.name)).digest()


def data_table(data: Path) -> Path:
    """The truth file or manifest that a folder, or the path itself, names."""
    if data.is_file():
        return data
    if not data.is_dir():
        raise WatchwordError("no such file or folder", data, "give a folder or a manifest")
    for name in (TRUTH, MANIFEST):
        if (data / name).is_file():
            return data / name
    remedy = "write a truth.csv with path,start_s,end_s, or use --positives and --negatives"
    raise WatchwordError(f"holds neither {TRUTH} nor {MANIFEST}", data, remedy)


def _truth_rows(path: Path, table: list[Row], beside: Sequence[Path]) -> list[tuple[Recording, bool]]:
    """One row per word; files beside the truth file that it does not name are negatives.

    A row with empty times names a recording without the word. Every word must have its row: a
    detection outside all of them is a false alarm, and the sound outside them is negative audio.
    """
    words: dict[Path, list[tuple[float, float]]] = {}
    for row in table:
        file = Path(os.path.normpath(path.parent / (row["path"] or "")))
        spans = words.setdefault(file, [])
        if (row["start_s"] or "").strip() or (row["end_s"] or "").strip():
            spans.append(time_span(row, path))
    for file in sorted(words):
        if not file.is_file():
            raise WatchwordError(f"names a file that does not exist: {file}", path, "correct the path column")
    others = [p for p in beside if Path(os.path.normpath(p)) not in words]
    rows = []
    for file in [*sorted(words), *others]:
        found = tuple(sorted(words.get(file, ())))
        name = os.path.relpath(file, path.parent)
        label = "positive" if found else "negative"
        folder = str(Path(name).parent)
        rows.append((Recording(file, found, label, name, source=folder, complete=True), False))
    return rows


def manifest_row(clip: Clip, folder: Path) -> tuple[Recording, bool]:
    """A clip as a recording, and whether its word is to be found."""
    words: tuple[tuple[float, float], ...] = ()
    positive = clip.label == "positive"
    if positive and clip.has_listed_times and clip.word_start_s is not None and clip.word_end_s is not None:
        words = ((clip.word_start_s, clip.word_end_s),)
    label, phrase = ("positive", clip.phrase) if positive else ("negative", "")
    name = os.path.relpath(clip.path, folder)
    recording = Recording(Path(clip.path), words, label, name, clip.speaker, clip.source, phrase=phrase)
    return recording, positive and not words


def probe(
    rows: Iterable[tuple[Recording, bool]],
    origin: dict[str, str],
    left_out: Iterable[Found] = (),
    with_word: Sequence[Path] = (),
) -> Selection:
    """Read each header (and the word's bounds where asked); files that fail are listed, not fatal.

    So is what was passed over when the recordings were looked for: `left_out`. What holds the same samples
    as another recording counts once; as one of `with_word`, it is no audio without the word.
    """
    left_out = list(left_out)
    good: list[_Probed] = []
    bad = [skipped for found in left_out for skipped in found.passed_over]
    notes = [text for found in left_out if (text := describe_documents(found.documents))]
    with ThreadPoolExecutor() as pool:
        for result in pool.map(_probe_one, rows):
            if isinstance(result, Skipped):
                bad.append(result)
            else:
                good.append(result)
    paths, lengths = [one.recording.path for one in good], [one.seconds for one in good]
    groups, copies = count_once(paths, lengths, [bool(one.recording.words) for one in good], with_word)
    good, bad = [_merged([good[i] for i in group]) for group in groups], [*bad, *copies]
    notes += [one.remark for one in good if one.remark]
    notes += _about_places(good)
    if not good:
        first = f"; first: {bad[0].path.name}: {bad[0].reason}" if bad else ""
        where = origin.get("data") or origin.get("positives") or origin.get("negatives") or ""
        what = f"none of {len(bad)} recordings is readable{first}"
        raise WatchwordError(what, where, "expected wav or flac")
    recordings = tuple(one.recording for one in good)
    return Selection(recordings, tuple(one.seconds for one in good), tuple(bad), tuple(notes), origin)


@dataclass(frozen=True)
class _Probed:
    """A readable recording, its length, and what a user may not know about it."""

    recording: Recording
    seconds: float
    remark: str = ""


def _probe_one(row: tuple[Recording, bool]) -> _Probed | Skipped:
    recording, find = row
    try:
        probed = (_found_word if find else _checked_words)(recording)
        if isinstance(probed, Skipped):
            return probed
        cut = cut_off(recording.path, probed.seconds)
    except WatchwordError as error:
        return Skipped(recording.path, error.reason)
    if cut and find:  # half a word is none
        return Skipped(recording.path, f"{cut} (copy it again)")
    return replace(probed, remark=f"{recording.name}: {cut}") if cut else probed


def _found_word(recording: Recording) -> _Probed | Skipped:
    """A clip that holds the word once, somewhere; its energy above the noise only tells where to look."""
    pcm = audio.load(recording.path)
    reason = fault(pcm, "positive")
    if reason:
        return Skipped(recording.path, reason)
    word, seconds = find_word(pcm), pcm.size / spec.SAMPLE_RATE_HZ
    whole = replace(recording, words=((0.0, seconds),), placed="whole")
    if word is None:
        return _Probed(whole, seconds, f"{recording.name}: nothing stands out of its noise")
    start, end = (sample / spec.SAMPLE_RATE_HZ for sample in word)
    count = len(utterances(pcm))
    many = f"{recording.name}: holds {count} utterances; it counts as one word, heard in any of them"
    found = replace(whole, placed=FOUND, likely=(start, end))
    return _Probed(found, seconds, many if count >= FEWEST_REPEATS else "")


def _checked_words(recording: Recording) -> _Probed | Skipped:
    seconds = audio.count_samples(recording.path) / spec.SAMPLE_RATE_HZ
    late = [end for _, end in recording.words if end > seconds + TIME_TOLERANCE_S]
    if late:
        what = f"a word is listed to end at {late[0]:g} s, it lasts {seconds:.2f} s (times are in seconds)"
        return Skipped(recording.path, what)
    words = merge_spans(recording.words)
    again = len(recording.words) - len(words)
    remark = f"{recording.name}: {again} of its listed words lie on others and count once with them"
    return _Probed(replace(recording, words=words), seconds, remark if again else "")


def _merged(members: Sequence[_Probed]) -> _Probed:
    """One recording of several that hold the same samples: with the words of all that list them.

    Without any, it is the first that holds the word, wherever.
    """
    with_word = [one for one in members if one.recording.words] or members[:1]
    listed = [one for one in with_word if one.recording.timed]
    chosen = (listed or with_word)[0]
    spans = merge_spans([span for one in listed or with_word for span in one.recording.words])
    return replace(chosen, recording=replace(chosen.recording, words=spans))


def _about_places(probed: Sequence[_Probed]) -> list[str]:
    """How it is known where the words are."""
    counts = Counter(one.recording.placed for one in probed for _ in one.recording.words)
    told = [f"{counts[place]} {text}" for place, text in PLACES.items() if counts[place]]
    return [f"where the words are: {', '.join(told)}"] if told else []
