"""Finding the sound files below a folder, and naming everything else that lies there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from watchword import audio
from watchword.data.corpus import Skipped
from watchword.errors import WatchwordError

# Tables of ours: read where they are wanted, and nothing to tell a user about.
MANIFEST = "manifest.csv"  # label, split and speaker of each clip, from scan, synth and mine
TRUTH = "truth.csv"  # when words are said in long recordings
MINED_LOG = "mined.csv"  # beside the manifest: what mine cut out of where, at which score, for which model
_TRUTH_COLUMNS = ("path", "start_s", "end_s")
_TABLES = frozenset((MANIFEST, TRUTH, MINED_LOG))

_RESOURCE_FORK = "._"  # what macOS leaves beside a file on a foreign disk
# What people and programs keep beside recordings; named together, by suffix, not one by one.
_DOCUMENTS = frozenset(
    (
        "",
        ".csv",
        ".tsv",
        ".txt",
        ".md",
        ".json",
        ".jsonl",
        ".toml",
        ".yaml",
        ".yml",
        ".xml",
        ".html",
        ".pdf",
        ".png",
        ".jpg",
        ".jpeg",
        ".svg",
        ".log",
        ".npz",
        ".npy",
        ".py",
        ".zip",
        ".ini",
        ".db",
        ".lab",
        ".trn",
        ".textgrid",
    )
)
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class Found:
    """What lies below a folder."""

    sounds: list[Path] = field(default_factory=list)  # sorted
    passed_over: list[Skipped] = field(default_factory=list)  # each with the reason
    documents: list[Path] = field(
        default_factory=list
    )  # texts, tables, pictures: no sound is expected in them


def find_sounds(folder: Path) -> Found:
    """All sound files below `folder`, by suffix; folders behind links are read once.

    Hidden files and folders, resource forks, broken links, links back to a folder that is read already and
    files of unknown suffixes are passed over, each with its reason.
    """
    found = Found()
    for path in _walk(folder, found, set()):
        reason = _reason_against(path)
        if reason is None:
            found.sounds.append(path)
        elif reason:
            found.passed_over.append(Skipped(path, reason))
        elif path.name not in _TABLES:
            found.documents.append(path)
    found.sounds.sort()
    found.passed_over.sort(key=lambda skipped: skipped.path)
    return found


def describe_documents(documents: Sequence[Path]) -> str:
    """'3 files are no sounds by their suffix: 2 .txt, 1 .csv (a.txt, b.txt, c.csv)', or an empty string."""
    if not documents:
        return ""
    kinds = Counter(path.suffix.lower() or "without suffix" for path in documents)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    names = ", ".join(path.name for path in documents[:_SHOWN_NAMES])
    more = ", …" if len(documents) > _SHOWN_NAMES else ""
    files = (
        "1 file is no sound by its"
        if len(documents) == 1
        else f"{len(documents)} files are no sounds by their"
    )
    return f"{files} suffix: {counts} ({names}{more})"


def _walk(folder: Path, found: Found, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Files below `folder`; what is wrong with its folders goes to `found.passed_over`."""
    try:
        status = folder.stat()
        entries = sorted(folder.iterdir())
    except OSError as error:
        found.passed_over.append(Skipped(folder, f"the folder cannot be read: {error.strerror}"))
        return
    if (status.st_dev, status.st_ino) in seen:
        reason = "a link to a folder that is read already under another name"
        found.passed_over.append(Skipped(folder, reason))
        return
    seen.add((status.st_dev, status.st_ino))
    linked = []
    for entry in entries:
        if not _is_folder(entry):
            yield entry
        elif entry.name.startswith("."):
            found.passed_over.append(Skipped(entry, "a hidden folder: rename it if its recordings are meant"))
        elif entry.is_symlink():
            linked.append(entry)
        else:
            yield from _walk(entry, found, seen)
    for entry in linked:  # last: a folder is read under its own name where it has one here
        yield from _walk(entry, found, seen)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _reason_against(path: Path) -> str | None:
    """Why a file is no recording: None if it is one, empty for a document."""
    is_sound = path.suffix.lower() in audio.SUFFIXES
    if path.name.startswith("."):
        if not is_sound:
            return ""
        fork = path.name.startswith(_RESOURCE_FORK)
        return "a resource fork of macOS, no sound" if fork else "hidden: rename it if it is meant"
    if not is_sound:
        if path.suffix.lower() in _DOCUMENTS:
            return ""
        return f"no known sound file by its suffix '{path.suffix}': convert it to wav or flac"
    if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110  (Path.exists raises on a loop)
        return "a link that leads to no file"
    return None if not path.is_symlink() or os.path.isfile(path) else "no file"  # noqa: PTH113


def is_truth(path: Path, header: Collection[str]) -> bool:
    """Whether a table with that header lists words with their times, not clips with split and label.

    Raises WatchwordError for a file of the truth file's name without its columns.
    """
    missing = [column for column in _TRUTH_COLUMNS if column not in header]
    if missing and path.name == TRUTH:
        raise WatchwordError(
            f"no column {', '.join(missing)}",
            path,
            f"a truth file starts with the line {','.join(_TRUTH_COLUMNS)}",
        )
    return not missing
