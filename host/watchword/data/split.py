"""Cutting a corpus into train, val and test so that no voice is on two sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from watchword.data.corpus import SPLITS, Clip
from watchword.errors import WatchwordError

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


@dataclass
class _Group:
    """Clips that must stay together."""

    members: list[int] = field(default_factory=list)
    split: str = ""  # given, or assigned
    key: str = ""  # orders the groups, whatever order the files were found in


def assign(
    clips: Sequence[Clip], seed: int = 1, together: Iterable[tuple[int, int]] = (), by_source: bool = False
) -> list[Clip]:
    """Give every clip without a split one of train, val, test: 80/10/10, deterministic in `seed`.

    Clips of one speaker stay together, and so do the pairs of indices in `together`; a clip that has a
    split keeps it and pulls its group along. The shares hold for groups with positives, for the other
    speech, for noise and for room responses separately, so that each split gets some of each when
    there are at least three groups. `by_source` keeps the shares inside every source too.
    """
    groups = _groups(clips, together, seed)
    strata: dict[tuple[str, str], list[_Group]] = {}
    for group in groups:
        strata.setdefault(_stratum(clips, group, by_source), []).append(group)
    for stratum in strata.values():
        _fill(stratum)
    split_of = {index: group.split for group in groups for index in group.members}
    return [clip if clip.split else replace(clip, split=split_of[i]) for i, clip in enumerate(clips)]


def require_splits(clips: Sequence[Clip], where: str) -> None:
    """Raise if positives or negatives exist but one split has none of them."""
    for label in ("positive", "negative"):
        counts = Counter(clip.split for clip in clips if clip.label == label)
        empty = [split for split in SPLITS if not counts[split]]
        if counts and empty:
            speakers = len({clip.speaker or str(clip.path) for clip in clips if clip.label == label})
            found = f"{sum(counts.values())} clips, {speakers} speakers"
            raise WatchwordError(
                f"no {label} clip in {' and '.join(empty)} ({found})",
                where,
                "at least three speakers are needed, or folders train/, val/ and test/",
            )


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
    return hashlib.sha256(f"{seed}|{name}".encode()).hexdigest()


def _stratum(clips: Sequence[Clip], group: _Group, by_source: bool) -> tuple[str, str]:
    labels = {clips[i].label for i in group.members}
    label = next(label for label in ("positive", "negative", "noise", "rir") if label in labels)
    return label, clips[group.members[0]].source if by_source else ""


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
