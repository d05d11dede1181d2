"""Cutting a corpus into train, val and test so that no voice is on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from watchword.data.corpus import SPLIT_NAMES, SPLITS, Clip
from watchword.data.groups import Group, find_groups
from watchword.data.whole_sources import JUDGES, SHARES, lacking, seconds_of, whole_sources
from watchword.errors import WatchwordError

Places = Mapping[str, tuple[str, ...]]  # the splits that a source may be in
NOWHERE: Places = MappingProxyType({})


def assign(
    clips: Sequence[Clip],
    seed: int = 1,
    together: Iterable[tuple[int, int]] = (),
    hold_out: Places = NOWHERE,
) -> list[Clip]:
    """Give every clip without a split one of train, val, test: 80/10/10, deterministic in `seed`.

    Clips of one speaker stay together, and so do the pairs of indices in `together`; a clip that has a
    split keeps it and pulls its group along. Sources in `hold_out` go to the splits named there with all
    that their speakers said, whatever split the clips had. Of real sound without the word, whole sources
    go to val and test as far as their lengths allow (whole_sources.py). For the rest the shares hold for
    groups with positives, for the other speech, for noise and for room responses separately, for real and
    synthetic ones separately, and inside every source that has enough groups, so that each split gets
    some of each. Where synthetic words train, one or two real speakers of the word judge: val and test
    are for people.
    """
    groups = find_groups(clips, together, seed)
    kinds: dict[tuple[str, bool], list[Group]] = {}
    for group in groups:
        kinds.setdefault((group.label(clips), group.is_synthetic(clips)), []).append(group)
    for (label, synthetic), kind in kinds.items():
        by_itself = label in ("negative", "noise") and not synthetic
        places = whole_sources(clips, label, kind, hold_out) if by_itself else {}
        rest, splits = _place(clips, kind, places, hold_out)
        if label == "positive" and not synthetic and (label, True) in kinds and splits == SPLITS:
            _let_judge(rest)
        for stratum in _by_source(clips, rest):
            _fill(stratum, splits)
    group_of = {index: group for group in groups for index in group.members}
    return [
        clip if clip.split and not group_of[i].overrides else replace(clip, split=group_of[i].split)
        for i, clip in enumerate(clips)
    ]


def _place(
    clips: Sequence[Clip], groups: Sequence[Group], places: Places, hold_out: Places
) -> tuple[list[Group], tuple[str, ...]]:
    """Put the groups of whole sources into their splits; returns the others, and the splits for them."""
    whole: dict[tuple[str, ...], list[Group]] = {}
    rest, asked = list[Group](), set[str]()
    for group in groups:
        sources = {clips[i].source for i in group.members}
        told = sorted(sources & hold_out.keys())
        splits = hold_out[told[0]] if told else next((places[s] for s in sorted(sources & places.keys())), ())
        group.overrides = bool(told)
        asked |= {*splits} if told else set()
        if splits:
            group.split = next((clips[i].split for i in group.members if clips[i].split in splits), "")
        (whole.setdefault(splits, []) if splits else rest).append(group)
    for splits, some in whole.items():
        _fill(some, splits)
    held = {
        split: _seconds(clips, (g for gs in whole.values() for g in gs if g.split == split))
        for split in JUDGES
    }
    short = lacking(held, _seconds(clips, groups))
    return rest, tuple(s for s in short if s not in asked or not held[s])


def _seconds(clips: Sequence[Clip], groups: Iterable[Group]) -> float:
    return sum(seconds_of(clips[index]) for group in groups for index in group.members)


def held_out(given: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The splits of sources that are named as SOURCE or SOURCE=SPLIT."""
    places: dict[str, tuple[str, ...]] = {}
    for text in given:
        source, _, last = text.rpartition("=")
        split = SPLIT_NAMES.get(last.strip().lower(), "") if source else ""
        if split == "train":
            raise WatchwordError(f"'{text}' holds nothing out", "--hold-out", "name val or test, or neither")
        places[source if split else text] = (split,) if split else JUDGES
    return places


def require_splits(
    clips: Sequence[Clip],
    where: str,
    together: Iterable[tuple[int, int]] = (),
    hold_out: Places = NOWHERE,
) -> None:
    """Raise if positives or negatives exist but one split has none of them.

    `together`: the pairs of indices that `assign` kept in one split; told where they join speakers.
    """
    fewer = "hold out fewer sources; or: " if hold_out else ""
    for label in ("positive", "negative"):
        counts = Counter(clip.split for clip in clips if clip.label == label)
        empty = [split for split in SPLITS if not counts[split]]
        if counts and empty:
            speakers = len({clip.speaker or str(clip.path) for clip in clips if clip.label == label})
            found = f"{sum(counts.values())} clips, {speakers} speakers{_joined(clips, together)}"
            raise WatchwordError(
                f"no {label} clip in {' and '.join(empty)} ({found})",
                where,
                f"{fewer}at least three speakers are needed, or folders train/, val/ and test/",
            )


def _joined(clips: Sequence[Clip], together: Iterable[tuple[int, int]]) -> str:
    """That speakers count as one because they share a sound, with the first such files, or nothing."""
    for a, b in ((clips[a], clips[b]) for a, b in together):
        if a.speaker != b.speaker:
            labels = a.label if a.label == b.label else f"{a.label} and {b.label}"
            return f"; {a.path} and {b.path} hold the same sound ({labels}): their speakers count as one"
    return ""


def _by_source(clips: Sequence[Clip], groups: Sequence[Group]) -> list[list[Group]]:
    """Groups of sources with enough of them apart; those of the others together, or with the largest."""
    sources: dict[str, list[Group]] = {}
    for group in groups:
        sources.setdefault(clips[group.members[0]].source, []).append(group)
    strata = [found for found in sources.values() if len(found) >= len(SPLITS)]
    rest = [group for found in sources.values() if len(found) < len(SPLITS) for group in found]
    if strata and len(rest) < len(SPLITS):
        max(strata, key=len).extend(rest)
    elif rest:
        strata.append(rest)
    return strata


def _let_judge(groups: Sequence[Group]) -> None:
    """Fewer real speakers than splits: test comes first, then val."""
    if len(groups) < len(SPLITS) and not any(group.split for group in groups):
        for group, split in zip(groups, ("test", "val"), strict=False):
            group.split = split


def _fill(groups: list[Group], splits: tuple[str, ...] = SPLITS) -> None:
    """Assign the groups of one stratum to these splits, each to the one that lacks most of its share."""
    shares = {split: SHARES[split] / sum(SHARES[s] for s in splits) for split in splits}
    total = sum(len(group.members) for group in groups)
    held = Counter[str]()
    for group in groups:
        if group.split:
            held[group.split] += len(group.members)
    free = [group for group in groups if not group.split]
    for left, group in zip(range(len(free), 0, -1), free, strict=True):
        empty = [split for split in splits if not held[split]]
        choices = empty if left <= len(empty) else splits
        group.split = max(choices, key=lambda split: shares[split] * total - held[split])
        held[group.split] += len(group.members)
