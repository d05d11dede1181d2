"""Where an imported model comes from: part of card.json."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Where an imported model comes from."""

    format: str  # of the file that was imported
    licence: str  # as --licence told it, or that nothing did
    author: str | None  # as the manifest names it; null: it does not
    website: str | None  # the author's, as the manifest has it; null: it does not
    languages: tuple[str, ...]  # that it was trained for, as the manifest has them
    cutoff: float  # the mean score above which it detects, as its author set it
    window: int  # scores in that mean
    step_ms: int  # from one row of features to the next
