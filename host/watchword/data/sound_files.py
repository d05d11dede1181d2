"""Samples of the files that sounds are mixed from: the often used stay in memory, others are read in part."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np

from watchword import audio, spec

_SHORT = 30 * spec.SAMPLE_RATE_HZ  # decoding such a file takes hardly longer than finding a part of it
_KEPT_BYTES = 384 << 20  # of every process: 3.5 hours of sound


@lru_cache(maxsize=1 << 16)
def length(path: Path) -> int:
    """Samples of a sound file at 16 kHz."""
    return audio.count_samples(path)


def part(path: Path, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Samples start..stop of a sound file, or up to its end: int16."""
    return _files.part(path, start, stop)


@lru_cache(maxsize=1 << 16)
def _seeks(path: Path) -> bool:
    return audio.seeks(path)


class _Files:
    """Whole files, the latest used last. A long one is kept once its parts have cost as much as the whole."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._read: defaultdict[Path, int] = defaultdict(int)  # samples of each, in parts

    def part(self, path: Path, start: int, stop: int | None) -> np.ndarray:
        if path not in self._kept and stop is not None and self._is_seldom(path, stop - start):
            return audio.load_part(path, start, stop)
        return self._whole(path)[start:stop]

    def _is_seldom(self, path: Path, samples: int) -> bool:
        if length(path) <= _SHORT or not _seeks(path):
            return False
        self._read[path] += samples
        return self._read[path] <= length(path)

    def _whole(self, path: Path) -> np.ndarray:
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        self._kept[path] = pcm = audio.load(path)
        self._bytes += pcm.nbytes
        while len(self._kept) > 1 and self._bytes > _KEPT_BYTES:
            dropped, samples = self._kept.popitem(last=False)
            self._bytes -= samples.nbytes
            self._read.pop(dropped, None)
        return pcm


_files = _Files()
