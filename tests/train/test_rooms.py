"""Simulated rooms: the same for the same seed, made once, and they sound like rooms."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from watchword import audio
from watchword.data import rooms
from watchword.errors import WatchwordError

RATE = 16_000


def decay_s(response: np.ndarray) -> float:
    """Time to -60 dB, from the slope of the backward integral between -5 and -25 dB (ISO 3382)."""
    energy = np.cumsum(response[::-1].astype(float) ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0] + 1e-12)
    first, last = np.argmax(level < -5), np.argmax(level < -25)
    return 3.0 * float(last - first) / RATE


def test_same_seed_same_room_and_each_another(tmp_path: Path) -> None:
    first = rooms.simulate(tmp_path / "a", range(3), seed=5, progress=False)
    second = rooms.simulate(tmp_path / "b", range(3), seed=5, progress=False)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    other = rooms.simulate(tmp_path / "a", range(1), seed=6, progress=False)
    assert len({p.read_bytes() for p in [*first, *other]}) == 4


def test_a_room_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = rooms.simulate(tmp_path, range(2), seed=1, progress=False)

    def fail(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(rooms, "room_response", fail)
    assert rooms.simulate(tmp_path, range(2), seed=1, progress=False) == made
    with pytest.raises(AssertionError, match="made again"):
        rooms.simulate(tmp_path, range(3), seed=1, progress=False)


def test_it_sounds_like_a_room(tmp_path: Path) -> None:
    """The direct sound is early and there is a tail that decays in the time living rooms take."""
    times = []
    for path in rooms.simulate(tmp_path, range(8), seed=2, progress=False):
        response = audio.load(path)
        assert np.argmax(np.abs(response)) < 0.05 * RATE
        times.append(decay_s(response))
    assert 0.05 < min(times) < max(times) < 1.0
    assert max(times) > 1.5 * min(times)


def test_without_the_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(rooms.metadata, "version", missing)
    with pytest.raises(WatchwordError, match=r"pip install 'watchword\[train\]'"):
        rooms.simulate(tmp_path, range(1), seed=1)
