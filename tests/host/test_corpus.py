"""Scanning: layouts, manifests, bad files, splits."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from sounds import RATE, sound
from watchword import audio
from watchword.cli.scan import command
from watchword.data.corpus import Clip, read_manifest, require_word, write_manifest
from watchword.data.scan import scan
from watchword.data.split import assign
from watchword.data.split_warnings import voice_warnings
from watchword.errors import WatchwordError


def fill(folder: Path, layout: dict[str, int], first_seed: int = 0) -> None:
    """Write `count` sounds into each folder of the layout."""
    seed = first_seed
    for name, count in layout.items():
        for number in range(count):
            audio.save(folder / name / f"{number}.flac", sound(seed))
            seed += 1


def people(label: str, count: int, clips: int = 4) -> dict[str, int]:
    return {f"{label}/person{number:02}": clips for number in range(count)}


def test_manifest_round_trip(tmp_path: Path) -> None:
    clips = [
        Clip(tmp_path / "a" / "x, y.wav", "train", "positive", 'say "hi"', "ann", "home", 1.25, 0.25, 0.75),
        Clip(Path("/elsewhere/noise.flac"), "val", "noise", source="sea", seconds=3.5, synthetic=True),
    ]
    path = write_manifest(tmp_path / "manifest.csv", clips)
    assert read_manifest(path) == clips
    assert path.read_text().splitlines()[1].startswith('"a/x, y.wav",')  # relative: the folder can move


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("path,split\nx.wav,train\n", "no column label"),
        ("path,split,label\nx.wav,holiday,positive\n", "line 2.*holiday"),
        ("path,split,label\nx.wav,train,good\n", "line 2.*good"),
        ("path,split,label\n,train,noise\n", "line 2.*no path"),
        ("path,split,label,seconds\nx.wav,train,noise,nan\n", "not a time"),
    ],
)
def test_bad_manifest_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(WatchwordError, match=message):
        read_manifest(tmp_path / "m.csv")


def test_folders_become_a_split_by_speaker(tmp_path: Path) -> None:
    fill(tmp_path, people("positive", 10) | people("negative", 10) | {"noise": 10, "rir": 3})
    found = scan([tmp_path], "hey you")
    assert not found.skipped
    assert len(found.clips) == 93
    for label in ("positive", "negative"):
        sides = {}
        for clip in found.clips:
            if clip.label == label:
                assert clip.speaker.startswith("person")
                assert sides.setdefault(clip.speaker, clip.split) == clip.split
        assert Counter(sides.values()) == {"train": 8, "val": 1, "test": 1}
    positives = [clip for clip in found.clips if clip.label == "positive"]
    assert {clip.phrase for clip in positives} == {"hey you"}
    assert all(0 <= c.word_start_s < c.word_end_s <= c.seconds == 0.5 for c in positives)


def test_split_depends_on_the_seed_only(tmp_path: Path) -> None:
    fill(tmp_path, people("positive", 12, 2) | people("negative", 12, 2))
    first, again, other = (scan([tmp_path], seed=seed).clips for seed in (1, 1, 2))
    assert first == again
    assert [c.split for c in first] != [c.split for c in other]


@pytest.mark.parametrize("order", ["{split}/{label}", "{label}/{split}"])
def test_split_folders_are_kept(tmp_path: Path, order: str) -> None:
    names = {"train": 3, "validation": 2, "test": 1}
    fill(
        tmp_path,
        {order.format(split=s, label=lab): n for s, n in names.items() for lab in ("positive", "negative")},
    )
    counts = Counter((clip.split, clip.label) for clip in scan([tmp_path]).clips)
    assert (
        counts["train", "positive"] == 3
        and counts["val", "negative"] == 2
        and counts["test", "positive"] == 1
    )


def test_three_groups_are_enough_and_two_are_not(tmp_path: Path) -> None:
    fill(tmp_path, people("positive", 3) | people("negative", 3))
    assert {clip.split for clip in scan([tmp_path]).clips if clip.label == "positive"} == {
        "train",
        "val",
        "test",
    }
    for path in (tmp_path / "positive" / "person02").iterdir():
        path.unlink()
    with pytest.raises(WatchwordError, match="no positive clip in"):
        scan([tmp_path])


def test_duplicates_stay_on_one_side(tmp_path: Path) -> None:
    """Without speakers each file is its own group; the same sound twice still is one."""
    for number in range(40):
        audio.save(tmp_path / "positive" / f"{number}.wav", sound(number))
        louder = np.concatenate((np.zeros(777, np.int16), sound(number) * 2))
        audio.save(tmp_path / "positive" / f"copy{number}.wav", louder)
        audio.save(tmp_path / "negative" / f"{number}.wav", sound(1000 + number))
    split_of = {clip.path.name: clip.split for clip in scan([tmp_path]).clips if clip.label == "positive"}
    assert all(split_of[f"{n}.wav"] == split_of[f"copy{n}.wav"] for n in range(40))
    assert set(split_of.values()) == {"train", "val", "test"}


def test_bad_files_are_listed_and_left_out(tmp_path: Path) -> None:
    fill(tmp_path, people("positive", 3) | people("negative", 3))
    bad = tmp_path / "positive" / "person00"
    (bad / "empty.wav").write_bytes(b"")
    (bad / "text.flac").write_text("no sound")
    (bad / "notes.txt").write_text("not looked at")
    (bad / ".hidden.wav").write_text("not looked at")
    (bad / "._0.wav").write_text("not looked at")
    (bad / "take.xyz").write_text("not looked at")
    (bad / "gone.wav").symlink_to("nowhere.wav")
    (bad / "self.wav").symlink_to("self.wav")
    (bad / "around").symlink_to(tmp_path / "positive")
    (tmp_path / "late").mkdir()
    audio.save(tmp_path / "late" / "loose.wav", sound(600))
    audio.save(bad / "stuck.wav", np.full(RATE, 6000, np.int16))
    rng = np.random.default_rng(1)
    audio.save(bad / "hiss.wav", rng.normal(0, 600, 2 * RATE).astype(np.int16))
    whole = audio.save(bad / "cut.wav", sound(503)).read_bytes()
    (bad / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(bad / "none.wav", np.zeros(0, np.int16), RATE)
    soundfile.write(bad / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    audio.save(bad / "short.wav", sound(500)[:800])
    audio.save(bad / "silent.wav", np.zeros(RATE, np.int16))
    audio.save(bad / "faint.wav", sound(501) // 1000)
    audio.save(bad / "clipped.wav", (np.sign(sound(502).astype(np.int32)) * 32767).astype(np.int16))
    found = scan([tmp_path])
    reasons = {skipped.path.name: skipped.reason for skipped in found.skipped}
    expected = {
        "empty.wav": "not a readable",
        "text.flac": "not a readable",
        "none.wav": "no samples",
        "nan.wav": "NaN",
        "short.wav": "too short: 50 ms",
        "silent.wav": "silent",
        "faint.wav": "almost silent",
        "clipped.wav": "clipped",
        ".hidden.wav": "hidden",
        "._0.wav": "resource fork",
        "take.xyz": "'.xyz'",
        "gone.wav": "a link that leads to no file",
        "self.wav": "a link that leads to no file",
        "around": "read already",
        "loose.wav": "no folder above it tells",
        "stuck.wav": "constant: every sample is 6000",
        "hiss.wav": "nothing stands out",
        "cut.wav": "cut off: its header tells 0.50 s, the file holds 0.25 s",
    }
    assert reasons.keys() == expected.keys()
    assert all(expected[name] in reason for name, reason in reasons.items())
    assert len(found.clips) == 24
    assert any("1 file is no sound by its suffix: 1 .txt (notes.txt)" in note for note in found.notes)


def test_our_own_tables_are_nothing_to_tell_about(tmp_path: Path) -> None:
    fill(tmp_path, people("positive", 3) | people("negative", 3))
    for name in ("truth.csv", "mined.csv"):
        (tmp_path / name).write_text("path\n")
    write_manifest(tmp_path / "manifest.csv", scan([tmp_path]).clips)
    assert not [note for note in scan([tmp_path]).notes if "suffix" in note]


def test_a_linked_folder_is_read_once(tmp_path: Path) -> None:
    fill(tmp_path / "disk", people("positive", 3) | people("negative", 3))
    (tmp_path / "here").mkdir()
    for name in ("positive", "negative", "other"):
        (tmp_path / "here" / name).symlink_to(tmp_path / "disk" / name.replace("other", "negative"))
    found = scan([tmp_path / "here"])
    assert len(found.clips) == 24
    assert [(s.path.name, "read already" in s.reason) for s in found.skipped] == [("other", True)]


def test_without_a_positive_there_is_nothing_to_learn(tmp_path: Path) -> None:
    fill(tmp_path, people("negative", 3))
    (tmp_path / "positive").mkdir()
    (tmp_path / "positive" / "a.wav").write_bytes(b"")
    told: list[str] = []
    with pytest.raises(WatchwordError, match=r"none of 12 usable clips is a recording of the word.*a\.wav"):
        scan([tmp_path], tell=lambda skipped: told.extend(s.path.name for s in skipped))
    assert told == ["a.wav"], "what was left out is told before the scan fails"


def test_one_sound_as_the_word_and_as_something_else_is_named(tmp_path: Path) -> None:
    fill(tmp_path, people("positive", 3) | people("negative", 3))
    audio.save(
        tmp_path / "negative" / "person00" / "same.wav", audio.load(tmp_path / "positive/person00/0.flac")
    )
    notes = scan([tmp_path]).notes
    assert any("same sound is positive and negative" in n and "same.wav" in n for n in notes)


def test_a_model_is_not_named_after_another_word(tmp_path: Path) -> None:
    clips = [
        Clip(Path(f"{n}.wav"), "train", "positive", phrase) for n, phrase in enumerate(("Hey You", "", "ho"))
    ]
    manifest = write_manifest(tmp_path / "m.csv", clips)
    with pytest.raises(WatchwordError, match=r"1 of 3 positives say 'ho', not 'hey_you'.*watchword scan"):
        require_word(manifest, "hey_you")
    require_word(write_manifest(tmp_path / "n.csv", clips[:2]), "hey you")


class TestVoices:
    """Real people judge whenever there are any, and where they cannot it is said."""

    def merged(self, folder: Path, people_there: int) -> list[Clip]:
        synthetic = [
            Clip(
                folder / split / f"{label}{n}.wav",
                split,
                label,
                "hey",
                f"tts-{split}{n}",
                "tts",
                1.0,
                0.1,
                0.9,
                True,
            )
            for split, count in (("train", 100), ("val", 20), ("test", 20))
            for label in ("positive", "negative")
            for n in range(count)
        ]
        real = [
            Clip(Path(f"{p}-{n}.wav"), "", "positive", "hey", f"person{p}", "phone", 1.0, 0.1, 0.9)
            for p in range(people_there)
            for n in range(3)
        ]
        return assign([*synthetic, *real])

    @pytest.mark.parametrize(
        ("people_there", "splits"),
        [
            (1, {"test": 1}),
            (2, {"test": 1, "val": 1}),
            (3, {"train": 1, "val": 1, "test": 1}),
            (10, {"train": 8, "val": 1, "test": 1}),
        ],
    )
    def test_merged_with_synthetic_ones(
        self, tmp_path: Path, people_there: int, splits: dict[str, int]
    ) -> None:
        real = [clip for clip in self.merged(tmp_path, people_there) if not clip.synthetic]
        speakers = {(clip.speaker, clip.split) for clip in real}
        assert Counter(split for _, split in speakers) == splits

    def test_every_source_is_split_by_itself(self) -> None:
        clips = [
            Clip(Path(f"{source}/{p}.wav"), "", "positive", "hey", f"{source}{p}", source)
            for source, count in (("a", 60), ("b", 5), ("c", 1))
            for p in range(count)
        ]
        there = {(clip.source, clip.split) for clip in assign(clips)}
        assert {(s, split) for s in ("a", "b") for split in ("train", "val", "test")} <= there

    def test_what_makes_a_poor_judge_is_said(self, tmp_path: Path) -> None:
        def warned(clips: list[Clip]) -> str:
            return "; ".join(str(w) for w in voice_warnings(clips))

        assert "no real voice in val and test, all words are synthetic" in warned(self.merged(tmp_path, 0))
        assert "no real voice in val" in warned(self.merged(tmp_path, 1))
        assert warned(self.merged(tmp_path, 3)) == ""
        flat = assign([Clip(Path(f"{n}.wav"), "", "positive", "hey") for n in range(20)])
        assert "20 recordings of the word name no speaker" in warned(flat)


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="no such"):
        scan([tmp_path / "absent"])
    with pytest.raises(WatchwordError, match="no wav or flac"):
        scan([tmp_path])
    (tmp_path / "stray.wav").write_bytes(b"x")
    with pytest.raises(WatchwordError, match="positive/"):
        scan([tmp_path])
    (tmp_path / "positive").mkdir()
    (tmp_path / "stray.wav").rename(tmp_path / "positive" / "x.wav")
    with pytest.raises(WatchwordError, match="none of 1 files"):
        scan([tmp_path])


def kinds_manifest(folder: Path) -> Path:
    """A list of many words, as some collections have: kind and phrase instead of label."""
    rows = []
    seed = 0
    for split in ("train", "dev", "test"):
        for kind, phrase in (
            ("keyword", "alexa"),
            ("keyword", "computer"),
            ("tts-keyword", "alexa"),
            ("speech", ""),
        ):
            path = f"{split}-{kind}-{phrase}.flac"
            audio.save(folder / path, sound(seed := seed + 1))
            rows.append([path, split, kind, phrase, f"{split}{kind}"])
    audio.save(folder / "sea.flac", sound(99))
    rows.append(["sea.flac", "noise", "noise", "", ""])
    with (folder / "manifest.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["path", "split", "kind", "phrase", "speaker"], *rows])
    return folder / "manifest.csv"


def test_manifest_of_many_words(tmp_path: Path) -> None:
    manifest = kinds_manifest(tmp_path)
    for source in (manifest, tmp_path):
        found = scan([source], "Alexa")
        counts = Counter((clip.split, clip.label) for clip in found.clips)
        assert (
            counts["val", "positive"] == 2
            and counts["test", "negative"] == 2
            and counts["train", "noise"] == 1
        )
        assert {clip.phrase for clip in found.clips if clip.label == "positive"} == {"alexa"}
        assert [clip.synthetic for clip in found.clips].count(True) == 3
    with pytest.raises(WatchwordError, match="alexa, computer"):
        scan([manifest])


def test_recordings_beside_a_list_of_many_words_are_reported(tmp_path: Path) -> None:
    """Its folders do not tell the word, so nothing is guessed, and nothing is left out in silence."""
    kinds_manifest(tmp_path)
    audio.save(tmp_path / "positive" / "new.flac", sound(500))
    audio.save(tmp_path / "cut" / "piece.flac", sound(501))
    found = scan([tmp_path], "alexa")
    assert len(found.clips) == 13
    reasons = {s.path.name: s.reason for s in found.skipped}
    assert reasons["new.flac"] == "manifest.csv does not name it"
    assert "no folder above it tells" in reasons["piece.flac"] and len(reasons) == 2


def test_own_manifest_can_be_scanned_again_for_another_word(tmp_path: Path) -> None:
    clips = scan([kinds_manifest(tmp_path)], "alexa").clips
    again = scan([write_manifest(tmp_path / "second.csv", clips)], "computer")
    assert {clip.phrase for clip in again.clips if clip.label == "positive"} == {"computer"}


def test_a_missing_file_of_a_manifest_is_skipped(tmp_path: Path) -> None:
    manifest = kinds_manifest(tmp_path)
    (tmp_path / "train-keyword-computer.flac").unlink()
    found = scan([manifest], "alexa")
    assert [(s.path.name, s.reason) for s in found.skipped] == [
        ("train-keyword-computer.flac", "no such file (check the path)")
    ]


def test_assign_pulls_a_speaker_to_the_side_already_given() -> None:
    given = Clip(Path("a"), "test", "positive", speaker="ann")
    free = [Clip(Path(str(n)), "", "positive", speaker="ann") for n in range(20)]
    assert {clip.split for clip in assign([given, *free])} == {"test"}


def test_command_prints_a_table_and_writes_the_manifest(tmp_path: Path) -> None:
    fill(tmp_path / "data", people("positive", 5) | people("negative", 5))
    (tmp_path / "data" / "positive" / "broken.wav").write_bytes(b"")
    out = tmp_path / "out" / "manifest.csv"
    result = CliRunner().invoke(command, [str(tmp_path / "data"), "--word", "hey", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "broken.wav: not a readable" in result.output
    assert "train  positive" in result.output
    assert len(read_manifest(out)) == 40


def test_command_repeated_after_recording_more(tmp_path: Path) -> None:
    """The manifest lies in the folder it lists: what it says is kept, what was added is found."""
    folder, out = tmp_path / "mine", tmp_path / "mine" / "manifest.csv"

    def run() -> dict[Path, Clip]:
        arguments = [str(folder), "--word", "hey", "--out", str(out)]
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        assert "faint.flac: almost silent" in result.output  # the manifest never names it
        return {clip.path.relative_to(folder): clip for clip in read_manifest(out)}

    fill(folder, people("positive", 5) | people("negative", 5))
    audio.save(folder / "positive" / "person00" / "faint.flac", sound(900) // 1000)
    gone = Path("negative/person00/gone.flac")
    audio.save(folder / gone, sound(901))
    before = run()
    assert run() == before and len(before) == 41
    (folder / gone).unlink()
    fill(folder, {"positive/new": 4, "negative/new": 4, "noise": 3}, 300)
    old_speaker = Path("positive/person00/later.flac")
    audio.save(folder / old_speaker, sound(400))
    after = run()
    assert {path: after[path] for path in before if path != gone} == {
        path: clip for path, clip in before.items() if path != gone
    }
    added = after.keys() - before.keys()
    assert Counter(path.parts[0] for path in added) == {"positive": 5, "negative": 4, "noise": 3}
    assert {after[path].phrase for path in added if path.parts[0] == "positive"} == {"hey"}
    assert after[old_speaker].speaker == "person00"
    assert after[old_speaker].split == before[Path("positive/person00/0.flac")].split
    assert gone not in after and run() == after


@pytest.mark.real
def test_real_manifest_gives_the_documented_counts(real_data: Path) -> None:
    found = scan([real_data / "manifest.csv"], "alexa")
    people_say = Counter(c.split for c in found.clips if c.label == "positive" and not c.synthetic)
    assert people_say == {"train": 161, "val": 38, "test": 42}
    assert sum(c.synthetic for c in found.clips if c.label == "positive") == 108
    assert all(skipped.reason.startswith("clipped") for skipped in found.skipped)
    assert not [s for s in found.skipped if "/alexa/" in str(s.path)]


def again(folder: Path, word: str) -> Result:
    """The command repeated on a folder with its own manifest."""
    return CliRunner().invoke(command, [str(folder), "--word", word, "--out", str(folder / "manifest.csv")])


def test_another_word_on_a_scanned_folder_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    """It would turn every earlier positive into a negative, and call what was added since by the new word."""
    fill(tmp_path, people("positive", 5) | people("negative", 5))
    assert again(tmp_path, "hey").exit_code == 0
    fill(tmp_path, {"positive/new": 4}, 300)
    before = (tmp_path / "manifest.csv").read_bytes()
    result = again(tmp_path, "hay")
    assert isinstance(result.exception, WatchwordError)
    assert "20 positives say 'hey', none says 'hay'" in str(result.exception)
    assert "give --word 'hey'" in str(result.exception)
    assert (tmp_path / "manifest.csv").read_bytes() == before
    assert again(tmp_path, "Hey").exit_code == 0, "how the word is written does not matter"


def test_positives_of_another_words_manifest_are_negatives_and_it_is_said(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    fill(old, people("positive", 5) | people("negative", 5))
    assert again(old, "hey").exit_code == 0
    with pytest.raises(WatchwordError, match="nothing says 'ho'"):
        scan([old / "manifest.csv"], "ho")
    fill(new, people("positive", 5) | people("negative", 5), 500)
    found = scan([new, old / "manifest.csv"], "ho")
    assert {clip.phrase for clip in found.clips if clip.label == "positive"} == {"ho"}
    (told,) = [note for note in found.notes if "20 positives" in note]
    assert "'hey'" in told
    assert not [note for note in scan([new], "ho").notes if "say 'hey'" in note]
