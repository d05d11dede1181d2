"""Recordings without the word in streams: which share one, and in what order, so that little changes when a
clip comes or goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from watchword import audio, spec
from watchword.data.corpus import Clip
from watchword.data.jobs import STREAM_S, Piece

_STREAM = round(STREAM_S * spec.SAMPLE_RATE_HZ)
_BUCKET = 32 * _STREAM  # shuffled clips are packed into streams among so many samples of them at most
_COMPANY = 4 * _STREAM  # a source or phrase with fewer samples shares streams with others


def companies(clips: Sequence[tuple[Clip, Piece]]) -> list[list[Piece]]:
    """The negatives that share streams: of one source and one phrase, of one source, and all of the rest.

    So another word, whose recordings are negatives here or are not, leaves the streams of all others.
    """
    left = [(clip, cut) for clip, piece in clips for cut in cuts(piece)]
    found: list[list[Piece]] = []
    for fields, least in ((("source", "phrase"), _COMPANY), (("source",), _COMPANY), ((), 0)):
        groups: dict[tuple[str, ...], list[tuple[Clip, Piece]]] = defaultdict(list)
        for clip, cut in left:
            groups[tuple(getattr(clip, field) for field in fields)].append((clip, cut))
        left = []
        for group in groups.values():
            parts = [cut for _, cut in group]
            if _length(parts) >= least:
                found.append(parts)
            else:
                left += group
    return found


def _length(pieces: Sequence[Piece]) -> int:
    """Samples together, of pieces that are cut."""
    return sum((piece.stop or 0) - piece.start for piece in pieces)


def streams(shuffled: Sequence[tuple[int, Piece]], bit: int = 1 << 63) -> list[tuple[Piece, ...]]:
    """Pieces in the order of their places (64 bits), packed into streams bucket by bucket.

    A bucket that is too long is split by the next bit of the places. So a clip more or less changes the
    streams of its own bucket alone, and the others are found in the cache.
    """
    pieces = [piece for _, piece in shuffled]
    if _length(pieces) <= _BUCKET or not bit:
        return packed(pieces)
    parts = [[item for item in shuffled if bool(item[0] & bit) == high] for high in (False, True)]
    return [group for part in parts if part for group in streams(part, bit >> 1)]


def cuts(piece: Piece) -> list[Piece]:
    """A long recording in parts of a stream's length, a short one as it is."""
    samples = audio.count_samples(piece.path)
    count = max(1, round(samples / _STREAM))
    edges = np.linspace(0, samples, count + 1).astype(int)
    return [Piece(piece.path, piece.digest, int(a), int(b)) for a, b in pairwise(edges)]


def packed(pieces: Sequence[Piece]) -> list[tuple[Piece, ...]]:
    """Groups of consecutive pieces of at least a stream's length; the rest joins the last group."""
    groups: list[list[Piece]] = [[]]
    length = 0
    for piece in pieces:
        if length >= _STREAM:
            groups.append([])
            length = 0
        groups[-1].append(piece)
        length += (piece.stop or 0) - piece.start
    if len(groups) > 1 and length < _STREAM // 2:
        rest = groups.pop()
        groups[-1] += rest
    return [tuple(group) for group in groups]
