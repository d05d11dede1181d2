"""Each thing that goes wrong in training is provoked, and named with its remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from toy_corpus import write_corpus
from watchword.cli.doctor import command as doctor
from watchword.config import DataConfig, RunConfig, save_config
from watchword.core import Geometry
from watchword.data.batches import Batch, Batches, TrainingSet
from watchword.data.corpus import read_manifest, write_manifest
from watchword.errors import WatchwordError
from watchword.train import diagnosis
from watchword.train.diagnosis import Diagnosis, Finding
from watchword.train.loop import StageLoop
from watchword.train.sources import Sources
from watchword.train.stage import Divergence, RunLog, Stage, ValidationResult

GEOMETRY = Geometry(320, 9, 2)
STAGE = Stage("float", 8, 3, 1e-3, 1, 0.0, 0.9, 1)
GOOD = ValidationResult(rank=0.2, frr_clean=0.1, frr_mean=0.2, val_loss=0.3, fnr=0.1, fpr=0.1, spread=0.9)


def toy_batches(data: TrainingSet | None = None) -> Batches:
    rng = np.random.default_rng(0)
    words = rng.integers(-60, 60, (5, 240, 13)).astype(np.int8)
    others = rng.integers(-60, 60, (900, 13)).astype(np.int8)
    data = data or TrainingSet(words, others, np.arange(0, 800, 41))
    return Batches(data, GEOMETRY, rows=41, size=12, negatives_per_positive=5.0, window_end_s=0.28, seed=1)


def diagnosed(folder: Path, config: RunConfig | None = None) -> tuple[Diagnosis, list[str]]:
    said: list[str] = []
    return Diagnosis(config or RunConfig(), folder, said.append), said


def row(epoch: int, **values: float) -> dict[str, object]:
    return {
        "stage": "float",
        "epoch": epoch,
        "loss": 0.5,
        "wait_share": 0.01,
        "segments_per_s": 900.0,
    } | values


@pytest.mark.train
def test_an_exploding_loss_stops_and_the_last_good_weights_are_back(tmp_path: Path) -> None:
    from watchword.config import ModelConfig, TrainConfig
    from watchword.train import architectures
    from watchword.train.losses import make_loss
    from watchword.train.tensorflow import make_reproducible
    from watchword.train.trainer import Trainer

    make_reproducible(1)
    model = ModelConfig(channels=8, stem_kernel=3, dilations=(1,), kernel=3)
    network = architectures.build_model(model, 13)
    before = [w.copy() for w in network.get_weights()]
    loss = make_loss(TrainConfig(), 5, GEOMETRY)
    explained: list[Divergence] = []

    def explain(divergence: Divergence) -> Finding:
        explained.append(divergence)
        return diagnosis.diverged(divergence, None)

    stage = replace(STAGE, learning_rate=1e30, warmup_epochs=0, steps_per_epoch=30)
    loop = StageLoop(
        stage=stage,
        trainer=Trainer(network, architectures.logits_of(network), loss, stage),
        batches=toy_batches(),
        validate=lambda: GOOD,
        weights=tmp_path / "w.npz",
        log=RunLog(tmp_path / "log.csv"),
        explain=explain,
    )
    with pytest.raises(WatchwordError, match=r"the loss became \S+ in epoch 1") as caught:
        loop.run()
    assert "lower [train] learning_rate" in caught.value.remedy
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert np.isfinite(explained[0].segment_losses).all()  # so it was the step, not the data


def divergence(batch: Batch, segment_losses: np.ndarray) -> Divergence:
    return Divergence("float", 2, 7, 2e-3, float("nan"), float("inf"), 0.4, batch, segment_losses)


def sources(folder: Path) -> Sources:
    paths = [(folder / f"{i}.wav",) for i in range(5)]
    return Sources(tuple(paths), ((folder / "a.wav",), (folder / "b.wav",)), np.array([0, 400]))


def test_the_clip_behind_a_broken_segment_is_named(tmp_path: Path) -> None:
    batch = next(toy_batches().take(1))
    losses = np.ones(12)
    losses[1] = np.nan
    found = diagnosis.diverged(divergence(batch, losses), sources(tmp_path))
    assert f"{batch.words[1, 0]}.wav" in found.what and "audio" in found.remedy
    losses[1], losses[5] = 1.0, np.inf
    name = "a.wav" if batch.others[3] < 400 else "b.wav"
    assert name in diagnosis.diverged(divergence(batch, losses), sources(tmp_path)).what


def test_a_damaged_file_behind_the_batch_is_named(tmp_path: Path) -> None:
    batch = next(toy_batches().take(1))
    noise = np.random.default_rng(0).normal(0, 0.1, 8000)
    for path in sources(tmp_path).of_all(batch):
        soundfile.write(path, noise, 16_000, subtype="FLOAT")
    found = diagnosis.diverged(divergence(batch, np.ones(12)), sources(tmp_path))
    assert "learning_rate, say to 0.0002" in found.remedy  # sound audio: the setting
    noise[77] = np.nan
    path = tmp_path / f"{batch.words[0, 0]}.wav"
    soundfile.write(path, noise, 16_000, subtype="FLOAT")
    found = diagnosis.diverged(divergence(batch, np.ones(12)), sources(tmp_path))
    assert f"{path} cannot be read: holds NaN or infinite samples" in found.what


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (np.zeros(100), "silent"),
        (np.sign(np.sin(np.arange(1000.0))), "clipped"),
        (np.zeros(0), "holds no samples"),
        (np.sin(np.arange(1000.0)) * 0.5, None),
    ],
)
def test_file_faults(tmp_path: Path, samples: np.ndarray, fault: str | None) -> None:
    soundfile.write(tmp_path / "x.wav", samples, 16_000)
    found = diagnosis.file_fault(tmp_path / "x.wav")
    assert found is None if fault is None else fault in str(found)
    (tmp_path / "y.wav").write_bytes(b"RIFF")
    assert "cannot be read" in str(diagnosis.file_fault(tmp_path / "y.wav"))


def test_too_good_at_once_names_the_leak(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path, words=4, others=4)
    config = replace(RunConfig(), data=replace(RunConfig().data, manifest=str(manifest)))
    perfect = replace(GOOD, rank=0.0, frr_clean=0.0, frr_mean=0.0)
    clean, said = diagnosed(tmp_path / "clean", config)
    clean.after_epoch(STAGE, row(1, rank=0.0, val_loss=0.1), perfect)
    assert said[0].startswith("note: 100.0 %") and "too easy" in said[0]

    clips = read_manifest(manifest)
    source = next(c for c in clips if c.split == "train" and c.label == "positive")
    copy = tmp_path / "val" / "copy.wav"
    copy.write_bytes(source.path.read_bytes())
    write_manifest(manifest, [*clips, replace(source, path=copy, split="val", speaker="somebody")])
    leaky, said = diagnosed(tmp_path / "leaky", config)
    leaky.after_epoch(STAGE, row(1, rank=0.0, val_loss=0.1), perfect)
    assert "error" in said[0] and "copy.wav" in said[0] and source.path.name in said[0]
    assert "watchword scan" in said[0]


def test_a_late_perfect_score_is_no_leak(tmp_path: Path) -> None:
    watching, said = diagnosed(tmp_path)
    watching.after_epoch(STAGE, row(1, rank=0.4, val_loss=0.4), replace(GOOD, rank=0.4, frr_mean=0.4))
    watching.after_epoch(STAGE, row(2, rank=0.0, val_loss=0.1), replace(GOOD, rank=0.0, frr_mean=0.0))
    assert said == []


def test_one_sided_errors_name_settings() -> None:
    config = RunConfig()
    barking = diagnosis.lopsided(0.3, 0.01, config)
    assert barking and "hard_negative_weight = 2" in barking.remedy and "high above 0.7" in barking.remedy
    deaf = diagnosis.lopsided(0.0, 0.4, config)
    assert deaf and "positive_draws" in deaf.remedy and "negative_weight = 0.5" in deaf.remedy
    assert diagnosis.lopsided(0.03, 0.08, config) is None
    assert diagnosis.lopsided(0.5, 0.5, config) is None  # bad, but not a matter of balance


def test_balance() -> None:
    assert diagnosis.unbalanced(5.0, 8.0) is None
    assert "negatives_per_positive" in str(diagnosis.unbalanced(0.5, 8.0))
    assert "negatives_per_positive" in str(diagnosis.unbalanced(40.0, 8.0))
    assert "negative recordings" in str(diagnosis.unbalanced(5.0, 0.7))


def test_stalls_and_slow_features() -> None:
    assert "60 % of an epoch" in str(diagnosis.stalled(0.6)) and diagnosis.stalled(0.05) is None
    assert "workers = 8" in str(diagnosis.slow_features(300.0, 2, 8))
    assert "more than" in str(diagnosis.slow_features(300.0, 16, 4))
    assert diagnosis.slow_features(3.0, 2, 8) is None and diagnosis.slow_features(300.0, 8, 8) is None


def test_unsteady_speed_and_collapse() -> None:
    assert "from 300 to 900" in str(diagnosis.unsteady([900.0, 300.0, 850.0]))
    assert diagnosis.unsteady([900.0, 300.0]) is None and diagnosis.unsteady([900.0, 800.0, 700.0]) is None
    assert "same score" in str(diagnosis.collapsed(0.001)) and diagnosis.collapsed(0.5) is None


def test_overfitting_needs_falling_training_and_rising_validation_loss() -> None:
    losses = [0.5, 0.4, 0.3, 0.2, 0.1]
    assert "overfits" in str(diagnosis.overfitted(list(zip(losses, [0.5, 0.3, 0.4, 0.5, 0.6], strict=True))))
    assert diagnosis.overfitted(list(zip(losses, [0.5, 0.4, 0.3, 0.2, 0.2], strict=True))) is None
    assert diagnosis.overfitted([(0.5, x) for x in (0.5, 0.3, 0.4, 0.5, 0.6)]) is None


def test_findings_come_and_go_with_their_cause(tmp_path: Path) -> None:
    """Said once, kept for doctor while it lasts, gone when it is over."""
    save_config(RunConfig(), tmp_path / "config.toml")
    watching, said = diagnosed(tmp_path)
    same = replace(GOOD, spread=0.0)
    for epoch in (5, 6):
        watching.after_epoch(STAGE, row(epoch, rank=0.2, val_loss=0.3), same)
    assert len(said) == 1 and "same score" in said[0]
    result = CliRunner().invoke(doctor, ["--run", str(tmp_path)])
    assert result.exit_code == 1 and "same score" in result.output
    watching.after_epoch(STAGE, row(7, rank=0.2, val_loss=0.3), GOOD)
    result = CliRunner().invoke(doctor, ["--run", str(tmp_path)])
    assert result.exit_code == 0 and "nothing wrong" in result.output
    watching.after_epoch(STAGE, row(8, wait_share=0.7), None)
    assert "waiting for batches" in CliRunner().invoke(doctor, ["--run", str(tmp_path)]).output


def test_doctor_wants_a_run_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(doctor, ["--run", str(tmp_path)])
    assert isinstance(result.exception, WatchwordError) and "no run folder" in str(result.exception)


def test_validation_without_a_real_voice_or_another_source_is_told(tmp_path: Path) -> None:
    manifest = write_corpus(tmp_path / "corpus", words=4, others=4)
    config = RunConfig(data=DataConfig(manifest=str(manifest)))
    found, said = diagnosed(tmp_path, config)
    found.before_training(500.0, 100.0, 0.0)
    assert (
        len(said) == 1 and "in val without the word are from sources that training hears too (toy)" in said[0]
    )
    clips = [
        replace(clip, synthetic=clip.synthetic or clip.split == "val") for clip in read_manifest(manifest)
    ]
    write_manifest(manifest, clips)
    found.before_training(500.0, 100.0, 0.0)
    assert "warning: no real voice in val" in said[1] and len(said) == 2
    save_config(config, tmp_path / "config.toml")
    shown = CliRunner().invoke(doctor, ["--run", str(tmp_path)])
    assert "no real voice in val" in shown.output and "(toy)" in shown.output and shown.exit_code == 0
