"""Models on other features and normalisations than the shipped ones: the board computes as the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from board_model import noise, write_model
from boards import PORTS
from watchword import core
from watchword.device import ports
from watchword.device.client import Board

pytestmark = pytest.mark.emu


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize(
    ("kind", "cmvn"),
    [("logmel", "running_mv"), ("logmel", "running"), ("mfcc", "running_mv"), ("micro", "affine")],
)
def test_scores_and_detections_equal_the_hosts(port: str, kind: str, cmvn: str, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", kind=kind, cmvn=cmvn)
    image, pcm = (model / "model.bin").read_bytes(), noise(5.0, 1)
    expected = core.run_pipeline(image, pcm)
    assert len(np.unique(expected.scores)) > 10 and expected.detections
    with ports.open_port(port, model) as transport, Board(transport, port) as board:
        result = board.stream(pcm)
    np.testing.assert_array_equal(result.scores, expected.scores)
    assert [(d.sample_index, d.smoothed_q15) for d in result.detections] == [
        (d.sample_index, d.smoothed_q15) for d in expected.detections
    ]
