"""Mining: which audio may be listened to, what is cut out of it, and that a scan takes it as it is."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from watchword import audio, core
from watchword.cli.mine import command
from watchword.data.clip_sources import find
from watchword.data.corpus import Clip, is_mined, read_manifest, write_manifest
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES, Recording, Selection
from watchword.data.scan import scan
from watchword.data.tables import read_table
from watchword.data.training_audio import training_audio
from watchword.errors import WatchwordError
from watchword.evaluate import mine as mining
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.mine import find_alarms, mine
from watchword.evaluate.stream import HostRun

MODEL = Path(__file__).parents[2] / "models" / "alexa"
RATE = 16_000
IMAGE = (MODEL / "model.bin").read_bytes()
HEADER = core.ModelImage(IMAGE).header
STEP = int(HEADER["stride_rows"]) * int(HEADER["hop_samples"])
WINDOW = int(HEADER["receptive_rows"]) * int(HEADER["hop_samples"])


def stream_of(recording: Recording, seconds: float, bumps: Sequence[tuple[float, float]]) -> ScoredStream:
    """Scores of a made-up model: 0..1 of each bump for 0.3 s up to its time in the recording."""
    samples = round(seconds * RATE)
    ends = np.arange(WINDOW, LEAD_SAMPLES + samples + TAIL_SAMPLES + 1, STEP, dtype=np.int64)
    times = (ends - LEAD_SAMPLES) / RATE
    level = np.zeros(ends.size)
    for time_s, height in bumps:
        level = np.maximum(level, height * ((times > time_s - 0.3) & (times <= time_s)))
    scores = np.rint(level * 255).astype(np.uint8)
    fired = core.detect(scores, ends, core.ModelImage(IMAGE).detector)[1]
    return ScoredStream(recording, samples, scores, ends, ends[fired])


def alarms_of(
    seconds: float, bumps: Sequence[tuple[float, float]], words: Sequence[tuple[float, float]] = ()
) -> list[mining.Alarm]:
    recording = Recording(Path("a.wav"), tuple(words), "negative", complete=True)
    return find_alarms(stream_of(recording, seconds, bumps), IMAGE, 0.3)


class TestAlarms:
    def test_a_peak_comes_with_the_sound_that_made_it(self) -> None:
        (alarm,) = alarms_of(30.0, [(12.0, 0.8)])
        assert alarm.score == pytest.approx(0.8, abs=0.01)
        assert alarm.start_s < 12.0 - 0.3 - WINDOW / RATE and 12.0 < alarm.stop_s < 13.0
        assert alarm.seconds < 6.0

    def test_near_peaks_are_one_and_the_higher_counts(self) -> None:
        found = alarms_of(30.0, [(10.0, 0.5), (11.0, 0.9), (20.0, 0.6), (25.0, 0.2)])
        assert [round(alarm.score, 1) for alarm in found] == [0.9, 0.6]

    def test_clips_end_where_the_recording_does(self) -> None:
        first, last = alarms_of(8.0, [(0.4, 0.9), (8.3, 0.9)])
        assert first.start == 0 and last.stop == 8 * RATE

    def test_words_are_never_in_a_clip(self) -> None:
        """Not the detection of the word itself, and not the word beside a false alarm."""
        words = [(10.0, 10.7), (14.0, 14.6)]
        found = alarms_of(30.0, [(10.9, 0.9), (13.0, 0.8), (15.0, 0.9), (16.2, 0.7)], words)
        assert [round(alarm.score, 1) for alarm in found] == [0.8, 0.7]
        assert all(a.stop_s < start or a.start_s > end for a in found for start, end in words)

    def test_a_silent_model_and_a_recording_without_scores(self) -> None:
        assert alarms_of(5.0, []) == []
        empty = np.zeros(0, np.int64)
        nothing = ScoredStream(Recording(Path("a"), (), "negative"), 0, empty.astype(np.uint8), empty, empty)
        assert find_alarms(nothing, IMAGE, 0.3) == []

    @given(
        st.lists(st.tuples(st.floats(0, 20), st.floats(0, 1)), max_size=12),
        st.lists(st.tuples(st.floats(0, 19), st.floats(0.1, 1)), max_size=3),
    )
    def test_always_inside_the_recording_apart_and_without_words(
        self, bumps: list[tuple[float, float]], spans: list[tuple[float, float]]
    ) -> None:
        words = [(start, start + length) for start, length in spans]
        found = alarms_of(20.0, bumps, words)
        assert all(0.3 <= a.score <= 1.0 and 0 <= a.start < a.stop <= 20 * RATE for a in found)
        assert all(a.stop_s <= start or a.start_s >= end for a in found for start, end in words)


# ── Which audio ──────────────────────────────────────────────────────────────────────────────
def sound(path: Path, seconds: float = 4.0, seed: int = 0) -> Path:
    pcm = np.random.default_rng([seed, zlib.crc32(path.name.encode())]).normal(0, 1000, round(seconds * RATE))
    return audio.save(path, pcm.astype(np.int16))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A manifest with clips of every label in every split."""
    clips = []
    for number, split in enumerate(("train", "val", "test")):
        for label in ("positive", "negative", "noise"):
            phrase = "alexa" if label == "positive" else ""
            path = sound(tmp_path / "corpus" / split / f"{label}.wav", seed=3 * number + len(label))
            bounds = (0.5, 1.0) if label == "positive" else (None, None)
            clips.append(Clip(path, split, label, phrase, f"{split}_{label}", "home", 4.0, *bounds))
    return write_manifest(tmp_path / "corpus" / "manifest.csv", clips)


def names(data: Sequence[Path], word: str = "alexa") -> list[str]:
    return [r.path.name for r in training_audio(data, word).selection.recordings]


class TestAudio:
    def test_of_a_manifest_only_training_negatives_and_noise(self, corpus: Path) -> None:
        heard = training_audio([corpus], "alexa").selection.recordings
        assert [(r.path.parent.name, r.path.name) for r in heard] == [
            ("train", "negative.wav"),
            ("train", "noise.wav"),
        ]

    def test_what_says_the_word_is_left_out_whatever_its_label(self, corpus: Path) -> None:
        clips = read_manifest(corpus)
        sentence = sound(corpus.parent / "sentence.wav")
        clips.append(Clip(sentence, "train", "negative", "please Alexa stop"))
        clips.append(Clip(sound(corpus.parent / "near.wav"), "train", "negative", "alexander"))
        write_manifest(corpus, clips)
        assert names([corpus]) == ["negative.wav", "noise.wav", "near.wav"]
        # The positives of another word are plain speech to this model.
        assert "positive.wav" in names([corpus], "computer")

    def test_mined_clips_are_not_mined_again(self, corpus: Path) -> None:
        mined = Clip(sound(corpus.parent / "m.wav"), "train", "negative", source="mined: home")
        write_manifest(corpus, [*read_manifest(corpus), mined])
        assert names([corpus]) == ["negative.wav", "noise.wav"]

    def test_files_and_folders_that_nothing_describes(self, tmp_path: Path) -> None:
        sound(tmp_path / "evening" / "ann" / "a.wav")
        sound(tmp_path / "evening" / "b.flac")
        single = sound(tmp_path / "c.wav")
        audio_ = training_audio([tmp_path / "evening", single, single], "alexa")
        assert {r.path.name: r.speaker for r in audio_.selection.recordings} == {
            "a.wav": "ann",
            "b.flac": "",
            "c.wav": "",
        }

    def test_a_truth_file_keeps_its_words(self, tmp_path: Path) -> None:
        sound(tmp_path / "evening.wav")
        (tmp_path / "truth.csv").write_text("path,start_s,end_s\nevening.wav,1.0,1.5\n")
        (recording,) = training_audio([tmp_path], "alexa").selection.recordings
        assert recording.words == ((1.0, 1.5),)

    @pytest.mark.parametrize("split", ["val", "dev", "test"])
    def test_val_and_test_are_refused(self, split: str, corpus: Path, tmp_path: Path) -> None:
        with pytest.raises(WatchwordError, match="would train the model on what is to judge it"):
            mine(MODEL, [corpus], tmp_path / "out", split=split, progress=False)
        assert not (tmp_path / "out").exists()

    def test_held_out_files_are_refused_however_they_are_named(self, corpus: Path, tmp_path: Path) -> None:
        held_out = corpus.parent / "test" / "negative.wav"
        link = tmp_path / "link.wav"
        link.symlink_to(held_out)
        for source in (held_out, held_out.parent, link):
            with pytest.raises(WatchwordError, match="is in split test"):
                training_audio([source], "alexa")
        plain = sound(corpus.parent / "more" / "x.wav")
        clips = [*read_manifest(corpus), Clip(plain, "val", "negative")]
        write_manifest(corpus, clips)
        mining_cache_clear()
        with pytest.raises(WatchwordError, match="is in split val"):
            training_audio([plain.parent], "alexa")
        (plain.parent / "truth.csv").write_text("path,start_s,end_s\nx.wav,,\n")
        with pytest.raises(WatchwordError, match="is in split val"):
            training_audio([plain.parent], "alexa")

    def test_a_corpus_without_splits_is_refused(self, tmp_path: Path) -> None:
        sound(tmp_path / "negative" / "ann" / "a.wav")
        with pytest.raises(WatchwordError, match=r"in no split yet.*watchword scan"):
            training_audio([tmp_path], "alexa")
        header = "path,split,kind,phrase\nnegative/ann/a.wav,,speech,\n"
        (tmp_path / "manifest.csv").write_text(header)
        with pytest.raises(WatchwordError, match=r"a.wav is in no split yet"):
            training_audio([tmp_path], "alexa")

    def test_nothing_to_listen_to(self, corpus: Path, tmp_path: Path) -> None:
        positives = [clip for clip in read_manifest(corpus) if clip.label == "positive"]
        with pytest.raises(WatchwordError, match="no training audio without the word"):
            training_audio([write_manifest(tmp_path / "p.csv", positives)], "alexa")
        with pytest.raises(WatchwordError, match="no such file or folder"):
            training_audio([tmp_path / "nowhere"], "alexa")


def mining_cache_clear() -> None:
    """Manifests are read once a run; a test writes them anew within one."""
    from watchword.data import training_audio as module

    module._listed_splits.cache_clear()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    mining_cache_clear()


# ── A whole run, with a made-up model ────────────────────────────────────────────────────────
@pytest.fixture
def fires(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, list[tuple[float, float]]]], None]:
    """Replaces the pipeline: scores by file name."""

    def set_bumps(bumps: dict[str, list[tuple[float, float]]]) -> None:
        def run(image: bytes, selection: Selection, *_: object) -> HostRun:
            pairs = zip(selection.recordings, selection.seconds, strict=True)
            streams = tuple(stream_of(r, s, bumps.get(r.path.name, [])) for r, s in pairs)
            return HostRun(streams, (), 1.0, sum(selection.seconds))

        monkeypatch.setattr(mining, "run_host", run)

    return set_bumps


class TestRun:
    def test_the_worst_first_and_a_scan_takes_them(
        self, corpus: Path, tmp_path: Path, fires: Callable
    ) -> None:
        fires({"negative.wav": [(2.0, 0.5)], "noise.wav": [(3.0, 0.9)]})
        out = tmp_path / "mined"
        found = mine(MODEL, [corpus], out, progress=False)
        assert [round(a.score, 1) for a in found.alarms] == [0.9, 0.5] and found.total == 2
        clips = read_manifest(out / "manifest.csv")
        assert [(c.split, c.label, c.speaker, c.source) for c in clips] == [
            ("train", "negative", "train_noise", "mined: home"),
            ("train", "negative", "train_negative", "mined: home"),
        ]
        assert sorted(c.path.name for c in clips)[-1] == clips[0].path.name
        original = audio.load(corpus.parent / "train" / "negative.wav")
        a = found.alarms[1]
        assert np.array_equal(audio.load(clips[1].path), original[a.start : a.stop])
        merged = scan([corpus, out], "alexa")
        assert sum(is_mined(clip) for clip in merged.clips) == 2 and len(merged.clips) == 9 + 2
        assert all(clip.split == "train" for clip in merged.clips if is_mined(clip))

    def test_a_corpus_whose_test_part_is_kept_elsewhere_can_be_merged(
        self, corpus: Path, tmp_path: Path, fires: Callable
    ) -> None:
        write_manifest(corpus, [clip for clip in read_manifest(corpus) if clip.split != "test"])
        fires({"negative.wav": [(2.0, 0.5)]})
        mine(MODEL, [corpus], tmp_path / "mined", progress=False)
        assert len(scan([corpus, tmp_path / "mined"], "alexa").clips) == 6 + 1

    def test_a_second_round_adds_only_what_is_new(
        self, corpus: Path, tmp_path: Path, fires: Callable
    ) -> None:
        out = tmp_path / "mined"
        fires({"negative.wav": [(1.0, 0.5)]})
        mine(MODEL, [corpus], out, progress=False)
        fires({"negative.wav": [(1.1, 0.8)], "noise.wav": [(2.0, 0.4)]})
        second = mine(MODEL, [corpus], out, progress=False)
        assert (len(second.alarms), second.known, second.total) == (1, 1, 2)
        assert len(read_table(out / "mined.csv")[1]) == 2

    def test_a_deleted_clip_stays_deleted(self, corpus: Path, tmp_path: Path, fires: Callable) -> None:
        """The user found the word in it: it neither comes back nor is it an error."""
        out = tmp_path / "mined"
        fires({"negative.wav": [(1.0, 0.5)], "noise.wav": [(2.0, 0.4)]})
        mine(MODEL, [corpus], out, progress=False)
        worst = read_manifest(out / "manifest.csv")[0].path
        worst.unlink()
        left = scan([corpus, out], "alexa")
        assert [s.path.name for s in left.skipped] == [worst.name]
        again = mine(MODEL, [corpus], out, progress=False)
        assert (again.alarms, again.known, again.total) == ([], 2, 1)

    def test_max_minutes_keeps_the_worst(self, corpus: Path, tmp_path: Path, fires: Callable) -> None:
        fires({"negative.wav": [(2.0, 0.5)], "noise.wav": [(3.0, 0.9)]})
        found = mine(MODEL, [corpus], tmp_path / "mined", max_minutes=0.08, progress=False)
        assert [round(a.score, 1) for a in found.alarms] == [0.9] and found.left_out == 1

    def test_nothing_found_is_a_manifest_without_clips(
        self, corpus: Path, tmp_path: Path, fires: Callable
    ) -> None:
        fires({})
        found = mine(MODEL, [corpus], tmp_path / "mined", progress=False)
        assert found.total == 0 and find(tmp_path / "mined") == []

    def test_the_command_tells_what_it_found(self, corpus: Path, tmp_path: Path, fires: Callable) -> None:
        fires({"negative.wav": [(2.0, 0.99)]})
        arguments = [str(MODEL), "--data", str(corpus), "--out", str(tmp_path / "mined")]
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        assert "1 false alarms of the model's own detector, 1 peaks" in result.output
        assert "1 clips written" in result.output and "negative.wav" in result.output

    def test_another_csv_in_the_folder_is_not_overwritten(self, corpus: Path, tmp_path: Path) -> None:
        (tmp_path / "mined.csv").write_text("a,b\n1,2\n")
        with pytest.raises(WatchwordError, match="not a list of mined clips"):
            mine(MODEL, [corpus], tmp_path, progress=False)


@pytest.mark.real
def test_mining_real_recordings(real_data: Path, tmp_path: Path) -> None:
    """The committed model on real training speech: what is cut out fires again when heard alone."""
    rows = read_table(real_data / "manifest.csv")[1]
    chosen = [r for r in rows if r["split"] == "train" and r["kind"] in ("keyword", "speech", "other-word")]
    clips = [
        Clip(
            real_data / r["path"], "train", "positive" if r["phrase"] == "alexa" else "negative", r["phrase"]
        )
        for r in chosen
    ]
    found = mine(MODEL, [write_manifest(tmp_path / "m.csv", clips)], tmp_path / "mined", progress=False)
    assert found.hours > 1.0 and found.alarms, "a model is never without a doubt in an hour of speech"
    peaks = []
    for clip, alarm in zip(read_manifest(found.manifest), found.alarms, strict=True):
        assert clip.phrase != "alexa"
        lead = np.zeros(LEAD_SAMPLES, np.int16)
        run = core.run_pipeline(IMAGE, np.concatenate((lead, audio.load(clip.path), lead)))
        peaks.append((alarm.score, run.smoothed_q15.max() / 32768))
    again = [heard >= 0.5 * score for score, heard in peaks]
    assert np.mean(again) >= 0.8, peaks
