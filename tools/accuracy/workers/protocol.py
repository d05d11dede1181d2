"""Between the benchmark and a peer's worker: int16 audio in on stdin, the peer's scores out on stdout.

First a line of JSON that says which model was found for the word; then, for each recording,
uint32 samples + int16 [samples] in, and uint32 n + int64 [n] sample indices + float64 [n] out
(all little-endian).
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import BinaryIO, NamedTuple

import numpy as np


class Found(NamedTuple):
    """The peer's model of the word, ready to listen."""

    model: str
    cutoff: float  # it detects above this score
    window: int  # inferences averaged by the peer itself
    # int16 [samples] of one recording -> sample index at which each score's audio ends, and the scores
    trace: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def run(find: Callable[[str], tuple[Found | None, list[str]]], packages: Sequence[str]) -> None:
    """Serve until stdin ends. `find` gives the model of a word, if there is one, and the words there are."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    found, words = find(sys.argv[1].lower())
    hello: dict[str, object] = {"versions": versions(packages), "words": words, "model": None}
    if found is not None:
        hello |= {"model": found.model, "cutoff": found.cutoff, "window": found.window}
    sink.write(json.dumps(hello).encode() + b"\n")
    sink.flush()
    if found is not None:
        _serve(found, sys.stdin.buffer, sink)


def _serve(found: Found, source: BinaryIO, sink: BinaryIO) -> None:
    while len(head := source.read(4)) == 4:
        (samples,) = struct.unpack("<I", head)
        ends, levels = found.trace(np.frombuffer(source.read(2 * samples), "<i2"))
        sink.write(struct.pack("<I", len(ends)) + ends.tobytes() + levels.tobytes())
        sink.flush()
