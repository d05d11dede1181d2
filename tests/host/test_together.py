"""Several words heard at once: joint false alarms, and which word is taken for which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from watchword import audio, project
from watchword.cli import evaluate
from watchword.data.recordings import LEAD_SAMPLES, Recording
from watchword.data.several_words import of_word, select_words
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import ScoredStream, poisson_upper
from watchword.evaluate.results import read_results
from watchword.evaluate.together import together

RATE = 16_000
MODELS = project.root() / "models"


def stream(phrase: str, seconds: float, *detected_s: float) -> ScoredStream:
    """A recording of nothing, or of a word that fills it; detections in seconds of it."""
    words = ((0.0, seconds),) if phrase else ()
    recording = Recording(Path(f"{phrase}.wav"), words, "positive" if phrase else "negative", phrase=phrase)
    at = np.asarray([LEAD_SAMPLES + round(s * RATE) for s in detected_s], np.int64)
    return ScoredStream(recording, round(seconds * RATE), np.zeros(0, np.uint8), at[:0], at)


def test_detections_of_two_words_within_a_second_are_one_false_alarm() -> None:
    """Three of one, two of the other, one of which is the same sound's: four wakes in an hour."""
    one = [stream("", 3600, 10.0, 100.0, 200.0)]
    other = [stream("", 3600, 100.4, 300.0)]
    found = together(["a", "b"], [one, other])
    assert (found.each["a"].false_alarms, found.each["b"].false_alarms) == (3, 2)
    assert (found.joint.false_alarms, found.joint.fah, found.joint.negative_hours) == (4, 4.0, 1.0)
    assert found.joint.fah_upper95 == pytest.approx(poisson_upper(4))
    assert found.joint.fah_lower95 is not None and 1 < found.joint.fah_lower95 < 2


def test_a_word_taken_for_another_is_no_false_alarm_but_a_mistake() -> None:
    said = [("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 1.0), ("", 60.0)]
    a = [stream(word, s, *((0.5,) if word == "a" else ())) for word, s in said]
    b = [stream(word, s, *((0.5,) if word == "b" else ())) for word, s in said]
    b[1] = stream("a", 1.0, 0.7, 0.9)  # twice in one word
    found = together(["a", "b"], [a, b])
    taken = {(one.said, one.heard): (one.times, one.words, one.share) for one in found.mistaken}
    assert taken == {("a", "b"): (1, 2, 0.5), ("b", "a"): (0, 2, 0.0)}
    assert found.joint.false_alarms == 0
    never = together(["a", "b"], [a[:2], a[:2]]).mistaken
    assert next(one.share for one in never if one.said == "b") is None


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for number, name in enumerate(("one/x", "one/y", "two/x", "no/x")):
        pcm = np.random.default_rng(number).normal(0, 2_000, RATE).astype(np.int16)
        audio.save(tmp_path / f"{name}.wav", pcm)
    return tmp_path


def manifest(folder: Path, *rows: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text("path,split,label,phrase,speaker,source,seconds\n" + "\n".join(rows) + "\n")
    return path


def test_a_manifest_tells_by_its_phrases_which_word_a_clip_holds(sounds: Path) -> None:
    data = manifest(
        sounds,
        "one/x.wav,test,positive,One,,,1",
        "one/y.wav,test,positive,one,,,1",
        "two/x.wav,test,negative,two,,,1",  # of a corpus that was made for the other word
        "no/x.wav,test,negative,,,,1",
    )
    selection = select_words(["one", "two"], (), None, data, "test", None)
    assert sorted(r.phrase for r in selection.positives) == ["one", "one", "two"]
    own = of_word(selection, "two")
    assert sorted(r.path.parent.name for r in own.recordings) == ["no", "two"]
    assert len(own.seconds) == 2 and "2 recordings of other words" in own.notes[-1]


@pytest.mark.parametrize(
    ("row", "positives", "why"),
    [
        ("one/x.wav,test,positive,three,,,1", (), r"says 'three', not 'one' or 'two'"),
        ("one/x.wav,test,positive,,,,1", (), r"nobody knows what"),
        (None, ("one",), "1 folders of positives for 2 models"),
        (None, (), "nothing to evaluate"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    sounds: Path, row: str | None, positives: tuple[str, ...], why: str
) -> None:
    data = manifest(sounds, row) if row else None
    with pytest.raises(WatchwordError, match=why):
        select_words(["one", "two"], [sounds / name for name in positives], None, data, None, None)


def test_evaluate_of_two_models_writes_a_folder_for_each(sounds: Path) -> None:
    out = sounds / "out"
    arguments = ["--model", str(MODELS / "alexa"), "--model", str(MODELS / "computer"), "--workers", "1"]
    arguments += ["--positives", str(sounds / "one"), "--positives", str(sounds / "two")]
    arguments += ["--negatives", str(sounds / "no"), "--out", str(out)]
    done = CliRunner().invoke(evaluate.command, arguments)
    assert done.exit_code == 0, done.output
    assert "any of them" in done.output and "heard as" in done.output
    for word, words in (("alexa", 2), ("computer", 1)):
        results = read_results(out / word)
        assert results.word == word and results.positives == words and results.together is not None
        assert results.together.words == ("alexa", "computer")
        assert "Together with other words" in (out / word / "report.html").read_text()
    twice = CliRunner().invoke(evaluate.command, ["--model", str(MODELS / "alexa")] * 2 + arguments[-2:])
    assert isinstance(twice.exception, WatchwordError) and "one model for each word" in str(twice.exception)


def test_results_of_one_model_have_nothing_beside_it(sounds: Path) -> None:
    arguments = [
        "--model",
        str(MODELS / "alexa"),
        "--negatives",
        str(sounds / "no"),
        "--out",
        str(sounds / "o"),
    ]
    assert CliRunner().invoke(evaluate.command, arguments).exit_code == 0
    results = read_results(sounds / "o")
    assert results.together is None
    assert "Together with" not in (sounds / "o" / "report.html").read_text()
    assert replace(results, together=None) == results
