"""The search's instruction estimate against the emulated board, on models unlike the one it was fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watchword import core, spec
from watchword.config import config_from_dict
from watchword.device.firmware import emulated_boards
from watchword.export.folder import export_model
from watchword.export.graph import read_network
from watchword.export.settings import ModelSettings
from watchword.export.size_target import SizeTarget
from watchword.train import architectures, qat
from watchword.train.convert import to_tflite
from watchword.train.search.cost import BOARD, load_instruction_model

from tools.cost import measure
from tools.cost.audio import speech_like

pytestmark = [pytest.mark.emu, pytest.mark.train]

SMALL = {"channels": 24, "dilations": [1, 2, 4, 8], "kernel": 3}
MOBILENET = {"arch": "mobilenet", "channels": 32, "dilations": [1, 2, 4], "expansion": 2}


def exported(model: dict[str, Any], coeffs: int, folder: Path) -> Path:
    """An untrained model of these settings."""
    config = config_from_dict({"word": {"phrase": "any"}, "model": model, "features": {"coeffs": coeffs}})
    rows = architectures.receptive_rows(config.model)
    built = architectures.build_model(config.model, coeffs)
    folded = qat.fold_batch_norm(built, config.model, coeffs)
    noise = np.random.default_rng(0).integers(-60, 60, (8, rows, coeffs)).astype(np.int8)
    plain = core.Normalisation("running", 400, np.zeros(coeffs, np.int16), np.full(coeffs, 300, np.uint16))
    detector = core.DetectorConfig(spec.DETECTOR_SMOOTHING, spec.DETECTOR_HIGH, spec.DETECTOR_LOW, 500)
    settings = ModelSettings("any", config.features.hop_samples, coeffs, plain, detector)
    return export_model(to_tflite(folded, rows, coeffs, list(noise)), settings, folder, SizeTarget(), {})


@pytest.mark.parametrize(("model", "coeffs"), [(SMALL, 20), (MOBILENET, 30)], ids=["small", "mobilenet"])
def test_the_estimate_is_near_what_the_board_counts(
    model: dict[str, Any], coeffs: int, tmp_path: Path
) -> None:
    folder = exported(model, coeffs, tmp_path / "model")
    counted = measure.board_costs(emulated_boards()[BOARD], folder, speech_like(5.0))["counts"][
        "pipeline per second"
    ]
    network = read_network((folder / "model.tflite").read_bytes())
    assert load_instruction_model().per_second(network, 320) == pytest.approx(counted, rel=0.12)
