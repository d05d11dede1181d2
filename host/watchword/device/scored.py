"""What a board answered for a recording, in the form that the metrics take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from watchword import core, spec
from watchword.data.recordings import ADDED_SAMPLES, Recording
from watchword.device.stream import BoardDetection, StreamResult
from watchword.evaluate.metrics import ScoredStream


def scored_stream(
    recording: Recording, geometry: core.Geometry, result: StreamResult, clock_hz: int = 0, word: int = 0
) -> ScoredStream:
    """The board's own scores and detections of a word; when each score's window ends follows from the model.

    A board with a clock tells how long the deciding hop took; instructions (clock_hz 0) are no time.
    """
    gave = result.words[word]
    return ScoredStream(
        recording,
        result.samples - ADDED_SAMPLES,
        gave.scores,
        geometry.score_samples(gave.scores.size),
        np.asarray([detection.sample_index for detection in gave.detections], np.int64),
        _compute_samples(gave.detections, clock_hz) if clock_hz else None,
    )


def _compute_samples(detections: Sequence[BoardDetection], clock_hz: int) -> np.ndarray:
    return np.array([detection.cost * spec.SAMPLE_RATE_HZ / clock_hz for detection in detections])
