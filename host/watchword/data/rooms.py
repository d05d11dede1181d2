"""Simulated rooms, for corpora that bring no recorded room impulse responses.

Shoe-box rooms of pyroomacoustics: image sources for the first reflections, ray tracing for the tail,
walls that swallow more at high frequencies, absorption by the air. Room `number` of a seed is always the
same, and is made once: its file's name is a hash of all that it depends on.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from watchword import audio, spec
from watchword.errors import WatchwordError
from watchword.progress import track

RECIPE = 1  # raise it when a room of the same number would sound different
_SIZES_M = ((2.2, 7.0), (2.0, 5.5), (2.3, 3.2))  # length, width, height
_REVERBERATION_S = (0.15, 0.6)  # to -60 dB, by Sabine's formula; what the walls make of it differs a little
_TO_WALL_M = 0.3
_BANDS_HZ = (125, 250, 500, 1000, 2000, 4000)
_IMAGE_ORDER = 3
_RAYS = 1000
_PEAK = 0.9


def simulate(folder: Path, numbers: Sequence[int], seed: int, progress: bool = True) -> list[Path]:
    """The impulse responses of rooms of `seed`, by number, as 16-bit files in `folder`, made when missing."""
    try:
        version = metadata.version("pyroomacoustics")
    except metadata.PackageNotFoundError as error:
        raise WatchwordError(
            "the manifest has no rir, and simulated rooms need pyroomacoustics",
            "[augment] simulated_rooms",
            "pip install 'watchword[train]', or set it to 0",
        ) from error
    paths = {}
    for number in numbers:
        recipe = hashlib.sha256(repr((RECIPE, version, seed, number)).encode()).hexdigest()
        paths[number] = folder / f"simulated-{number}-{recipe[:12]}.wav"
    missing = [number for number, path in paths.items() if not path.is_file()]
    for number in track(missing, "rooms", len(missing), "rooms", progress):
        response = room_response(np.random.default_rng([seed, number]))
        audio.save(paths[number], audio.to_int16(response))
    return list(paths.values())


def room_response(rng: np.random.Generator) -> np.ndarray:
    """Impulse response from a random place of a random room to another: float [samples], peak 0.9."""
    import pyroomacoustics

    size_m = np.array([rng.uniform(low, high) for low, high in _SIZES_M])
    absorption = _absorption(size_m, float(rng.uniform(*_REVERBERATION_S)), rng)
    pyroomacoustics.random.seed(numpy=int(rng.integers(2**32)), libroom=int(rng.integers(2**32)))
    room = pyroomacoustics.ShoeBox(
        size_m,
        fs=spec.SAMPLE_RATE_HZ,
        materials=_material(absorption),
        max_order=_IMAGE_ORDER,
        ray_tracing=True,
        air_absorption=True,
    )
    room.set_ray_tracing(n_rays=_RAYS, receiver_radius=0.3)
    for place in (room.add_source, room.add_microphone):
        place(rng.uniform(_TO_WALL_M, size_m - _TO_WALL_M))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # divisions by empty bands of its histograms
        room.compute_rir()
    response = np.asarray(room.rir[0][0])
    scaled: np.ndarray = response * (_PEAK / np.abs(response).max())
    return scaled


def _absorption(size_m: np.ndarray, reverberation_s: float, rng: np.random.Generator) -> np.ndarray:
    """Share of energy that the walls keep, by band: Sabine's mean, tilted towards the high ones."""
    volume = float(np.prod(size_m))
    surface = 2.0 * float(size_m[0] * size_m[1] + size_m[0] * size_m[2] + size_m[1] * size_m[2])
    mean = 24.0 * np.log(10.0) / 343.0 * volume / (surface * reverberation_s)
    tilt = float(rng.uniform(0.0, 0.5))
    tilted = mean * np.linspace(1.0 - tilt, 1.0 + tilt, len(_BANDS_HZ))
    share: np.ndarray = np.clip(tilted, 0.02, 0.95)
    return share


def _material(absorption: np.ndarray) -> Any:
    import pyroomacoustics

    curve = {"description": "drawn", "coeffs": absorption.tolist(), "center_freqs": list(_BANDS_HZ)}
    return pyroomacoustics.Material(energy_absorption=curve, scattering=0.1)
