"""What a job's rows depend on: the key they are cached under, and the randomness they are drawn from."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from watchword import audio, core, spec
from watchword.data import acoustics, augment, bank, jobs, mixing, sound_files, specaugment, voice_effects
from watchword.data.jobs import Job, Recipe
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES
from watchword.errors import WatchwordError

if TYPE_CHECKING:
    from watchword.config import AugmentConfig

_SOUND_MODULES = (
    augment,
    acoustics,
    bank,
    mixing,
    sound_files,
    voice_effects,
    jobs,
    audio,
)  # their code decides the samples
_SOUND_PACKAGES = ("soxr", "soundfile")  # another version may give other samples
_INAUDIBLE = (*specaugment.SETTINGS, "simulated_rooms")


def digest_file(path: Path) -> str:
    """Short hash of a file's content."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:24]
    except OSError as error:
        raise WatchwordError(f"cannot be read: {error.strerror}", path, "correct the manifest") from error


def job_key(job: Job, recipe: Recipe) -> str:
    """Hash of all that the job's rows depend on: audio, what is mixed in, settings, seed, code, front end.

    What else is in the corpus does not matter: another clip or noise leaves the jobs that do not take it.
    """
    features = recipe.features.hop_samples, recipe.features.coeffs, recipe.features.kind
    mixed_in = [recipe.bank.content(path) for path in job.scene(recipe, job_rng(job, recipe)).files]
    parts = *_sound(job, recipe), mixed_in, *features, *_code_fingerprint(recipe.features.kind)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def sound_key(job: Job, recipe: Recipe) -> bytes:
    """Hash of what a job asks for, whatever code makes it, from whatever bank, into whatever features."""
    return hashlib.sha256(repr(_sound(job, recipe)).encode()).digest()


def _sound(job: Job, recipe: Recipe) -> tuple[object, ...]:
    return job.identity, _audible(recipe.augment), recipe.seed


@lru_cache(maxsize=16)
def _audible(config: AugmentConfig) -> tuple[tuple[str, object], ...]:
    """The settings that change the sound: masks come later, and rooms are known by their sound."""
    return tuple((name, value) for name, value in asdict(config).items() if name not in _INAUDIBLE)


def job_rng(job: Job, recipe: Recipe) -> np.random.Generator:
    """The randomness of a job: the same is drawn for every kind of features, and after a change of the code
    or of the corpus that leaves it alone."""
    return np.random.default_rng(int.from_bytes(sound_key(job, recipe)[:16], "big"))


@lru_cache(maxsize=4)
def _code_fingerprint(kind: str) -> tuple[str, ...]:
    """Hashes of the augmentation (statements, libraries, the silence around recordings) and of the front end
    (its answer to a fixed signal, in each kind that is made by the same code)."""
    files = [Path(str(module.__file__)) for module in _SOUND_MODULES]
    sources = [ast.dump(ast.parse(path.read_text("utf-8"))).encode() for path in files]
    versions = [f"{name} {_version(name)}".encode() for name in _SOUND_PACKAGES]
    silence = repr((LEAD_SAMPLES, TAIL_SAMPLES)).encode()
    probe = np.random.default_rng(0).normal(0.0, 3000.0, spec.SAMPLE_RATE_HZ).astype(np.int16)
    hop = spec.HOP_CHOICES_SAMPLES[0]
    kinds = [k for k, made_by in spec.FRONTEND_IDS.items() if made_by == spec.FRONTEND_IDS[kind]]
    answers = [core.frontend_rows(probe, hop, spec.MEL_BANDS, k).tobytes() for k in kinds]
    return tuple(hashlib.sha256(part).hexdigest() for part in (*sources, *versions, silence, *answers))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"
