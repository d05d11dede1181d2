"""What a wake word or phrase is, as text: how it is stored, which spellings are one word, its folder.

`python -m watchword.words "what's up"` prints the folder's name, for the Makefile.
"""

from __future__ import annotations

import sys
import unicodedata

from watchword.errors import WatchwordError

_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u02b9\u00b4`\uff07"), "'")
_MARKS = "'-_,.!?&+"  # beside letters, digits and spaces, all that a phrase may hold


def written(phrase: str) -> str:
    """A phrase as it is stored and shown: composed accents, the straight apostrophe, single spaces."""
    return " ".join(unicodedata.normalize("NFC", phrase.translate(_APOSTROPHES)).split())


def require(phrase: str, where: str) -> str:
    """The phrase as it is stored; an error that names `where` if it is none."""
    phrase = written(phrase)
    odd = next((c for c in phrase if not (_is_letter(c) or c == " " or c in _MARKS)), None)
    if odd is not None:
        shown = repr(odd) if odd.isprintable() else f"U+{ord(odd):04X}"
        raise WatchwordError(
            f"{phrase!r} is not a word or phrase: it holds {shown}", where, "write it as it is spoken"
        )
    if not fold(phrase):
        raise WatchwordError(f"{phrase!r} is not a word: it has no letter", where, "use letters and digits")
    return phrase


def fold(phrase: str) -> tuple[str, ...]:
    """What all spellings of a phrase have in common: its words without case and punctuation.

    Apostrophes part words too: "what's up", "What’s up" and "what_s_up" are one.
    """
    folded = unicodedata.normalize("NFKC", written(phrase)).casefold()
    composed = unicodedata.normalize("NFC", folded)
    return tuple("".join(c if _is_letter(c) else " " for c in composed).split())


def same(a: str, b: str) -> bool:
    """Whether two spellings are one phrase."""
    return fold(a) == fold(b)


def spoken(text: str) -> list[str]:
    """The words of a text as they are read aloud: case and apostrophes kept, marks and underscores not."""
    kept = written(text)
    return "".join(c if _is_letter(c) or c == "'" else " " for c in kept).split()


def says(text: str, phrase: str) -> bool:
    """Whether the words of `phrase` stand in `text`, one after another."""
    said, sought = fold(text), fold(phrase)
    return any(said[i : i + len(sought)] == sought for i in range(len(said) - len(sought) + 1))


def folder_name(phrase: str) -> str:
    """'Hey lighthouse' -> 'hey_lighthouse': one name below runs/ or models/ for all spellings of a phrase."""
    return "_".join(fold(require(phrase, "the wake word")))


def _is_letter(c: str) -> bool:
    """A letter, a digit, or an accent or vowel sign that belongs to one."""
    return unicodedata.category(c)[0] in "LNM"


def main() -> int:
    try:
        print(folder_name(" ".join(sys.argv[1:])))
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
