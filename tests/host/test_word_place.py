"""Where the word of a clip is: in household noise, and what is said where that is not sure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import RATE, sound
from watchword import audio
from watchword.data.corpus import FOUND, LISTED, UNSURE, Clip, read_manifest, write_manifest
from watchword.data.scan import scan
from watchword.data.word_place import odd_lengths, place_word
from watchword.data.word_places import place_words, unsure_places

from tools.studies.word_place import clips_of_the_word, measure


@pytest.mark.real
@pytest.mark.parametrize(("snr_db", "lead_s", "most_off"), [(None, 1.0, 0.04), (10.0, 4.0, 0.1)])
def test_the_word_is_found_in_noise(
    real_data: Path, snr_db: float | None, lead_s: float, most_off: float
) -> None:
    chosen = clips_of_the_word(real_data)[::4]
    noises = sorted((real_data / "noise").glob("*.flac"))
    clips = [(phrase, audio.load(path)) for phrase, path in chosen]
    found = measure(clips, noises, snr_db, lead_s, seed=3, method="voice")
    assert found.off.mean() <= most_off
    assert found.sure.mean() >= 0.85
    assert (found.off & found.sure).sum() <= 0.05 * found.sure.sum()


@settings(max_examples=30)
@given(st.integers(0, 6000), st.integers(0, 2**31), st.sampled_from([0, 1, 50, 32767]))
def test_a_place_is_inside_the_clip(samples: int, seed: int, peak: int) -> None:
    pcm = np.random.default_rng(seed).integers(-peak, peak + 1, samples).astype(np.int16)
    place = place_word(pcm)
    assert place is None or 0 <= place.start < place.end <= samples


def test_what_is_no_speech_is_not_sure_and_the_same_each_time() -> None:
    pcm = np.concatenate((np.zeros(RATE, np.int16), sound(1), np.zeros(RATE, np.int16)))
    place = place_word(pcm)
    assert place is not None and not place.sure
    assert RATE <= place.start < place.end <= pcm.size - RATE
    place_word(np.random.default_rng(1).normal(0, 3000, RATE).astype(np.int16))  # leaves nothing behind
    assert place_word(pcm) == place


def test_a_take_unlike_the_others_in_length_is_in_doubt() -> None:
    assert odd_lengths([0.6, 0.7, 0.65, 0.2, 0.6, 1.5]) == [False, False, False, True, False, True]
    assert odd_lengths([0.6, 0.1]) == [False, False], "two takes tell nothing"


def test_listed_times_stay_and_found_ones_unless_asked_again(tmp_path: Path) -> None:
    path = audio.save(tmp_path / "a.flac", sound(1))
    clip = Clip(path, "train", "positive", "hey", seconds=0.5, word_start_s=0.01, word_end_s=0.02)
    found, nothing = replace(clip, word_place=FOUND), replace(clip, word_start_s=None, word_end_s=None)
    assert place_words([clip, found]) == [clip, found]
    listed, again, new = place_words([clip, found, nothing], again=True)
    assert listed == clip and listed.word_place == LISTED
    assert again == new and new.has_times and not new.has_listed_times and new.word_start_s != 0.01


def test_many_clips_are_shared_out_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [audio.save(tmp_path / f"{i}.flac", sound(i)) for i in range(6)]
    clips = [Clip(path, "train", "positive", "hey", seconds=0.5) for path in paths]
    alone = place_words(clips)
    monkeypatch.setattr("watchword.data.word_places._INLINE_CLIPS", 2)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    assert place_words(clips) == alone


def test_scan_names_the_clips_whose_place_is_not_sure_and_the_manifest_keeps_it(tmp_path: Path) -> None:
    for label in ("positive", "negative"):
        for i in range(6):
            audio.save(tmp_path / label / f"p{i}" / "0.flac", sound(100 * len(label) + i))
    found = scan([tmp_path], "hey you")
    positives = [clip for clip in found.clips if clip.label == "positive"]
    assert {clip.word_place for clip in positives} == {UNSURE}
    (told,) = [note for note in found.notes if "not sure" in note]
    assert told.startswith("warning: where the word is in 6 of 6 recordings of it is not sure: ")
    assert "and 3 more" in told and "word_start_s" in told
    again = read_manifest(write_manifest(tmp_path / "manifest.csv", found.clips))
    assert unsure_places(again).startswith("where the word is in 6 of 6")
