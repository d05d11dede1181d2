"""Phonemes of a text (from espeak-ng; Mandarin's from pinyin) and how far apart two strings of them are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from watchword import words
from watchword.data import pinyin
from watchword.data.languages import ENGLISH, Language, as_read
from watchword.data.speech_tools import espeak
from watchword.errors import WatchwordError

Phonemes = tuple[str, ...]

CLOSEST = 0.9  # what is nearer to a phrase than this (about one vowel changed) is the phrase itself
_INDEL_COST = 0.8
_SCHWA_INDEL_COST = 0.5
_SAME_CLASS_COST = 0.6
_VOICING_COST = 0.4
_VOWELS = frozenset("aeiouyäãẽĩõũæøœɐɑɒɔəɚɛɜɤɨɪɯɵʉʊʌʏᵻ")
_CLASSES = (
    "pbtdkɡʔɾɖʈcɟqʦʨʥꭧ",  # plosives, and affricates, which begin with one
    "fvθðszʃʒhxçɕʑʂʐʝɣβɸχʁɦ",  # fricatives
    "mnŋɲɳɴ",  # nasals
    "lɹrwjʎɥɰʋɻɽʀɫ",  # approximants, trills
    "→↗↓↘",  # tones
)
_VOICING = ("pb", "td", "kɡ", "fv", "θð", "sz", "ʃʒ", "tʃdʒ", "ʈɖ", "ɕʑ", "tɕdʑ", "ʂʐ", "xɣ")


def of(texts: Sequence[str], language: Language = ENGLISH) -> list[Phonemes]:
    """Phonemes of each text, stress and punctuation left out; needs espeak-ng."""
    plain = [" ".join(words.spoken(as_read(text, language))) for text in texts]
    unknown = [text for text in dict.fromkeys(plain) if text and (language.code, text) not in _known]
    for text, phonemes in zip(unknown, _of_plain(unknown, language), strict=True):
        _known[language.code, text] = phonemes
    return [_known[language.code, text] if text else () for text in plain]


def word_by_word(texts: Sequence[str], language: Language = ENGLISH) -> list[Phonemes]:
    """As `of`, but each word by itself: quick for many texts of few different words."""
    split = [words.spoken(text.lower()) for text in texts]
    unique = list(dict.fromkeys(word for text in split for word in text))
    spoken = dict(zip(unique, of(unique, language), strict=True))
    return [tuple(phoneme for word in text for phoneme in spoken[word]) for text in split]


_known: dict[tuple[str, str], Phonemes] = {}  # asking for a word takes a process: once is enough


def _of_plain(texts: Sequence[str], language: Language) -> list[Phonemes]:
    if language.code == "zh":
        return [tuple(re.findall(r"[^ʰ ]ʰ?", pinyin.symbols(text))) for text in texts]
    voice = language.espeak[0]
    found: list[Phonemes] = []
    for first in range(0, len(texts), 400):
        batch = texts[first : first + 400]
        lines = _transcribe("\n".join(batch), voice)
        if len(lines) != len(batch):  # a text broke into several lines: ask for each alone
            lines = [" ".join(_transcribe(text, voice)) for text in batch]
        found += map(_parse, lines)
    return found


def _transcribe(text: str, voice: str) -> list[str]:
    output = espeak(["-q", "--ipa", "--sep=_", "-v", voice], text)
    try:
        return [line.strip() for line in output.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise WatchwordError(
            "espeak-ng gave no phonemes", "", "apt install espeak-ng (1.50 or newer)"
        ) from error


def _parse(line: str) -> Phonemes:
    line = line.replace("??", "ʊɐ")  # German "ur", which espeak-ng 1.51 has no IPA for
    bare = re.sub(r"\([^)]*\)|[ˈˌː\u200d-]", "", line)  # also "(en)" language switches
    return tuple(part for part in re.split(r"[_ ]+", bare) if part)


def is_vowel(phoneme: str) -> bool:
    return phoneme[0] in _VOWELS


def distance(a: Phonemes, b: Phonemes) -> float:
    """Weighted edit distance: 1 for unlike phonemes, about half for a change within one class."""
    row = _first_row(b)
    for phoneme in a:
        row = _next_row(row, phoneme, b, row[0] + _indel(phoneme))
    return row[-1]


def least_distance_within(target: Phonemes, text: Phonemes) -> float:
    """Distance from `target` to the stretch of `text` that sounds most like it."""
    row = [0.0] * (len(text) + 1)
    for phoneme in target:
        row = _next_row(row, phoneme, text, row[0] + _indel(phoneme))
    return min(row)


def distances_to_end(target: Phonemes, text: Phonemes) -> list[float]:
    """For each beginning of `target`, from none of it to all: its distance to the nearest end of `text`."""
    row = [0.0] * (len(text) + 1)
    distances = [0.0]
    for phoneme in target:
        row = _next_row(row, phoneme, text, row[0] + _indel(phoneme))
        distances.append(row[-1])
    return distances


def _first_row(b: Phonemes) -> list[float]:
    row = [0.0]
    for phoneme in b:
        row.append(row[-1] + _indel(phoneme))
    return row


def _next_row(row: list[float], phoneme: str, b: Phonemes, first: float) -> list[float]:
    removal = _indel(phoneme)
    result = [first]
    for j, other in enumerate(b):
        step = row[j] + _substitution(phoneme, other)
        result.append(min(step, row[j + 1] + removal, result[j] + _indel(other)))
    return result


@lru_cache(maxsize=4096)
def _indel(phoneme: str) -> float:
    return _SCHWA_INDEL_COST if phoneme[0] in "əɐ" else _INDEL_COST


@lru_cache(maxsize=65536)
def _substitution(a: str, b: str) -> float:
    if a == b:
        return 0.0
    vowels = is_vowel(a) + is_vowel(b)
    if vowels:
        return _SAME_CLASS_COST if vowels == 2 else 1.0
    if any(a in pair and b in pair for pair in _VOICING):
        return _VOICING_COST
    return _SAME_CLASS_COST if any(a[0] in group and b[0] in group for group in _CLASSES) else 1.0
