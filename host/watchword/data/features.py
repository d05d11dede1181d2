"""Augmented audio -> rows by the C front end, cached on disk under a hash of all that made them.

Each job (one clip with its draws, or one stream of negatives) is one `.npy` in the cache (see cache.py).
"""

from __future__ import annotations

import ast
import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from watchword import audio, core, spec
from watchword.data import acoustics, augment, mixing, specaugment, voice_effects
from watchword.data.augment import Bank
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES
from watchword.errors import WatchwordError

if TYPE_CHECKING:
    from watchword.config import AugmentConfig, FeaturesConfig

STREAM_S = 20.0  # length of a stream of negatives
INPUT_STEPS_PER_SIGMA = round(1.0 / spec.INPUT_SCALE)  # one standard deviation becomes the real value 1.0
_TEST_LEVEL_DBFS = -26.0
_SOUND_PACKAGES = ("python-stretch", "soxr", "soundfile")  # another version may give other samples
_INAUDIBLE = (*specaugment.SETTINGS, "simulated_rooms")

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


def digest_file(path: Path) -> str:
    """Short hash of a file's content."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:24]
    except OSError as error:
        raise WatchwordError(f"cannot be read: {error.strerror}", path, "correct the manifest") from error


def make_bank(
    noises: Sequence[Path], rooms: Sequence[Path], speech: Sequence[Path], digests: dict[Path, str]
) -> tuple[augment.Bank, str]:
    """A bank and the digest of its content."""
    parts = [[digests[path] for path in group] for group in (noises, rooms, speech)]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
    return augment.Bank(tuple(noises), tuple(rooms), tuple(speech)), digest


def job_key(job: Job, recipe: Recipe) -> str:
    """Hash of everything the job's rows depend on: audio, settings, seed, augmentation code, front end."""
    features = recipe.features.hop_samples, recipe.features.coeffs, recipe.features.kind
    parts = *_asked(job, recipe), *features, *_code_fingerprint()
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _asked(job: Job, recipe: Recipe) -> tuple[object, ...]:
    """What sound is wanted, whatever code makes it and whatever features are taken of it."""
    return job.identity, _audible(recipe.augment), recipe.bank_digest, recipe.seed


def _audible(config: AugmentConfig) -> dict[str, object]:
    """The settings that change the sound: masks come later, and the bank's digest stands for its rooms."""
    return {name: value for name, value in asdict(config).items() if name not in _INAUDIBLE}


def job_rng(job: Job, recipe: Recipe) -> np.random.Generator:
    """The randomness of a job: the same sound is drawn for every kind of features, and after a change
    of the code that leaves the sound alone."""
    digest = hashlib.sha256(repr(_asked(job, recipe)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


@lru_cache(maxsize=1)
def _code_fingerprint() -> tuple[str, ...]:
    """Of the augmentation (statements, libraries) and of the front end (its answer to a fixed signal)."""
    modules = (augment, acoustics, mixing, voice_effects)
    files = [Path(str(module.__file__)) for module in modules] + [Path(__file__)]
    sources = [ast.dump(ast.parse(path.read_text("utf-8"))).encode() for path in files]
    versions = [f"{name} {_version(name)}".encode() for name in _SOUND_PACKAGES]
    probe = np.random.default_rng(0).normal(0.0, 3000.0, spec.SAMPLE_RATE_HZ).astype(np.int16)
    hop = spec.HOP_CHOICES_SAMPLES[0]
    answers = [core.frontend_rows(probe, hop, spec.MEL_BANDS, kind).tobytes() for kind in spec.FEATURE_KINDS]
    return tuple(hashlib.sha256(part).hexdigest() for part in (*sources, *versions, *answers))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def fit_normalisation(streams: Sequence[np.ndarray], features: FeaturesConfig) -> core.Normalisation:
    """Mean and gain of each coefficient from training streams, int16 [rows, coeffs] each.

    The gain makes one standard deviation of the coefficient that varies most the real value 1.0, so that
    int8 spans about ±4 of them. The others get less, by `[features] spread_power` of how much less they
    vary: all at 1.0, the many that hold mostly noise would drown the few that hold the speech. Spreads
    are measured on the C normaliser's own output, after a first pass with gains that surely fit.
    """
    joined = np.concatenate(streams).astype(np.float64)
    mean = joined.mean(axis=0)
    around = np.zeros_like(mean) if features.cmvn == "none" else mean
    spread = np.sqrt(np.mean((joined - around) ** 2, axis=0))
    mean16 = np.clip(np.rint(mean), -32768, 32767).astype(np.int16)
    first = core.Normalisation(features.cmvn, _alpha_q15(features), mean16, _gain(spread))
    if features.cmvn == "running_mv":
        first = replace(first, spread=_typical_spread(streams, replace(first, mode="running")))
    levels = _levels(streams, first)
    measured = spread * np.sqrt(np.mean(levels**2, axis=0)) / INPUT_STEPS_PER_SIGMA
    target = np.maximum(measured / measured.max(), 1e-3) ** features.spread_power
    return replace(first, gain=_gain(measured / target))


def _levels(streams: Sequence[np.ndarray], normalisation: core.Normalisation) -> np.ndarray:
    """The normaliser's output, float64 [rows, coeffs]."""
    return np.concatenate([core.normalise(rows, normalisation) for rows in streams]).astype(np.float64)


def _typical_spread(streams: Sequence[np.ndarray], running: core.Normalisation) -> np.ndarray:
    """Mean absolute deviation of each coefficient from its running mean, uint16 [coeffs], in row steps."""
    steps = np.abs(_levels(streams, running)).mean(axis=0)
    spread = steps / running.gain * (1 << spec.NORM_GAIN_FRAC_BITS)
    clipped: np.ndarray = np.clip(np.rint(spread), spec.CMVN_MIN_SPREAD, spec.CMVN_MAX_SPREAD)
    return clipped.astype(np.uint16)


def _gain(spread: np.ndarray) -> np.ndarray:
    """Q2.14 int8 steps per row step, uint16 [coeffs], for a standard deviation in row steps."""
    gain = INPUT_STEPS_PER_SIGMA / np.maximum(spread, 1e-3) * (1 << spec.NORM_GAIN_FRAC_BITS)
    clipped: np.ndarray = np.clip(np.rint(gain), 1, 65_535)
    return clipped.astype(np.uint16)


def _alpha_q15(features: FeaturesConfig) -> int:
    """Weight of a new row in the running mean, for its time constant."""
    hop_s = features.hop_samples / spec.SAMPLE_RATE_HZ
    scale = 1 << spec.CMVN_ALPHA_FRAC_BITS
    return max(1, min(scale - 1, round((1.0 - math.exp(-hop_s / features.cmvn_tau_s)) * scale)))
