"""Choosing recordings: folders, truth files, manifests, limits, and everything a folder can hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from watchword import audio
from watchword.data import recordings
from watchword.data.corpus import Clip, write_manifest
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES, Recording, Selection
from watchword.errors import WatchwordError

RATE = 16_000


def burst(seconds: float, start_s: float, end_s: float, seed: int = 0) -> np.ndarray:
    """Quiet noise with a loud stretch: int16 [samples]."""
    rng = np.random.default_rng(seed)
    pcm = rng.normal(0, 20, round(seconds * RATE))
    pcm[round(start_s * RATE) : round(end_s * RATE)] += rng.normal(
        0, 6000, round(end_s * RATE) - round(start_s * RATE)
    )
    return np.clip(pcm, -32768, 32767).astype(np.int16)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three positives (0.5..1.1 s), two negatives of 30 s and 60 s in folders by source."""
    yes, no = tmp_path / "yes", tmp_path / "no"
    for i in range(3):
        audio.save(yes / f"{i}.wav", burst(2.0, 0.5, 1.1, i))
    audio.save(no / "talk" / "a.flac", burst(30.0, 3.0, 9.0))
    audio.save(no / "music" / "b.wav", burst(60.0, 3.0, 9.0))
    return yes, no


class TestFolders:
    def test_positives_hold_the_word_once_and_negatives_never(self, folders: tuple[Path, Path]) -> None:
        selection = recordings.select(*folders)
        assert [r.name for r in selection.positives] == ["0.wav", "1.wav", "2.wav"]
        for recording in selection.positives:
            assert recording.words == ((0.0, 2.0),) and not recording.timed  # anywhere in it
            start, end = recording.likely
            assert start == pytest.approx(0.5, abs=0.06) and end == pytest.approx(1.1, abs=0.06)
        assert [(r.name, r.source) for r in selection.negatives] == [
            (str(Path("music") / "b.wav"), "music"),
            (str(Path("talk") / "a.flac"), "talk"),
        ]
        assert (
            dict(zip([r.name for r in selection.recordings], selection.seconds, strict=True))["0.wav"] == 2.0
        )

    def test_unreadable_files_are_listed_not_fatal(self, folders: tuple[Path, Path]) -> None:
        yes, no = folders
        (yes / "broken.wav").write_bytes(b"RIFF but not really")
        (no / "empty.flac").write_bytes(b"")
        (no / "notes.txt").write_text("not audio")
        selection = recordings.select(yes, no)
        assert sorted(s.path.name for s in selection.skipped) == ["broken.wav", "empty.flac"]
        assert all(s.reason for s in selection.skipped)
        assert len(selection.recordings) == 5

    def test_all_unreadable_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "x.wav").write_bytes(b"nothing")
        with pytest.raises(WatchwordError, match=r"none of 1 recordings is readable; first: x\.wav"):
            recordings.select(tmp_path)

    def test_missing_empty_and_file_instead_of_folder(
        self, folders: tuple[Path, Path], tmp_path: Path
    ) -> None:
        yes, _ = folders
        with pytest.raises(WatchwordError, match="no such folder for the negative"):
            recordings.select(yes, tmp_path / "nowhere")
        (tmp_path / "void").mkdir()
        with pytest.raises(WatchwordError, match="holds no positive recordings"):
            recordings.select(tmp_path / "void")
        with pytest.raises(WatchwordError, match="is a file, not a folder"):
            recordings.select(yes / "0.wav")

    def test_a_recording_cannot_be_both(self, folders: tuple[Path, Path]) -> None:
        with pytest.raises(WatchwordError, match="3 recordings are given as positive and as negative"):
            recordings.select(folders[0], folders[0].parent)

    def test_nothing_or_too_much_given(self, folders: tuple[Path, Path]) -> None:
        with pytest.raises(WatchwordError, match="nothing to evaluate"):
            recordings.select()
        with pytest.raises(WatchwordError, match="exclude each other"):
            recordings.select(positives=folders[0], data=folders[0])
        with pytest.raises(WatchwordError, match="--split needs a manifest"):
            recordings.select(*folders, split="test")


def test_a_truth_file_without_its_columns_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("file,start_s,end_s\na.wav,1.0,1.5\n")
    with pytest.raises(WatchwordError, match=r"no column path .*path,start_s,end_s"):
        recordings.select(data=tmp_path)


class TestTruth:
    def test_words_come_from_the_file_and_the_rest_is_negative(self, folders: tuple[Path, Path]) -> None:
        root = folders[0].parent
        (root / "truth.csv").write_text(
            "path,start_s,end_s\nyes/0.wav,0.4,0.9\nyes/1.wav,1.2,1.5\n./yes/1.wav,0.1,0.6\nyes/2.wav,,\n"
        )
        selection = recordings.select(data=root)
        assert {r.name: r.words for r in selection.recordings} == {
            str(Path("yes/0.wav")): ((0.4, 0.9),),
            str(Path("yes/1.wav")): ((0.1, 0.6), (1.2, 1.5)),
            str(Path("yes/2.wav")): (),
            str(Path("no/talk/a.flac")): (),
            str(Path("no/music/b.wav")): (),
        }
        assert recordings.select(data=root / "truth.csv").recordings == selection.recordings
        assert all(r.complete for r in selection.recordings)
        assert not any(r.complete for r in recordings.select(*folders).recordings)

    @pytest.mark.parametrize(
        ("row", "says"),
        [
            ("yes/0.wav,0.9,0.4", "line 2.*no time span"),
            ("yes/0.wav,soon,later", "line 2.*no time span"),
            ("yes/0.wav,0.5,", "line 2.*no time span"),
            ("yes/0.wav,0,inf", "line 2.*no time span"),
            ("yes/9.wav,0.1,0.5", "does not exist"),
            (",0.1,0.5", "does not exist"),
        ],
    )
    def test_bad_rows_are_errors(self, folders: tuple[Path, Path], row: str, says: str) -> None:
        truth = folders[0].parent / "truth.csv"
        truth.write_text(f"path,start_s,end_s\n{row}\n")
        with pytest.raises(WatchwordError, match=says):
            recordings.select(data=truth)

    def test_a_word_beyond_the_end_skips_the_recording(self, folders: tuple[Path, Path]) -> None:
        truth = folders[0].parent / "truth.csv"
        truth.write_text("path,start_s,end_s\nyes/0.wav,1.5,2.5\n")
        (skipped,) = recordings.select(data=truth).skipped
        assert skipped.reason == "a word is listed to end at 2.5 s, it lasts 2.00 s (times are in seconds)"

    def test_folder_without_a_table(self, folders: tuple[Path, Path]) -> None:
        with pytest.raises(WatchwordError, match=r"neither truth\.csv nor manifest\.csv"):
            recordings.select(data=folders[0])
        with pytest.raises(WatchwordError, match="no such file or folder"):
            recordings.select(data=folders[0] / "nowhere")


class TestManifest:
    @pytest.fixture
    def manifest(self, folders: tuple[Path, Path]) -> Path:
        yes, no = folders
        clips = [
            Clip(yes / "0.wav", "test", "positive", "hello", "ann", "home", 2.0, 0.45, 1.15),
            Clip(yes / "1.wav", "test", "positive", "hello", "bob", "home", 2.0),
            Clip(yes / "2.wav", "train", "positive", "hello", "cid", "home", 2.0),
            Clip(no / "talk" / "a.flac", "test", "negative", "", "dan", "radio", 30.0),
            Clip(no / "music" / "b.wav", "test", "noise", "", "", "street", 60.0),
            Clip(no / "music" / "b.wav", "test", "rir", "", "", "room", 60.0),
        ]
        return write_manifest(yes.parent / "manifest.csv", clips)

    def test_split_words_and_groups(self, manifest: Path) -> None:
        selection = recordings.select(data=manifest, split="test")
        assert [(r.speaker, r.source, r.label) for r in selection.recordings] == [
            ("ann", "home", "positive"),
            ("bob", "home", "positive"),
            ("dan", "radio", "negative"),
            ("", "street", "negative"),
        ]
        assert selection.recordings[0].words == ((0.45, 1.15),)
        assert selection.recordings[1].words == ((0.0, 2.0),)  # its times are not listed
        assert selection.recordings[1].likely == pytest.approx((0.5, 1.1), abs=0.06)
        assert len(recordings.select(data=manifest.parent).positives) == 3

    def test_rows_listed_twice(self, manifest: Path) -> None:
        once = recordings.select(data=manifest)
        head, *rows = manifest.read_text().splitlines()
        manifest.write_text("\n".join([head, *rows, *rows]) + "\n")
        again = recordings.select(data=manifest)
        assert again.recordings == once.recordings
        assert {skipped.reason for skipped in again.skipped} == {"listed twice: it counts once"}

    def test_unknown_and_empty_split(self, manifest: Path) -> None:
        with pytest.raises(WatchwordError, match="'toast' is unknown"):
            recordings.select(data=manifest, split="toast")
        with pytest.raises(WatchwordError, match=r"no recordings in split .val..*test, train"):
            recordings.select(data=manifest, split="val")


class TestEachSoundCountsOnce:
    """Copies are no further evidence: the bounds must not fall with them."""

    def test_a_copy_is_named_and_left_out(self, folders: tuple[Path, Path]) -> None:
        yes, no = folders
        once = recordings.select(yes, no)
        shutil.copy(no / "talk" / "a.flac", no / "a (1).flac")
        audio.save(no / "b.flac", audio.load(no / "music" / "b.wav"))  # another file, the same samples
        shutil.copy(yes / "0.wav", yes / "0 copy.wav")
        again = recordings.select(yes, no)
        assert sorted(again.seconds) == sorted(once.seconds)
        assert len(again.positives) == 3 and len(again.skipped) == 3
        assert all("the same sound as" in skipped.reason for skipped in again.skipped)

    def test_a_sound_under_both_labels_is_no_audio_without_the_word(self, folders: tuple[Path, Path]) -> None:
        yes, no = folders
        shutil.copy(yes / "1.wav", no / "not_the_word.wav")
        found = recordings.select(yes, no)
        (skipped,) = found.skipped
        assert skipped.path.name == "not_the_word.wav" and "given as positive" in skipped.reason
        assert len(found.positives) == 3 and len(found.negatives) == 2

    @pytest.mark.parametrize("shift", [0.0, 0.05, 0.25])
    def test_a_word_listed_twice_or_a_little_later_is_one_word(self, tmp_path: Path, shift: float) -> None:
        audio.save(tmp_path / "a.wav", burst(10.0, 2.0, 2.6))
        rows = [(2.0, 2.6), (2.0 + shift, 2.6 + shift), (2.7, 3.2)]
        lines = "".join(f"a.wav,{a},{b}\n" for a, b in rows)
        (tmp_path / "truth.csv").write_text("path,start_s,end_s\n" + lines)
        found = recordings.select(data=tmp_path)
        assert found.recordings[0].words == ((2.0, 2.6 + shift), (2.7, 3.2))
        assert any("1 of its listed words" in note for note in found.notes)


class TestWhereTheWordIs:
    def test_how_its_place_is_known_is_said(self, tmp_path: Path) -> None:
        audio.save(tmp_path / "yes" / "word.wav", burst(2.0, 0.5, 1.1))
        hiss = np.random.default_rng(1).normal(0, 600, 2 * RATE).astype(np.int16)
        audio.save(tmp_path / "yes" / "hiss.wav", hiss)
        found = recordings.select(tmp_path / "yes")
        assert {r.path.stem: r.placed for r in found.recordings} == {"word": "found", "hiss": "whole"}
        assert "hiss.wav: nothing stands out of its noise" in found.notes
        assert all(r.words == ((0.0, 2.0),) for r in found.recordings)
        assert found.notes[-1].startswith("where the words are: 1 anywhere in the recording (shown where")

    def test_times_that_scan_estimated_are_not_taken_for_listed_ones(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            audio.save(tmp_path / f"{name}.wav", burst(2.0, 0.5, 1.1, ord(name)))
        (tmp_path / "manifest.csv").write_text(
            "path,split,label,word_start_s,word_end_s,word_place\n"
            "a.wav,val,positive,0.5,1.1,\nb.wav,val,positive,0.5,1.1,found\n"
        )
        words = {r.name: (r.words, r.timed) for r in recordings.select(data=tmp_path, split="val").recordings}
        assert words == {"a.wav": (((0.5, 1.1),), True), "b.wav": (((0.0, 2.0),), False)}

    def test_a_dead_input_is_no_word(self, tmp_path: Path) -> None:
        audio.save(tmp_path / "yes" / "word.wav", burst(2.0, 0.5, 1.1))
        audio.save(tmp_path / "yes" / "stuck.wav", np.full(RATE, 900, np.int16))
        (skipped,) = recordings.select(tmp_path / "yes").skipped
        assert "constant" in skipped.reason

    def test_a_file_cut_in_two_is_named(self, tmp_path: Path) -> None:
        for folder in ("yes", "no"):
            whole = audio.save(tmp_path / folder / "whole.wav", burst(4.0, 2.5, 3.1, len(folder)))
            content = whole.read_bytes()
            (tmp_path / folder / "half.wav").write_bytes(content[: len(content) * 2 // 3])
        found = recordings.select(tmp_path / "yes", tmp_path / "no")
        (skipped,) = found.skipped
        assert skipped.path.parent.name == "yes" and "cut off: its header tells 4.00 s" in skipped.reason
        assert any(note.startswith("half.wav: cut off") for note in found.notes)

    def test_a_recording_of_many_words_is_named(self, tmp_path: Path) -> None:
        parts = [burst(2.0, 0.7, 1.2, seed) for seed in range(6)]
        audio.save(tmp_path / "yes" / "six.wav", np.concatenate(parts))
        found = recordings.select(tmp_path / "yes")
        assert "six.wav: holds 6 utterances" in found.notes[0] and len(found.recordings[0].words) == 1


class TestLimit:
    def test_negatives_are_cut_to_the_minute_and_it_is_said(self, folders: tuple[Path, Path]) -> None:
        full = recordings.select(*folders)
        limited = recordings.select(*folders, limit_minutes=0.75)
        assert limited.positives == full.positives
        negative_s = [s for r, s in zip(limited.recordings, limited.seconds, strict=True) if not r.words]
        assert sum(negative_s) == pytest.approx(45.0)
        assert limited.notes[-1] == "recordings without the word: 0.75 of 1.5 minutes (--limit-minutes)"
        heard = sum(recordings.stream_pcm(r).size - LEAD_SAMPLES - TAIL_SAMPLES for r in limited.negatives)
        assert heard == 45 * RATE

    def test_a_limit_above_what_there_is_changes_nothing(self, folders: tuple[Path, Path]) -> None:
        assert recordings.select(*folders, limit_minutes=99) == recordings.select(*folders)

    @pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
    def test_limit_must_be_a_positive_number(self, folders: tuple[Path, Path], minutes: float) -> None:
        with pytest.raises(WatchwordError, match="--limit-minutes must be above 0"):
            recordings.select(*folders, limit_minutes=minutes)

    @given(st.lists(st.floats(0.1, 600), min_size=1, max_size=30), st.floats(0.01, 60))
    def test_exact_and_never_more_than_a_file_holds(self, lengths: list[float], minutes: float) -> None:
        files = tuple(Recording(Path(f"{i}.wav"), (), "negative", f"{i}.wav") for i in range(len(lengths)))
        limited = recordings.limit_negatives(Selection(files, tuple(lengths)), minutes)
        assert sum(limited.seconds) == pytest.approx(min(sum(lengths), minutes * 60))
        own = {r.path: s for r, s in zip(files, lengths, strict=True)}
        for recording, seconds in zip(limited.recordings, limited.seconds, strict=True):
            assert seconds <= own[recording.path]
            assert recording.limit_s in (None, seconds)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=20)
@given(samples=st.integers(1, 50_000), limit_s=st.one_of(st.none(), st.floats(0.01, 4)))
def test_a_stream_is_silence_the_recording_silence(
    tmp_path: Path, samples: int, limit_s: float | None
) -> None:
    pcm = np.arange(1, samples + 1, dtype=np.int16) | 1
    path = audio.save(tmp_path / "a.wav", pcm)
    stream = recordings.stream_pcm(Recording(path, (), "negative", limit_s=limit_s))
    heard = samples if limit_s is None else min(samples, round(limit_s * RATE))
    assert stream.dtype == np.int16 and stream.size == LEAD_SAMPLES + heard + TAIL_SAMPLES
    assert not stream[:LEAD_SAMPLES].any() and not stream[LEAD_SAMPLES + heard :].any()
    assert (stream[LEAD_SAMPLES : LEAD_SAMPLES + heard] == pcm[:heard]).all()


def test_word_samples_count_the_silence_in_front() -> None:
    assert Recording(Path("a"), ((1.0, 2.0),), "positive").word_samples == [
        (LEAD_SAMPLES + RATE, LEAD_SAMPLES + 2 * RATE)
    ]
