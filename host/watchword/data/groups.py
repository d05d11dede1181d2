"""Clips that must stay in one split: of one speaker, or with one sound."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from watchword.data.corpus import LABELS, Clip


@dataclass
class Group:
    """Clips that must stay together, by index."""

    members: list[int] = field(default_factory=list)
    split: str = ""  # given, or assigned
    key: str = ""  # orders the groups, whatever order the files were found in
    overrides: bool = False  # its split stands, whatever its clips had

    def label(self, clips: Sequence[Clip]) -> str:
        labels = {clips[i].label for i in self.members}
        return next(label for label in LABELS if label in labels)

    def is_synthetic(self, clips: Sequence[Clip]) -> bool:
        return all(clips[i].synthetic for i in self.members)


def find_groups(clips: Sequence[Clip], together: Iterable[tuple[int, int]], seed: int) -> list[Group]:
    """The clips that speakers, and the pairs of indices in `together`, hold together."""
    pairs, first_of = [*together], dict[str, int]()
    for index, clip in enumerate(clips):
        if clip.has_speaker:
            pairs.append((first_of.setdefault(clip.speaker, index), index))
    groups: dict[int, Group] = {}
    for index, number in enumerate(linked(len(clips), pairs)):
        groups.setdefault(number, Group()).members.append(index)
    for group in groups.values():
        group.key = min(_key(clips[i], seed) for i in group.members)
        group.split = next((clips[i].split for i in group.members if clips[i].split), "")
    return sorted(groups.values(), key=lambda group: group.key)


def linked(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Of each of `count` things the number of the set that `pairs` connect it with."""
    first, second = np.array(pairs, int).reshape(-1, 2).T
    edges = sparse.coo_array((np.ones(len(pairs), bool), (first, second)), shape=(count, count))
    return [int(number) for number in sparse.csgraph.connected_components(edges, directed=False)[1]]


def _key(clip: Clip, seed: int) -> str:
    name = clip.speaker if clip.has_speaker else f"{clip.path.parent.name}/{clip.path.name}"
    return hashlib.sha256(os.fsencode(f"{seed}|{name}")).hexdigest()
