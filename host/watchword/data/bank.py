"""The sounds that clips are mixed with, and picking from them so that picks outlast changes of the corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64
_SHIFTS = (30, 27, 31)


@dataclass(frozen=True)
class Bank:
    """What clips are mixed with, as sound files; loaded when first needed."""

    noises: tuple[Path, ...] = ()
    rooms: tuple[Path, ...] = ()  # room impulse responses
    speech: tuple[Path, ...] = ()  # never the word itself
    digests: Mapping[Path, str] = field(default_factory=dict)  # of their content; without, names count

    def noise(self, rng: np.random.Generator) -> Path:
        return self.noises[pick(self._noise_hashes, rng)]

    def room(self, rng: np.random.Generator) -> Path:
        return self.rooms[pick(self._room_hashes, rng)]

    def talk(self, rng: np.random.Generator) -> Path:
        return self.speech[pick(self._speech_hashes, rng)]

    def content(self, path: Path) -> str:
        """What stands for the sound of a file."""
        return self.digests.get(path, path.name)

    @cached_property
    def _noise_hashes(self) -> np.ndarray:
        return hashes([self.content(path) for path in self.noises])

    @cached_property
    def _room_hashes(self) -> np.ndarray:
        return hashes([self.content(path) for path in self.rooms])

    @cached_property
    def _speech_hashes(self) -> np.ndarray:
        return hashes([self.content(path) for path in self.speech])


def hashes(contents: Sequence[str]) -> np.ndarray:
    """uint64 [contents]."""
    found = [hashlib.blake2b(content.encode(), digest_size=8).digest() for content in contents]
    return np.frombuffer(b"".join(found), np.uint64)


def pick(items: np.ndarray, rng: np.random.Generator) -> int:
    """Index of one of `items` (hashes), all equally likely.

    Rendezvous hashing: each item has a score for this pick, the highest wins. An item that comes or goes
    changes only the picks that it wins, and the state of `rng` does not depend on the number of items.
    """
    salt = rng.integers(1 << 64, dtype=np.uint64)
    return int(np.argmax(_mixed(items ^ salt)))


def _mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser: every bit of the result depends on every bit of the value."""
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(multiplier)
    mixed: np.ndarray = values ^ (values >> np.uint64(_SHIFTS[-1]))
    return mixed
