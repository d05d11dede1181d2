"""Sounds of Mandarin, from characters through pinyin to the symbols that Kokoro learned.

espeak-ng's IPA does not tell the first tone from the fourth, so it is of no use for near misses here.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from watchword.errors import WatchwordError

TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
_INITIALS = {
    "": "",
    **dict(zip("bdgmfnlxhsr", ["p", "t", "k", "m", "f", "n", "l", "ɕ", "x", "s", "ɻ"], strict=True)),
    **dict(zip("ptkjqzc", ["pʰ", "tʰ", "kʰ", "ʨ", "ʨʰ", "ʦ", "ʦʰ"], strict=True)),
    **{"zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ"},
}
_FINALS = {  # 0 stands where the tone is marked
    **{"a": "a0", "o": "wo0", "e": "ɤ0", "ê": "ɛ0", "er": "ɚ0", "i": "i0", "u": "u0", "v": "y0"},
    **{"ai": "ai0", "ei": "ei0", "ao": "au0", "ou": "ou0", "an": "a0n", "en": "ə0n", "ang": "a0ŋ"},
    **{"eng": "ə0ŋ", "ong": "ʊ0ŋ", "ia": "ja0", "ie": "je0", "io": "jo0", "iao": "jau0", "iou": "jou0"},
    **{"ian": "jɛ0n", "in": "i0n", "iang": "ja0ŋ", "ing": "i0ŋ", "iong": "jʊ0ŋ", "ua": "wa0"},
    **{"uo": "wo0", "uai": "wai0", "uei": "wei0", "uan": "wa0n", "uen": "wə0n", "uang": "wa0ŋ"},
    **{"ueng": "wə0ŋ", "ve": "ɥe0", "van": "ɥɛ0n", "vn": "y0n"},
}
_BUZZING = frozenset(("zh", "ch", "sh", "r", "z", "c", "s"))  # their "i" is no [i]
_MARKS = dict(zip("，。！？、；：", ",.!?,;:", strict=True))


def symbols(text: str) -> str:
    """The text in Kokoro's symbols, with its spaces and sentence marks."""
    said = []
    for part in re.findall(r"[^\W\d_a-zA-Z]+|.", text):
        if part[0].isalpha() and not part.isascii():
            said.append("".join(_syllables(part)))
        elif part in ",.!?;: " or part in _MARKS:
            said.append(_MARKS.get(part, part))
        else:
            raise WatchwordError(f"'{part}' in '{text}' has no reading", "", "write it in Chinese characters")
    return "".join(said)


def _syllables(word: str) -> list[str]:
    for module in ("pypinyin",):
        if find_spec(module) is None:
            what = f"Chinese characters have no reading here: the Python package {module} is not installed"
            raise WatchwordError(what, "", "pip install 'watchword[tts]'")
    from pypinyin import Style, lazy_pinyin  # an extra

    initials = lazy_pinyin(word, Style.INITIALS, strict=True)
    finals = lazy_pinyin(word, Style.FINALS_TONE3, strict=True, neutral_tone_with_five=True)
    return [_syllable(*both, word) for both in zip(initials, finals, strict=True)]


def _syllable(initial: str, final: str, word: str) -> str:
    bare, tone = final[:-1], final[-1:]
    if initial not in _INITIALS or bare not in _FINALS or tone not in TONES:
        raise WatchwordError(f"'{word}' holds a character without a reading", "", "replace it")
    sound = "ɨ0" if bare == "i" and initial in _BUZZING else _FINALS[bare]
    return _INITIALS[initial] + sound.replace("0", TONES[tone])
