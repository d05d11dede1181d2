"""Other ways to say a phrase, sound by sound: as some people do say it, and as nobody who means it would.

Both start from espeak-ng's IPA. Rules of accents and of quick speech make the first, which still are the
word; random changes of single sounds make the second, near misses. One limit parts them:
`phonemes.CLOSEST`, by which near misses of text are chosen too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from watchword.data import phonemes
from watchword.data.engine import Delivery
from watchword.data.phonemes import CLOSEST, Phonemes, distance, least_distance_within
from watchword.data.speech_tools import ipa as ipa_of

# Another way to say a text, or as it was: text, delivery -> text, delivery.
Vary = Callable[[str, Delivery, np.random.Generator], tuple[str, Delivery]]

ACCENTED_SHARE = 0.25  # of the positives, by engines that read IPA
WRONG_SHARE = 0.4  # of the near misses, by them
FARTHEST = 2.4  # of a near miss: about two sounds replaced by unlike ones
_MOST_RULES = 2
_TRIES = 40
_STRESS = "ˈˌ"
_TIE = "\u200d"
_SOUND = rf"[{_STRESS}]?[^\s.,!?](?:{_TIE}.|[ː\u0300-\u036f])*"
_END = r"(?=[\s.,!?]|$)"

# What an accent, or haste, does to English sounds; a rule without effect on a phrase is not drawn for it.
ACCENT_RULES: dict[str, tuple[str, str]] = {
    "final z as s": (rf"z{_END}", "s"),
    "z as s": ("(?<!d)z", "s"),
    "final d as t": (rf"d{_END}", "t"),
    "final g as k": (rf"ɡ{_END}", "k"),
    "final v as f": (rf"v{_END}", "f"),
    "v as f": ("v", "f"),
    "final b as p": (rf"b{_END}", "p"),
    "j as ch": (f"d{_TIE}ʒ", f"t{_TIE}ʃ"),
    "th as s": ("θ", "s"),
    "th as z": ("ð", "z"),
    "short i long": ("ɪ(?!ː)", "iː"),
    "long i short": ("iː", "ɪ"),
    "short u long": (rf"(?<!{_TIE})ʊ", "uː"),
    "a as e": ("æ", "ɛ"),
    "a as ah": ("æ", "a"),
    "e as a": ("ɛ", "æ"),
    "u as a": ("ʌ", "a"),
    "dark o": ("ɑː", "ɔː"),
    "o without glide": (f"[oə]{_TIE}ʊ", "oː"),
    "r as l": ("ɹ", "l"),
    "l as r": ("l", "ɹ"),
    "tapped r": ("ɹ", "ɾ"),
    "tapped t as t": ("ɾ", "t"),
    "r dropped": (rf"(?<=ː)(?:{_TIE})?ɹ", ""),
    "final er as a": (rf"ɚ{_END}", "ə"),
    "full weak vowel": (f"ə(?!{_TIE})|ɐ", "a"),
    "first weak vowel dropped": (rf"(?<=[^\s{_STRESS}])ə(?=[^\s{_TIE}])|^ɐ", ""),
    "glide dropped": (rf"(?<=[a-zɡ])j(?=[{_STRESS}]?u)", ""),
    "h dropped": (r"(?<!\S)h", ""),
}
_CONSONANTS = ("p", "b", "t", "d", "k", "ɡ", "f", "v", "s", "z", "ʃ", "m", "n", "l", "ɹ", "w", "h")
_VOWELS = ("iː", "ɪ", "ɛ", "æ", "ɑː", "ɔː", "uː", "ʌ", "ə", f"e{_TIE}ɪ", f"a{_TIE}ɪ", f"o{_TIE}ʊ")


def vary_positive(text: str, delivery: Delivery, rng: np.random.Generator) -> tuple[str, Delivery]:
    """Sometimes with an accent."""
    if rng.random() >= ACCENTED_SHARE:
        return text, delivery
    said = accented(ipa_of(text, str(delivery["accent"])), rng)
    return text, {**delivery, "ipa": said}


def vary_near_miss(phrase: str) -> Vary:
    """Sometimes the phrase itself, mispronounced, instead of another text."""

    def vary(text: str, delivery: Delivery, rng: np.random.Generator) -> tuple[str, Delivery]:
        if rng.random() >= WRONG_SHARE:
            return text, delivery
        said = wrong(ipa_of(phrase, str(delivery["accent"])), rng)
        if said is None:
            return text, delivery
        return f"/{said.replace(_TIE, '')}/", {**delivery, "ipa": said}

    return vary


def sounds(ipa: str) -> Phonemes:
    """The sounds of espeak-ng's tied IPA as `phonemes.of` has them: no stress, no length."""
    return tuple(re.sub(rf"[{_STRESS}ː{_TIE}]", "", sound) for sound in re.findall(_SOUND, ipa))


def accented(ipa: str, rng: np.random.Generator) -> str:
    """The phrase with an accent: one or two rules, as long as it stays nearer than CLOSEST to itself.

    What no rule changes so little is given back as it is.
    """
    said, plain = ipa, sounds(ipa)
    rules = list(ACCENT_RULES.values())
    wanted = int(rng.integers(1, _MOST_RULES + 1))
    for index in rng.permutation(len(rules)):
        pattern, replacement = rules[index]
        if not re.search(pattern, ipa):  # what another rule has made is left alone
            continue
        changed = re.sub(pattern, replacement, said)
        if changed != said and 0.0 < distance(plain, sounds(changed)) < CLOSEST:
            said, wanted = changed, wanted - 1
            if wanted == 0:
                break
    return said


def wrong(ipa: str, rng: np.random.Generator) -> str | None:
    """A near miss: sounds replaced, dropped or added until it is CLOSEST to FARTHEST away.

    None if none is found, which takes a phrase of very few sounds.
    """
    plain = sounds(ipa)
    for _ in range(_TRIES):
        said = ipa
        for _ in range(int(rng.integers(1, 4))):
            said = _one_change(said, rng)
        made = sounds(said)
        if least_distance_within(plain, made) >= CLOSEST and distance(plain, made) <= FARTHEST:
            return said
    return None


def _one_change(ipa: str, rng: np.random.Generator) -> str:
    places = list(re.finditer(_SOUND, ipa))
    place = places[int(rng.integers(len(places)))]
    sound = place.group()
    stress = sound[0] if sound[0] in _STRESS else ""
    kind = _VOWELS if phonemes.is_vowel(sound.lstrip(_STRESS)) else _CONSONANTS
    other = kind[int(rng.integers(len(kind)))]
    draw = rng.random()
    if draw < 0.15 and len(places) > 3 and not stress:
        new = ""
    elif draw < 0.25:
        new = sound + _CONSONANTS[int(rng.integers(len(_CONSONANTS)))]
    else:
        new = stress + other
    return ipa[: place.start()] + new + ipa[place.end() :]
