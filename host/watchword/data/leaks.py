"""Leaks: the same sound, or the same speaker, on two sides of a split.

Two files hold the same sound when they agree sample for sample after cutting silence off and scaling:
a copy under another name, louder, or with other padding. The loudest sample is the anchor, because
neither padding nor level moves it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from watchword import audio
from watchword.data.corpus import SPLITS, Clip
from watchword.errors import WatchwordError
from watchword.processes import cores
from watchword.progress import track

_SNIPPET = 128  # samples on either side of the loudest one
_SNIPPET_SIMILARITY = 0.99  # cosine; only then the files are compared in full
_FILE_SIMILARITY = 0.98
_ROWS = 1024  # block of the similarity matrix


@dataclass(frozen=True)
class Leak:
    """Two clips in different splits that share what they must not."""

    kind: str  # "audio" or "speaker"
    first: Clip
    second: Clip

    def __str__(self) -> str:
        what = "same audio" if self.kind == "audio" else f"same speaker '{self.first.speaker}'"
        sides = f"{self.first.path} ({self.first.split}) and {self.second.path} ({self.second.split})"
        return f"{what}: {sides}"


def check(clips: Sequence[Clip], where: str | Path = "", progress: bool = False) -> None:
    """Raise WatchwordError naming the files if any sound or speaker is in two splits. Decodes all clips."""
    reject(find_leaks(clips, progress=progress), where)


def reject(leaks: Sequence[Leak], where: str | Path = "") -> None:
    """Raise WatchwordError naming the files of the first leaks, if there are any."""
    if leaks:
        shown = "; ".join(str(leak) for leak in leaks[:5])
        more = f"; and {len(leaks) - 5} more" if len(leaks) > 5 else ""
        raise WatchwordError(
            f"{len(leaks)} leak{'s' * (len(leaks) > 1)} between splits: {shown}{more}",
            where,
            "move or delete one of each pair, or give both the same split",
        )


def find_leaks(
    clips: Sequence[Clip], fingerprints: np.ndarray | None = None, progress: bool = False
) -> list[Leak]:
    """All leaks: one per speaker and split it should not be in, one per pair of equal files.

    `fingerprints` float32 [clips, 256] as `fingerprint` gives them; computed here when absent.
    """
    leaks = _speaker_leaks(clips)
    if fingerprints is None:
        fingerprints = _fingerprints(clips, progress)
    for a, b in same_audio(clips, fingerprints):
        if clips[a].split != clips[b].split:
            leaks.append(Leak("audio", clips[a], clips[b]))
    return leaks


def fingerprint(pcm: np.ndarray) -> np.ndarray:
    """The samples around the loudest one, scaled to unit length: float32 [256]."""
    peak = int(np.argmax(np.abs(pcm.astype(np.int32)))) if pcm.size else 0
    snippet = np.zeros(2 * _SNIPPET, np.float32)
    first = max(0, peak - _SNIPPET)
    part = pcm[first : peak + _SNIPPET]
    snippet[first - (peak - _SNIPPET) :][: part.size] = part
    length = float(np.linalg.norm(snippet))
    return snippet / length if length else snippet


def same_audio(clips: Sequence[Clip], fingerprints: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of indices (a < b) of clips that hold the same sound; room responses are not compared.

    Of the clips with one sound each is paired with the first, its representative, and compared with no
    other: the work grows with the number of copies, not with its square. Two clips of one speaker and one
    label in one split are left out: that is no leak, and synthetic voices repeat themselves.
    """
    index = np.flatnonzero([clip.label != "rir" for clip in clips])
    prints = fingerprints[index]
    representative = np.zeros(len(index), bool)
    pairs = []
    for first in range(0, len(index), _ROWS):
        last = min(first + _ROWS, len(index))
        similar = np.abs(prints[first:last] @ prints[:last].T)  # a copy may be upside down
        for row in range(last - first):
            b = first + row
            candidates = np.flatnonzero((similar[row, :b] > _SNIPPET_SIMILARITY) & representative[:b])
            same = (int(index[a]) for a in candidates if _is_copy(clips[index[a]], clips[index[b]]))
            original = next(same, None)
            representative[b] = original is None
            if original is not None:
                pairs.append((original, int(index[b])))
    return pairs


def _is_copy(a: Clip, b: Clip) -> bool:
    return not _kept_together(a, b) and _same_sound(a.path, b.path)


def _kept_together(a: Clip, b: Clip) -> bool:
    return a.has_speaker and (a.speaker, a.split, a.label) == (b.speaker, b.split, b.label)


def _same_sound(a: Path, b: Path) -> bool:
    """Whether two files agree where both sound, with their loudest samples on top of each other."""
    x, y = _signal(a), audio.load(b).astype(np.float64)
    before = min(peak := int(np.argmax(np.abs(x))), other_peak := int(np.argmax(np.abs(y))))
    after = min(x.size - peak, y.size - other_peak)
    shared_x = x[peak - before : peak + after]
    shared_y = y[other_peak - before : other_peak + after]
    energy = float(np.sqrt((x @ x) * (y @ y)))  # of the whole files: what only one of them has counts
    return energy > 0 and abs(float(shared_x @ shared_y)) > _FILE_SIMILARITY * energy


@lru_cache(maxsize=4)
def _signal(path: Path) -> np.ndarray:
    """A representative is compared with all its copies: it is read once."""
    return audio.load(path).astype(np.float64)


def _speaker_leaks(clips: Sequence[Clip]) -> list[Leak]:
    first_in: dict[str, dict[str, Clip]] = defaultdict(dict)
    for clip in clips:
        if clip.has_speaker and clip.label in ("positive", "negative"):
            first_in[clip.speaker].setdefault(clip.split, clip)
    leaks = []
    for sides in first_in.values():
        present = [sides[split] for split in SPLITS if split in sides]
        leaks += [Leak("speaker", present[0], other) for other in present[1:]]
    return leaks


def _fingerprints(clips: Sequence[Clip], progress: bool) -> np.ndarray:
    with ThreadPoolExecutor(cores()) as pool:
        prints = pool.map(lambda clip: fingerprint(audio.load(clip.path)), clips)
        found = [*track(prints, "leak check", len(clips), "clips", progress)]
        return np.stack(found) if clips else np.zeros((0, 2 * _SNIPPET), np.float32)
