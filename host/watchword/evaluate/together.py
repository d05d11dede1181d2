"""Several words that are heard at once: their joint false alarms, and how often one is taken for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchword.data.recordings import Recording
from watchword.evaluate.metrics import AlarmRate, ScoredStream, alarm_rate, binomial_upper, match, measure


@dataclass(frozen=True)
class Mistaken:
    """How often a word that was said woke the model of another."""

    said: str  # the word in the recordings
    heard: str  # the word of the model
    words: int  # how often it was said
    times: int  # of them, woke the other model, from the word's start to a second after its end
    share: float | None  # times / words, 0..1; null if it was never said
    share_upper95: float | None  # one-sided 95 % bound of it (Clopper-Pearson); null like `share`


@dataclass(frozen=True)
class Together:
    """What the words of one device do to each other."""

    words: tuple[str, ...]  # in the order of their models
    # of all models, in audio without any of the words; detections within a second count once, of any word
    joint: AlarmRate
    each: dict[str, AlarmRate]  # of each model by its word, in the same audio
    mistaken: tuple[Mistaken, ...]  # every word against every other model
    # counted by the board for all words, a shared front end once; null without a board that counts them
    instructions_per_audio_second: float | None = None


def together(
    words: Sequence[str],
    streams: Sequence[Sequence[ScoredStream]],
    instructions_per_audio_second: float | None = None,
) -> Together:
    """`streams`: for each word, what its model made of all recordings, which are the same for every word.

    Which word a recording holds is its `phrase`.
    """
    without = [[s for s in of_word if not s.recording.words] for of_word in streams]
    return Together(
        tuple(words),
        _alarms([_merged(same) for same in zip(*without, strict=True)]),
        {word: _alarms(of_word) for word, of_word in zip(words, without, strict=True)},
        tuple(
            _mistaken(said, heard, of_word)
            for heard, of_word in zip(words, streams, strict=True)
            for said in words
            if said != heard
        ),
        instructions_per_audio_second,
    )


def _alarms(streams: Sequence[ScoredStream]) -> AlarmRate:
    accuracy = measure(streams)
    return alarm_rate(len(accuracy.false_alarms), accuracy.negative_hours)


def _merged(streams: Sequence[ScoredStream]) -> ScoredStream:
    """One recording with the detections of all words."""
    detections = np.sort(np.concatenate([stream.detections for stream in streams]))
    return replace(streams[0], detections=detections, compute_samples=None)


def _mistaken(said: str, heard: str, streams: Sequence[ScoredStream]) -> Mistaken:
    """streams: what the model of `heard` made of everything."""

    def holds(recording: Recording) -> bool:
        return bool(recording.words) and recording.phrase == said

    found = [match(s.recording.word_samples, s.detections) for s in streams if holds(s.recording)]
    words = sum(len(one.hits) for one in found)
    times = words - sum(one.hits.count(None) for one in found)
    share = (times / words, binomial_upper(times, words)) if words else (None, None)
    return Mistaken(said, heard, words, times, *share)
