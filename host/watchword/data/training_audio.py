"""Which audio a model may be mined on: training audio without the word, never val or test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from watchword import words
from watchword.data.clip_sources import LABEL_FOLDERS, find
from watchword.data.corpus import SPLIT_NAMES, Clip, is_mined
from watchword.data.discovery import MANIFEST, TRUTH, find_sounds, is_truth
from watchword.data.recordings import (
    Recording,
    Selection,
    audio_files,
    from_data,
    probe,
)
from watchword.data.tables import read_table
from watchword.errors import WatchwordError

_REMEDY = "mine training audio only"


@dataclass(frozen=True)
class TrainingAudio:
    """What a model is mined on, and what each recording is."""

    selection: Selection
    clips: Mapping[Path, Clip]


def require_train(split: str) -> None:
    """Raise unless `split` is the training part: val and test must stay unheard."""
    name = SPLIT_NAMES.get(split.strip().lower())
    if name is None:
        raise WatchwordError(f"--split '{split}' is unknown", "", "mining takes train")
    if name != "train":
        raise WatchwordError(
            f"mining split {name} would train the model on what is to judge it", "", "use --split train"
        )


def training_audio(data: Sequence[Path], word: str) -> TrainingAudio:
    """The audio of `data` without `word` that a model may learn from.

    `data`: manifests or corpus folders that hold one, truth files or folders that hold one, other
    folders, sound files. Of manifests the negatives and noises of split train are taken. All other audio
    is taken as it is, unless a manifest or the name of its folder puts it into val or test; the words
    that a truth file lists stay in the recordings' `words`.
    """
    found: dict[Path, tuple[Recording, Clip]] = {}
    for source in data:
        for recording, clip in _from_source(Path(source), word):
            found.setdefault(clip.path.absolute(), (recording, clip))
    where = ", ".join(str(source) for source in data)
    if not found:
        raise WatchwordError("no training audio without the word", where, "give negatives of split train")
    left_out = [find_sounds(Path(source)) for source in data if Path(source).is_dir()]
    rows = ((recording, False) for recording, _ in found.values())
    selection = probe(rows, {"data": where}, left_out, _with_word(data, word))
    return TrainingAudio(selection, {recording.path: clip for recording, clip in found.values()})


def _from_source(source: Path, word: str) -> list[tuple[Recording, Clip]]:
    if not source.exists():
        raise WatchwordError("no such file or folder", source, "check the path")
    table = _table_of(source)
    if table is None:
        return [(_recording(clip), clip) for clip in _loose(source)]
    if is_truth(table, read_table(table)[0]):
        return [(recording, _of_truth(recording)) for recording in from_data(table).recordings]
    return [(_recording(clip), clip) for clip in _from_corpus(source, word)]


def _with_word(data: Sequence[Path], word: str) -> list[Path]:
    """The recordings of the word in manifests among the sources: a copy of one is no audio without it."""
    tables = [table for source in data if (table := _table_of(Path(source)))]
    manifests = [table for table in tables if not is_truth(table, read_table(table)[0])]
    return [clip.path for table in manifests for clip in find(table, word) if clip.label == "positive"]


def _table_of(source: Path) -> Path | None:
    """The truth file or manifest that tells what `source` is; None = it is only audio."""
    if source.is_file():
        return source if source.suffix.lower() == ".csv" else None
    return next((source / name for name in (TRUTH, MANIFEST) if (source / name).is_file()), None)


def _recording(clip: Clip) -> Recording:
    return Recording(clip.path, (), "negative", clip.path.name, clip.speaker, clip.source)


def _of_truth(recording: Recording) -> Clip:
    _refuse_held_out(recording.path)
    return Clip(recording.path, "train", "negative", source=recording.path.parent.name)


def _from_corpus(source: Path, word: str) -> list[Clip]:
    """Training negatives of a manifest; a clip that says the word is none, whatever its label."""
    negatives = [clip for clip in find(source, word) if clip.label in ("negative", "noise")]
    unsplit = next((clip for clip in negatives if not clip.split), None)
    if unsplit:
        raise WatchwordError(
            f"{unsplit.path.name} is in no split yet: it may become val or test",
            source,
            "run `watchword scan` on it and mine the manifest it writes",
        )
    train = [clip for clip in negatives if clip.split == "train"]
    return [clip for clip in train if not is_mined(clip) and not words.says(clip.phrase, word)]


def _loose(source: Path) -> list[Clip]:
    """Sound files that nothing describes: the user says that the word is not in them.

    The speaker follows from the folders as in a scan, so that a leak would be noticed there.
    """
    folder = source if source.is_dir() else source.parent
    clips = []
    for path in audio_files(source, "training").sounds if source.is_dir() else [source]:
        parts = path.relative_to(folder).parts[:-1]
        if any(part.lower() in LABEL_FOLDERS for part in parts):
            remedy = f"run `watchword scan {source} --word WORD --out {source / MANIFEST}` first"
            raise WatchwordError("is in no split yet: parts of it may become val or test", source, remedy)
        _refuse_held_out(path, (folder.resolve().name, *parts))
        clips.append(Clip(path, "train", "negative", speaker="/".join(parts), source=folder.resolve().name))
    return clips


def _refuse_held_out(path: Path, folders: Iterable[str] = ()) -> None:
    """Raise if one of `folders` is named val or test, or a manifest above `path` puts it there."""
    whole = path.resolve()
    named = [SPLIT_NAMES.get(name.lower(), "") for name in folders]
    listed = [_listed_splits(parent).get(whole, "") for parent in whole.parents]
    held_out = next((split for split in (*named, *listed) if split in ("val", "test")), None)
    if held_out:
        raise WatchwordError(
            f"is in split {held_out}: mining it would train the model on what is to judge it", path, _REMEDY
        )


@lru_cache(maxsize=256)
def _listed_splits(folder: Path) -> dict[Path, str]:
    """Split of every file that the manifest of `folder` names; none if there is no such manifest."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return {}
    try:
        header, rows = read_table(manifest)
    except WatchwordError:  # somebody else's file of that name
        return {}
    if not {"path", "split"} <= set(header):
        return {}
    return {(folder / row["path"]).resolve(): SPLIT_NAMES.get(row["split"].lower(), "") for row in rows}
