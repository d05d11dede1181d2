"""Scores of long streams from a Keras network, as the board would give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from watchword.core import Geometry
from watchword.train.tensorflow import load_tensorflow, network_input

_STRIDES = 500  # scores in one piece of a stream
_PIECES = 16  # pieces scored together


class Scorer:
    """Scores streams of any length with one compiled graph."""

    def __init__(self, logits: Any, geometry: Geometry) -> None:
        tf = load_tensorflow()
        self.geometry = geometry

        @tf.function(reduce_retracing=True)
        def run(rows: Any) -> Any:
            return logits(network_input(rows), training=False)[:, :, 0, 0]

        self._run = run

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """rows: int8 [n, coeffs], one stream. Returns float32 [scores]."""
        geometry = self.geometry
        count = geometry.scores(len(rows))
        step = _STRIDES * geometry.stride_rows
        span = step - geometry.stride_rows + geometry.receptive_rows
        pieces = -(-count // _STRIDES)
        padded = np.zeros((max(0, pieces - 1) * step + span, rows.shape[1]), np.int8)
        padded[: len(rows)] = rows[: len(padded)]
        windows = [padded[i * step : i * step + span] for i in range(pieces)]
        found = [
            self._run(np.stack(windows[i : i + _PIECES])).numpy().reshape(-1)
            for i in range(0, pieces, _PIECES)
        ]
        return np.concatenate(found)[:count] if found else np.zeros(0, np.float32)

    def scores(self, streams: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Raw scores, uint8 [n] of each stream: the logistic in steps of 1/256, as in the exported model."""
        stride = self.geometry.stride_rows
        whole = [stream[: len(stream) // stride * stride] for stream in streams]
        joined = self.logits(np.concatenate(whole))
        raw = np.clip(np.rint(256.0 / (1.0 + np.exp(-joined.astype(np.float64)))), 0, 255).astype(np.uint8)
        found, offset = [], 0
        for cut in whole:
            # A window that ends in a stream's odd last row is lost by the cut; that row is silence.
            found.append(raw[offset : offset + self.geometry.scores(len(cut))])
            offset += len(cut) // stride
        return found
