"""Which recordings hold which of several words: what `select` does for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from watchword import words as phrases
from watchword.data.corpus import Clip, recordings_of
from watchword.data.recordings import (
    EXCLUDE_EACH_OTHER,
    Recording,
    Selection,
    data_table,
    folder_rows,
    limit_negatives,
    manifest_row,
    probe,
    refuse_overlap,
)
from watchword.errors import WatchwordError


def select_words(
    words: Sequence[str],
    positives: Sequence[Path],
    negatives: Path | None,
    data: Path | None,
    split: str | None,
    limit_minutes: float | None,
) -> Selection:
    """Recordings with one of the words, whose `phrase` is it as given, and recordings with none.

    positives: a folder for each word, in their order. data: a manifest, whose column `phrase` tells which
    word a clip holds, whatever its label says for one of them.
    """
    if data is not None and (positives or negatives is not None):
        raise WatchwordError(EXCLUDE_EACH_OTHER, "", "give one of the two")
    if data is not None:
        selection = _from_manifest(words, data, split)
    else:
        selection = _from_folders(words, positives, negatives, split)
    return selection if limit_minutes is None else limit_negatives(selection, limit_minutes)


def of_word(selection: Selection, word: str) -> Selection:
    """The recordings with this word and those with none: another word is neither this one nor silence."""
    kept = [
        (recording, seconds)
        for recording, seconds in zip(selection.recordings, selection.seconds, strict=True)
        if concerns(recording, word)
    ]
    others = len(selection.recordings) - len(kept)
    note = f"{others} recordings of other words are in no figure of this word but how often it is mistaken"
    return replace(
        selection,
        recordings=tuple(recording for recording, _ in kept),
        seconds=tuple(seconds for _, seconds in kept),
        notes=(*selection.notes, note) if others else selection.notes,
    )


def concerns(recording: Recording, word: str) -> bool:
    """Whether a recording counts in the figures of this word."""
    return not recording.words or recording.phrase == word


def _from_folders(
    words: Sequence[str], positives: Sequence[Path], negatives: Path | None, split: str | None
) -> Selection:
    if split is not None:
        raise WatchwordError("--split needs a manifest", "", "use it with --data MANIFEST")
    if not positives and negatives is None:
        raise WatchwordError("nothing to evaluate", "", "give --positives for each --model, or --data")
    if positives and len(positives) != len(words):
        what = f"{len(positives)} folders of positives for {len(words)} models"
        raise WatchwordError(what, "--positives", "give one for each --model, in the same order")
    rows, left_out = [], []
    for folder, word in zip(positives, words, strict=False):
        found, of_folder = folder_rows(folder, "positive")
        left_out.append(found)
        rows += [(replace(recording, phrase=word), find) for recording, find in of_folder]
    if negatives is not None:
        found, of_folder = folder_rows(negatives, "negative")
        left_out.append(found)
        rows += of_folder
    refuse_overlap([recording for recording, _ in rows])
    origin = {"positives": ", ".join(map(str, positives)), "negatives": str(negatives or "")}
    return probe(rows, origin, left_out)


def _from_manifest(words: Sequence[str], data: Path, split: str | None) -> Selection:
    path = data_table(data)
    clips = [_labelled(clip, words, path) for clip in recordings_of(path, split)]
    rows = [manifest_row(clip, path.parent) for clip in clips]
    return probe(rows, {"data": str(path), "split": split or ""})


def _labelled(clip: Clip, words: Sequence[str], path: Path) -> Clip:
    for word in words:
        if clip.phrase and phrases.same(clip.phrase, word):
            return replace(clip, label="positive", phrase=word)
    if clip.label == "positive":
        said = f"'{clip.phrase}'" if clip.phrase else "nobody knows what"
        raise WatchwordError(
            f"{clip.path.name} is a positive that says {said}, not {' or '.join(map(repr, words))}",
            path,
            "say in its column phrase which word it is, or label it negative",
        )
    return clip
