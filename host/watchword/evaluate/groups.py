"""Missed words by what was heard: the pitch of the voice, and how far it stands out of the noise.

Both are estimated from each recording (data/voice_measures.py); one that does not tell is "unsure".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from watchword import audio, spec
from watchword.data.recordings import Recording
from watchword.data.voice_measures import pitch_hz, snr_db
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import Accuracy, GroupFigures, ScoredStream, alarm_rate, group_figures

UNSURE = "unsure"
# A group reaches up to its bound. Most men speak below 165 Hz, most women above; children, and adults who
# call out, above 270 Hz: a group is of voices, it says nothing of who they are.
PITCHES = (
    ("low, below 165 Hz", 165.0),
    ("high, 165 to 270 Hz", 270.0),
    ("child-like, above 270 Hz", np.inf),
)
SNRS = (
    ("below 10 dB", 10.0),
    ("10 to 20 dB", 20.0),
    ("20 to 30 dB", 30.0),
    ("30 dB and above", np.inf),
)
FEWEST_WORDS = 20  # with fewer, even no miss at all leaves a bound above 14 %
_AROUND_S = 1.0  # of sound beside a word of known times, to hear the noise in

Groups = dict[str, GroupFigures]


def by_voice(streams: Sequence[ScoredStream], accuracy: Accuracy) -> tuple[Groups, Groups]:
    """Words and misses by pitch and by SNR, in the order of the groups; those without words are left out."""
    traits = {s.recording: _traits(s.recording) for s in streams if s.recording.words}
    pitches = _breakdown(accuracy, lambda recording: _group(traits[recording][0], PITCHES), list(traits))
    snrs = _breakdown(accuracy, lambda recording: _group(traits[recording][1], SNRS), list(traits))
    return pitches, snrs


def too_few(figures: GroupFigures) -> bool:
    """Whether the words of a group are too few for its FRR to mean anything."""
    return figures.positives < FEWEST_WORDS


def _breakdown(
    accuracy: Accuracy, group: Callable[[Recording], str], recordings: Sequence[Recording]
) -> Groups:
    words: Counter[str] = Counter()
    for recording in recordings:
        words[group(recording)] += len(recording.words)
    misses = Counter(group(event.recording) for event in accuracy.misses)
    order = [*(name for names in (PITCHES, SNRS) for name, _ in names), UNSURE]
    none = alarm_rate(0, 0.0)
    return {name: group_figures(words[name], misses[name], none) for name in order if words[name]}


def _group(value: float | None, groups: Sequence[tuple[str, float]]) -> str:
    return UNSURE if value is None else next(name for name, bound in groups if value < bound)


def _traits(recording: Recording) -> tuple[float | None, float | None]:
    """Pitch in Hz and SNR in dB of the words of a recording, as far as it tells."""
    try:
        pcm = recording.sound() if recording.sound else audio.load(recording.path)
    except WatchwordError:  # gone since it was heard
        return None, None
    near = _AROUND_S if recording.timed else 0.0
    return pitch_hz(_pieces(pcm, recording, 0.0)), snr_db(_pieces(pcm, recording, near))


def _pieces(pcm: np.ndarray, recording: Recording, around_s: float) -> np.ndarray:
    """What is in the recording's words and around them, one after another."""
    edges = [
        [round(max(0.0, second) * spec.SAMPLE_RATE_HZ) for second in (start - around_s, end + around_s)]
        for start, end in recording.words
    ]
    return np.concatenate([pcm[first:last] for first, last in edges])
