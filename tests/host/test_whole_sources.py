"""What judges comes from other sources than what trains, and where it does not it is said."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from watchword import audio
from watchword.cli.scan import command
from watchword.data.clip_sources import list_clips
from watchword.data.corpus import Clip, read_manifest
from watchword.data.scan import scan
from watchword.data.split import assign, held_out
from watchword.data.split_warnings import split_warnings
from watchword.errors import WatchwordError

RATE = 16_000
NAMES = ("podcast", "radio", "street", "tv", "cafe", "office")


def talk(source: str, minutes: float, files: int = 10, split: str = "") -> list[Clip]:
    """Recordings without the word, one speaker each."""
    return [
        Clip(
            Path(f"{source}/{n}.wav"),
            split,
            "negative",
            speaker=f"{source}{n}",
            source=source,
            seconds=60 * minutes / files,
        )
        for n in range(files)
    ]


def said(source: str, people: int, split: str = "") -> list[Clip]:
    """One recording of the word by each of some people."""
    return [
        Clip(Path(f"{source}/{n}.wav"), split, "positive", "hey", f"{source}{n}", source, 1.0)
        for n in range(people)
    ]


def splits(clips: Iterable[Clip], label: str = "negative") -> dict[str, set[str]]:
    """The splits that each source of a label is in."""
    found: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.label == label:
            found[clip.source].add(clip.split)
    return dict(found)


def warned(clips: list[Clip]) -> str:
    return "\n".join(str(warning) for warning in split_warnings(clips))


def test_of_many_sources_whole_ones_judge() -> None:
    clips = assign([*talk("podcast", 180), *talk("tv", 40), *talk("radio", 20), *talk("cafe", 8)])
    found = splits(clips)
    assert found["podcast"] == {"train"} and all(len(where) == 1 for where in found.values())
    assert {"val"} in found.values() and {"test"} in found.values()
    assert not split_warnings(clips)


def test_of_two_sources_val_and_test_share_the_smaller() -> None:
    clips = assign([*talk("podcast", 180), *talk("tv", 40)])
    assert splits(clips) == {"podcast": {"train"}, "tv": {"val", "test"}}
    assert not split_warnings(clips)


def test_one_source_is_split_by_speaker_and_one_line_says_what_is_missing() -> None:
    clips = assign(talk("podcast", 180, 20))
    assert splits(clips) == {"podcast": {"train", "val", "test"}}
    assert warned(clips).count("\n") == 0
    assert "warning: 18.0 of 18.0 min in val and 18.0 of 18.0 min in test without the word" in warned(clips)
    assert "(podcast)" in warned(clips) and "add recordings of another source" in warned(clips)


def test_a_source_too_short_to_judge_alone_gets_help_and_that_is_said() -> None:
    clips = assign([*talk("podcast", 600, 40), *talk("doorbell", 1)])
    assert splits(clips)["doorbell"] == {"val", "test"} and "test" in splits(clips)["podcast"]
    assert "warning: 1.0" in warned(clips) and "--hold-out" in warned(clips)


def test_given_splits_stay_and_are_told() -> None:
    """New recordings of a source that judges already judge too; a source in train and val is named."""
    kept = [*talk("tv", 30, 3, "val"), *talk("radio", 30, 3, "test"), *talk("podcast", 60, 3, "train")]
    mixed = [*talk("street", 2, 3, "val"), *(replace(c, speaker="x") for c in talk("street", 2, 3, "train"))]
    clips = assign([*kept, *mixed, *(replace(c, speaker="new") for c in talk("tv", 5, 2))])
    found = splits(clips)
    assert found["tv"] == {"val"} and found["radio"] == {"test"} and found["podcast"] == {"train"}
    (note,) = split_warnings(clips)
    assert (
        note.severity == "note"
        and "little beside the rest" in note.what
        and "(street)" in note.what
        and "2.0 of" in note.what
    )
    assert [c.split for c in clips[: len(kept) + len(mixed)]] == [c.split for c in [*kept, *mixed]]


def test_mined_clips_were_heard_where_they_were_cut_out() -> None:
    mined = [replace(clip, source="mined: tv") for clip in talk("tv", 1, 1, "train")]
    clips = [*talk("podcast", 60, 3, "train"), *talk("tv", 30, 3, "val"), *mined]
    assert "30.0 of 30.0 min in val" in warned(clips) and "(tv)" in warned(clips)


def test_a_source_of_the_people_who_say_the_word_stays_with_them() -> None:
    """Their other words must be in their own split, so the source cannot go whole to another."""
    words = said("lab", 20)
    others = [replace(clip, label="negative", phrase="", seconds=60.0) for clip in words]
    clips = assign([*words, *others, *talk("lab", 2, 4), *talk("podcast", 180)])
    sides = defaultdict(set)
    for clip in clips:
        sides[clip.speaker].add(clip.split)
    assert all(len(where) == 1 for where in sides.values())


@given(
    st.dictionaries(st.sampled_from(NAMES), st.tuples(st.floats(0.1, 600), st.integers(1, 12)), min_size=1),
    st.sets(st.sampled_from(NAMES), max_size=2),
)
def test_every_clip_has_a_split_and_a_source_on_two_sides_is_told(
    sources: dict[str, tuple[float, int]], chosen: set[str]
) -> None:
    before = [clip for name, (minutes, files) in sources.items() for clip in talk(name, minutes, files)]
    hold_out = held_out(sorted(chosen & sources.keys()))
    clips = assign(before, hold_out=hold_out)
    assert all(clip.split for clip in clips)
    assert [replace(clip, split="") for clip in clips] == before
    both = {name for name, where in splits(clips).items() if "train" in where and len(where) > 1}
    told = warned(clips)
    assert not both & hold_out.keys() and bool(both) == bool(told)
    assert sum(name in told for name in both) == min(3, len(both))
    if not hold_out and all(files > 1 for _, files in sources.values()):
        trained = sum(clip.seconds for clip in clips if clip.split == "train")
        assert trained >= 0.45 * sum(clip.seconds for clip in clips) or both
    again = assign(clips, hold_out=hold_out)
    assert again == clips


class TestHoldOut:
    def test_a_corpus_of_the_word_is_kept_for_val_and_test(self) -> None:
        clips = [*said("lab", 40), *said("phone", 10), *talk("podcast", 60)]
        assert "2 sources say the word, and training hears all of them (lab, phone)" in warned(assign(clips))
        found = splits(apart := assign(clips, hold_out=held_out(["phone"])), "positive")
        assert found == {"lab": {"train"}, "phone": {"val", "test"}}
        assert "say the word" not in warned(apart)

    def test_it_moves_what_had_another_split(self) -> None:
        clips = assign([*said("lab", 40), *said("phone", 10)])
        found = splits(assign(clips, hold_out=held_out(["phone=test"])), "positive")
        assert found["phone"] == {"test"} and found["lab"] == {"train", "val", "test"}

    def test_its_people_leave_training_with_all_they_said(self) -> None:
        elsewhere = [
            replace(c, path=Path(f"lab/{c.path}"), source="lab", split="train") for c in said("phone", 4)
        ]
        clips = assign([*said("lab", 40), *said("phone", 4), *elsewhere], hold_out=held_out(["phone"]))
        sides = {clip.speaker: clip.split for clip in clips if clip.source == "phone"}
        assert all(clip.split == sides[clip.speaker] != "train" for clip in clips[-4:])

    def test_what_cannot_be_meant_is_refused(self, tmp_path: Path) -> None:
        folder = spoken(tmp_path / "mine", ["positive/ann", "positive/bob", "positive/cid", "negative/dan"])
        with pytest.raises(WatchwordError, match=r"no recording is of source 'tv'.*sources: 'mine'"):
            scan([folder], hold_out=held_out(["tv"]))
        with pytest.raises(WatchwordError, match="holds nothing out"):
            held_out(["tv=train"])
        with pytest.raises(WatchwordError, match=r"no positive clip in train.*hold out fewer sources"):
            scan([folder], hold_out=held_out(["mine"]))


def spoken(folder: Path, places: Iterable[str]) -> Path:
    """A short sound in each of these folders."""
    rng = np.random.default_rng(sum(map(ord, folder.name)))
    for place in places:
        pcm = np.zeros(RATE, np.int16)
        pcm[4000:9000] = rng.normal(0, 3000, 5000)
        audio.save(folder / place / "0.wav", pcm)
    return folder


def listed(folder: Path, source: str, rows: Iterable[tuple[str, str, str]]) -> Path:
    """A manifest of one source with many words: split, kind and phrase of each row."""
    rows = [*rows]
    spoken(folder, (f"{n}" for n in range(len(rows))))
    lines = [f"{n}/0.wav,{split},{kind},{phrase},{source}" for n, (split, kind, phrase) in enumerate(rows)]
    (folder / "manifest.csv").write_text("\n".join(["path,split,kind,phrase,source", *lines]) + "\n")
    return folder


def test_several_manifests_and_folders_make_one_corpus(tmp_path: Path) -> None:
    """As docs/guide/data.md shows it: words and sounds of several sources, one of them without splits."""
    words = [(s, "keyword", "alexa") for s in ("train", "dev", "test")]
    lab = listed(tmp_path / "lab", "lab", [*words, ("train", "tts-keyword", "alexa"), ("train", "rir", "")])
    others = [("train", "speech-stream", ""), ("train", "other-word", "ale")]
    radio = listed(tmp_path / "radio", "radio", others)
    tv = listed(tmp_path / "tv", "tv", [("", "speech", ""), ("", "speech", ""), ("", "noise", "")])
    mine = spoken(tmp_path / "mine", ["positive/ann", "negative/ann"])
    out = tmp_path / "all.csv"
    given = [str(lab / "manifest.csv"), str(radio), str(tv), str(mine), "--hold-out", "tv", "--word", "alexa"]
    result = CliRunner().invoke(command, [*given, "--out", str(out)])
    assert result.exit_code == 0, result.output
    clips = read_manifest(out)
    assert splits(clips)["tv"] == {"val", "test"} and splits(clips)["radio"] == {"train"}
    assert {(c.split, c.synthetic) for c in clips if c.label == "positive" and c.source == "lab"} == {
        ("train", False),
        ("val", False),
        ("test", False),
        ("train", True),
    }
    assert {c.source for c in clips if c.label == "noise"} == {"tv"}
    assert "speakers  sources" in result.output


@pytest.mark.real
def test_a_real_corpus_keeps_a_source_for_judging() -> None:
    """Every voice stays on one side, and the source that is held out leaves training whole."""
    manifest = Path(os.environ["WATCHWORD_DATA"]) / "manifest.csv"
    named = list_clips(manifest, "alexa").clips
    source = "Picovoice/speech-to-intent-benchmark"
    clips = assign(named, hold_out=held_out([source]))
    assert splits(named)[source] == {"train", "val", "test"} and splits(clips)[source] == {"val", "test"}
    sides = defaultdict(set)
    for clip in clips:
        if clip.has_speaker:
            sides[clip.speaker].add(clip.split)
    assert all(len(where) == 1 for where in sides.values())
