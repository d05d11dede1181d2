"""Models on log-mel and on micro rows: trained, exported, run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy_corpus import toy_config, write_corpus
from watchword import core, spec
from watchword.config import (
    ModelConfig,
    RunConfig,
    kind_changes,
)
from watchword.errors import WatchwordError
from watchword.train import architectures

pytestmark = pytest.mark.train


def config_of(kind: str, folder: Path) -> RunConfig:
    changes = {**kind_changes(kind), ("detector", "target_fah"): 60.0}
    return toy_config(write_corpus(folder, words=16, others=24), changes)


@pytest.mark.parametrize(("kind", "mode"), [("logmel", "running"), ("micro", "affine")])
def test_a_model_of_bands_learns_and_is_exported(kind: str, mode: str, tmp_path: Path) -> None:
    from click.testing import CliRunner
    from watchword.cli.export import command
    from watchword.train.run import train_run

    metrics = train_run(config_of(kind, tmp_path), tmp_path / "run", progress=False)
    for name in ("float", "int8"):
        result = metrics.validation.results[name]
        assert result.frr_at_false_alarms["3"]["clean"] <= 0.25, result
    told = CliRunner().invoke(command, [str(tmp_path / "run"), "--out", str(tmp_path / "model")])
    assert told.exit_code == 0, told.output
    settings = json.loads((tmp_path / "model" / "card.json").read_text())["settings"]
    assert (settings["kind"], settings["normalisation"]["mode"]) == (kind, mode)
    image = (tmp_path / "model" / "model.bin").read_bytes()
    assert core.ModelImage(image).kind == kind
    pcm = np.random.default_rng(0).normal(0, 2_000, 48_000).astype(np.int16)
    assert len(core.run_pipeline(image, pcm).scores) > 20
    _esphome(kind, tmp_path)


def _esphome(kind: str, folder: Path) -> None:
    """The same run for microWakeWord's players, whose rules are tried on its validation audio."""
    from click.testing import CliRunner
    from watchword.cli.export import command

    args = [
        str(folder / "run"),
        "--format",
        "esphome",
        "--target-fah",
        "60",
        "--out",
        str(folder / "players"),
    ]
    told = CliRunner().invoke(command, args)
    if kind != "micro":
        assert isinstance(told.exception, WatchwordError) and not (folder / "players").exists()
        return
    assert told.exit_code == 0, told.output
    card = json.loads((folder / "players" / "export-card.json").read_text())
    counted = card["training"]["presets"]["normal"]["calibration"]
    for player in ("ESPHome", "pymicro-wakeword"):
        figures = card["players"][player]
        assert figures["false_alarms"] <= counted["false_alarms"]
        assert figures["negative_hours"] == counted["negative_hours"]
        assert figures["words"] > 0 and figures["misses"] < figures["words"]
        assert f"{player}: {figures['false_alarms']} false alarms" in told.output


def test_resnet18_begins_from_the_bands_it_is_given() -> None:
    model = ModelConfig(arch="resnet18", channels=4)
    network = architectures.build_model(model, spec.MEL_BANDS)
    architectures.start_from(network, model, "mfcc")
    transform = network.get_layer("bands").get_weights()[0][0, 0]
    np.testing.assert_allclose(transform @ transform.T, np.eye(spec.MEL_BANDS), atol=1e-5)
    assert abs(transform - np.eye(spec.MEL_BANDS)).max() > 0.5
    architectures.start_from(network, model, "logmel")
    np.testing.assert_array_equal(network.get_layer("bands").get_weights()[0][0, 0], np.eye(spec.MEL_BANDS))


def test_other_networks_begin_alike() -> None:
    network = architectures.build_model(ModelConfig(channels=8, dilations=(1,)), spec.MEL_BANDS)
    before = network.get_weights()
    architectures.start_from(network, ModelConfig(channels=8, dilations=(1,)), "logmel")
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
