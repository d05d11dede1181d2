"""Losses by hand, early stopping, which weights are kept, mixed precision, and the whole calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watchword import core
from watchword.config import DetectorSettings, ModelConfig, TrainConfig
from watchword.core import Geometry
from watchword.data.batches import Batches, TrainingSet
from watchword.data.plan import ValidationStream
from watchword.progress import Pace
from watchword.train.calibration import make_presets
from watchword.train.loop import StageLoop
from watchword.train.losses import SegmentLoss, make_loss
from watchword.train.progress import ScalarLog
from watchword.train.stage import RunLog, Stage, ValidationResult
from watchword.train.validation import ValidationSet, calibrate

GEOMETRY = Geometry(320, 9, 2)
MODEL = ModelConfig(channels=8, stem_kernel=3, dilations=(1,), kernel=3)
STAGE = Stage("float", 6, 4, 3e-3, 1, 1e-3, 0.9, 1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def cross_entropy(x: np.ndarray, target: float, gamma: float = 0.0) -> np.ndarray:
    p = sigmoid(x)
    right = p if target > 0.5 else 1.0 - p
    return (1.0 - right) ** gamma * -(target * np.log(p) + (1.0 - target) * np.log(1.0 - p))


@pytest.mark.train
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_loss_of_every_segment(gamma: float) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (4, 12)).astype(np.float32)
    positive, hard = np.array([1, 0, 0, 0], np.float32), np.array([0, 0, 1, 0], np.float32)
    loss = SegmentLoss(3, 4, 0.1, gamma, negative_weight=0.5, hard_weight=4.0)
    found = loss.segments(logits[:, :, None, None], positive, hard).numpy()
    averaged = np.stack([np.convolve(x, np.ones(3) / 3, "valid") for x in logits])
    assert found[0] == pytest.approx(cross_entropy(averaged[0, -4:].max(), 0.95, gamma), rel=1e-4)
    plain = [
        cross_entropy(a.max(), 0.05, gamma) + cross_entropy(x, 0.05, gamma).mean()
        for a, x in zip(averaged[1:], logits[1:], strict=True)
    ]
    assert found[1:] == pytest.approx(np.array(plain) * [0.5, 2.0, 0.5], rel=1e-4)
    assert float(loss(logits[:, :, None, None], positive, hard)) == pytest.approx(found.mean(), rel=1e-5)
    scaled = replace(loss, logit_scale=2.0)(logits[:, :, None, None] / 2.0, positive, hard)
    assert float(scaled) == pytest.approx(found.mean(), rel=1e-5)


@pytest.mark.train
def test_fused_steps_are_the_same_steps() -> None:
    """XLA, and depthwise convolutions as sums of shifted rows, change rounding and nothing else."""
    from watchword.train import architectures
    from watchword.train.tensorflow import make_reproducible
    from watchword.train.trainer import Trainer

    weights, losses = [], []
    for fused in (False, True):
        make_reproducible(1)
        network = architectures.build_model(replace(MODEL, dilations=(1, 2)), 13)
        loss = make_loss(TrainConfig(), 3, GEOMETRY)
        trainer = Trainer(network, architectures.logits_of(network), loss, replace(STAGE, fused=fused))
        losses.append([trainer.step(batch, 3e-3).loss for batch in toy_batches().take(4)])
        weights.append(np.concatenate([w.ravel() for w in network.get_weights()]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert np.abs(weights[1] - weights[0]).max() < 1e-4


@pytest.mark.train
def test_the_configuration_reaches_the_loss() -> None:
    assert make_loss(TrainConfig(), 5, GEOMETRY).focal_gamma == 0.0
    focal = make_loss(TrainConfig(loss="focal", focal_gamma=1.5, hard_negative_weight=3.0), 5, GEOMETRY)
    assert (focal.focal_gamma, focal.hard_weight) == (1.5, 3.0)


def toy_batches() -> Batches:
    rng = np.random.default_rng(0)
    words = rng.integers(-60, 60, (5, 240, 13)).astype(np.int8)
    data = TrainingSet(words, rng.integers(-60, 60, (900, 13)).astype(np.int8), np.arange(0, 800, 41))
    return Batches(data, GEOMETRY, rows=41, size=12, negatives_per_positive=5.0, window_end_s=0.28, seed=1)


def trained(folder: Path, ranks: list[float], stage: Stage = STAGE, mixed: str = "off") -> tuple[Any, RunLog]:
    """A network trained while validation says `ranks`, one after the other."""
    from watchword.train import architectures
    from watchword.train.tensorflow import make_reproducible, precision
    from watchword.train.trainer import Trainer

    make_reproducible(1)
    with precision(mixed):
        network = architectures.build_model(MODEL, 13)
    queue = list(ranks)

    def validate() -> ValidationResult:
        rank = queue.pop(0)
        return ValidationResult(rank, rank, rank, val_loss=rank, fnr=rank, fpr=0.0)

    log = RunLog(folder / "log.csv")
    loss = make_loss(TrainConfig(), 5, GEOMETRY)
    trainer = Trainer(network, architectures.logits_of(network), loss, stage)
    StageLoop(
        stage=stage,
        trainer=trainer,
        batches=toy_batches(),
        validate=validate,
        weights=folder / "w.npz",
        log=log,
    ).run()
    return network, log


@pytest.mark.train
def test_patience_stops_after_so_many_epochs_without_a_better_one(tmp_path: Path) -> None:
    stage = replace(STAGE, epochs=50, patience=3)
    _, log = trained(tmp_path, [0.9, 0.5, 0.6, 0.5, 0.7, 0.8], stage)  # the last one is the raw weights'
    assert [row["epoch"] for row in log.rows] == [1, 2, 3, 4, 5]  # an equal is no better, but is kept
    assert [row["weights"] for row in log.rows] == ["averaged", "averaged", "", "averaged", ""]


@pytest.mark.train
def test_the_better_of_averaged_and_raw_weights_is_kept(tmp_path: Path) -> None:
    slow, log = trained(tmp_path / "a", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.45])
    assert log.rows[-1]["weights"] == "averaged" and log.rows[-1]["raw_rank"] == 0.45
    raw, log = trained(tmp_path / "b", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.35])
    assert log.rows[-1]["weights"] == "raw"
    pairs = zip(slow.get_weights(), raw.get_weights(), strict=True)
    assert not all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.train
def test_mixed_precision(tmp_path: Path) -> None:
    """Without a GPU "auto" changes no bit; "on" computes in float16, keeps float32 weights, learns alike."""
    ranks = [0.5] * 7
    plain, log = trained(tmp_path / "off", ranks)
    auto, _ = trained(tmp_path / "auto", ranks, mixed="auto")
    mixed, half = trained(tmp_path / "on", ranks, mixed="on")
    from watchword.train.tensorflow import load_tensorflow

    tf = load_tensorflow()
    if not tf.config.list_physical_devices("GPU"):
        pairs = zip(plain.get_weights(), auto.get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
    assert mixed.get_layer("stem").compute_dtype == "float16"
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    for a, b in zip(plain.get_weights(), mixed.get_weights(), strict=True):
        assert b.dtype == np.float32 and np.isfinite(b).all() and a.shape == b.shape
    for a, b in zip(log.rows, half.rows, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=0.03)


def test_time_left_is_steady() -> None:
    """Ten times slower validations in between move the estimate by no more than their share."""
    now = [0.0]
    pace = Pace(1000.0, lambda: now[0])
    assert pace.remaining_s() is None
    seen = []
    for step in range(1, 801):
        now[0] += 1.0 if step % 100 else 10.0
        pace.done += 1
        seen.append(now[0] + (pace.remaining_s() or 0.0))
    assert max(seen[200:]) / min(seen[200:]) < 1.1  # the predicted end hardly moves
    pace.total -= 100  # stopping early
    assert pace.remaining_s() == pytest.approx(100 * now[0] / 800)


@pytest.mark.train
def test_scalars_can_be_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    log = ScalarLog(tmp_path / "tensorboard", True)
    log.write(1, {"train/loss": 0.5, "validation FRR/5 dB": 0.25})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tensor = events.Tensors("validation FRR/5 dB")[0]
    assert tensor.step == 1 and float(make_ndarray(tensor.tensor_proto)) == 0.25
    ScalarLog(tmp_path / "none", False).write(1, {"x": 1.0})
    assert not (tmp_path / "none").exists()


def test_calibrating_all_beats_the_threshold_alone() -> None:
    """Short noise bursts alarm at little smoothing, words are long: more smoothing is what helps."""
    geometry = Geometry(320, 69, 2)
    rng = np.random.default_rng(3)
    rows = np.zeros((600, 1), np.int8)
    count = geometry.scores(len(rows))
    ends = geometry.score_samples(geometry.scores(len(rows)))
    streams, scores = [], []
    for number in range(40):
        raw = rng.integers(0, 20, count).astype(np.uint8)
        at = int(rng.integers(40, 200))
        if number % 2:
            raw[at : at + 8] = 200
            word = (int(ends[at]) - 8000, int(ends[at]))
            streams.append(ValidationStream(rows, word, "clean", 8.0))
        else:
            raw[at : at + 2] = 255
            streams.append(ValidationStream(rows, None, "clean", 8.0))
        scores.append(raw)
    validation = ValidationSet(tuple(streams), (rows,) * 40, geometry)
    given, target = core.DetectorConfig(smoothing=1), 10.0
    alone, _ = calibrate(validation.measure(lambda _: scores, given), given, target)
    asked = DetectorSettings(target_fah=target, calibrate="all")
    presets = make_presets(validation, scores, given, asked)
    chosen, reasons = presets["normal"].detector, presets["normal"].calibration
    before, after = (validation.measure(lambda _: scores, d) for d in (alone, chosen))
    assert before.frr_at(alone.high)["clean"] > 0.9
    assert after.frr_at(chosen.high)["clean"] == 0.0 == reasons.frr_mean
    assert chosen.smoothing > 2 and chosen.low <= chosen.high
    assert [preset.calibration.target_fah for preset in presets.values()] == [2.0, 10.0, 40.0]
    fired = sum(
        len(core.detect(raw, ends, chosen)[1])
        for stream, raw in zip(streams, scores, strict=True)
        if stream.word is None
    )
    assert fired <= target * validation.negative_hours  # by the detector itself
    assert reasons.latency_s == pytest.approx(float(np.median(after.latencies_s)))
