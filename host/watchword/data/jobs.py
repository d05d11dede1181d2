"""The jobs whose rows a run is made of: augmented audio -> rows by the C front end.

A job is one clip with its draws, or one stream of negatives; its rows are one `.npy` in the cache
(see cache.py) under the job's key (see job_keys.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from watchword import audio, core, spec
from watchword.data import augment, mixing
from watchword.data.augment import Bank
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES

if TYPE_CHECKING:
    from watchword.config import AugmentConfig, FeaturesConfig

STREAM_S = 20.0  # length of a stream of negatives
_TEST_LEVEL_DBFS = -26.0

# Name -> put into a room?, signal-to-noise ratio in dB. Validation words are heard in each of them.
CONDITIONS: dict[str, tuple[bool, float | None]] = {
    "clean": (False, None),
    "reverb": (True, None),
    "10 dB": (False, 10.0),
    "5 dB": (False, 5.0),
    "reverb + 10 dB": (True, 10.0),
}


@dataclass(frozen=True)
class Piece:
    """Part of a sound file, in samples at 16 kHz; `digest` stands for its content."""

    path: Path
    digest: str
    start: int = 0
    stop: int | None = None

    def load(self) -> mixing.Signal:
        return mixing.load_signal(self.path, self.start, self.stop)

    @property
    def content(self) -> tuple[str, int, int | None]:
        return self.digest, self.start, self.stop


@dataclass(frozen=True)
class Recipe:
    """What all jobs of a run share."""

    features: FeaturesConfig
    augment: AugmentConfig
    bank: Bank
    bank_digest: str
    seed: int

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        f = self.features
        return core.frontend_rows(pcm, f.hop_samples, f.coeffs, f.kind)


@dataclass(frozen=True)
class PositiveJob:
    """All draws of one clip with the word: int16 [draws, rows, coeffs]."""

    piece: Piece
    word: tuple[int, int]  # samples
    draws: int

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        clip = self.piece.load()
        streams = (
            augment.positive_stream(clip, self.word, recipe.augment, recipe.bank, rng)
            for _ in range(self.draws)
        )
        return np.stack([recipe.rows(pcm) for pcm in streams])

    @property
    def identity(self) -> tuple[object, ...]:
        return "positive", self.piece.content, self.word, self.draws


@dataclass(frozen=True)
class NegativeJob:
    """One stream of clips without the word: int16 [rows, coeffs]."""

    pieces: tuple[Piece, ...]
    draw: int

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        clips = [piece.load() for piece in self.pieces]
        return recipe.rows(augment.negative_stream(clips, recipe.augment, recipe.bank, rng))

    @property
    def identity(self) -> tuple[object, ...]:
        return "negative", tuple(piece.content for piece in self.pieces), self.draw


@dataclass(frozen=True)
class NoiseJob:
    """A stream of noise alone: int16 [rows, coeffs]."""

    piece: Piece
    draw: int

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        samples = round(STREAM_S * spec.SAMPLE_RATE_HZ)
        pcm = augment.noise_stream(self.piece.path, samples, recipe.augment, recipe.bank, rng)
        return recipe.rows(pcm)

    @property
    def identity(self) -> tuple[object, ...]:
        return "noise", self.piece.content, self.draw


@dataclass(frozen=True)
class ValidationJob:
    """One recording as a stream of its own, with the usual silence around it: int16 [rows, coeffs]."""

    piece: Piece
    condition: str  # a key of CONDITIONS
    draw: int = 0

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        pcm = audio.to_int16(self.heard(recipe.bank, rng))
        silence = [np.zeros(n, np.int16) for n in (LEAD_SAMPLES, TAIL_SAMPLES)]
        return recipe.rows(np.concatenate([silence[0], pcm, silence[1]]))

    def heard(self, bank: augment.Bank, rng: np.random.Generator) -> mixing.Signal:
        signal = self.piece.load()
        in_room, snr_db = CONDITIONS[self.condition]
        if not in_room and snr_db is None:
            return signal
        if in_room and bank.rooms:
            signal = mixing.reverberate(
                signal, mixing.load_signal(bank.rooms[int(rng.integers(len(bank.rooms)))])
            )
        signal = mixing.to_level(signal, _TEST_LEVEL_DBFS)
        if snr_db is None:
            return signal
        if bank.noises:
            path = bank.noises[int(rng.integers(len(bank.noises)))]
            noise = mixing.excerpt(path, len(signal), rng)
        else:
            noise = mixing.coloured_noise(len(signal), rng)
        noisy: np.ndarray = signal + mixing.to_level(noise, _TEST_LEVEL_DBFS - snr_db)
        return noisy

    @property
    def identity(self) -> tuple[object, ...]:
        return "validation", self.piece.content, self.condition, self.draw


class Job(Protocol):
    """One file of the cache: what it is made of, and how."""

    @property
    def identity(self) -> tuple[object, ...]: ...

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray: ...
