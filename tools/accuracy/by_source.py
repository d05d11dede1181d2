"""False alarms of each detector by source, on all audio without the word as it was recorded."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from watchword.evaluate.equal_alarms import pooled, separated_peaks
from watchword.evaluate.metrics import AlarmRate, alarm_rate, threshold_for

from tools.accuracy.listen import ScoredTrial
from tools.accuracy.trials import AS_RECORDED, ELSEWHERE, source_name

EQUAL_RATE = 0.5  # false alarms per hour over all sources, the same for every detector
TRAINED, VALIDATED, UNSEEN = "trained", "validated", "unseen"  # what a model did with a source


@dataclass(frozen=True)
class SourceFigures:
    """The audio of one source in one split, or of several together."""

    source: str  # "" = all of them
    split: str  # "" = of all splits
    use: str  # what our model did with the source, by its card: TRAINED, VALIDATED, UNSEEN; "" = not told
    elsewhere: bool  # of the other collections
    streams: int
    hours: float
    synthetic_hours: float  # of them
    as_shipped: dict[str, AlarmRate]  # of each detector at its own threshold
    at_equal_rate: dict[str, AlarmRate]  # at the threshold that gives EQUAL_RATE over all sources
    events: dict[str, tuple[float, ...]]  # the highest events, descending


@dataclass(frozen=True)
class _Group:
    """What was heard of one source."""

    streams: tuple[ScoredTrial, ...]
    events: dict[str, tuple[float, ...]]  # all of them

    @property
    def hours(self) -> float:
        return sum(one.trial.seconds for one in self.streams) / 3600.0


def uses_of_sources(training: dict[str, Any]) -> dict[str, str]:
    """What a model did with each source, from `training` of its card; empty if that does not tell."""
    uses: dict[str, str] = {}
    for row in training.get("data", {}).get("sources", []):
        name = source_name(row["source"])
        if row["split"] == "train":
            uses[name] = TRAINED
        elif row["split"] == "val":
            uses.setdefault(name, VALIDATED)
    return uses


def sources_of(
    heard: Sequence[ScoredTrial], thresholds: dict[str, float], uses: dict[str, str], most_per_hour: float
) -> tuple[SourceFigures, ...]:
    """Each source, the most hours first; then all of a split; then all that our model has not seen.

    thresholds: as shipped, by detector. Events kept: `most_per_hour` of each source.
    """
    groups = _groups(heard, thresholds)
    everything = _joined(groups.values())
    allowed = int(EQUAL_RATE * everything.hours)
    equal = {side: threshold_for(pooled([events]), allowed) for side, events in everything.events.items()}

    def figures(source: str, split: str, use: str, group: _Group) -> SourceFigures:
        hours = group.hours
        return SourceFigures(
            source,
            split,
            use,
            group.streams[0].trial.elsewhere,
            len(group.streams),
            hours,
            sum(one.trial.seconds for one in group.streams if one.trial.clip.synthetic) / 3600.0,
            {side: _alarms(group.events[side], at, hours) for side, at in thresholds.items()},
            {side: _alarms(group.events[side], at, hours) for side, at in equal.items()},
            {side: events[: math.ceil(most_per_hour * hours)] for side, events in group.events.items()}
            if source
            else {},
        )

    def use_of(source: str) -> str:
        return uses.get(source, UNSEEN) if uses else ""

    rows = [figures(source, split, use_of(source), group) for (source, split), group in groups.items()]
    rows.sort(key=lambda row: -row.hours)
    for split in sorted({split for _, split in groups}, reverse=True):
        rows.append(figures("", split, "", _joined(g for (_, s), g in groups.items() if s == split)))
    unseen = [group for (source, _), group in groups.items() if use_of(source) == UNSEEN]
    if unseen:
        rows.append(figures("", "", UNSEEN, _joined(unseen)))
    return tuple(rows)


def _groups(heard: Sequence[ScoredTrial], sides: Iterable[str]) -> dict[tuple[str, str], _Group]:
    """By source and split."""
    found: dict[tuple[str, str], list[ScoredTrial]] = defaultdict(list)
    for one in heard:
        if one.trial.pools and one.trial.pools[0] in (AS_RECORDED, ELSEWHERE):
            found[source_name(one.trial.clip.source), one.trial.clip.split].append(one)
    return {key: _Group(tuple(streams), _events(streams, sides)) for key, streams in found.items()}


def _events(streams: Sequence[ScoredTrial], sides: Iterable[str]) -> dict[str, tuple[float, ...]]:
    return {
        side: tuple(map(float, pooled([separated_peaks(one.traces[side]) for one in streams])))
        for side in sides
    }


def _joined(groups: Iterable[_Group]) -> _Group:
    groups = list(groups)
    sides = groups[0].events
    return _Group(
        tuple(one for group in groups for one in group.streams),
        {side: tuple(map(float, pooled([group.events[side] for group in groups]))) for side in sides},
    )


def _alarms(events: Sequence[float], threshold: float, hours: float) -> AlarmRate:
    return alarm_rate(sum(event >= threshold for event in events), hours)
