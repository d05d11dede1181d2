"""Own recordings: takes from a microphone, or the utterances of a long recording, checked and saved.

Files go where `scan` looks for them: positive/<speaker>/ and negative/<speaker>/.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np

from watchword import audio, spec, words
from watchword.data import phrases
from watchword.data.clip_sources import LABEL_FOLDERS
from watchword.data.corpus import NOBODY, SPLIT_NAMES
from watchword.data.endpoint import utterances, word_bounds
from watchword.data.languages import ENGLISH, Language
from watchword.data.microphone import Meter, Source, level_dbfs
from watchword.data.word_place import place_word
from watchword.errors import WatchwordError
from watchword.files import numbered

RATE = spec.SAMPLE_RATE_HZ
TAKE_S = {"positive": 3.0, "negative": 6.0}
STYLES = (
    "as you always would",
    "a little louder",
    "softly",
    "fast",
    "slowly",
    "from two steps further away",
    "as if you were tired",
    "as a question",
    "turned away from the microphone",
    "from across the room",
)
_ATTEMPTS = 5
_READING_S = 1.2  # between the prompt and the take
_CLIPPED_SAMPLES = 8  # at full scale: more is no longer one lucky peak
_QUIETEST_DBFS = -52.0  # RMS of the word; the quietest that training makes is around -42
_SHORTEST_S = 0.2
_EDGE = RATE * 60 // 1000  # a word this near to the edge of a take may go on beyond it
_SHORTEST_OF_MEDIAN = 0.4  # in a long recording: an utterance much shorter than the others is a noise
_MARGIN_S = 0.5  # kept around an utterance of a long recording


@dataclass(frozen=True)
class TakeCheck:
    """Whether a take is of use: what is wrong with it (empty = nothing), its length and its level."""

    fault: str
    seconds: float
    dbfs: float
    sure: bool  # whether there is no doubt where in it the word is


@dataclass(frozen=True)
class Cut:
    """What became of a long recording."""

    saved: list[Path]
    rejected: list[tuple[float, str]]  # where it begins in seconds, and why it is of no use


@dataclass(frozen=True)
class ClipFolder:
    """Where the clips of one speaker go."""

    folder: Path
    slug: str

    def save(self, pcm: np.ndarray) -> Path:
        """Under the next free number."""
        pattern = rf"{re.escape(self.slug)}_(\d+)\.flac"
        names = numbered(self.folder, pattern, lambda number: f"{self.slug}_{number:03d}.flac")
        return audio.save_new(names, pcm)


def clip_folder(out: Path, word: str, speaker: str, label: str) -> ClipFolder:
    """The folder for a speaker's clips, in a name that a scan reads as theirs."""
    if not re.fullmatch(r"\w[\w-]*", speaker) or speaker.lower() in {*LABEL_FOLDERS, *SPLIT_NAMES, *NOBODY}:
        raise WatchwordError(
            f"'{speaker}' cannot name a speaker", "--speaker", "use letters and digits, such as ann2"
        )
    slug = words.folder_name(word)
    return ClipFolder(out / label / speaker, slug if label == "positive" else f"not_{slug}")


def check_take(pcm: np.ndarray, label: str) -> TakeCheck:
    """Look at one take, int16 [samples]: does it hold one word (positive), or speech (negative)?"""
    place = place_word(pcm) if label == "positive" else None
    start, end = (place.start, place.end) if place else word_bounds(pcm)
    spoken = pcm[start:end]
    seconds, dbfs = spoken.size / RATE, level_dbfs(spoken)

    def fault() -> str:
        if (np.abs(pcm.astype(np.int32)) >= 32767).sum() > _CLIPPED_SAMPLES:
            return "clipped: speak more softly, or turn the input down"
        if (start, end) == (0, pcm.size) and not utterances(pcm):
            return "nobody was heard above the noise"
        if dbfs < _QUIETEST_DBFS:
            return f"too quiet ({dbfs:.0f} dBFS): come closer, or turn the input up"
        if seconds < _SHORTEST_S:
            return f"only {seconds:.2f} s of sound"
        if label == "positive" and (start < _EDGE or end > pcm.size - _EDGE):
            return f"cut off at the {'beginning' if start < _EDGE else 'end'}"
        return ""

    return TakeCheck(fault(), seconds, dbfs, place is None or place.sure)


# ── Guided ───────────────────────────────────────────────────────────────────────────────────
def guided(
    source: Source,
    target: ClipFolder,
    prompts: Iterator[str],
    label: str,
    count: int,
    say: Callable[[str], None],
    meter: Meter,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Path]:
    """Record `count` good takes, one a prompt; each is saved before the next begins."""
    for number in range(1, count + 1):
        prompt = next(prompts)
        for _ in range(_ATTEMPTS):
            say(f"{number}/{count}  {prompt}")
            pause(_READING_S)
            say("now")
            heard = source.take(TAKE_S[label], meter)
            check = check_take(heard.pcm, label)
            fault = "the computer was too slow to record it all" if heard.lost else check.fault
            if not fault:
                break
            say(f"again: {fault}")
        else:
            raise WatchwordError(
                f"{_ATTEMPTS} takes in a row were of no use; the last: {fault}",
                "",
                "check the microphone and its level",
            )
        path = target.save(heard.pcm)
        doubt = "" if check.sure else "; where the word is in it is not sure: it may be too noisy here"
        say(f"kept: {check.seconds:.2f} s, {check.dbfs:.0f} dBFS{doubt}")
        yield path


def word_prompts(word: str) -> Iterator[str]:
    """Endless: the word, said in many ways."""
    return (f'say "{word}" {style}' for style in cycle(STYLES))


def other_prompts(word: str, language: Language = ENGLISH, seed: int = 1) -> Iterator[str]:
    """Endless: what sounds like the word and is not it, and plain sentences, in turn."""
    near = [miss.text for miss in phrases.near_misses(word, language)]
    sentences = phrases.paragraphs(word, np.random.default_rng(seed), (1, 1), language)
    for first in cycle(range(0, max(1, len(near)), 3)):
        if near:
            yield "say, with pauses: " + " … ".join(near[first : first + 3])
        yield f"read: {next(sentences)}"


# ── From a long recording ────────────────────────────────────────────────────────────────────
def cut(recording: Path, target: ClipFolder, label: str) -> Cut:
    """Save every usable utterance of a long recording as a clip of its own."""
    pcm = audio.load(recording)
    spans = utterances(pcm)
    if not spans:
        raise WatchwordError("nobody is heard above the noise", recording, "check the recording")
    usual_s = float(np.median([end - start for start, end in spans])) / RATE
    saved: list[Path] = []
    rejected: list[tuple[float, str]] = []
    for (start, end), (first, last) in zip(spans, _with_margins(spans, pcm.size), strict=True):
        seconds = (end - start) / RATE
        fault = check_take(pcm[first:last], label).fault
        if label == "positive" and seconds < _SHORTEST_OF_MEDIAN * usual_s:
            fault = f"{seconds:.2f} s, while the others last {usual_s:.2f} s"
        if fault:
            rejected.append((start / RATE, fault))
        else:
            saved.append(target.save(pcm[first:last]))
    return Cut(saved, rejected)


def _with_margins(spans: list[tuple[int, int]], samples: int) -> list[tuple[int, int]]:
    """Spans widened by _MARGIN_S, at most to the middle of the pause beside them."""
    middles = [(before[1] + after[0]) // 2 for before, after in pairwise(spans)]
    margin = round(_MARGIN_S * RATE)
    return [
        (max(low, start - margin), min(high, end + margin))
        for (start, end), low, high in zip(spans, [0, *middles], [*middles, samples], strict=True)
    ]
