"""`watchword train` of a teacher: it stays float, and the judge takes its folder as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from toy_corpus import toy_config, write_corpus
from watchword import audio
from watchword.config import (
    ModelConfig,
    save_config,
)

pytestmark = pytest.mark.train

TEACHERS = (
    ModelConfig("conformer", channels=16, window_rows=45, blocks=1, heads=2),
    ModelConfig("resnet18", channels=4, stem_kernel=3, stem_stride=1),
)


@pytest.mark.parametrize("model", TEACHERS, ids=lambda model: model.arch)
def test_a_teacher_is_trained_and_judges(model: ModelConfig, tmp_path: Path) -> None:
    from watchword.cli.train import command
    from watchword.judge.network import Judge

    manifest = write_corpus(tmp_path / "corpus", words=10, others=12)
    changes = {
        ("data", "positive_draws"): 2,
        ("data", "synthetic_draws"): 2,
        ("data", "negative_draws"): 2,
        ("train", "epochs"): 2,
        ("train", "steps_per_epoch"): 4,
        ("train", "warmup_epochs"): 0,
        ("train", "batch"): 12,
        ("detector", "target_fah"): 60.0,
    }
    config = replace(toy_config(manifest, changes), model=model)
    toml, out = save_config(config, tmp_path / "run.toml"), tmp_path / "teacher"
    done = CliRunner().invoke(command, ["--config", str(toml), "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "detector as stored (float)" in done.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["validation"]["results"]) == {"float"} and metrics["calibration"] is not None
    assert not (out / "model.tflite").exists() and not (out / "weights_qat.npz").exists()
    judge = Judge(out, 0.5)
    assert (judge.word, judge.arch) == ("toy", model.arch)
    assert 0.0 < judge.score(audio.load(tmp_path / "corpus" / "val" / "word0.wav")) < 1.0
