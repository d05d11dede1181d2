"""Finding the usable recordings in folders and manifests, and why the others are not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from watchword import words
from watchword.data import leaks
from watchword.data.clip_check import Checked, check_clip
from watchword.data.clip_sources import Listing, demoted, list_clips
from watchword.data.corpus import Clip, Skipped
from watchword.data.discovery import describe_documents
from watchword.data.split import NOWHERE, Places, assign, require_splits
from watchword.data.split_warnings import split_warnings
from watchword.data.word_places import REMEDY, place_words, unsure_places
from watchword.errors import WatchwordError
from watchword.processes import cores
from watchword.progress import track

_SHOWN = 5  # of things that are alike


@dataclass(frozen=True)
class Scan:
    """What a scan found: usable clips, each in a split, and the files left out."""

    clips: list[Clip]
    skipped: list[Skipped]
    notes: list[str] = field(default_factory=list)  # what a user may not expect


def scan(
    sources: Sequence[Path],
    word: str | None = None,
    seed: int = 1,
    progress: bool = False,
    tell: Callable[[list[Skipped]], None] = lambda skipped: None,
    hold_out: Places = NOWHERE,
) -> Scan:
    """Look at every recording of `sources` (folders or manifests) and put each in a split.

    Bad files are listed, never fatal; `tell` gets them before anything else can fail. Clips that have no
    split yet get one, 80/10/10 (split.py); the sources in `hold_out` go whole to the splits named there.
    Raises WatchwordError if there is no positive, if a split is empty or a leak is found.
    """
    word = word if word is None else words.require(word, "--word")
    where = ", ".join(str(source) for source in sources)
    listing = sum((list_clips(source, word) for source in sources), Listing())
    _require_sources(hold_out, listing.clips, where)
    changed = [note for source in sources if word and (note := demoted(source, word))]
    if changed and not any(clip.label == "positive" for clip in listing.clips):
        raise WatchwordError(f"nothing says '{word}': {changed[0]}", where, "correct --word, or leave it out")
    checked, skipped = _with_places(*_check_all(listing.clips, progress), progress)
    skipped += listing.passed_over
    tell(skipped)
    _require_positives(checked, skipped, listing, where)
    fingerprints = np.stack([item.fingerprint for item in checked])
    clips = [item.clip for item in checked]
    same = leaks.same_audio(clips, fingerprints)
    copies = _equal_samples(checked)
    clips = assign(clips, seed, same, hold_out)
    if hold_out or any(not item.clip.split for item in checked):  # given splits are the user's own affair
        require_splits(clips, where, same, hold_out)
    leaks.reject(leaks.find_leaks(clips, fingerprints), where)
    notes = [*changed, *_remarks(checked), describe_documents(listing.documents)]
    notes += [*_two_labels(clips, [*same, *copies]), *_told_copies(clips, copies)]
    notes += _moved([item.clip for item in checked], clips, hold_out)
    notes += [str(warning) for warning in split_warnings(clips)]
    notes += [f"warning: {unsure} ({REMEDY})"] if (unsure := unsure_places(clips)) else []
    return Scan(clips, skipped, [note for note in notes if note])


def _require_sources(hold_out: Places, clips: Sequence[Clip], where: str) -> None:
    """Raise unless the sources to be held out are there."""
    known = dict.fromkeys(clip.source for clip in clips if clip.source)
    missing = [name for name in hold_out if name not in known]
    if missing:
        listed = ", ".join(f"'{name}'" for name in known) or "none"
        raise WatchwordError(f"no recording is of source '{missing[0]}'", where, f"sources: {listed}")


def _moved(before: Sequence[Clip], after: Sequence[Clip], hold_out: Places) -> list[str]:
    """That clips of other sources left their split with speakers of a source that is held out."""
    moved = [
        b
        for b, a in zip(before, after, strict=True)
        if b.split and b.split != a.split and b.source not in hold_out
    ]
    if not moved:
        return []
    clips = "1 clip" if len(moved) == 1 else f"{len(moved)} clips"
    return [
        f"{clips} of other sources changed split too (such as {moved[0].path}): their speakers, or the same "
        "sounds, are in a source that is held out"
    ]


def _require_positives(
    checked: Sequence[Checked], skipped: Sequence[Skipped], listing: Listing, where: str
) -> None:
    """Raise, naming what was seen, unless some recording of the word is usable."""
    if any(item.clip.label == "positive" for item in checked):
        return
    seen = [f"{s.path}: {s.reason}" for s in skipped[:_SHOWN]]
    seen += [text] if (text := describe_documents(listing.documents)) else []
    details = f" ({'; '.join(seen)})" if seen else ""
    if not listing.clips:
        raise WatchwordError(
            f"no wav or flac file, and no other sound{details}",
            where,
            "expected folders positive/ and negative/",
        )
    if not checked:
        what = f"none of {len(listing.clips)} files is usable{details}"
        raise WatchwordError(what, where, "check the recordings")
    raise WatchwordError(
        f"none of {len(checked)} usable clips is a recording of the word{details}",
        where,
        "put recordings of the word below positive/, and check --word",
    )


# ── Decoding ─────────────────────────────────────────────────────────────────────────────────
def _check_all(clips: Sequence[Clip], progress: bool) -> tuple[list[Checked], list[Skipped]]:
    unique = {clip.path.absolute(): clip for clip in reversed(clips)}  # a file named twice counts once
    items = list(_parallel(list(reversed(unique.values())), progress))
    checked = [item for item in items if isinstance(item, Checked)]
    return checked, [item for item in items if isinstance(item, Skipped)]


def _with_places(
    checked: list[Checked], skipped: list[Skipped], progress: bool
) -> tuple[list[Checked], list[Skipped]]:
    """The same, with the place of the word in each positive; one in which nothing stands out is skipped."""
    placed = place_words([item.clip for item in checked], progress, again=True)
    told = "where there is a word, write word_start_s and word_end_s into a manifest"
    reason = f"nothing stands out of its noise, so no word is found ({told})"
    kept, nothing = [], []
    for item, clip in zip(checked, placed, strict=True):
        if clip.label == "positive" and not clip.has_times:
            nothing.append(Skipped(clip.path, reason))
        else:
            kept.append(replace(item, clip=clip))
    return kept, skipped + nothing


def _parallel(clips: Sequence[Clip], progress: bool) -> Iterable[Checked | Skipped]:
    # Decoding and FFTs release the interpreter lock.
    pool = ThreadPoolExecutor(cores())
    try:
        items = pool.map(check_clip, clips)
        yield from track(items, "scan", len(clips), "clips", progress)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# ── Sounds that are there more than once ─────────────────────────────────────────────────────
def _equal_samples(checked: Sequence[Checked]) -> list[tuple[int, int]]:
    """Pairs of indices of clips with the very same samples, each with the first of them."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, item in enumerate(checked):
        groups[item.digest].append(index)
    return [(group[0], other) for group in groups.values() for other in group[1:]]


def _two_labels(clips: Sequence[Clip], same: Iterable[tuple[int, int]]) -> list[str]:
    """Warnings of sounds that are given as the word and as something else."""
    pairs = [(clips[a], clips[b]) for a, b in dict.fromkeys(same)]
    wrong = [
        (a, b) if a.label == "positive" else (b, a)
        for a, b in pairs
        if (a.label == "positive") != (b.label == "positive")
    ]
    shown = [
        f"warning: the same sound is {a.label} and {b.label}: {a.path} and {b.path} (delete or move one)"
        for a, b in wrong[:_SHOWN]
    ]
    more = len(wrong) - _SHOWN
    return [*shown, f"warning: and {more} more sounds are both"] if more > 0 else shown


def _told_copies(clips: Sequence[Clip], copies: Sequence[tuple[int, int]]) -> list[str]:
    if not copies:
        return []
    a, b = copies[0]
    count = f"{len(copies)} files hold" if len(copies) > 1 else "1 file holds"
    return [
        f"{count} the same sound as another file (such as {clips[b].path} and {clips[a].path}): "
        "it counts as often as it is there"
    ]


def _remarks(checked: Sequence[Checked]) -> list[str]:
    return [f"{item.clip.path} {item.remark}" for item in checked if item.remark]
