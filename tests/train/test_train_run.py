"""Whole runs on a toy word: it is learnt, the folder is complete, the seed decides, trouble is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from toy_corpus import toy_config, write_corpus
from watchword import core
from watchword.cli.main import commands
from watchword.config import (
    RunConfig,
    load_config,
    save_config,
)
from watchword.data.corpus import read_manifest, write_manifest
from watchword.errors import WatchwordError
from watchword.export.card import read_card
from watchword.export.image import load_image
from watchword.export.settings import ModelSettings
from watchword.train.metrics import Metrics
from watchword.typed_json import to_json

pytestmark = pytest.mark.train

FILES = {
    "config.toml", "log.csv", "curves.png", "metrics.json", "model.tflite", "settings.json",
    "weights_float.npz", "weights_qat.npz", "tensorboard",
}  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    folder = tmp_path_factory.mktemp("toy")
    return toy_config(
        write_corpus(folder, words=16, others=24),
        {
            ("augment", "noise_p"): 0.4, ("train", "epochs"): 12, ("train", "tensorboard"): True,
            ("detector", "target_fah"): 60.0,
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Metrics]:
    from watchword.train.run import train_run

    out = tmp_path_factory.mktemp("run") / "toy"
    return out, train_run(config, out, progress=False)


def test_it_learns_the_word(done: tuple[Path, Metrics]) -> None:
    """Heard clean and in a room by the int8 model in the C engine, with few false alarms."""
    results = done[1].validation.results
    for name in ("float", "int8"):
        assert results[name].frr_at_false_alarms["3"]["clean"] <= 0.25, results[name]
    assert abs(results["int8"].rank - results["float"].rank) < 0.2


def test_the_run_folder_is_complete(config: RunConfig, done: tuple[Path, Metrics]) -> None:
    out, metrics = done
    assert set(metrics.segments_per_s) == {"float", "qat"}
    assert {p.name for p in out.iterdir()} - {"findings.json"} == FILES
    assert load_config(out / "config.toml") == config
    settings = ModelSettings.load(out / "settings.json")
    assert (settings.word, settings.coeffs) == ("toy", 16)
    stored = json.loads((out / "metrics.json").read_text())
    assert stored["config"]["train"]["seed"] == config.train.seed and len(stored["data"]["digest"]) == 64
    assert sum(source["clips"] for source in stored["data"]["sources"]) == sum(stored["clips"].values())
    assert stored["calibration"]["expected_fah"] <= 60.0 and stored["calibration"]["reached"]
    assert stored["presets"]["normal"]["calibration"] == stored["calibration"]
    log = (out / "log.csv").read_text().splitlines()
    assert len(log) == 1 + config.train.epochs + config.qat.epochs
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_presets_are_chosen_anew_for_a_finished_run(done: tuple[Path, Metrics], tmp_path: Path) -> None:
    """The same target gives the same; a lower one gives higher thresholds; the run stays as it was."""
    out, metrics = done
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    for target, folder in (("60", tmp_path / "same"), ("20", tmp_path / "fewer")):
        arguments = ["export", str(out), "--target-fah", target, "--out", str(folder)]
        commands.main(arguments, standalone_mode=False)
    same, fewer = (core.ModelImage(load_image(tmp_path / name)) for name in ("same", "fewer"))
    asked = {name: preset.detector.high_q15 for name, preset in metrics.presets.items()}
    assert {name: preset.high_q15 for name, preset in same.presets.items()} == asked
    assert fewer.presets["normal"].high > same.presets["normal"].high == same.detector.high
    kept = read_card(tmp_path / "fewer").training["presets"]["normal"]
    assert kept["calibration"]["target_fah"] == 20.0 and "clean" in kept["figures"]["frr_at_high"]
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_presets_are_chosen_anew_for_an_exported_model(
    config: RunConfig, done: tuple[Path, Metrics], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its run, on recordings that the user names: other thresholds, the same weights and sources."""
    out, metrics = done
    model, manifest = tmp_path / "model", str(tmp_path / "held_out.csv")  # no training needs be in it
    held_out = [c for c in read_manifest(Path(config.data.manifest)) if c.split == "val"]
    write_manifest(Path(manifest), held_out)
    commands.main(["export", str(out), "--out", str(model)], standalone_mode=False)
    anew = ["export", str(model), "--target-fah", "20", "--out", str(tmp_path / "anew")]
    with pytest.raises(WatchwordError, match="name --manifest"):
        commands.main(anew, standalone_mode=False)
    capsys.readouterr()
    commands.main([*anew, "--manifest", manifest, "--cache", config.data.cache], standalone_mode=False)
    assert "\nnormal " in capsys.readouterr().out  # with what was asked, what to expect, and the misses
    first, card = read_card(model), read_card(tmp_path / "anew")
    assert card.training["calibration"]["target_fah"] == 20.0
    assert card.settings["detector"]["high"] > first.settings["detector"]["high"]
    assert card.sha256["model.tflite"] == first.sha256["model.tflite"]
    assert card.training["data"]["sources"] == json.loads(to_json(metrics))["data"]["sources"]


def test_same_seed_same_weights(config: RunConfig, tmp_path: Path) -> None:
    from watchword.data.plan import make_features
    from watchword.train.checkpoint import Run
    from watchword.train.fit import Training
    from watchword.train.loop import MemoryCheckpointer
    from watchword.train.prepare import make_batches, prepare_data
    from watchword.train.tensorflow import make_reproducible

    short = replace(config, train=replace(config.train, epochs=2, steps_per_epoch=4))
    features = make_features(short, progress=False)

    def weights(name: str, seed: int) -> list[np.ndarray]:
        chosen = replace(short, train=replace(short.train, seed=seed))
        run, prepared = Run(chosen, tmp_path / name, progress=False), prepare_data(chosen, features)
        make_reproducible(seed)
        training = Training(run, prepared, make_batches(chosen, prepared), MemoryCheckpointer())
        return list(training.train_float().get_weights())

    first, second, other = weights("a", 1), weights("b", 1), weights("c", 2)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_whole_files_and_a_state(name: str, config: RunConfig, tmp_path: Path) -> None:
    """Interrupted in the middle of training: one line that says how to go on, and every file is whole."""
    from watchword.train.state import progress_of

    number = signal.Signals[name]
    long = replace(config, train=replace(config.train, epochs=2000, validate_every=1))
    toml = save_config(long, tmp_path / "long.toml")
    out = tmp_path / "out"
    command = [sys.executable, "-u", "-c", "from watchword.cli.main import main; main()"]
    process = subprocess.Popen(
        [*command, "train", "--config", str(toml), "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    seen = next((line for line in process.stdout if line.startswith("float epoch 2/")), "")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert seen and process.returncode == 128 + number, errors
    assert "interrupted" in errors and "Traceback" not in errors
    assert {p.name for p in out.iterdir()} <= FILES | {"state.npz", "findings.json"}
    assert f"--config {out / 'config.toml'} --out {out} --resume" in errors
    assert "is done" in str(progress_of(out))
    assert load_config(out / "config.toml") == long
    with np.load(out / "weights_float.npz") as stored:
        assert all(np.isfinite(stored[name]).all() for name in stored.files)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--word", "toy"], "no manifest given"),
        (["--manifest", "none.csv", "--word", "toy"], "none.csv"),
        (["--manifest", "none.csv"], "no wake word given"),
        (["--epochs", "0", "--word", "toy"], "[train] epochs must be"),
    ],
)
def test_command_line_mistakes(arguments: list[str], told: str, tmp_path: Path) -> None:
    from watchword.cli.train import command

    result = CliRunner().invoke(command, [*arguments, "--out", str(tmp_path / "run")])
    assert isinstance(result.exception, WatchwordError)
    assert told in str(result.exception)
