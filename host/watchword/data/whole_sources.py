"""Which sources of recordings go whole into val and test, so that what judges comes from elsewhere."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from watchword.data.corpus import SPLITS, Clip
from watchword.data.groups import Group, linked

JUDGES = ("val", "test")
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
_ENOUGH = 0.5  # of its share that a split must hold of sources that training does not hear
_TRAINING = 0.5  # of all seconds stays with training, whatever the others lack


def whole_sources(
    clips: Sequence[Clip], label: str, groups: Sequence[Group], hold_out: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The splits of the sources that go whole into val or test; `groups`: of one label, none synthetic.

    Sources in `hold_out`, and those whose clips lie in val or test already, stay there. Of the others one
    can go where none of its clips has a split, and none a speaker who says the word.
    """
    seconds, given = defaultdict[str, float](float), defaultdict[str, set[str]](set)
    for group in groups:
        for clip in (clips[index] for index in group.members):
            seconds[clip.source] += seconds_of(clip)
            given[clip.source] |= {group.split} - {""}
    here = {index for group in groups for index in group.members}
    tied = {clip.source for index, clip in enumerate(clips) if clip.label == label and index not in here}
    judging = {
        source: hold_out.get(source, tuple(sorted(splits)))
        for source, splits in given.items()
        if source in hold_out or (splits and splits <= {*JUDGES} and source not in tied)
    }
    clusters = [
        c for c in _clusters(clips, groups) if not any(given[s] or s in tied or s in judging for s in c)
    ]
    free = {c[0]: sum(seconds[source] for source in c) for c in clusters}
    held = {split: 0.0 for split in SPLITS}
    for source in seconds.keys() - {source for c in clusters for source in c}:
        for split in (splits := judging.get(source, ("train",))):
            held[split] += seconds[source] / len(splits)
    places = place(free, held)
    return judging | {source: places[c[0]] for c in clusters if c[0] in places for source in c}


def place(free: Mapping[str, float], given: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
    """The splits of whole sources, where enough is left to train on; the others are left out.

    `free`: seconds of every source that can go anywhere. `given`: seconds that are placed already, in val
    and test only those of sources that training does not hear. Where one split found a source and the
    other none, both share it: they may hear the same source, training may not.
    """
    total = sum(free.values()) + sum(given.values())
    left, training = dict(free), given.get("train", 0.0) + sum(free.values())
    placed: dict[str, tuple[str, ...]] = {}
    held = {split: given.get(split, 0.0) for split in JUDGES}
    for split in JUDGES:
        while split in lacking(held, total):
            wanted = SHARES[split] * total - held[split]
            fitting = [name for name in left if training - left[name] >= _TRAINING * total]
            if not fitting:
                break
            chosen = min(fitting, key=lambda name: (_misfit(left[name], wanted), name))
            seconds = left.pop(chosen)
            held[split], training = held[split] + seconds, training - seconds
            placed[chosen] = (split,)
    if placed and not all(held.values()):
        placed = dict.fromkeys(placed, JUDGES)
    return placed


def lacking(held: Mapping[str, float], total: float) -> tuple[str, ...]:
    """Training, and the splits that do not hold enough of sources that training does not hear."""
    return tuple(s for s in SPLITS if s == "train" or held.get(s, 0.0) < _ENOUGH * SHARES[s] * total)


def seconds_of(clip: Clip) -> float:
    """Its length; a second if that is not known."""
    return clip.seconds or 1.0


def _clusters(clips: Sequence[Clip], groups: Sequence[Group]) -> list[list[str]]:
    """The sources that a speaker or a sound connects, in order of their names."""
    sources = [sorted({clips[i].source for i in group.members}) for group in groups]
    names = sorted({name for some in sources for name in some})
    number = {name: index for index, name in enumerate(names)}
    pairs = [(number[some[0]], number[name]) for some in sources for name in some]
    clusters: dict[int, list[str]] = {}
    for name, cluster in zip(names, linked(len(names), pairs), strict=True):
        clusters.setdefault(cluster, []).append(name)
    return [*clusters.values()]


def _misfit(seconds: float, wanted: float) -> float:
    """How many times too long or too short, as a logarithm."""
    return abs(math.log(max(seconds, 1e-9) / wanted))
