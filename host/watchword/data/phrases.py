"""What synthetic speech says: near misses of a phrase by phonetic distance, and unrelated sentences."""

from __future__ import annotations

import re
import string
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import permutations

import numpy as np

from watchword import spec, words
from watchword.data import languages, phonemes
from watchword.data.languages import ENGLISH, Language
from watchword.data.phonemes import CLOSEST, Phonemes, distance, distances_to_end, least_distance_within
from watchword.errors import WatchwordError

NEAR_MISSES = 160
_FEWEST_PHONEMES = 3
_MOST_FOR_A_LETTER = 6  # phonemes of a letter between "ba" and "a"; more is the name of a letter
_NEAR_WORDS = 24  # vocabulary words tried for each word of the phrase
_NEAR_PART_WORDS = 6  # and for each half of it, when two words together may sound like it
_EDITS = 600  # spellings with changed letters that are tried
_RECORD = "record people: watchword record"


@dataclass(frozen=True)
class NearMiss:
    """A phrase that sounds a little like the wake word."""

    text: str
    distance: float  # from the wake word, see phonemes.distance; across: of the stretch that is nearest to it
    how: str  # part, swap, cut, substitute, word, pair, across, edit


def check_phrase(phrase: str, language: Language = ENGLISH) -> str:
    """The phrase with single spaces, or WatchwordError if no voice could say it or no board store it."""
    phrase = words.require(phrase, "")
    if not phrase[0].isalnum():  # a program that speaks would take it for an option
        raise WatchwordError(f"'{phrase}' is not a phrase", "", "begin it with a letter or a digit")
    if not any(c.isalpha() for c in phrase):
        raise WatchwordError(f"'{phrase}' holds no letter", "", "write numbers as they are spoken")
    _require_readable(phrase, language)
    if len(phrase.encode()) >= spec.WORD_BYTES:
        what = f"'{phrase}' is too long: {len(phrase.encode())} bytes"
        raise WatchwordError(what, "", f"at most {spec.WORD_BYTES - 1} fit in a model")
    said = phonemes.of([phrase], language)[0]
    if not said:
        raise WatchwordError(f"no {language.name} voice says anything for '{phrase}'", "", _RECORD)
    if len(said) < _FEWEST_PHONEMES:
        raise WatchwordError(f"'{phrase}' is too short to be told from other speech", "", "use a longer one")
    return phrase


def _require_readable(phrase: str, language: Language) -> None:
    """Raise for letters that a voice spells: those of other scripts, and a few Latin ones."""
    letters = [c for c in dict.fromkeys(phrase) if c.isalpha() or (c.isnumeric() and not c.isascii())]
    foreign = next((c for c in letters if languages.script(c) not in language.scripts), None)
    unusual = [c for c in letters if languages.script(c) == "LATIN" and not c.isascii()]
    names = phonemes.of([f"ba{c}a" for c in unusual], language) if foreign is None else []
    spelt = next(
        (c for c, said in zip(unusual, names, strict=False) if len(said) > _MOST_FOR_A_LETTER), foreign
    )
    if spelt is not None:
        script = languages.script(spelt)
        others = " or ".join(other.code for other in languages.written_in(script) if other != language)
        switch = f"give --language {others}, " if others else ""
        raise WatchwordError(
            f"'{phrase}' holds '{spelt}' ({script.capitalize()}), which the {language.name} voices cannot "
            "read, only spell",
            "",
            f"{switch}write it as a speaker of {language.name} would read it aloud, or {_RECORD}",
        )


@lru_cache(maxsize=len(languages.LANGUAGES))
def vocabulary(language: Language = ENGLISH) -> dict[str, tuple[str, ...]]:
    """The groups of a language's file: what they hold, and under "sentence" patterns with {group} fields.

    Entries of a group are parted by |, or by spaces where its lines have none; patterns are one a line.
    """
    groups: dict[str, list[str]] = {}
    current: list[str] = []
    path = files("watchword.data") / "vocabulary" / f"{language.code}.txt"
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            current = groups.setdefault(name, [])
        elif line and not line.startswith("#"):
            current += [line] if name == "sentence" else _entries(line)
    return {name: tuple(entries) for name, entries in groups.items()}


def _entries(line: str) -> list[str]:
    return [entry.strip() for entry in line.split("|") if entry.strip()] if "|" in line else line.split()


@lru_cache(maxsize=len(languages.LANGUAGES))
def _word_phonemes(language: Language) -> dict[str, Phonemes]:
    """Every word of the vocabulary with its phonemes."""
    entries = (entries for group, entries in vocabulary(language).items() if group != "sentence")
    unique = _unique(word.lower() for group in entries for entry in group for word in words.spoken(entry))
    return dict(zip(unique, phonemes.of(unique, language), strict=True))


# ── Near misses ──────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=4)
def near_misses(phrase: str, language: Language = ENGLISH, limit: int = NEAR_MISSES) -> tuple[NearMiss, ...]:
    """Up to `limit` phrases near `phrase`, nearest first within each way of making them.

    Ways: parts of it, its words swapped, words cut short, words replaced by others that sound alike,
    single words and pairs of words of the vocabulary that sound like the whole, pairs that hold something
    like it across the gap between them, as "nephew grass" for "view glass"; and, in languages whose
    vocabulary is small, letters changed. None is, or contains, what sounds like the phrase itself.
    """
    phrase = " ".join(re.sub(r"[_,.!?&+]", " ", phrase.lower()).split())
    target = phonemes.of([phrase], language)[0]
    ways = {
        "part": _parts(phrase),
        "swap": _swaps(phrase),
        "cut": _cuts(phrase),
        "substitute": _substitutes(phrase, language),
        "word": _nearest(target, 3 * _NEAR_WORDS, language),
        "pair": _pairs(target, language),
        "across": _across(target, language),
        "edit": [] if language == ENGLISH else _edits(phrase, language),
    }
    ranked = []
    seen = {target}
    for how, texts in ways.items():
        found = []
        for text, spoken in zip(texts, phonemes.of(texts, language), strict=True):
            if spoken and spoken not in seen and least_distance_within(target, spoken) >= CLOSEST:
                seen.add(spoken)
                measure = least_distance_within if how == "across" else distance
                found.append(NearMiss(text, measure(target, spoken), how))
        ranked.append(sorted(found, key=lambda miss: (miss.distance, miss.text)))
    return _take_in_turn(ranked, limit)


def _take_in_turn(ranked: Sequence[Sequence[NearMiss]], limit: int) -> tuple[NearMiss, ...]:
    longest = max((len(misses) for misses in ranked), default=0)
    return tuple(misses[i] for i in range(longest) for misses in ranked if i < len(misses))[:limit]


def _parts(phrase: str) -> list[str]:
    words = phrase.split()
    spans = [(a, b) for a in range(len(words)) for b in range(a + 1, len(words) + 1)]
    return _unique(" ".join(words[a:b]) for a, b in spans if b - a < len(words))


def _swaps(phrase: str) -> list[str]:
    words = phrase.split()
    if len(words) > 3:  # neighbours only: all orders of four words would drown the rest
        orders = [[*words[:i], words[i + 1], words[i], *words[i + 2 :]] for i in range(len(words) - 1)]
    else:
        orders = [list(order) for order in permutations(words)]
    return _unique(" ".join(order) for order in orders if order != words)


def _cuts(phrase: str) -> list[str]:
    """The phrase with its beginning or its end missing, mid-word."""
    letters = _letters(phrase)
    ends = ["".join(letters[:n]).strip() for n in range(3, len(letters) - 1)]
    starts = ["".join(letters[n:]).strip() for n in range(2, len(letters) - 2)]
    return _unique(text for text in (*ends, *starts) if len(text.replace(" ", "")) >= 3)


def _letters(text: str) -> list[str]:
    """The characters of a text, each with the accents and vowel signs that belong to it."""
    letters: list[str] = []
    for c in text:
        if letters and unicodedata.category(c).startswith("M"):
            letters[-1] += c
        else:
            letters.append(c)
    return letters


def _substitutes(phrase: str, language: Language) -> list[str]:
    words = phrase.split()
    if len(words) == 1:
        return []
    texts = []
    for i, spoken in enumerate(phonemes.of(words, language)):
        others = _nearest(spoken, _NEAR_WORDS, language)
        texts += [" ".join([*words[:i], other, *words[i + 1 :]]) for other in others]
    return _unique(texts)


def _nearest(target: Phonemes, count: int, language: Language) -> list[str]:
    words = _word_phonemes(language)
    return sorted(words, key=lambda word: (distance(target, words[word]), word))[:count]


def _pairs(target: Phonemes, language: Language) -> list[str]:
    """Two words that together sound like the target, for every place it can be cut in two."""
    pairs = []
    for cut in range(2, len(target) - 1):
        parts = target[:cut], target[cut:]
        heads, tails = (_nearest(part, _NEAR_PART_WORDS, language) for part in parts)
        pairs += [f"{head} {tail}" for head in heads for tail in tails]
    return _unique(pairs)


def _across(target: Phonemes, language: Language) -> list[str]:
    """Two words of which one ends, and the other begins, as the target does up to and from some place."""
    words = _word_phonemes(language)
    ends = {word: distances_to_end(target, said) for word, said in words.items()}
    backwards = target[::-1]
    starts = {word: distances_to_end(backwards, said[::-1]) for word, said in words.items()}
    pairs = []
    for cut in range(1, len(target)):
        heads = sorted(words, key=lambda word: (ends[word][cut], word))[:_NEAR_PART_WORDS]
        rest = len(target) - cut
        tails = sorted(words, key=lambda word: (starts[word][rest], word))[:_NEAR_PART_WORDS]
        pairs += [f"{head} {tail}" for head in heads for tail in tails]
    return _unique(pairs)


def _edits(phrase: str, language: Language) -> list[str]:
    """The phrase with one or two letters replaced by others of the vocabulary, or left out."""
    letters = _letters(phrase)
    others = ["", *_unique(letter for word in _word_phonemes(language) for letter in _letters(word))]
    places = [i for i, letter in enumerate(letters) if letter != " "]
    rng = np.random.default_rng(zlib.crc32(phrase.encode()))
    texts = []
    for n in range(_EDITS):
        edited = list(letters)
        for place in rng.choice(places, min(1 + n % 2, len(places)), replace=False):
            edited[place] = others[int(rng.integers(len(others)))]
        texts.append(" ".join("".join(edited).split()))
    return _unique(text for text in texts if text)


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


# ── Unrelated speech ─────────────────────────────────────────────────────────────────────────
def paragraphs(
    phrase: str,
    rng: np.random.Generator,
    sentences: tuple[int, int] = (2, 5),
    language: Language = ENGLISH,
) -> Iterator[str]:
    """Endless connected speech: between `sentences[0]` and `sentences[1]` sentences at a time.

    What sounds like `phrase` is left out.
    """
    target = phonemes.of([phrase.lower()], language)[0]
    while True:
        counts = (int(rng.integers(sentences[0], sentences[1] + 1)) for _ in range(32))
        batch = [" ".join(_sentence(rng, language) for _ in range(count)) for count in counts]
        kept = [
            text
            for text, spoken in zip(batch, phonemes.word_by_word(batch, language), strict=True)
            if least_distance_within(target, spoken) >= CLOSEST
        ]
        if not kept:
            raise WatchwordError(f"'{phrase}' sounds like almost everything", "", "use a longer phrase")
        yield from kept


def _sentence(rng: np.random.Generator, language: Language) -> str:
    words = vocabulary(language)
    pattern = words["sentence"][int(rng.integers(len(words["sentence"])))]
    said = ""
    for literal, group, _, _ in string.Formatter().parse(pattern):
        said += literal
        if group:
            said += words[group][int(rng.integers(len(words[group])))]
    return said[0].upper() + said[1:]
