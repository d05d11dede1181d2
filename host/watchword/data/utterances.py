"""Who says what, and how: one plan for each clip of synthetic speech, drawn from a seed.

A clip's file name is a hash of all that makes it. Splits are cut between speakers.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np

from watchword.data import revoice
from watchword.data.corpus import SPLITS
from watchword.data.engine import Delivery, Engine
from watchword.data.pronunciations import Vary
from watchword.data.revoice import Revoicing
from watchword.errors import WatchwordError

RECIPE = 1  # raise it when the same plan would sound different: all clips are made anew
LEVELS_DBFS = (-34.0, -17.0)  # RMS of the spoken part
PADDING_S = (0.08, 0.35)
FEWEST_TO_HOLD_OUT = 10  # speakers of an engine; its own sound must be heard from several in training


@dataclass(frozen=True)
class Utterance:
    """One clip to be made; equal utterances sound equal."""

    label: str  # positive or negative
    split: str
    kind: str  # wake, near-miss or speech
    text: str
    engine: str
    speaker: str
    delivery: Delivery
    level_dbfs: float = LEVELS_DBFS[0]
    lead_s: float = 0.0  # silence before the word
    tail_s: float = 0.0
    revoicing: Revoicing | None = None  # whom the engine's voice is turned into

    @property
    def spoken(self) -> tuple[str, str, str, str]:
        """What the engine is asked for: utterances that differ in nothing of it share its answer."""
        return self.engine, self.speaker, self.text, json.dumps(self.delivery, sort_keys=True)

    def path(self, folder: Path, version: str) -> Path:
        name = hash_of([RECIPE, version, asdict(self)])
        return folder / self.split / self.label / f"{self.engine}-{self.speaker}" / f"{name}.flac"


def hash_of(recipe: list[object]) -> str:
    """Twenty hexadecimal digits that stand for what a recipe holds."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:20]


class VoiceChooser:
    """Chooses who says a text, and how: engines and speakers in turn, deliveries at random.

    What an engine has said is used `revoiced` times more, each time by another person (see revoice.py).
    """

    def __init__(self, engines: Sequence[Engine], seed: int, revoiced: int = 0) -> None:
        self._revoiced = revoiced
        self._voices: dict[str, list[tuple[Engine, list[str]]]] = {split: [] for split in SPLITS}
        for engine in engines:
            for split, speakers in split_speakers(engine.name, engine.speakers, seed).items():
                if speakers:
                    self._voices[split].append((engine, speakers))
        for split, voices in self._voices.items():
            if not voices:
                names = ", ".join(engine.name for engine in engines)
                what = f"no voice is left for {split}: {names} has too few speakers"
                raise WatchwordError(what, "", "add another engine, for instance espeak")

    def utterances(
        self,
        texts: Iterator[str],
        label: str,
        split: str,
        kind: str,
        rng: np.random.Generator,
        vary: Vary | None = None,
    ) -> Iterator[Utterance]:
        """Who says the texts; `vary` may change them for engines that read sounds instead of letters."""
        among = {engine.name: speakers for engine, speakers in self._voices[split]}
        turns = cycle(_turns(self._voices[split]))
        for text, (engine, speakers) in zip(texts, turns, strict=False):
            speaker = next(speakers)
            delivery = engine.draw(speaker, rng, among[engine.name])
            if vary is not None and engine.reads_ipa:
                text, delivery = vary(text, delivery, rng)
            spoken = Utterance(label, split, kind, text, engine.name, speaker, delivery)
            yield _placed(spoken, rng)
            for _ in range(self._revoiced):
                yield _placed(replace(spoken, revoicing=revoice.draw(rng)), rng)


def _placed(utterance: Utterance, rng: np.random.Generator) -> Utterance:
    """The utterance with a level and with silence before and after."""
    level = round(float(rng.uniform(*LEVELS_DBFS)), 2)
    lead, tail = (round(float(rng.uniform(*PADDING_S)), 3) for _ in range(2))
    return replace(utterance, level_dbfs=level, lead_s=lead, tail_s=tail)


def _turns(voices: Sequence[tuple[Engine, list[str]]]) -> list[tuple[Engine, Iterator[str]]]:
    """One round of engines, each as often as the square root of its number of speakers: an engine of
    two voices must not fill half of the training, nor one of seventy all of it.
    """
    rounds = []
    for engine, speakers in voices:
        count = round(math.sqrt(len(speakers)))
        endless = cycle(speakers)
        rounds += [((i + 0.5) / count, engine, endless) for i in range(count)]
    rounds.sort(key=lambda turn: turn[0])
    return [(engine, endless) for _, engine, endless in rounds]


def split_speakers(engine: str, speakers: Sequence[str], seed: int) -> dict[str, list[str]]:
    """An engine's speakers, 80/10/10 in an order the seed decides; an engine with few trains with all."""
    order = sorted(speakers, key=lambda name: hashlib.sha256(f"{seed}|{engine}|{name}".encode()).digest())
    held_out = round(0.1 * len(order)) if len(order) >= FEWEST_TO_HOLD_OUT else 0
    return {
        "train": order[2 * held_out :],
        "val": order[:held_out],
        "test": order[held_out : 2 * held_out],
    }
