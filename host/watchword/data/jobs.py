"""The jobs whose rows a run is made of: augmented audio -> rows by the C front end.

A job is one draw of a clip, or one stream of negatives; its rows are one `.npy` in the cache (see cache.py)
under the job's key (see job_keys.py). It first draws what it is heard in, so that the key can name the very
files that are mixed in, and nothing of the corpus besides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from watchword import audio, core, spec
from watchword.data import augment, mixing
from watchword.data.augment import Scene
from watchword.data.bank import Bank
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
    seed: int

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        f = self.features
        return core.frontend_rows(pcm, f.hop_samples, f.coeffs, f.kind)


@dataclass(frozen=True)
class Surroundings:
    """The room and the noise that a validation recording is heard in; None = without."""

    room: Path | None = None
    noise: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.room, self.noise) if path)


@dataclass(frozen=True)
class PositiveJob:
    """One draw of a clip with the word: int16 [rows, coeffs]."""

    piece: Piece
    word: tuple[int, int]  # samples
    draw: int

    def scene(self, recipe: Recipe, rng: np.random.Generator) -> Scene:
        return augment.draw_scene(recipe.augment, recipe.bank, rng)

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        scene = self.scene(recipe, rng)
        return recipe.rows(augment.word_in_scene(self.piece.load(), self.word, scene, rng))

    @property
    def identity(self) -> tuple[object, ...]:
        return "positive", self.piece.content, self.word, self.draw


@dataclass(frozen=True)
class NegativeJob:
    """One stream of clips without the word: int16 [rows, coeffs]."""

    pieces: tuple[Piece, ...]
    draw: int

    def scene(self, recipe: Recipe, rng: np.random.Generator) -> Scene:
        return augment.draw_scene(recipe.augment, recipe.bank, rng, word=False)

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        scene = self.scene(recipe, rng)
        clips = [piece.load() for piece in self.pieces]
        return recipe.rows(augment.talk_in_scene(clips, scene, rng))

    @property
    def identity(self) -> tuple[object, ...]:
        return "negative", tuple(piece.content for piece in self.pieces), self.draw


@dataclass(frozen=True)
class NoiseJob:
    """A stream of noise or music alone, at any level: int16 [rows, coeffs]."""

    piece: Piece
    draw: int

    def scene(self, recipe: Recipe, rng: np.random.Generator) -> Scene:
        return replace(augment.draw_scene(recipe.augment, recipe.bank, rng, word=False), noise=None)

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
        scene = self.scene(recipe, rng)
        noise = mixing.excerpt(self.piece.path, round(STREAM_S * spec.SAMPLE_RATE_HZ), rng)
        return recipe.rows(augment.render(noise, scene, 0, rng))

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

    def scene(self, recipe: Recipe, rng: np.random.Generator) -> Surroundings:
        return self._surroundings(recipe.bank, rng)

    def _surroundings(self, bank: Bank, rng: np.random.Generator) -> Surroundings:
        in_room, snr_db = CONDITIONS[self.condition]
        return Surroundings(
            bank.rooms[int(rng.integers(len(bank.rooms)))] if in_room and bank.rooms else None,
            bank.noises[int(rng.integers(len(bank.noises)))] if snr_db is not None and bank.noises else None,
        )

    def heard(self, bank: Bank, rng: np.random.Generator) -> mixing.Signal:
        signal, around = self.piece.load(), self._surroundings(bank, rng)
        in_room, snr_db = CONDITIONS[self.condition]
        if not in_room and snr_db is None:
            return signal
        if around.room:
            signal = mixing.reverberate(signal, mixing.load_signal(around.room))
        signal = mixing.to_level(signal, _TEST_LEVEL_DBFS)
        if snr_db is None:
            return signal
        if around.noise:
            noise = mixing.excerpt(around.noise, len(signal), rng)
        else:
            noise = mixing.coloured_noise(len(signal), rng)
        noisy: np.ndarray = signal + mixing.to_level(noise, _TEST_LEVEL_DBFS - snr_db)
        return noisy

    @property
    def identity(self) -> tuple[object, ...]:
        return "validation", self.piece.content, self.condition, self.draw


class Drawn(Protocol):
    """What a job is heard in."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All of the bank that it takes."""


class Job(Protocol):
    """One file of the cache: what it is made of, and how."""

    @property
    def identity(self) -> tuple[object, ...]: ...

    def scene(self, recipe: Recipe, rng: np.random.Generator) -> Drawn:
        """What `compute` begins with, from the same `rng`."""

    def compute(self, recipe: Recipe, rng: np.random.Generator) -> np.ndarray: ...
