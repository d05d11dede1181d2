"""How much of what judges a model comes from sources that it learnt from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from watchword.data.corpus import MINED

_SHOWN = 3  # sources by name
_LITTLE = 0.2  # of the sound: so much from known sources changes no figure


@dataclass(frozen=True)
class Overlap:
    """Sound without the word, and which of it comes from sources that training hears too."""

    hours: float
    shared: dict[str, float]  # hours by source, the longest first

    @property
    def share(self) -> float:
        return sum(self.shared.values()) / self.hours if self.hours else 0.0

    @property
    def matters(self) -> bool:
        return self.share > _LITTLE

    @property
    def consequence(self) -> str:
        if self.matters:
            return "elsewhere a board may fire many times as often"
        return "little beside the rest"

    def __str__(self) -> str:
        shared = sum(self.shared.values())
        if self.hours < 1:
            return f"{60 * shared:.1f} of {60 * self.hours:.1f} min"
        return f"{shared:.2f} of {self.hours:.2f} h"


def overlap(heard: Iterable[str], judged: Iterable[tuple[str, float]]) -> Overlap:
    """`heard`: sources of training. `judged`: source and hours of recordings without the word."""
    known, total, shared = {collection(source) for source in heard}, 0.0, defaultdict[str, float](float)
    for source, hours in judged:
        total += hours
        if collection(source) in known:
            shared[source] += hours
    return Overlap(total, dict(sorted(shared.items(), key=lambda item: -item[1])))


def collection(source: str) -> str:
    """Where the sound of a source was recorded: clips that were mined come from what they were cut out of."""
    return source.removeprefix(f"{MINED}: ")


def listed(sources: Iterable[str]) -> str:
    """Names for a sentence: the first few, and how many more."""
    names: Sequence[str] = [name or "no source named" for name in dict.fromkeys(sources)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
