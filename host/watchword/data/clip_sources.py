"""Which clips a folder or a manifest names, and which files there are used for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from watchword import words
from watchword.data.corpus import (
    SPLIT_NAMES,
    Clip,
    Skipped,
    licence_of,
    number,
    other_positives,
    read_manifest,
)
from watchword.data.discovery import MANIFEST, find_sounds
from watchword.data.tables import read_table
from watchword.errors import WatchwordError

LABEL_FOLDERS = {
    "positive": "positive",
    "positives": "positive",
    "negative": "negative",
    "negatives": "negative",
    "noise": "noise",
    "noises": "noise",
    "rir": "rir",
    "rirs": "rir",
}
_SPEECH_KINDS = frozenset(("keyword", "tts-keyword", "speech", "other-word", "speech-stream"))
_NO_LABEL = "no folder above it tells what it is: positive/, negative/, noise/ or rir/"


@dataclass(frozen=True)
class Listing:
    """The clips that sources name, not yet opened, and what they hold beside them."""

    clips: list[Clip] = field(default_factory=list)
    passed_over: list[Skipped] = field(default_factory=list)
    documents: list[Path] = field(default_factory=list)

    def __add__(self, other: Listing) -> Listing:
        return Listing(
            self.clips + other.clips,
            self.passed_over + other.passed_over,
            self.documents + other.documents,
        )


def list_clips(source: Path, word: str | None = None) -> Listing:
    """The clips a folder or manifest names; `split` is empty where it is not told.

    A folder that holds a manifest.csv of ours is read through it, and recordings added since are found
    by their folders. A list of many words is taken as it is: its folders do not tell the word.
    """
    source = Path(source)
    if not source.exists():
        raise WatchwordError("no such file or folder", source, "check the path")
    manifest = source / MANIFEST if source.is_dir() else source
    if not manifest.is_file():
        return _from_folder(source, word)
    if manifest.suffix.lower() != ".csv":
        raise WatchwordError("is neither a folder nor a manifest", source, "name a folder or a .csv file")
    named = _from_manifest(manifest, word)
    if not source.is_dir():
        return Listing(named)
    beside = _unnamed(source, named, word)
    if "label" not in read_table(manifest)[0]:
        unlisted = [Skipped(clip.path, f"{MANIFEST} does not name it") for clip in beside.clips]
        return Listing(named, unlisted + beside.passed_over, beside.documents)
    if word and not any(words.same(clip.phrase, word) for clip in named):
        _refuse_other_word(manifest, word)
    return Listing(named) + beside


def find(source: Path, word: str | None = None) -> list[Clip]:
    """The clips of `list_clips` alone."""
    return list_clips(source, word).clips


# ── Folders ──────────────────────────────────────────────────────────────────────────────────
def _from_folder(folder: Path, word: str | None) -> Listing:
    listing = _unnamed(folder, (), word)
    if not listing.clips and any(skipped.reason == _NO_LABEL for skipped in listing.passed_over):
        raise WatchwordError(
            "has sound files, but not in folders that tell what they are",
            folder,
            "make positive/, negative/ and optionally noise/ and rir/ in it, or write a manifest.csv",
        )
    return listing


def _unnamed(folder: Path, named: Iterable[Clip], word: str | None) -> Listing:
    """The clips whose folders tell what they are, without those already `named`."""
    known = {clip.path.resolve() for clip in named}
    found = find_sounds(folder)
    clips, unlabelled = [], []
    for path in found.sounds:
        if path.resolve() in known:
            continue
        clip = _by_folders(path, path.relative_to(folder).parts[:-1], folder.name, word)
        if clip is None:
            unlabelled.append(Skipped(path, _NO_LABEL))
        else:
            clips.append(clip)
    return Listing(clips, found.passed_over + unlabelled, found.documents)


def _by_folders(path: Path, parts: Sequence[str], source: str, word: str | None) -> Clip | None:
    """A clip from the names of its folders, in any order of split and label: the rest is the speaker."""
    label = next((LABEL_FOLDERS[p.lower()] for p in parts if p.lower() in LABEL_FOLDERS), None)
    if label is None:
        return None
    split = next((SPLIT_NAMES[p.lower()] for p in parts if p.lower() in SPLIT_NAMES), "")
    rest = [p for p in parts if p.lower() not in LABEL_FOLDERS and p.lower() not in SPLIT_NAMES]
    speaker = "/".join(rest) if label in ("positive", "negative") else ""
    return Clip(path, split, label, (word or "") if label == "positive" else "", speaker, source)


# ── Manifests ────────────────────────────────────────────────────────────────────────────────
def _from_manifest(manifest: Path, word: str | None) -> list[Clip]:
    header, rows = read_table(manifest)
    if "label" in header:
        return [_relabel(clip, word) for clip in read_manifest(manifest)]
    if not {"path", "kind"} <= set(header):
        remedy = "it needs path, split and label; or path, split, kind and phrase"
        raise WatchwordError("lacks the columns of a manifest", manifest, remedy)
    if word is None:
        phrases = {row.get("phrase", "") for row in rows if row["kind"].endswith("keyword")}
        known = ", ".join(sorted(phrases - {""})) or "none"
        raise WatchwordError("lists several words", manifest, f"choose one with --word; it has: {known}")
    return [_from_kind(row, manifest, row.line, word) for row in rows]


def _other_positives(manifest: Path, word: str) -> Counter[str]:
    """Positives of a manifest of ours that say something else than `word`, by what they say."""
    if "label" not in read_table(manifest)[0]:
        return Counter()
    return other_positives(read_manifest(manifest), word)


def _refuse_other_word(manifest: Path, word: str) -> None:
    """A folder that was scanned for one word, now for one that none of its clips says."""
    others = _other_positives(manifest, word)
    if others:
        said = others.most_common(1)[0][0]
        raise WatchwordError(
            f"its {others.total()} positives say '{said}', none says '{word}'",
            manifest,
            f"give --word '{said}' or leave it out; another word needs a folder of its own",
        )


def demoted(source: Path, word: str) -> str:
    """Which positives of a source's manifest are negatives now, or an empty string."""
    manifest = source / MANIFEST if source.is_dir() else source
    others = _other_positives(manifest, word) if manifest.is_file() else Counter()
    if not others:
        return ""
    said = ", ".join(f"'{phrase}'" for phrase, _ in others.most_common(3))
    return f"{others.total()} positives of {manifest} say {said}: they count as negatives for '{word}'"


def _relabel(clip: Clip, word: str | None) -> Clip:
    """With a word asked for, positives are the clips that say it; other words are negative speech."""
    if word is None or clip.label not in ("positive", "negative"):
        return clip
    label = "positive" if words.same(clip.phrase, word) else "negative"
    return replace(clip, label=label) if clip.phrase or clip.label == "negative" else clip


def _from_kind(row: dict[str, str], manifest: Path, line: int, word: str) -> Clip:
    """A row of the kind/phrase sort of manifest (one list of recordings, many words)."""
    where = f"{manifest}, line {line}"
    kind, phrase = row["kind"].strip().lower(), row.get("phrase", "").strip()
    if kind in ("noise", "rir"):
        label = kind
    elif kind in _SPEECH_KINDS:
        label = "positive" if kind.endswith("keyword") and words.same(phrase, word) else "negative"
    else:
        raise WatchwordError(
            f"kind '{row['kind']}' is unknown", where, f"use {', '.join(sorted(_SPEECH_KINDS))}"
        )
    given = row.get("split", "").strip().lower()
    if given and given not in SPLIT_NAMES and given != label:
        raise WatchwordError(f"split '{given}' is unknown", where, "use train, dev or test")
    return Clip(
        manifest.parent / row["path"].strip(),
        SPLIT_NAMES.get(given, ""),
        label,
        phrase,
        row.get("speaker", "").strip(),
        row.get("source", ""),
        number(row.get("seconds"), where) or 0.0,
        synthetic=kind.startswith("tts"),
        licence=licence_of(row),
    )
