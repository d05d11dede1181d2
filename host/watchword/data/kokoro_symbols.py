"""What Kokoro reads: espeak-ng's IPA in the symbols that the network learned, language by language.

They follow what it was trained with, the rules of its authors' phonemiser (misaki, Apache-2.0).
"""

from __future__ import annotations

import re

from watchword.data import pinyin
from watchword.data.languages import LANGUAGES, Language, as_read
from watchword.data.speech_tools import ipa

_Rules = tuple[tuple[str, str], ...]  # in order: longer ones before their parts
_TIE = "\u200d"  # between two letters of one sound

_EVERYWHERE: _Rules = (
    (f"e{_TIE}ɪ", "A"),
    (f"a{_TIE}ɪ", "I"),
    (f"a{_TIE}ʊ", "W"),
    (f"ɔ{_TIE}ɪ", "Y"),
    (f"o{_TIE}ʊ", "O"),
    (f"ə{_TIE}ʊ", "Q"),
    (f"t{_TIE}ʃ", "ʧ"),
    (f"d{_TIE}ʒ", "ʤ"),
    (f"t{_TIE}s", "ʦ"),
    (f"d{_TIE}z", "ʣ"),
    (f"t{_TIE}ɕ", "ʨ"),
    (f"d{_TIE}ʑ", "ʥ"),
    (_TIE, ""),
    ("-", ""),  # where words are joined: no sound
    ("\u0329", "ᵊ"),  # a syllable without a vowel
    *zip("ãẽĩõũ", (f"{vowel}\u0303" for vowel in "aeiou"), strict=True),
)
_ENGLISH: _Rules = (("ɚ", "əɹ"), ("ɐ", "ə"), ("r", "ɹ"), ("ɾ", "T"))
# The long-vowel mark belongs to its British symbols; American r-coloured vowels spell their r.
_AMERICAN: _Rules = (("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ː", ""))
_JAPANESE: _Rules = (
    ("ˈ", ""),  # espeak-ng's guesses: it has no stress
    ("ˌ", ""),
    ("u\u0303", "ɴ"),
    ("o\u031e", "o"),
    ("e\u031e", "e"),
    ("ä", "a"),
    ("ɯᵝ", "ɯ"),
    ("ɽ", "ɾ"),
    ("ʑ", "ʥ"),
    *((f"{sound}ɯ", f"{sound}ɨ") for sound in ("s", "z", "ʦ", "ɕ", "ʥ", "ʨ")),
    *((f"z{vowel}", f"ʣ{vowel}") for vowel in "aeo"),
    *((pair, f"{pair[0]}ː") for pair in ("aa", "ii", "ɯɯ", "ɨɯ", "ee", "ei", "oo", "oɯ")),
)


def of(text: str, accent: str) -> str:
    """The text in Kokoro's symbols, as a voice of espeak-ng or pinyin says it; sentence marks are kept."""
    language = language_of_accent(accent)
    if language.code == "zh":
        return pinyin.symbols(text)
    return of_ipa(ipa(as_read(text, language), accent), accent)


def of_ipa(said: str, accent: str) -> str:
    """espeak-ng's tied IPA in Kokoro's symbols."""
    language = language_of_accent(accent)
    for rules in _rules(language, accent):
        for sound, learned in rules:
            said = said.replace(sound, learned)
    return _with_stops(said) if language.code == "ja" else said


def language_of_accent(accent: str) -> Language:
    """The language of a voice of espeak-ng."""
    return next(language for language in LANGUAGES.values() if accent in language.espeak)


def _rules(language: Language, accent: str) -> tuple[_Rules, ...]:
    if language.code == "en":
        return (*((_AMERICAN,) if accent == "en-us" else ()), _EVERYWHERE, _ENGLISH)
    return (_EVERYWHERE, _JAPANESE) if language.code == "ja" else (_EVERYWHERE,)


def _with_stops(said: str) -> str:
    """Long Japanese consonants as a stop before them."""
    return re.sub(r"([kɡptdsɕʨʦʥbzɸçh])\1|h(?=p)", r"ʔ\1", said)
