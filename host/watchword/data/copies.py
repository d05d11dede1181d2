"""Recordings that hold the very same samples: whatever is counted, each sound counts once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from watchword import audio, spec
from watchword.data.corpus import Skipped
from watchword.errors import WatchwordError

Span = tuple[float, float]


def count_once(
    paths: Sequence[Path], seconds: Sequence[float], has_word: Sequence[bool], with_word: Sequence[Path] = ()
) -> tuple[list[list[int]], list[Skipped]]:
    """Indices of the recordings to count, each with those of its copies behind it; and the copies, named.

    One with the word comes before one without, which is left out: two labels of one sound cannot both be
    right. So is what sounds like one of `with_word`, which are not among the recordings.
    """
    rate, references = spec.SAMPLE_RATE_HZ, _sized(with_word)
    sizes = [round(length * rate) for length in seconds] + [size for _, size in references]
    every = [*paths, *(path for path, _ in references)]
    kept, skipped = {index: [index] for index in range(len(paths))}, []
    for group in same_samples(every, sizes):
        members = sorted((i for i in group if i < len(paths)), key=lambda i: not has_word[i])
        outside = next((every[i] for i in group if i >= len(paths)), None)
        original = outside or paths[members[0]]
        worded = outside is not None or has_word[members[0]]
        for index in members if outside else members[1:]:
            skipped.append(
                Skipped(paths[index], _why(paths[index], original, worded and not has_word[index]))
            )
            del kept[index]
        if outside is None:
            kept[members[0]] = members
    return list(kept.values()), skipped


def _why(path: Path, original: Path, disputed: bool) -> str:
    if disputed:
        return (
            f"the same sound as {original}, which is given as positive: one of the labels is wrong; "
            f"it does not count as audio without the word"
        )
    if path.resolve() == original.resolve():
        return "listed twice: it counts once"
    return f"the same sound as {original}: it counts once"


def _sized(paths: Sequence[Path]) -> list[tuple[Path, int]]:
    """The readable ones of the paths, with their samples."""
    sized = []
    for path in paths:
        with suppress(WatchwordError):
            sized.append((path, audio.count_samples(path)))
    return sized


def same_samples(paths: Sequence[Path], sizes: Sequence[int]) -> list[list[int]]:
    """Groups of indices of files that sound alike, sample for sample; only those of two or more.

    `sizes`: samples of each as `audio.load` gives them. Only files of one size are read.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for index, size in enumerate(sizes):
        by_size[size].append(index)
    candidates = [index for group in by_size.values() if len(group) > 1 for index in group]
    different = sorted({paths[index].resolve() for index in candidates})
    with ThreadPoolExecutor() as pool:
        digests = dict(zip(different, pool.map(_digest, different), strict=True))
    groups: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for index in candidates:
        groups[sizes[index], digests[paths[index].resolve()]].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _digest(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    try:
        for block in audio.blocks(path):
            digest.update(block.tobytes())
    except WatchwordError:  # whoever streams it says what is wrong with it
        return str(path).encode("utf-8", "surrogateescape")
    return digest.digest()


def merge_spans(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in time order; those that share at least half of the shorter one are one word, listed twice."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged:
            first, last = merged[-1]
            if min(end, last) - start >= 0.5 * min(end - start, last - first):
                merged[-1] = first, max(end, last)
                continue
        merged.append((start, end))
    return tuple(merged)
