"""Learning from a teacher: the student comes closer to it than without, from the command line too."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from toy_corpus import toy_config, write_corpus
from watchword.config import (
    DistillConfig,
    FeaturesConfig,
    ModelConfig,
    RunConfig,
    WordConfig,
    save_config,
)
from watchword.core import Geometry
from watchword.data.batches import Batches, segment_rows
from watchword.errors import WatchwordError
from watchword.train.distill.loss import DistillationLoss
from watchword.train.distill.soft_labels import SoftLabels

pytestmark = pytest.mark.train

GEOMETRY = Geometry(320, 69, 2)


def loss_of(temperature: float = 2.0, weight: float = 1.0) -> DistillationLoss:
    nothing = SoftLabels(np.zeros((0, 0), np.float16), np.zeros(0, np.float16))
    return DistillationLoss(nothing, GEOMETRY, temperature, weight)


def test_divergence_against_its_definition() -> None:
    """KL divergence of two-way softmaxes at a temperature, over the scores on which there is an opinion."""
    from watchword.train.tensorflow import load_tensorflow

    tf = load_tensorflow()
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(0, 4, (2, 6, 17)).astype(np.float32)
    teacher[0, :3] = np.nan
    known = np.isfinite(teacher)
    p, q = (1 / (1 + np.exp(-x.astype(np.float64)[known] / 3.0)) for x in (teacher, student))
    expected = np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    logits = tf.constant(student[:, :, None, None])
    assert float(loss_of(3.0).divergence(logits, tf.constant(teacher))) == pytest.approx(expected, rel=1e-4)
    halved = replace(loss_of(3.0), logit_scale=2.0).divergence(logits / 2.0, tf.constant(teacher))
    assert float(halved) == pytest.approx(expected, rel=1e-4)
    weighed = float(loss_of(3.0, 0.5).loss(logits, tf.constant(teacher)))
    assert weighed == pytest.approx(0.5 * 9.0 * expected, rel=1e-4)


def test_no_opinion_no_gradient_and_agreement_no_loss() -> None:
    from watchword.train.tensorflow import load_tensorflow

    tf = load_tensorflow()
    logits = tf.Variable(np.random.default_rng(0).normal(0, 4, (2, 5, 1, 1)).astype(np.float32))
    silent = np.full((2, 5), np.nan, np.float32)
    silent[1, 2] = -3.0
    with tf.GradientTape() as tape:
        loss = loss_of().loss(logits, tf.constant(silent))
    slope = tape.gradient(loss, logits).numpy()[:, :, 0, 0]
    assert np.flatnonzero(slope).tolist() == [7] and np.isfinite(slope).all()
    assert float(loss_of().loss(logits, logits[:, :, 0, 0])) == pytest.approx(0.0, abs=1e-6)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    folder = tmp_path_factory.mktemp("toy")
    return toy_config(
        write_corpus(folder, words=10, others=16),
        {
            ("data", "positive_draws"): 4, ("data", "synthetic_draws"): 4, ("data", "negative_draws"): 2,
            ("augment", "simulated_rooms"): 0, ("model", "channels"): 8,
            ("train", "epochs"): 4, ("train", "steps_per_epoch"): 20, ("train", "batch"): 24,
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def teacher(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: wider, slower to score, at another hop, with more coefficients than the student."""
    from watchword.train.run import train_run

    folder = tmp_path_factory.mktemp("teacher") / "run"
    wide = ModelConfig(channels=32, dilations=(1, 2, 2), stem_stride=3)
    train_run(replace(config, model=wide, features=FeaturesConfig(coeffs=20)), folder, progress=False)
    return folder


def distance(config: RunConfig, run: Path, weights: str, distilled: RunConfig) -> float:
    """Mean divergence of a float student's scores from its teacher's on training segments."""
    from watchword.data.plan import make_features
    from watchword.train import architectures
    from watchword.train.distill.choose import make_distillation
    from watchword.train.prepare import prepare_data
    from watchword.train.trainer import load_weights

    features = make_features(config, progress=False)
    prepared = prepare_data(config, features)
    taught = make_distillation(distilled, features, prepared.geometry, progress=False)
    network = architectures.build_model(config.model, config.features.coeffs)
    load_weights(network, run / weights)
    t = config.train
    rows = segment_rows(prepared.geometry, t.segment_s, config.detector.smoothing)
    batches = Batches(
        prepared.training, prepared.geometry, rows=rows, size=60, negatives_per_positive=1.0,
        window_end_s=t.window_end_s, seed=9,
    )  # fmt: skip
    return taught.loss.distance(architectures.logits_of(network), batches.take(10))


def test_a_student_comes_closer_to_its_teacher(config: RunConfig, teacher: Path, tmp_path: Path) -> None:
    """Same data, same seed, same steps: with the teacher the scores are nearer to its own, by far."""
    from watchword.train.run import train_run

    distilled = replace(config, distill=DistillConfig(teacher=str(teacher), weight=3.0, in_qat=True))
    train_run(config, tmp_path / "alone", progress=False)
    metrics = train_run(distilled, tmp_path / "taught", progress=False)
    alone = distance(config, tmp_path / "alone", "weights_float.npz", distilled)
    taught = distance(config, tmp_path / "taught", "weights_float.npz", distilled)
    assert taught < 0.7 * alone, (taught, alone)
    told = metrics.distillation
    assert told is not None
    assert told["teacher"] == str(teacher) and told["validation"]["rank"] <= 1.0
    assert told["distance"] == pytest.approx(taught, rel=0.6)
    assert json.loads((tmp_path / "taught" / "metrics.json").read_text())["distillation"] == told
    assert json.loads((tmp_path / "alone" / "metrics.json").read_text())["distillation"] is None


def test_from_the_command_line(config: RunConfig, teacher: Path, tmp_path: Path) -> None:
    from watchword.cli.train import command

    short = replace(config, train=replace(config.train, epochs=2, steps_per_epoch=3))
    toml = save_config(replace(short, distill=DistillConfig(teacher=str(teacher))), tmp_path / "run.toml")
    done = CliRunner().invoke(
        command, ["--config", str(toml), "--out", str(tmp_path / "run"), "--quiet"], catch_exceptions=False
    )
    assert done.exit_code == 0 and (tmp_path / "run" / "model.tflite").is_file()
    save_config(replace(short, distill=DistillConfig(teacher=str(tmp_path / "none"))), toml)
    failed = CliRunner().invoke(command, ["--config", str(toml), "--out", str(tmp_path / "other")])
    assert isinstance(failed.exception, WatchwordError)
    assert "no teacher" in str(failed.exception) and not (tmp_path / "other" / "log.csv").exists()


def test_a_teacher_of_another_word(config: RunConfig, teacher: Path) -> None:
    from watchword.train.distill.choose import check_teacher

    other = replace(config, word=WordConfig("other"), distill=DistillConfig(teacher=str(teacher)))
    with pytest.raises(WatchwordError, match="listens for 'toy', not 'other'"):
        check_teacher(other)


def test_a_head_on_embeddings_learns_the_word_and_is_kept(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean spectrum every 80 ms stands for a pre-trained network; its head is trained only once."""
    from watchword.data.plan import make_features
    from watchword.train.distill import head

    features = make_features(config, progress=False)
    settings = replace(config, distill=DistillConfig(negative_share=1.0, head_steps=800))
    teacher = head.train_headed_teacher(Spectrum(), settings, features, progress=False)
    found: dict[str, Any] = teacher.facts["validation"]
    # Share of the words missed; an untrained head misses all of them.
    assert found["rank"] <= 0.6, found

    def fail(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(head, "_train", fail)
    again = head.train_headed_teacher(Spectrum(), settings, features, progress=False)
    rows = [np.random.default_rng(0).normal(0, 9, (40, 20)).astype(np.float16)]
    assert np.array_equal(teacher.log_odds(rows)[0], again.log_odds(rows)[0])
    with pytest.raises(AssertionError, match="trained again"):
        more = replace(settings, distill=replace(settings.distill, head_steps=810))
        head.train_headed_teacher(Spectrum(), more, features, progress=False)


def test_same_seed_same_head(config: RunConfig) -> None:
    from watchword.data.plan import make_features
    from watchword.train.distill.head import train_headed_teacher

    features = make_features(config, progress=False)
    settings = replace(config, distill=DistillConfig(head_steps=20))

    def opinion() -> tuple[str, np.ndarray]:
        shutil.rmtree(Path(config.data.cache) / "teachers", ignore_errors=True)
        np.random.random(7)  # whatever was random before
        teacher = train_headed_teacher(Spectrum(), settings, features, progress=False)
        rows = np.random.default_rng(0).normal(0, 9, (40, 20)).astype(np.float16)
        return teacher.identity, teacher.log_odds([rows])[0]

    (a, first), (b, second) = opinion(), opinion()
    assert a == b and np.array_equal(first, second)


class Spectrum:
    """Twenty log band energies of the last 80 ms."""

    name = "spectrum"
    identity = "spectrum 1"
    hop_samples = 1280
    head = ModelConfig(channels=16, stem_kernel=3, stem_stride=1, kernel=3, dilations=(1, 1))

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        frames = pcm[: len(pcm) // 1280 * 1280].reshape(-1, 1280) * np.hanning(1280)
        power = np.abs(np.fft.rfft(frames))[:, 1:201].reshape(len(frames), 20, 10).mean(axis=2)
        return np.log10(power + 100.0).astype(np.float16)
