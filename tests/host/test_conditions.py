"""Evaluation in rooms and noise: the same sound every time, from the evaluated split alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sounds_of_rooms import MANIFEST_SECONDS, corpus
from test_evaluate import model as model
from test_evaluate import run
from watchword import audio, core
from watchword.data import recordings
from watchword.data.jobs import CONDITIONS
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES
from watchword.errors import WatchwordError
from watchword.evaluate import conditions
from watchword.evaluate.conditions import AS_IT_IS, SoundInCondition, hear_again
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import read_results


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def selection(manifest: Path) -> recordings.Selection:
    return recordings.select(data=manifest, split="val")


def test_rooms_and_noises_are_those_of_the_split(selection: recordings.Selection) -> None:
    bank = conditions.read_scenes(selection, 2, 1).bank
    assert bank.rooms and bank.noises
    assert all(path.parent.name == "val" for path in (*bank.rooms, *bank.noises))


def test_every_recording_in_every_condition(selection: recordings.Selection) -> None:
    scenes = conditions.read_scenes(selection, draws=3, seed=1)
    more = conditions.with_conditions(selection, scenes)
    count = len(selection.recordings)
    assert more.recordings[:count] == selection.recordings, "as it is comes first, unchanged"
    for name in set(CONDITIONS) - {AS_IT_IS}:
        heard = [(r, s) for r, s in zip(more.recordings, more.seconds, strict=True) if r.condition == name]
        assert sum(1 for r, _ in heard if r.words) == 3 * len(selection.positives)
        negative_s = sum(s for r, s in heard if not r.words)
        assert negative_s == pytest.approx(MANIFEST_SECONDS), "all the other sound, once"


def test_a_long_recording_is_heard_in_parts_that_join(selection: recordings.Selection) -> None:
    more = conditions.with_conditions(selection, conditions.read_scenes(selection, 1, 1))
    parts = [r.sound for r in more.recordings if r.condition == "10 dB" and r.path.name == "long.wav"]
    pieces = [part.job.piece for part in parts if isinstance(part, SoundInCondition)]
    assert len(pieces) == 2
    assert pieces[0].start == 0 and pieces[0].stop == pieces[1].start and pieces[1].stop == 130 * 16_000


def test_the_same_seed_is_the_same_sound_and_another_is_not(selection: recordings.Selection) -> None:
    def sounds(draws: int, seed: int) -> list[np.ndarray]:
        scenes = conditions.read_scenes(selection, draws, seed)
        more = conditions.with_conditions(selection, scenes).recordings
        return [r.sound() for r in more if r.words and r.condition == "reverb + 10 dB" and r.sound]

    first, again, other = sounds(2, 1), sounds(2, 1), sounds(2, 2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1]), "the draws of one word differ"
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_noise_is_as_loud_as_its_name_says(selection: recordings.Selection) -> None:
    """Where the clip itself is silent only noise is left, 10 dB below the word's own level."""
    more = conditions.with_conditions(selection, conditions.read_scenes(selection, 1, 1)).recordings
    recording = next(r for r in more if r.words and r.condition == "10 dB")
    assert recording.sound is not None
    heard = recording.sound().astype(float)
    (start, end), clip = recording.words[0], audio.load(recording.path)
    word = heard[round((start + 0.1) * 16_000) : round((end - 0.1) * 16_000)]
    quiet = heard[: round(start * 16_000) - 1_600]
    assert not clip[: quiet.size].any()
    snr_db = 10 * np.log10(np.mean(word**2) / np.mean(quiet**2) - 1)
    assert snr_db == pytest.approx(10.0, abs=1.5)


def test_without_rooms_there_is_no_reverberation_and_it_is_said(
    tmp_path: Path, selection: recordings.Selection
) -> None:
    path = corpus(tmp_path, extras=())
    scenes = conditions.read_scenes(recordings.select(data=path, split="val"), 1, 1)
    assert scenes.conditions == ["clean", "10 dB", "5 dB"]
    assert len(scenes.notes) == 2 and "no room" in scenes.notes[0]


def test_conditions_need_a_split(manifest: Path) -> None:
    with pytest.raises(WatchwordError, match="--split val"):
        conditions.read_scenes(recordings.select(data=manifest), 1, 1)


def test_command_writes_every_condition_and_its_figures_follow_from_the_scores(
    manifest: Path, model: Path, tmp_path: Path
) -> None:
    arguments = ("--model", model, "--data", manifest, "--split", "val", "--out", tmp_path / "out")
    assert run("evaluate", *arguments, "--conditions", "--draws", 2, "--workers", 1) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {row["condition"]: row for row in results["conditions"]["rows"]}
    assert list(rows) == list(CONDITIONS)
    assert rows["clean"]["misses"] == results["misses"] and rows["clean"]["fah"] == results["fah"]
    assert rows["5 dB"]["positives"] == 2 * rows["clean"]["positives"]
    assert rows["5 dB"]["negative_hours"] == pytest.approx(rows["clean"]["negative_hours"], rel=1e-3)
    allowed = [rows["5 dB"]["frr_at_false_alarms"][k] for k in ("1", "3")]
    assert allowed[0] >= allowed[1]
    elsewhere = sum(row["misses"] for name, row in rows.items() if name != "clean")
    assert len(results["conditions"]["misses"]) == elsewhere
    assert run("report", tmp_path / "out") == 0
    found = read_results(tmp_path / "out")
    assert found.conditions is not None
    event = (found.conditions.false_alarms + found.conditions.misses)[0]
    assert event.trace is not None
    pcm = hear_again(found, event, 0, 10**9)
    padded = np.concatenate([np.zeros(LEAD_SAMPLES, np.int16), pcm, np.zeros(TAIL_SAMPLES, np.int16)])
    scores = core.run_pipeline((model / "model.bin").read_bytes(), padded).scores
    raw = list(event.trace.raw)
    assert any(
        [int(100 * int(v) / 256 + 0.5) for v in scores[i : i + len(raw)]] == raw
        for i in range(scores.size - len(raw) + 1)
    ), "what the report plays is what the pipeline heard"


def test_k_false_alarms_set_the_threshold_by_hand(selection: recordings.Selection) -> None:
    """Four events on other audio; words that reach 0.55 and 0.95."""
    detector = core.DetectorConfig(smoothing=1, high=0.9, low=0.1)
    word, other = selection.positives[0], selection.negatives[0]

    def stream(recording: recordings.Recording, peaks: dict[float, int]) -> ScoredStream:
        ends = np.arange(640, 640 * 400, 640, dtype=np.int64)
        scores = np.zeros(ends.size, np.uint8)
        for time_s, score in peaks.items():
            scores[np.searchsorted(ends, LEAD_SAMPLES + time_s * 16_000)] = score
        fired = core.detect(scores, ends, detector)[1]
        return ScoredStream(recording, 640 * 400, scores, ends, ends[fired])

    at = (word.words[0][0] + word.words[0][1]) / 2
    streams = [stream(word, {at: 141}), stream(word, {at: 243})]
    streams.append(stream(other, {1.0: 230, 3.0: 200, 5.0: 128, 7.0: 100}))
    scenes = conditions.read_scenes(selection, 1, 1)
    found = conditions.condition_results(streams, detector, scenes)
    (clean, *_) = found.rows
    assert (clean.misses, clean.false_alarms, clean.frr) == (1, 0, 0.5)
    assert clean.frr_by_false_alarms == (0.5, 0.5, 0.0, 0.0, 0.0)
    assert clean.frr_at_false_alarms == {"1": 0.5, "3": 0.0}
    assert 200 / 256 < found.thresholds["1"] <= 201 / 256
