"""What a split of a corpus cannot tell, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from watchword.data.corpus import Clip, is_mined
from watchword.data.independence import listed, overlap
from watchword.data.whole_sources import JUDGES


@dataclass(frozen=True)
class SplitWarning:
    """Why the figures of a split may say little about people, and what helps."""

    topic: str
    what: str
    remedy: str
    severity: Literal["warning", "note"] = "warning"

    def __str__(self) -> str:
        start = "warning: " if self.severity == "warning" else ""
        return f"{start}{self.what} ({self.remedy})"


def split_warnings(clips: Sequence[Clip]) -> list[SplitWarning]:
    """All that a user should know of the splits of a corpus."""
    return [*voice_warnings(clips), *_known_sound(clips), *_known_people(clips)]


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


def _known_sound(clips: Sequence[Clip]) -> list[SplitWarning]:
    """Sound without the word that judges, of sources that training hears too."""
    heard = {clip.source for clip in clips if clip.split == "train" and clip.label != "rir"}
    others = [clip for clip in clips if clip.label in ("negative", "noise")]
    found = {
        split: overlap(heard, [(clip.source, clip.seconds / 3600) for clip in others if clip.split == split])
        for split in JUDGES
    }
    told = {split: some for split, some in found.items() if some.shared}
    if not told:
        return []
    names = listed(name for some in told.values() for name in some.shared)
    parts = " and ".join(f"{some} in {split}" for split, some in told.items())
    worst = max(told.values(), key=lambda some: some.share)
    real = {clip.source for clip in others if not clip.synthetic and not is_mined(clip)}
    return [
        SplitWarning(
            "sources",
            f"{parts} without the word are from sources that training hears too ({names}): "
            + worst.consequence,
            "keep a source out of training: watchword scan ... --hold-out SOURCE"
            if len(real) > 1
            else "add recordings of another source, as a folder or manifest of its own",
            "warning" if worst.matters else "note",
        )
    ]


def _known_people(clips: Sequence[Clip]) -> list[SplitWarning]:
    """Several collections say the word, and those that judge train as well."""
    words = [clip for clip in clips if clip.label == "positive" and not clip.synthetic]
    sources = {split: {clip.source for clip in words if clip.split == split} for split in ("train", *JUDGES)}
    judging = sources["val"] | sources["test"]
    if len(sources["train"] | judging) < 2 or not judging or judging - sources["train"]:
        return []
    return [
        SplitWarning(
            "sources of the word",
            f"{len(sources['train'])} sources say the word, and training hears all of them "
            f"({listed(sorted(judging))}): people recorded elsewhere may be missed more often",
            "judge by one of them: watchword scan ... --hold-out SOURCE",
            "note",
        )
    ]


def about_voices(clips: Sequence[Clip]) -> tuple[str, ...]:
    """What qualifies figures about the word: who said it."""
    words = [clip for clip in clips if clip.label == "positive"]
    made = sum(clip.synthetic for clip in words)
    if not made:
        return ()
    share = f"all {made}" if made == len(words) else f"{made} of {len(words)}"
    return (f"warning: {share} recordings of the word are synthetic: figures say little about people",)
