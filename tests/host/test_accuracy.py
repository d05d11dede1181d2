"""The accuracy benchmark: both sides hear the same samples and are counted by the same rules."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_peer import make_python
from hypothesis import given
from hypothesis import strategies as st
from sounds import RATE, sound
from watchword.data.corpus import Clip, write_manifest
from watchword.data.jobs import CONDITIONS
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES, Recording, stream_pcm
from watchword.errors import WatchwordError
from watchword.evaluate import equal_alarms
from watchword.evaluate.equal_alarms import Scores, Trace, Word
from watchword.evaluate.metrics import REPEAT_SAMPLES, alarm_rate
from watchword.typed_json import read_json

from tools.accuracy import benchmark, page, peer
from tools.accuracy.by_source import sources_of, uses_of_sources
from tools.accuracy.listen import OURS, ScoredTrial
from tools.accuracy.more import with_more
from tools.accuracy.results import SCHEMA, Results
from tools.accuracy.trials import ALL, AS_RECORDED, ELSEWHERE, Plan, Trial, make_plan, split_names

MODEL = Path(__file__).resolve().parents[2] / "models" / "alexa"
STEP = 640


def make_recordings(folder: Path) -> Path:
    """A manifest with a little of everything in train, val and test."""
    clips = []
    lengths = {"positive": 1.5, "negative": 2.0, "noise": 3.0, "rir": 0.2}
    for split_at, split in enumerate(("train", "val", "test")):
        for label_at, (label, seconds) in enumerate(lengths.items()):
            for i in range(2):
                path = folder / f"{split}_{label}_{i}.flac"
                pcm = sound(100 * split_at + 10 * label_at + i, seconds)
                if label == "rir":
                    pcm[0] = 30_000
                soundfile.write(path, pcm, RATE)
                word = (0.4, 1.1) if label == "positive" else (None, None)
                source = f"set of {label}_0{i}"
                clips.append(Clip(path, split, label, "", f"{split}{i}", source, seconds, *word))
    return write_manifest(folder / "manifest.csv", clips)


def make_collections(folder: Path, beside: Path) -> Path:
    """Two collections in the layout of --more; one names a recording that lies `beside` the manifest, too."""
    rows = {
        "talk": ["talk_0.flac,dev,speech,,talk,4", "talk_1.flac,train,speech,,talk,4"],
        "street": [
            "street_0.flac,test,noise,,street,4",
            "street_1.flac,test,speech,,street,4",
            "word.flac,test,keyword,alexa,street,4",
            f"{beside.parent / 'val_negative_0.flac'},dev,speech,,street,2",
        ],
    }
    for name, lines in rows.items():
        (folder / name).mkdir(parents=True)
        text = "\n".join(["path,split,kind,phrase,source,seconds", *lines]) + "\n"
        (folder / name / "manifest.csv").write_text(text)
        for seed, line in enumerate(lines):
            path = folder / name / line.partition(",")[0]
            if not path.exists():
                soundfile.write(path, sound(1000 * len(name) + seed, 4.0), RATE)
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recordings(tmp_path_factory.mktemp("recordings"))


def plan_pcm(plan: Plan) -> list[bytes]:
    return [stream_pcm(trial.recording).tobytes() for trial in plan.trials]


# ── What is heard ────────────────────────────────────────────────────────────────────────────
def test_every_word_and_every_negative_is_heard_in_every_condition(manifest: Path) -> None:
    plan = make_plan(manifest, ("val", "test"), draws=2, seed=1)
    words = [t for t in plan.trials if t.recording.words]
    for name in CONDITIONS:
        count = sum(t.condition == name for t in words)
        assert count == 4 * (1 if name == "clean" else 2), name
    # Speech and noise without the word are negatives: 4 + 4, once in each condition.
    assert len(plan.trials) - len(words) == 8 * len(CONDITIONS)
    assert all(t.clip.split in ("val", "test") for t in plan.trials)


def test_rooms_and_noises_are_those_of_the_chosen_splits(manifest: Path) -> None:
    plan = make_plan(manifest, ("test",), draws=1, seed=1)
    for path in (*plan.bank.rooms, *plan.bank.noises):
        assert path.name.startswith("test_")
    assert len(plan.bank.rooms) == len(plan.bank.noises) == 2


def test_the_seed_decides_every_sample_wherever_the_files_lie(manifest: Path, tmp_path: Path) -> None:
    first, again, other = (make_plan(manifest, ("val",), 2, seed) for seed in (1, 1, 2))
    assert plan_pcm(first) == plan_pcm(again) != plan_pcm(other)
    moved = make_plan(make_recordings(tmp_path), ("val",), 2, 1)
    assert plan_pcm(moved) == plan_pcm(first) and moved.digest == first.digest
    more = {bytes_ for bytes_ in plan_pcm(make_plan(manifest, ("val",), 3, 1))}
    assert set(plan_pcm(first)) < more  # another draw leaves the others as they were


def test_clean_is_the_recording_itself_between_silences(manifest: Path) -> None:
    trial = next(t for t in make_plan(manifest, ("val",), 1, 1).trials if t.condition == "clean")
    pcm = stream_pcm(trial.recording)
    recorded, _ = soundfile.read(trial.recording.path, dtype="int16")
    assert np.array_equal(pcm[LEAD_SAMPLES:-TAIL_SAMPLES], recorded)
    assert not pcm[:LEAD_SAMPLES].any() and not pcm[-TAIL_SAMPLES:].any()


def test_a_split_without_rooms_is_refused(tmp_path: Path) -> None:
    path = make_recordings(tmp_path)
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "val_rir" not in line))
    with pytest.raises(WatchwordError, match="no 'rir' recordings in split val"):
        make_plan(path, ("val",), 1, 1)


def test_other_collections_are_heard_as_recorded_without_what_says_the_word(
    manifest: Path, tmp_path: Path
) -> None:
    plan = make_plan(manifest, ("val", "test"), 1, 1)
    places = [make_collections(tmp_path / "more", manifest)]
    more = with_more(plan, places, "alexa", ("val", "test"))
    added = [trial for trial in more.trials if trial.elsewhere]
    assert more.trials[: len(plan.trials)] == plan.trials
    assert {(t.clip.source, t.clip.split, t.pools) for t in added} == {
        ("talk", "val", (ELSEWHERE,)),
        ("street", "test", (ELSEWHERE,)),
    }
    assert sorted(t.clip.path.name for t in added) == ["street_0.flac", "street_1.flac", "talk_0.flac"]
    told = {skipped.path.name: skipped.reason for skipped in more.skipped}
    assert told == {"word.flac": "says 'alexa'", "val_negative_0.flac": "is among the other recordings"}


def test_collections_that_are_not_there_are_clear_errors(manifest: Path, tmp_path: Path) -> None:
    plan = make_plan(manifest, ("val",), 1, 1)
    with pytest.raises(WatchwordError, match="no such file or folder"):
        with_more(plan, [tmp_path / "nowhere"], "alexa", ("val",))
    with pytest.raises(WatchwordError, match=r"no folder in it holds a manifest\.csv"):
        with_more(plan, [tmp_path], "alexa", ("val",))
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "manifest.csv").write_text("path,split,kind,phrase\na.flac,train,speech,\n")
    with pytest.raises(WatchwordError, match="no recordings of split val without the word"):
        with_more(plan, [tmp_path], "alexa", ("val",))


def test_split_names_of_other_manifests_are_understood() -> None:
    assert split_names("dev, test,val") == ("val", "test")
    with pytest.raises(WatchwordError, match="unknown"):
        split_names("val,rest")


# ── How it is counted ────────────────────────────────────────────────────────────────────────
def trace(levels: list[float], step: int = STEP) -> Trace:
    return Trace(np.array(levels, float), np.arange(1, len(levels) + 1) * step)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=200), st.sampled_from((160, 480, 640, 9_000)))
def test_events_are_a_second_apart_and_the_highest_score_is_one(levels: list[int], step: int) -> None:
    heard = trace([level / 20 for level in levels], step)
    peaks = equal_alarms.separated_peaks(heard)
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[:1] == [max(levels) / 20] * (max(levels) > 0)
    seconds = len(levels) * step / REPEAT_SAMPLES
    assert len(peaks) <= np.ceil(seconds)
    # Every score above a threshold is within a second of an event above it: nothing is left uncounted.
    for threshold in (0.0, 0.3, 0.7):
        assert any(level / 20 > threshold for level in levels) == any(p > threshold for p in peaks)


def test_one_burst_is_one_event_and_two_apart_are_two() -> None:
    burst = [0.2, 0.6, 0.9, 0.8, 0.1]
    assert equal_alarms.separated_peaks(trace(burst)) == [0.9]
    assert equal_alarms.separated_peaks(trace(burst + [0.0] * 30 + [0.5])) == [0.9, 0.5]


def test_a_score_counts_for_a_word_until_a_second_after_it() -> None:
    heard = Trace(np.array([0.9, 0.3, 0.5, 0.8]), np.array([9_999, 10_000, 36_000, 36_001]))
    assert equal_alarms.word_peak(heard, (10_000, 20_000)) == 0.5
    assert equal_alarms.word_peak(heard, (50_000, 60_000)) == 0.0


def scores(word_peaks: list[float], alarms: list[float], hours: float = 2.0) -> Scores:
    words = tuple(Word("clean", f"clip{i // 2}", "val", peak) for i, peak in enumerate(word_peaks))
    return Scores(words, {"pool": np.sort(alarms)[::-1]}, {"pool": hours})


def test_misses_at_a_number_of_false_alarms() -> None:
    found = scores([0.95, 0.7, 0.7, 0.2], [0.9, 0.7, 0.7, 0.1])
    frr = [equal_alarms.rate(found.misses(found.threshold("pool", k), "clean")).frr for k in range(6)]
    assert frr == [0.75, 0.75, 0.75, 0.0, 0.0, 0.0]
    alarms = [found.false_alarms("pool", found.threshold("pool", k)) for k in range(6)]
    assert alarms == [0, 1, 1, 3, 4, 4]  # of two equal events, none passes when only one may


@given(st.lists(st.floats(0, 1), min_size=1), st.lists(st.floats(0, 1)))
def test_more_allowed_alarms_never_miss_more(words: list[float], alarms: list[float]) -> None:
    found = scores(words, alarms)
    _, frr = equal_alarms.curve(found, "pool", "clean", 10.0)
    assert frr == sorted(frr, reverse=True)
    assert all(found.false_alarms("pool", found.threshold("pool", k)) <= k for k in range(20))


def test_the_bound_counts_each_clip_once() -> None:
    once = equal_alarms.rate(np.array([[0] * 40, [1] * 40]))
    many = equal_alarms.rate(np.array([[0] * 40, [5] * 40]))
    assert once.upper95 == many.upper95 == pytest.approx(1 - 0.05 ** (1 / 40))
    assert equal_alarms.rate(np.array([[5], [5]])).upper95 == 1.0


def test_a_verdict_is_clear_only_when_many_clips_agree() -> None:
    def misses(counts: list[int]) -> np.ndarray:
        return np.array([counts, [3] * len(counts)])

    assert equal_alarms.verdict(misses([0] * 8), misses([1] * 8)) == ("better", True)
    assert equal_alarms.verdict(misses([1] * 8), misses([0] * 8)) == ("worse", True)
    assert equal_alarms.verdict(misses([0, 0, 0]), misses([3, 0, 0])) == ("better", False)
    assert equal_alarms.verdict(misses([1, 0]), misses([0, 1])) == ("equal", False)


def heard_of(source: str, split: str, level: float, seconds: float, elsewhere: bool = False) -> ScoredTrial:
    """A stream whose score is `level` for both detectors but half as high for ours."""
    recording = Recording(Path("a.flac"), (), "negative", source=source)
    clip = Clip(recording.path, split, "negative", source=source)
    traces = {OURS: trace([level / 2]), "other": trace([level])}
    return ScoredTrial(Trial(recording, clip, seconds, elsewhere), np.zeros(1, np.uint8), traces)


def test_false_alarms_by_source_at_own_thresholds_and_at_one_rate() -> None:
    heard = [
        heard_of("a_00", "val", 0.8, 3600.0),
        heard_of("a_01", "val", 0.6, 3600.0),
        heard_of("b", "test", 0.9, 1800.0, elsewhere=True),
    ]
    uses = uses_of_sources({"data": {"sources": [{"source": "a", "split": "val"}]}})
    rows = {(r.source, r.split): r for r in sources_of(heard, {OURS: 0.35, "other": 0.95}, uses, 30.0)}
    assert list(rows) == [("a", "val"), ("b", "test"), ("", "val"), ("", "test"), ("", "")]
    one = rows["a", "val"]
    assert (one.streams, one.hours, one.use, rows["b", "test"].use) == (2, 2.0, "validated", "unseen")
    assert one.as_shipped[OURS].false_alarms == 1 and one.as_shipped["other"].false_alarms == 0
    assert one.as_shipped[OURS] == alarm_rate(1, 2.0)
    # 0.5 an hour in 2.5 h is one event over all sources, for either detector: the one at b.
    for side in (OURS, "other"):
        assert [rows[key].at_equal_rate[side].false_alarms for key in (("a", "val"), ("b", "test"))] == [0, 1]
    assert one.events == {OURS: (0.4, 0.3), "other": (0.8, 0.6)}
    assert rows["", ""].hours == 0.5


# ── The peer ─────────────────────────────────────────────────────────────────────────────────
def test_the_peers_scores_arrive_with_the_time_of_their_audio(tmp_path: Path) -> None:
    with closing(peer.Peer(peer.PYMICRO, make_python(tmp_path), "hey jarvis", tmp_path / "cache")) as theirs:
        assert theirs.info.model == "hey_jarvis" and theirs.info.cutoff == 0.9
        pcm = np.repeat(np.arange(1, 21, dtype=np.int16) * 40, 160)  # louder every 10 ms
        heard = theirs.trace(pcm)
        # Rows start at 30 ms; every third one is an inference.
        assert heard.ends.tolist() == [800, 1280, 1760, 2240, 2720, 3200]
        assert heard.levels.tolist() == [k * 160 * 40 / 160 / 1000 for k in (5, 8, 11, 14, 17, 20)]
        assert theirs.trace(pcm[:1600]).ends.tolist() == [800, 1280]  # reset in between


def test_what_the_peer_said_is_kept(tmp_path: Path) -> None:
    pcm, python = sound(1), make_python(tmp_path)
    with closing(peer.Peer(peer.PYMICRO, python, "alexa", tmp_path / "cache")) as theirs:
        first = theirs.trace(pcm)
    (kept,) = (tmp_path / "cache").rglob("*.npy")
    with closing(peer.Peer(peer.PYMICRO, python, "alexa", tmp_path / "cache")) as theirs:
        np.save(kept, np.stack([first.ends * 1.0, first.levels / 2]))
        assert np.array_equal(theirs.trace(pcm).levels, first.levels / 2)
        kept.write_bytes(b"damaged")
        assert np.array_equal(theirs.trace(pcm).levels, first.levels)


def test_a_word_the_peer_does_not_know(tmp_path: Path) -> None:
    with closing(peer.Peer(peer.PYMICRO, make_python(tmp_path), "computer", tmp_path / "cache")) as theirs:
        assert theirs.info.model is None and theirs.info.words == ("alexa", "hey jarvis")


def test_a_peer_that_dies_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with (
        closing(peer.Peer(peer.PYMICRO, make_python(tmp_path), "alexa", tmp_path / "cache")) as theirs,
        pytest.raises(WatchwordError, match="the fake peer gives up"),
    ):
        theirs.trace(np.zeros(200 * RATE, np.int16))
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such module >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(WatchwordError, match=r"no such module.*--no-peer"):
        peer.Peer(peer.PYMICRO, broken, "alexa", tmp_path / "cache")


def test_a_peer_that_cannot_be_installed_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = replace(peer.PYMICRO, requirements=(f"pymicro-wakeword @ file://{tmp_path}/nothing",))
    with pytest.raises(WatchwordError, match=r"cannot be installed.*--no-peer"):
        peer.install(nowhere, tmp_path / "home")
    assert not list(tmp_path.rglob("ready"))


# ── The whole ────────────────────────────────────────────────────────────────────────────────
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: object) -> int:
    monkeypatch.setattr(benchmark, "OUT", tmp_path / "out")
    monkeypatch.delenv("WATCHWORD_MORE", raising=False)
    monkeypatch.setattr(benchmark, "PAGE", tmp_path / "docs" / "evidence" / "accuracy.md")
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, arguments)])
    return benchmark.main()


@pytest.mark.slow
def test_side_by_side_on_one_command(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = make_python(tmp_path)
    monkeypatch.setattr(benchmark, "install", lambda package, home: python)
    again = replace(peer.PYMICRO, name="pymicro-features")  # the same fake as a second peer
    monkeypatch.setattr(benchmark, "PACKAGES", (peer.PYMICRO, again))
    more = make_collections(tmp_path / "more", manifest)
    arguments = (
        "--data",
        manifest,
        "--model",
        MODEL,
        "--draws",
        2,
        "--update",
        "--cache",
        tmp_path / "cache",
    )
    arguments = (*arguments, "--more", more)
    assert run(monkeypatch, tmp_path, *arguments) == 0
    results = read_json(tmp_path / "out" / "alexa" / "accuracy.json", Results, "run it again", SCHEMA)
    figures = results.figures
    assert list(results.detectors) == [OURS, "pymicro-wakeword", "pymicro-features"]
    assert figures.data.words == {"val": 2, "test": 2}
    # The fake peer's score is loudness: on the loud words it cannot miss, on loud negatives it fires.
    budget = figures.equal_alarms[ALL][0]
    assert set(budget.detectors[OURS].conditions) == set(CONDITIONS)
    assert budget.detectors["pymicro-wakeword"].conditions["5 dB"].trials == 8
    assert budget.detectors["pymicro-wakeword"] == budget.detectors["pymicro-features"]
    shipped = figures.as_shipped["pymicro-wakeword"]
    assert shipped.threshold == pytest.approx(0.9) and shipped.conditions["clean"].misses == 0
    assert shipped.negatives[AS_RECORDED].false_alarms > 0
    assert figures.data.hours[AS_RECORDED] == pytest.approx((4 * 2.0 + 4 * 3.0) / 3600)
    assert figures.data.hours[ELSEWHERE] == pytest.approx(3 * 4.0 / 3600)
    document = (tmp_path / "docs" / "evidence" / "accuracy.md").read_text()
    assert "| against pymicro-features |" in document and "accuracy_alexa.png" in document
    assert (tmp_path / "docs" / "evidence" / "accuracy_alexa.png").read_bytes().startswith(b"\x89PNG")
    before = document
    assert run(monkeypatch, tmp_path, *arguments) == 0
    assert (tmp_path / "docs" / "evidence" / "accuracy.md").read_text() == before  # same seed, same page
    assert str(manifest.parent) not in before
    assert "pymicro-features" in capsys.readouterr().out


def test_a_word_without_a_peer_stands_alone(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, tmp_path, "--data", manifest, "--model", MODEL, "--no-peer", "--draws", 1) == 0
    section = (tmp_path / "out" / "alexa" / "accuracy.md").read_text()
    assert "## alexa, alone" in section and "verdict" not in section and "--no-peer" in section


def test_without_recordings_it_says_how_to_get_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WATCHWORD_DATA", raising=False)
    assert run(monkeypatch, tmp_path, "--model", MODEL) == 1
    assert "set WATCHWORD_DATA, or give --data MANIFEST" in capsys.readouterr().err


def test_a_section_is_replaced_and_the_rest_of_the_page_stays() -> None:
    text = page.put_section("", "alexa", "stale")
    text = page.put_section(text + "\nBy hand.\n", "computer", "other")
    text = page.put_section(text, "alexa", "new\n")
    assert text.startswith("# Accuracy") and "stale" not in text and "By hand." in text
    assert text.index("new") < text.index("By hand.") < text.index("other")
    assert page.put_section(text, "alexa", "new") == text
    assert page.put_section(text.replace("# Accuracy", "# An older title"), "alexa", "new") == text


@pytest.mark.real
@pytest.mark.skipif("WATCHWORD_DATA" not in os.environ, reason="no real recordings")
@pytest.mark.parametrize(
    ("package", "known"), [(peer.PYMICRO, 80), (peer.OPENWAKEWORD, 77)], ids=("pymicro", "openwakeword")
)
def test_a_peer_finds_the_words_it_is_known_to_find(
    package: peer.Package, known: int, real_data: Path, tmp_path: Path
) -> None:
    """Of the 80 held-out words, with a second of silence around, at its own cutoff."""
    try:
        python = peer.install(package, benchmark.CACHE)
    except WatchwordError as error:
        pytest.skip(str(error))
    silence = np.zeros(RATE, np.int16)
    files = [
        f for split in ("dev", "test") for f in sorted((real_data / "clips" / split / "alexa").iterdir())
    ]
    with closing(peer.Peer(package, python, "alexa", tmp_path)) as theirs:
        peaks = [
            theirs.trace(np.concatenate([silence, soundfile.read(f, dtype="int16")[0], silence])).levels.max()
            for f in files
        ]
        found = sum(peak > theirs.info.cutoff for peak in peaks)
    assert len(peaks) == 80 and abs(found - known) <= 1  # processors round differently
