"""Cutting a corpus into train, val and test so that no voice is on two sides."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from watchword.data.corpus import LABELS, SPLITS, Clip
from watchword.errors import WatchwordError

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


@dataclass
class _Group:
    """Clips that must stay together."""

    members: list[int] = field(default_factory=list)
    split: str = ""  # given, or assigned
    key: str = ""  # orders the groups, whatever order the files were found in


def assign(clips: Sequence[Clip], seed: int = 1, together: Iterable[tuple[int, int]] = ()) -> list[Clip]:
    """Give every clip without a split one of train, val, test: 80/10/10, deterministic in `seed`.

    Clips of one speaker stay together, and so do the pairs of indices in `together`; a clip that has a
    split keeps it and pulls its group along. The shares hold for groups with positives, for the other
    speech, for noise and for room responses separately, for real and synthetic ones separately, and inside
    every source that has enough groups, so that each split gets some of each. Where synthetic words train,
    one or two real speakers of the word judge: val and test are for people.
    """
    groups = _groups(clips, together, seed)
    kinds: dict[tuple[str, bool], list[_Group]] = {}
    for group in groups:
        kinds.setdefault((_label(clips, group), _is_synthetic(clips, group)), []).append(group)
    for (label, synthetic), kind in kinds.items():
        if label == "positive" and not synthetic and (label, True) in kinds:
            _let_judge(kind)
        for stratum in _by_source(clips, kind):
            _fill(stratum)
    split_of = {index: group.split for group in groups for index in group.members}
    return [clip if clip.split else replace(clip, split=split_of[i]) for i, clip in enumerate(clips)]


@dataclass(frozen=True)
class SplitWarning:
    """Why the figures of a split may say little about people, and what helps."""

    topic: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})"


def voice_warnings(clips: Sequence[Clip]) -> list[SplitWarning]:
    """What makes the recordings of the word poor judges: no real voice in val or test, unknown speakers."""
    words = [clip for clip in clips if clip.label == "positive"]
    real = [clip for clip in words if not clip.synthetic]
    speakers = len({clip.speaker for clip in real if clip.has_speaker})
    warnings = []
    without = [
        s
        for s in ("val", "test")
        if any(clip.split == s for clip in words) and not any(clip.split == s for clip in real)
    ]
    if without:
        there = f"though {speakers or len(real)} are there" if real else "all words are synthetic"
        warnings.append(
            SplitWarning(
                "real voices",
                f"no real voice in {' and '.join(without)}, {there}: figures say little about people",
                "record the word with three people or more, a folder for each",
            )
        )
    if real and not any(clip.split == "train" for clip in real) and len(real) < len(words):
        warnings.append(
            SplitWarning(
                "training voices",
                "the real voices judge and none of them trains",
                "record more people, or put recordings into a folder train/",
            )
        )
    nameless = [clip for clip in real if not clip.has_speaker]
    if len({clip.split for clip in nameless}) > 1:
        warnings.append(
            SplitWarning(
                "speakers",
                f"{len(nameless)} recordings of the word name no speaker: one voice may be in several splits",
                "make a folder for each person, or fill the column speaker",
            )
        )
    return warnings


def about_voices(clips: Sequence[Clip]) -> tuple[str, ...]:
    """What qualifies figures about the word: who said it."""
    words = [clip for clip in clips if clip.label == "positive"]
    made = sum(clip.synthetic for clip in words)
    if not made:
        return ()
    share = f"all {made}" if made == len(words) else f"{made} of {len(words)}"
    return (f"warning: {share} recordings of the word are synthetic: figures say little about people",)


def require_splits(clips: Sequence[Clip], where: str, together: Iterable[tuple[int, int]] = ()) -> None:
    """Raise if positives or negatives exist but one split has none of them.

    `together`: the pairs of indices that `assign` kept in one split; told where they join speakers.
    """
    for label in ("positive", "negative"):
        counts = Counter(clip.split for clip in clips if clip.label == label)
        empty = [split for split in SPLITS if not counts[split]]
        if counts and empty:
            speakers = len({clip.speaker or str(clip.path) for clip in clips if clip.label == label})
            found = f"{sum(counts.values())} clips, {speakers} speakers{_joined(clips, together)}"
            raise WatchwordError(
                f"no {label} clip in {' and '.join(empty)} ({found})",
                where,
                "at least three speakers are needed, or folders train/, val/ and test/",
            )


def _joined(clips: Sequence[Clip], together: Iterable[tuple[int, int]]) -> str:
    """That speakers count as one because they share a sound, with the first such files, or nothing."""
    for a, b in ((clips[a], clips[b]) for a, b in together):
        if a.speaker != b.speaker:
            labels = a.label if a.label == b.label else f"{a.label} and {b.label}"
            return f"; {a.path} and {b.path} hold the same sound ({labels}): their speakers count as one"
    return ""


def _groups(clips: Sequence[Clip], together: Iterable[tuple[int, int]], seed: int) -> list[_Group]:
    """Union-find over speakers and pairs."""
    parent = list(range(len(clips)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first_of: dict[str, int] = {}
    for index, clip in enumerate(clips):
        if clip.has_speaker:
            parent[root(index)] = root(first_of.setdefault(clip.speaker, index))
    for a, b in together:
        parent[root(a)] = root(b)
    groups: dict[int, _Group] = {}
    for index in range(len(clips)):
        groups.setdefault(root(index), _Group()).members.append(index)
    for group in groups.values():
        group.key = min(_key(clips[i], seed) for i in group.members)
        group.split = next((clips[i].split for i in group.members if clips[i].split), "")
    return sorted(groups.values(), key=lambda group: group.key)


def _key(clip: Clip, seed: int) -> str:
    name = clip.speaker if clip.has_speaker else f"{clip.path.parent.name}/{clip.path.name}"
    return hashlib.sha256(os.fsencode(f"{seed}|{name}")).hexdigest()


def _label(clips: Sequence[Clip], group: _Group) -> str:
    labels = {clips[i].label for i in group.members}
    return next(label for label in LABELS if label in labels)


def _is_synthetic(clips: Sequence[Clip], group: _Group) -> bool:
    return all(clips[i].synthetic for i in group.members)


def _by_source(clips: Sequence[Clip], groups: Sequence[_Group]) -> list[list[_Group]]:
    """Groups of sources with enough of them apart; those of the others together, or with the largest."""
    sources: dict[str, list[_Group]] = {}
    for group in groups:
        sources.setdefault(clips[group.members[0]].source, []).append(group)
    strata = [found for found in sources.values() if len(found) >= len(SPLITS)]
    rest = [group for found in sources.values() if len(found) < len(SPLITS) for group in found]
    if strata and len(rest) < len(SPLITS):
        max(strata, key=len).extend(rest)
    elif rest:
        strata.append(rest)
    return strata


def _let_judge(groups: Sequence[_Group]) -> None:
    """Fewer real speakers than splits: test comes first, then val."""
    if len(groups) < len(SPLITS) and not any(group.split for group in groups):
        for group, split in zip(groups, ("test", "val"), strict=False):
            group.split = split


def _fill(groups: list[_Group]) -> None:
    """Assign the groups of one stratum, each to the split that lacks most of its share."""
    total = sum(len(group.members) for group in groups)
    held = Counter[str]()
    for group in groups:
        if group.split:
            held[group.split] += len(group.members)
    free = [group for group in groups if not group.split]
    for left, group in zip(range(len(free), 0, -1), free, strict=True):
        empty = [split for split in SPLITS if not held[split]]
        choices = empty if left <= len(empty) else SPLITS
        group.split = max(choices, key=lambda split: SHARES[split] * total - held[split])
        held[group.split] += len(group.members)
