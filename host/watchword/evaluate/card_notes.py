"""What a model's card tells about the recordings that the model is evaluated on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from watchword.data.independence import collection, listed, overlap
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import GroupFigures
from watchword.export.card import FILE, read_card


def known_sources(model: Path, sources: Mapping[str, GroupFigures]) -> tuple[str, ...]:
    """Which sources the model was trained on, or its threshold chosen on; nothing without a card.

    A card that cannot be read is told, not fatal: what was heard must not be lost for it.
    """
    if not (model / FILE).is_file():
        return ()
    try:
        rows = read_card(model).training.get("data", {}).get("sources", [])
        heard = {
            split: {row["source"] for row in rows if row["split"] == split and row["label"] != "rir"}
            for split in ("train", "val")
        }
    except (WatchwordError, AttributeError, KeyError, TypeError) as error:
        return (f"warning: the model's training sources are not known: {model / FILE}: {error}",)
    return (*_known_sound(heard, sources), *_known_people(rows, sources))


def _known_sound(heard: Mapping[str, set[Any]], sources: Mapping[str, GroupFigures]) -> list[str]:
    """Audio without the word of sources that the model, or its threshold, comes from."""
    hours = [(name, found.negative_hours) for name, found in sources.items() if found.negative_hours]
    trained = overlap(heard["train"], hours)
    notes = []
    if trained.shared:
        start = "warning: " if trained.matters else ""
        notes.append(
            f"{start}{trained} without the word are from sources that training heard too "
            f"({listed(trained.shared)}): {trained.consequence}"
        )
    chosen = overlap(heard["val"] - heard["train"], hours)
    if chosen.shared:
        notes.append(
            f"{chosen} without the word are from sources that the threshold was chosen on "
            f"({listed(chosen.shared)})"
        )
    return notes


def _known_people(rows: list[dict[str, Any]], sources: Mapping[str, GroupFigures]) -> list[str]:
    """Words of collections that trained the model: people recorded elsewhere are another matter."""
    trained = [row for row in rows if (row["split"], row["label"]) == ("train", "positive")]
    heard = {collection(row["source"]) for row in trained if not row["synthetic"]}
    words = {name: found.positives for name, found in sources.items() if found.positives}
    known = [name for name in words if collection(name) in heard]
    if not known:
        return []
    count, total = sum(words[name] for name in known), sum(words.values())
    return [
        f"{count} of {total} words are from sources whose recordings of the word trained the model "
        f"({listed(known)}): people recorded elsewhere may be missed more often"
    ]
