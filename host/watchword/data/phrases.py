"""What synthetic speech says: near misses of a phrase by phonetic distance, and unrelated sentences."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import permutations

import numpy as np

from watchword import spec, words
from watchword.data import phonemes
from watchword.data.phonemes import CLOSEST, Phonemes, distance, distances_to_end, least_distance_within
from watchword.errors import WatchwordError

NEAR_MISSES = 160
_FEWEST_PHONEMES = 3
_MOST_FOR_A_LETTER = 6  # phonemes of a letter between "ba" and "a"; more is the name of a letter
_NEAR_WORDS = 24  # vocabulary words tried for each word of the phrase
_NEAR_PART_WORDS = 6  # and for each half of it, when two words together may sound like it


@dataclass(frozen=True)
class NearMiss:
    """A phrase that sounds a little like the wake word."""

    text: str
    distance: float  # from the wake word, see phonemes.distance; across: of the stretch that is nearest to it
    how: str  # part, swap, cut, substitute, word, pair, across


def check_phrase(phrase: str) -> str:
    """The phrase with single spaces, or WatchwordError if no engine could say it or no board store it."""
    phrase = words.require(phrase, "")
    if not phrase[0].isalnum():  # a program that speaks would take it for an option
        raise WatchwordError(f"'{phrase}' is not a phrase", "", "begin it with a letter or a digit")
    if not any(c.isalpha() for c in phrase):
        raise WatchwordError(f"'{phrase}' holds no letter", "", "write numbers as they are spoken")
    _require_readable(phrase)
    if len(phrase.encode()) >= spec.WORD_BYTES:
        what = f"'{phrase}' is too long: {len(phrase.encode())} bytes"
        raise WatchwordError(what, "", f"at most {spec.WORD_BYTES - 1} fit in a model")
    if len(phonemes.of([phrase])[0]) < _FEWEST_PHONEMES:
        raise WatchwordError(f"'{phrase}' is too short to be told from other speech", "", "use a longer one")
    return phrase


def _require_readable(phrase: str) -> None:
    """Raise for letters that an English voice spells: those of other scripts, and a few Latin ones."""
    unusual = [
        c for c in dict.fromkeys(phrase) if not c.isascii() and not unicodedata.category(c).startswith("M")
    ]
    foreign = next((c for c in unusual if not unicodedata.name(c, "").startswith("LATIN")), None)
    names = phonemes.of([f"ba{c}a" for c in unusual]) if foreign is None else []
    spelt = next(
        (c for c, said in zip(unusual, names, strict=False) if len(said) > _MOST_FOR_A_LETTER), foreign
    )
    if spelt is not None:
        script = unicodedata.name(spelt, "unknown").split()[0].split("-")[0].capitalize()
        raise WatchwordError(
            f"'{phrase}' holds '{spelt}' ({script}), which the English voices cannot read, only spell",
            "",
            "write it as an English speaker would read it aloud, or record people: watchword record",
        )


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, tuple[str, ...]]:
    """The groups of words.txt: words, and under "sentence" patterns with {group} fields."""
    groups: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (files("watchword.data") / "words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            current = groups.setdefault(name, [])
        elif line and not line.startswith("#"):
            current += [line] if name == "sentence" else line.split()
    return {name: tuple(entries) for name, entries in groups.items()}


@lru_cache(maxsize=1)
def _word_phonemes() -> dict[str, Phonemes]:
    """Every word of the vocabulary with its phonemes."""
    spoken = (words for group, words in vocabulary().items() if group != "sentence")
    unique = _unique(word.lower() for words in spoken for word in words)
    return dict(zip(unique, phonemes.of(unique), strict=True))


# ── Near misses ──────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=4)
def near_misses(phrase: str, limit: int = NEAR_MISSES) -> tuple[NearMiss, ...]:
    """Up to `limit` phrases near `phrase`, nearest first within each way of making them.

    Ways: parts of it, its words swapped, words cut short, words replaced by others that sound alike,
    single words and pairs of words of a built-in vocabulary that sound like the whole, and pairs that hold
    something like it across the gap between them, as "nephew grass" for "view glass". None is, or contains,
    what sounds like the phrase itself.
    """
    phrase = " ".join(re.sub(r"[_,.!?&+]", " ", phrase.lower()).split())
    target = phonemes.of([phrase])[0]
    ways = {
        "part": _parts(phrase),
        "swap": _swaps(phrase),
        "cut": _cuts(phrase),
        "substitute": _substitutes(phrase),
        "word": _nearest(target, 3 * _NEAR_WORDS),
        "pair": _pairs(target),
        "across": _across(target),
    }
    ranked = []
    seen = {target}
    for how, texts in ways.items():
        found = []
        for text, spoken in zip(texts, phonemes.of(texts), strict=True):
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
    ends = [phrase[:n].strip() for n in range(3, len(phrase) - 1)]
    starts = [phrase[n:].strip() for n in range(2, len(phrase) - 2)]
    return _unique(text for text in (*ends, *starts) if len(text.replace(" ", "")) >= 3)


def _substitutes(phrase: str) -> list[str]:
    words = phrase.split()
    if len(words) == 1:
        return []
    texts = []
    for i, spoken in enumerate(phonemes.of(words)):
        texts += [" ".join([*words[:i], other, *words[i + 1 :]]) for other in _nearest(spoken, _NEAR_WORDS)]
    return _unique(texts)


def _nearest(target: Phonemes, count: int) -> list[str]:
    words = _word_phonemes()
    return sorted(words, key=lambda word: (distance(target, words[word]), word))[:count]


def _pairs(target: Phonemes) -> list[str]:
    """Two words that together sound like the target, for every place it can be cut in two."""
    pairs = []
    for cut in range(2, len(target) - 1):
        heads, tails = (_nearest(part, _NEAR_PART_WORDS) for part in (target[:cut], target[cut:]))
        pairs += [f"{head} {tail}" for head in heads for tail in tails]
    return _unique(pairs)


def _across(target: Phonemes) -> list[str]:
    """Two words of which one ends, and the other begins, as the target does up to and from some place."""
    words = _word_phonemes()
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


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


# ── Unrelated speech ─────────────────────────────────────────────────────────────────────────
def paragraphs(phrase: str, rng: np.random.Generator, sentences: tuple[int, int] = (2, 5)) -> Iterator[str]:
    """Endless connected speech: between `sentences[0]` and `sentences[1]` sentences at a time.

    What sounds like `phrase` is left out.
    """
    target = phonemes.of([phrase.lower()])[0]
    while True:
        batch = [
            " ".join(_sentence(rng) for _ in range(int(rng.integers(sentences[0], sentences[1] + 1))))
            for _ in range(32)
        ]
        kept = [
            text
            for text, spoken in zip(batch, phonemes.word_by_word(batch), strict=True)
            if least_distance_within(target, spoken) >= CLOSEST
        ]
        if not kept:
            raise WatchwordError(f"'{phrase}' sounds like almost everything", "", "use a longer phrase")
        yield from kept


def _sentence(rng: np.random.Generator) -> str:
    words = vocabulary()
    pattern = words["sentence"][int(rng.integers(len(words["sentence"])))]
    said = ""
    for literal, group, _, _ in string.Formatter().parse(pattern):
        said += literal
        if group:
            said += words[group][int(rng.integers(len(words[group])))]
    return said[0].upper() + said[1:]
