"""Killed and resumed, a run ends with the very weights it would have had; other settings are refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from toy_corpus import toy_config, write_corpus
from watchword.config import (
    RunConfig,
    WordConfig,
    save_config,
)
from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.settings import ModelSettings
from watchword.train.state import StateFile, check_same_settings, comparable, data_digest, progress_of

TRAIN = [sys.executable, "-c", "from watchword.cli.main import main; main()", "train", "--quiet"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    folder = tmp_path_factory.mktemp("toy")
    return toy_config(
        write_corpus(folder, words=8, others=12),
        {
            ("data", "positive_draws"): 3, ("data", "synthetic_draws"): 3, ("data", "negative_draws"): 2,
            ("features", "coeffs"): 13, ("model", "channels"): 8, ("model", "dilations"): [1],
            ("train", "epochs"): 3, ("train", "steps_per_epoch"): 4, ("train", "batch"): 12,
            ("train", "segment_s"): 1.2, ("train", "validate_every"): 1, ("qat", "epochs"): 2,
        },
    )  # fmt: skip


def train(config: RunConfig, out: Path, *options: str) -> subprocess.Popen[str]:
    toml = save_config(config, out.parent / f"{out.name}.toml")
    return subprocess.Popen(
        [*TRAIN, "--config", str(toml), "--out", str(out), *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def kill_after(process: subprocess.Popen[str], out: Path, line: str) -> None:
    """SIGKILL as soon as log.csv has a line that starts so: somewhere in the epoch that follows."""
    deadline = time.monotonic() + 300
    log = out / "log.csv"
    while not (log.is_file() and any(row.startswith(line) for row in log.read_text().splitlines())):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def weights(path: Path) -> list[np.ndarray]:
    with np.load(path) as stored:
        return [stored[name] for name in stored.files]


def image(run: Path) -> bytes:
    """What the chip gets; the .tflite beside it may name its tensors otherwise."""
    settings = ModelSettings.load(run / "settings.json")
    return build_image(read_network((run / "model.tflite").read_bytes()), settings)


@pytest.mark.train
def test_killed_twice_and_resumed_gives_the_same_bits(config: RunConfig, tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    for run, options, until in (
        (whole, (), None), (torn, (), "float,1,"), (torn, ("--resume",), "int8 QAT,1,"),
    ):  # fmt: skip
        process = train(config, run, *options)
        if until is None:
            _, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
        else:
            kill_after(process, run, until)
            assert not (run / "metrics.json").exists()
    assert "is done" in str(progress_of(torn))
    process = train(config, torn, "--resume")
    assert process.wait(timeout=300) == 0
    for name in ("weights_float.npz", "weights_qat.npz"):
        pairs = zip(weights(whole / name), weights(torn / name), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs), name
    assert image(whole) == image(torn)
    assert len((torn / "log.csv").read_text().splitlines()) == 1 + 3 + 2
    assert not (torn / "state.npz").exists() and not list(torn.glob(".*"))

    from watchword.train.run import train_run

    before = (torn / "model.tflite").stat().st_mtime_ns
    assert train_run(config, torn, progress=False, resume=True).word == "toy"  # complete: left as it is
    assert (torn / "model.tflite").stat().st_mtime_ns == before
    other = replace(config, train=replace(config.train, batch=16))
    with pytest.raises(WatchwordError, match=r"\[train\] batch: 12 before, 16 now"):
        train_run(other, torn, progress=False, resume=True)


def store(folder: Path, config: RunConfig, data: str = "d") -> StateFile:
    return StateFile(folder, comparable(config), data)


META = {"progress": {"epoch": 2}, "diverged": False}


def test_other_settings_and_data_are_refused(tmp_path: Path) -> None:
    config = RunConfig()
    store(tmp_path, config).save("float", {"a": np.arange(3)}, META)
    assert store(tmp_path, config).load().arrays["a"].tolist() == [0, 1, 2]
    slower = replace(config, train=replace(config.train, learning_rate=1e-5))
    with pytest.raises(WatchwordError, match=r"\[train\] learning_rate: 0.0005 before, 1e-05 now"):
        store(tmp_path, slower).load()
    with pytest.raises(WatchwordError, match="training data"):
        store(tmp_path, config, "other").load()
    busy = replace(config, data=replace(config.data, workers=7))  # changes no weight
    assert store(tmp_path, busy).load().stage == "float"


def test_after_a_divergence_the_learning_rate_may_change(tmp_path: Path) -> None:
    config = RunConfig()
    store(tmp_path, config).save("float", {}, META | {"diverged": True})
    slower = replace(config, train=replace(config.train, learning_rate=1e-5))
    assert store(tmp_path, slower).load().stage == "float"
    with pytest.raises(WatchwordError, match="seed"):
        check_same_settings(
            comparable(config),
            comparable(replace(slower, train=replace(config.train, seed=9))),
            tmp_path,
            True,
        )


def test_a_damaged_state_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state.npz").write_bytes(b"PK not a state")
    with pytest.raises(WatchwordError, match="cannot be read"):
        store(tmp_path, RunConfig()).load()
    assert progress_of(tmp_path / "none") is None


def test_digest_sees_values_shape_and_type() -> None:
    a = np.arange(6, dtype=np.int8)
    others = (a.reshape(2, 3), a.astype(np.int16), a + np.int8(1))
    assert len({data_digest(x) for x in (a, *others)}) == 4


def test_nothing_reads_an_interrupted_run(tmp_path: Path) -> None:
    """A second run in a folder was interrupted: what lies there may be of the first."""
    from watchword.cli.export import command as export
    from watchword.judge.network import Judge
    from watchword.train.distill.keras_teacher import load_keras_teacher

    config = RunConfig(word=WordConfig("toy"))
    save_config(config, tmp_path / "config.toml")
    for name in ("model.tflite", "settings.json", "weights_float.npz"):
        (tmp_path / name).write_bytes(b"of the run before")

    def refused(told: str) -> None:
        exported = CliRunner().invoke(export, [str(tmp_path), "--out", str(tmp_path / "model")])
        assert isinstance(exported.exception, WatchwordError)
        assert re.search(told, str(exported.exception))
        assert f"--out {tmp_path} --resume" in exported.exception.remedy
        for read in (lambda: Judge(tmp_path, 0.5), lambda: load_keras_teacher(tmp_path, config)):
            with pytest.raises(WatchwordError, match=told):
                read()

    refused("interrupted .no epoch is done")
    store(tmp_path, config).save("float", {}, META)
    refused("interrupted .float epoch 2 is done")
    (tmp_path / "metrics.json").write_text("{}")  # of the run before the state was removed
    refused("interrupted .float epoch 2 is done")
    assert not (tmp_path / "model").exists()
