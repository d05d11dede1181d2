"""Phonemes of English text (from espeak-ng) and how far apart two strings of them are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from watchword.data.speech_tools import espeak
from watchword.errors import WatchwordError

Phonemes = tuple[str, ...]

ACCENT = "en-us"
CLOSEST = 0.9  # what is nearer to a phrase than this (about one vowel changed) is the phrase itself
_INDEL_COST = 0.8
_SCHWA_INDEL_COST = 0.5
_SAME_CLASS_COST = 0.6
_VOICING_COST = 0.4
_VOWELS = frozenset("aeiouyæɐɑɒɔəɚɛɜɪʊʌᵻ")
_CLASSES = ("pbtdkɡʔɾ", "fvθðszʃʒhx", "mnŋ", "lɹrwj")  # plosives, fricatives, nasals, approximants
_VOICING = ("pb", "td", "kɡ", "fv", "θð", "sz", "ʃʒ", "tʃdʒ")


def of(texts: Sequence[str]) -> list[Phonemes]:
    """Phonemes of each text, stress and punctuation left out; needs espeak-ng."""
    plain = [" ".join(re.findall(r"[\w']+", text.replace("_", " "))) for text in texts]
    unknown = [text for text in dict.fromkeys(plain) if text and text not in _known]
    for first in range(0, len(unknown), 400):
        batch = unknown[first : first + 400]
        lines = _transcribe("\n".join(batch))
        if len(lines) != len(batch):  # a text broke into several lines: ask for each alone
            lines = [" ".join(_transcribe(text)) for text in batch]
        _known.update(zip(batch, map(_parse, lines), strict=True))
    return [_known[text] if text else () for text in plain]


def word_by_word(texts: Sequence[str]) -> list[Phonemes]:
    """As `of`, but each word by itself: quick for many texts of few different words."""
    words = [re.findall(r"[\w']+", text.lower()) for text in texts]
    unique = list(dict.fromkeys(word for text in words for word in text))
    spoken = dict(zip(unique, of(unique), strict=True))
    return [tuple(phoneme for word in text for phoneme in spoken[word]) for text in words]


_known: dict[str, Phonemes] = {}  # asking for a word takes a process: once is enough


def _transcribe(text: str) -> list[str]:
    output = espeak(["-q", "--ipa", "--sep=_", "-v", ACCENT], text)
    try:
        return [line.strip() for line in output.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise WatchwordError(
            "espeak-ng gave no phonemes", "", "apt install espeak-ng (1.50 or newer)"
        ) from error


def _parse(line: str) -> Phonemes:
    bare = re.sub(r"\([^)]*\)|[ˈˌː\u200d\u0303-]", "", line)  # also "(en)" language switches
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
