"""The place of the word in every clip of a corpus: as listed, or found and how surely."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from watchword import audio, spec
from watchword.data.corpus import FOUND, UNSURE, Clip
from watchword.data.word_place import WordPlace, odd_lengths, place_word
from watchword.processes import cores, spread
from watchword.progress import Progress

_INLINE_CLIPS = 256  # fewer are not worth starting processes for
_SHOWN = 3
REMEDY = "write word_start_s and word_end_s of these clips into the manifest, or record them again in quiet"


def place_words(clips: Sequence[Clip], progress: bool = False, again: bool = False) -> list[Clip]:
    """The clips, the positives with the place of the word; one in which nothing stands out has none.

    Times that are listed stay, and those that were found, unless they are to be found `again`. The place in
    a take that would be far shorter or longer than the other takes of its phrase is unsure.
    """
    placed = list(clips)
    unknown = [
        i
        for i, clip in enumerate(clips)
        if clip.label == "positive" and not (clip.has_listed_times if again else clip.has_times)
    ]
    with Progress("places", len(unknown), "clips", progress) as bar:
        for i, place in _found([clips[i] for i in unknown]):
            placed[unknown[i]] = _with_place(clips[unknown[i]], place)
            bar.add()
    odd = _odd_takes(placed)
    return [replace(c, word_place=UNSURE) if i in odd else c for i, c in enumerate(placed)]


def unsure_places(clips: Sequence[Clip]) -> str:
    """What there is to say about clips in which the word's place is in doubt, or an empty string."""
    unsure = [clip for clip in clips if clip.word_place == UNSURE]
    if not unsure:
        return ""
    known = sum(clip.label == "positive" for clip in clips)
    shown = ", ".join(str(clip.path) for clip in unsure[:_SHOWN])
    more = f" and {len(unsure) - _SHOWN} more" if len(unsure) > _SHOWN else ""
    return f"where the word is in {len(unsure)} of {known} recordings of it is not sure: {shown}{more}"


def _found(clips: Sequence[Clip]) -> Iterator[tuple[int, WordPlace | None]]:
    """(index, place) of every clip, in any order."""
    workers = cores()
    if workers == 1 or len(clips) < _INLINE_CLIPS:
        yield from enumerate(map(_place, clips))
        return
    jobs = [(clip,) for clip in clips]
    with closing(spread(_place, jobs, workers, _nothing, (), "the word's place", "free memory")) as done:
        yield from done


def _nothing() -> None:
    """There is nothing to prepare in a worker."""


def _place(clip: Clip) -> WordPlace | None:
    return place_word(audio.load(clip.path))


def _with_place(clip: Clip, place: WordPlace | None) -> Clip:
    if place is None:
        return replace(clip, word_start_s=None, word_end_s=None, word_place=UNSURE)
    start_s, end_s = (sample / spec.SAMPLE_RATE_HZ for sample in (place.start, place.end))
    return replace(clip, word_start_s=start_s, word_end_s=end_s, word_place=FOUND if place.sure else UNSURE)


def _odd_takes(clips: Sequence[Clip]) -> set[int]:
    """Indices of the clips whose found word lasts far longer or less than the phrase does elsewhere."""
    takes: dict[str, dict[int, float]] = defaultdict(dict)
    for i, clip in enumerate(clips):
        if clip.label == "positive" and clip.word_start_s is not None and clip.word_end_s is not None:
            takes[clip.phrase][i] = clip.word_end_s - clip.word_start_s
    odd: set[int] = set()
    for lengths in takes.values():
        odd |= {i for i, wrong in zip(lengths, odd_lengths([*lengths.values()]), strict=True) if wrong}
    return {i for i in odd if not clips[i].has_listed_times}
