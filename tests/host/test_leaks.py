"""The leak check: the same sound or speaker on two sides, under any disguise; and no false alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sounds import sound
from watchword import audio
from watchword.data import leaks
from watchword.data.clip_sources import find
from watchword.data.corpus import Clip
from watchword.data.scan import scan
from watchword.errors import WatchwordError


def clip(folder: Path, name: str, split: str, pcm: np.ndarray, speaker: str = "") -> Clip:
    return Clip(audio.save(folder / split / name, pcm), split, "positive", speaker=speaker)


def disguises() -> dict[str, np.ndarray]:
    pcm = sound(1)
    silence = np.zeros(1234, np.int16)
    trimmed = pcm[600:-600]
    return {
        "copy": pcm,
        "padded": np.concatenate((silence, pcm, silence)),
        "louder": (pcm.astype(np.int32) * 3 // 2).clip(-32768, 32767).astype(np.int16),
        "quieter": (pcm // 9).astype(np.int16),
        "inverted": -pcm,
        "trimmed": trimmed,
        "all": np.concatenate((silence, trimmed // 3)),
    }


@pytest.mark.parametrize("disguise", disguises())
def test_the_same_sound_is_found(tmp_path: Path, disguise: str) -> None:
    others = [clip(tmp_path, f"{n}.flac", "train", sound(10 + n)) for n in range(5)]
    original = clip(tmp_path, "original.flac", "train", sound(1))
    hidden = clip(tmp_path, "hidden.flac", "test", disguises()[disguise])
    found = leaks.find_leaks([*others, original, hidden])
    assert [(leak.kind, leak.first, leak.second) for leak in found] == [("audio", original, hidden)]
    with pytest.raises(WatchwordError, match=r"same audio: .*original\.flac.*hidden\.flac"):
        leaks.check([original, hidden])


def test_the_same_speaker_is_found(tmp_path: Path) -> None:
    ann, again = (clip(tmp_path, f"{n}.flac", s, sound(n), "ann") for n, s in enumerate(("train", "val")))
    with pytest.raises(WatchwordError, match=r"same speaker 'ann'.*0\.flac.*1\.flac"):
        leaks.check([ann, again])


def test_unknown_speakers_are_nobody(tmp_path: Path) -> None:
    names = ("", "unknown", "Unknown")
    clips = [
        clip(tmp_path, f"{n}.flac", s, sound(n), names[n]) for n, s in enumerate(("train", "val", "test"))
    ]
    leaks.check(clips)


def test_the_same_sound_on_one_side_is_no_leak(tmp_path: Path) -> None:
    assert not leaks.find_leaks([clip(tmp_path, f"{n}.flac", "train", sound(1)) for n in range(3)])


def test_a_shared_beginning_is_no_leak(tmp_path: Path) -> None:
    """Synthetic voices repeat themselves: equal around the loudest sample, different elsewhere."""
    first, second = sound(1, 1.0), sound(1, 1.0)
    second[9000:] = sound(2, 1.0)[9000:]
    second[8500:] = np.minimum(second[8500:], np.abs(second[:8500]).max())
    assert not leaks.find_leaks(
        [clip(tmp_path, "a.flac", "train", first), clip(tmp_path, "b.flac", "test", second)]
    )


def test_scan_refuses_a_leak(tmp_path: Path) -> None:
    for n, split in enumerate(("train", "val", "test")):
        clip(tmp_path / "positive", f"{n}.flac", split, sound(n))
        clip(tmp_path / "negative", f"{n}.flac", split, sound(100 + n))
    scan([tmp_path])
    clip(tmp_path / "negative", "again.flac", "test", sound(0))
    with pytest.raises(WatchwordError, match="same audio"):
        scan([tmp_path])


def test_scan_names_a_sound_of_both_labels_even_of_one_speaker(tmp_path: Path) -> None:
    for n, speaker in enumerate(("ann", "ben", "cem")):
        audio.save(tmp_path / "positive" / speaker / "word.flac", sound(n))
        audio.save(tmp_path / "negative" / speaker / "talk.flac", sound(100 + n))
    audio.save(tmp_path / "negative" / "ann" / "quieter.flac", sound(0) // 3)
    notes = [note for note in scan([tmp_path]).notes if "the same sound is positive and negative" in note]
    assert len(notes) == 1
    assert "quieter.flac" in notes[0]


def test_scan_tells_which_sound_joins_speakers_that_cannot_be_split(tmp_path: Path) -> None:
    for n, speaker in enumerate(("ann", "ben", "cem")):
        audio.save(tmp_path / "positive" / speaker / "word.flac", sound(n))
        audio.save(tmp_path / "negative" / speaker / "talk.flac", sound(100 + n))
    audio.save(tmp_path / "negative" / "ann" / "ben.flac", sound(1))
    with pytest.raises(WatchwordError, match=r"ben\.flac.*word\.flac.*same sound.*count as one"):
        scan([tmp_path])


def test_no_clip_is_no_leak() -> None:
    assert leaks.find_leaks([]) == []


@pytest.mark.real
def test_real_splits_have_no_leak(real_data: Path) -> None:
    clips = [c for c in find(real_data / "manifest.csv", "alexa") if c.label == "positive"]
    assert len(clips) == 349
    leaks.check(clips)
