"""Runs in the peer's own environment: int16 audio in on stdin, its probabilities out on stdout.

First a line of JSON that says which model was found for the word; then, for each recording,
uint32 samples + int16 [samples] in, and uint32 n + int64 [n] sample indices + float64 [n] out
(all little-endian). The package is used as its own command line uses it: 10 ms of audio at a time,
its own means over its own window, everything reset between recordings.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from importlib import metadata
from typing import BinaryIO

import numpy as np
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

CHUNK = 160  # samples, 10 ms
PACKAGES = ("pymicro-wakeword", "pymicro-features", "numpy")


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def find(word: str) -> tuple[MicroWakeWord | None, list[str]]:
    """The bundled model of `word`, and the words there are."""
    detectors = [MicroWakeWord.from_builtin(model) for model in Model]
    words = [detector.wake_word.lower() for detector in detectors]
    return (detectors[words.index(word)] if word in words else None), words


def trace(detector: MicroWakeWord, pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sample index at which each inference's audio ends, and the probability the package then gives."""
    features = MicroWakeWordFeatures()
    ends, levels, rows = [], [], 0
    for start in range(0, len(pcm), CHUNK):
        chunk = pcm[start : start + CHUNK]
        for row in features.process_streaming(chunk.tobytes()):
            rows += 1
            level = detector.process_streaming_prob(row)
            if rows % detector.stride == 0:  # in between it only collects rows
                ends.append(start + len(chunk))
                levels.append(float(level or 0.0))
    detector.reset()
    return np.array(ends, "<i8"), np.array(levels, "<f8")


def serve(detector: MicroWakeWord, source: BinaryIO, sink: BinaryIO) -> None:
    while len(head := source.read(4)) == 4:
        (samples,) = struct.unpack("<I", head)
        ends, levels = trace(detector, np.frombuffer(source.read(2 * samples), "<i2"))
        sink.write(struct.pack("<I", len(ends)) + ends.tobytes() + levels.tobytes())
        sink.flush()


def main() -> None:
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    detector, words = find(sys.argv[1].lower())
    hello: dict[str, object] = {"versions": versions(), "words": words, "model": None}
    if detector is not None:
        hello |= {
            "model": detector.id,
            "cutoff": detector.probability_cutoff,
            "window": detector.sliding_window_size,
        }
    sink.write(json.dumps(hello).encode() + b"\n")
    sink.flush()
    if detector is not None:
        serve(detector, sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()
