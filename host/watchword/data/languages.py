"""The languages that a wake word can be of: script, voices, and how their spelling is read."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from watchword.errors import WatchwordError


@dataclass(frozen=True)
class Language:
    """One language that voices speak; vocabulary/<code>.txt holds its words and sentences."""

    code: str  # ISO 639-1
    name: str
    scripts: tuple[str, ...]  # of its letters, as `script` names them
    espeak: tuple[str, ...]  # voices of espeak-ng, one an accent; the first tells phonemes
    kokoro: str = ""  # first letters of Kokoro's native voices; empty: it does not speak this language


ENGLISH = Language("en", "English", ("LATIN",), ("en-us", "en-gb"), "ab")
LANGUAGES = {
    language.code: language
    for language in (
        ENGLISH,
        Language("de", "German", ("LATIN",), ("de",)),
        Language("es", "Spanish", ("LATIN",), ("es", "es-419"), "e"),
        Language("fr", "French", ("LATIN",), ("fr-fr", "fr-be", "fr-ch"), "f"),
        Language("hi", "Hindi", ("DEVANAGARI",), ("hi",), "h"),
        Language("it", "Italian", ("LATIN",), ("it",), "i"),
        Language("ja", "Japanese", ("HIRAGANA", "KATAKANA", "CJK"), ("ja",), "j"),
        Language("nl", "Dutch", ("LATIN",), ("nl",)),
        Language("pl", "Polish", ("LATIN",), ("pl",)),
        Language("pt", "Portuguese", ("LATIN",), ("pt-br", "pt"), "p"),
        Language("ru", "Russian", ("CYRILLIC",), ("ru", "ru-lv")),
        Language("zh", "Mandarin", ("CJK",), ("cmn-latn-pinyin",), "z"),
    )
}
_PARTICLES = {"は": "わ", "へ": "え"}  # read so as words of their own, and at the end of two greetings
_PARTICLE = r"(?<!\S)[はへ](?!\S)|(?<=こんにち)は|(?<=こんばん)は"


def language_of(code: str) -> Language:
    """The language of a code, or WatchwordError with those there are."""
    found = LANGUAGES.get(code.strip().lower())
    if found is None:
        known = ", ".join(f"{language.code} ({language.name})" for language in LANGUAGES.values())
        raise WatchwordError(
            f"no language '{code}'",
            "--language",
            f"choose from {known}; for another one record people: watchword record",
        )
    return found


def base_code(accent: str) -> str:
    """ISO 639-1 code of a voice of espeak-ng: en-gb-x-rp is en, cmn is zh."""
    first = accent.split("-")[0].lower()
    return "zh" if first == "cmn" else first


def script(letter: str) -> str:
    """LATIN, CYRILLIC, CJK ...: the script of a letter, as its Unicode name begins."""
    first = unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0]
    return "CJK" if first == "IDEOGRAPHIC" else first


def written_in(name: str) -> list[Language]:
    """The languages whose letters are of a script."""
    return [language for language in LANGUAGES.values() if name in language.scripts]


def source_of(engine: str, kind: str, language: Language) -> str:
    """What a manifest calls a collection of synthetic clips; English ones bear no code."""
    return f"synthetic {engine}{'' if language == ENGLISH else f'-{language.code}'} {kind}"


def code_of(source: str) -> str:
    """The code of the language of a collection that `source_of` named."""
    found = re.match(r"synthetic \w+-(\w+) ", source)
    return found.group(1) if found else ENGLISH.code


def as_read(text: str, language: Language) -> str:
    """The text in letters that say how it sounds: Japanese in kana, every other language as it is."""
    if language.code != "ja":
        return text
    if any(c.isalpha() and script(c) == "CJK" for c in text):
        found = _japanese_tagger()(text)
        text = "".join(word.white_space + (word.feature.pron or word.surface) for word in found)
        unread = next((c for c in text if c.isalpha() and script(c) == "CJK"), None)
        if unread is not None:
            remedy = "write it in kana; for Mandarin give --language zh"
            raise WatchwordError(f"'{unread}' has no Japanese reading", "", remedy)
    return re.sub(_PARTICLE, lambda match: _PARTICLES[match.group()], text)


@lru_cache(maxsize=1)
def _japanese_tagger() -> Any:
    """MeCab with a small dictionary, which knows the readings of kanji."""
    for module in ("fugashi", "unidic_lite"):
        if find_spec(module) is None:
            raise WatchwordError(
                f"kanji have no reading here: the Python package {module} is not installed",
                "",
                "write it in kana, or pip install 'watchword[tts]'",
            )
    import fugashi  # an extra

    return fugashi.Tagger()
