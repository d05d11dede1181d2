"""Finding the usable recordings in folders and manifests, and why the others are not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from watchword import audio, spec, words
from watchword.data import leaks
from watchword.data.corpus import SPLIT_NAMES, Clip, Skipped, number, read_manifest, read_table
from watchword.data.endpoint import word_bounds
from watchword.data.split import assign, require_splits
from watchword.errors import WatchwordError

SUFFIXES = (".wav", ".flac")
MANIFEST = "manifest.csv"
SHORTEST_S = 0.1  # of speech and noise; a room response may be shorter
CLIPPED_FRACTION = 0.05  # of all samples at full scale
QUIETEST_PEAK = 33  # LSB, -60 dBFS: a positive below holds no usable word
LABEL_FOLDERS = {
    "positive": "positive", "positives": "positive", "negative": "negative", "negatives": "negative",
    "noise": "noise", "noises": "noise", "rir": "rir", "rirs": "rir",
}  # fmt: skip
_SPEECH_KINDS = frozenset(("keyword", "tts-keyword", "speech", "other-word", "speech-stream"))


@dataclass(frozen=True)
class Scan:
    """What a scan found: usable clips, each in a split, and the files left out."""

    clips: list[Clip]
    skipped: list[Skipped]
    notes: list[str] = field(default_factory=list)  # what a user may not expect


@dataclass(frozen=True)
class _Decoded:
    clip: Clip
    fingerprint: np.ndarray  # float32 [256]


def scan(sources: Sequence[Path], word: str | None = None, seed: int = 1, progress: bool = False) -> Scan:
    """Look at every recording of `sources` (folders or manifests) and put each in a split.

    Bad files are listed, never fatal. Clips that have no split yet get one by speaker, 80/10/10.
    Raises WatchwordError if nothing is usable, a split is empty or a leak is found.
    """
    word = word if word is None else words.require(word, "--word")
    found = [clip for source in sources for clip in find(source, word)]
    where = ", ".join(str(source) for source in sources)
    notes = [_demoted(source, word) for source in sources] if word else []
    notes = [note for note in notes if note]
    if notes and not any(clip.label == "positive" for clip in found):
        raise WatchwordError(f"nothing says '{word}': {notes[0]}", where, "correct --word, or leave it out")
    if not found:
        raise WatchwordError("no wav or flac file", where, "expected folders positive/ and negative/")
    decoded, skipped = _decode_all(found, progress)
    if not decoded:
        first = f"{skipped[0].path}: {skipped[0].reason}"
        raise WatchwordError(
            f"none of {len(skipped)} files is usable ({first})", where, "check the recordings"
        )
    clips = [item.clip for item in decoded]
    fingerprints = np.stack([item.fingerprint for item in decoded])
    clips = assign(clips, seed, leaks.same_audio(clips, fingerprints))
    if any(not item.clip.split for item in decoded):  # given splits are the user's own affair
        require_splits(clips, where)
    leaks.reject(leaks.find_leaks(clips, fingerprints), where)
    left = [path for source in sources for path in _unlisted(source, found)]
    return Scan(clips, skipped + [Skipped(path, f"{MANIFEST} does not name it") for path in left], notes)


def find(source: Path, word: str | None = None) -> list[Clip]:
    """The clips a folder or manifest names, not yet opened; `split` is empty where it is not told.

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
    if source.is_dir() and "label" in read_table(manifest)[0]:
        if word and not any(words.same(clip.phrase, word) for clip in named):
            _refuse_other_word(manifest, word)
        return named + _unnamed(source, named, word)
    return named


def sound_files(folder: Path) -> list[Path]:
    """All wav and flac files below `folder`, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


# ── Folders ──────────────────────────────────────────────────────────────────────────────────
def _from_folder(folder: Path, word: str | None) -> list[Clip]:
    clips = _unnamed(folder, (), word)
    if not clips and sound_files(folder):
        raise WatchwordError(
            "has sound files, but not in folders that tell what they are",
            folder,
            "make positive/, negative/ and optionally noise/ and rir/ in it, or write a manifest.csv",
        )
    return clips


def _unnamed(folder: Path, named: Iterable[Clip], word: str | None) -> list[Clip]:
    """The clips whose folders tell what they are, without those already `named`."""
    known = {clip.path.resolve() for clip in named}
    new = [path for path in sound_files(folder) if path.resolve() not in known]
    clips = [_by_folders(path, path.relative_to(folder).parts[:-1], folder.name, word) for path in new]
    return [clip for clip in clips if clip]


def _unlisted(source: Path, found: Sequence[Clip]) -> list[Path]:
    """Recordings in folder `source` that its manifest keeps out: those of a list of many words."""
    if not (source / MANIFEST).is_file():
        return []
    return [clip.path for clip in _unnamed(source, found, None) if clip.label in ("positive", "negative")]


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
    return [_from_kind(row, manifest, line, word) for line, row in enumerate(rows, start=2)]


def _other_positives(manifest: Path, word: str) -> Counter[str]:
    """Positives of a manifest of ours that say something else than `word`, by what they say."""
    if "label" not in read_table(manifest)[0]:
        return Counter()
    phrases = [clip.phrase for clip in read_manifest(manifest) if clip.label == "positive"]
    return Counter(phrase for phrase in phrases if phrase and not words.same(phrase, word))


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


def _demoted(source: Path, word: str) -> str:
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
    )


# ── Decoding ─────────────────────────────────────────────────────────────────────────────────
def _decode_all(clips: Sequence[Clip], progress: bool) -> tuple[list[_Decoded], list[Skipped]]:
    unique = {clip.path.absolute(): clip for clip in reversed(clips)}  # a file named twice counts once
    items = list(_parallel(list(reversed(unique.values())), progress))
    decoded = [item for item in items if isinstance(item, _Decoded)]
    return decoded, [item for item in items if isinstance(item, Skipped)]


def _parallel(clips: Sequence[Clip], progress: bool) -> Iterable[_Decoded | Skipped]:
    pool = ThreadPoolExecutor(os.cpu_count())  # decoding and FFTs release the interpreter lock
    try:
        items = pool.map(_decode, clips)
        yield from tqdm(items, "scan", len(clips), unit="clip", disable=not progress)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _decode(clip: Clip) -> _Decoded | Skipped:
    try:
        pcm = audio.load(clip.path)
    except WatchwordError as error:
        return Skipped(clip.path, error.what)
    reason = fault(pcm, clip.label)
    if reason:
        return Skipped(clip.path, reason)
    clip = replace(clip, seconds=pcm.size / spec.SAMPLE_RATE_HZ)
    if clip.label == "positive" and (clip.word_start_s is None or clip.word_end_s is None):
        start, end = word_bounds(pcm)
        clip = replace(clip, word_start_s=start / spec.SAMPLE_RATE_HZ, word_end_s=end / spec.SAMPLE_RATE_HZ)
    return _Decoded(clip, leaks.fingerprint(pcm))


def fault(pcm: np.ndarray, label: str) -> str:
    """Why int16 [samples] is of no use as `label`, or an empty string."""
    if label == "rir":
        return "" if pcm.any() else "silent"
    seconds = pcm.size / spec.SAMPLE_RATE_HZ
    if seconds < SHORTEST_S:
        return f"too short: {seconds * 1000:.0f} ms, at least {SHORTEST_S * 1000:.0f} ms is needed"
    magnitude = np.abs(pcm.astype(np.int32))
    peak = int(magnitude.max())
    if peak == 0 or (label == "positive" and peak < QUIETEST_PEAK):
        return "silent" if peak == 0 else f"almost silent: peak {20 * np.log10(peak / 32768):.0f} dBFS"
    clipped = float((magnitude >= 32767).mean())
    if clipped > CLIPPED_FRACTION:
        return f"clipped: {clipped:.0%} of the samples at full scale"
    return ""
