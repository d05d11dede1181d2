"""One training run, from manifest to run folder.

The folder holds config.toml, log.csv, curves.png, metrics.json, weights_float.npz, weights_qat.npz,
model.tflite and settings.json. Each file is written whole; an interrupted run keeps what was finished.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from watchword import core
from watchword.data.batches import Batches, Geometry, TrainingSet, make_training_set
from watchword.data.features import fit_normalisation
from watchword.data.plan import Features, make_features
from watchword.data.specaugment import make_masks
from watchword.errors import WatchwordError
from watchword.export.budget import SizeTarget
from watchword.export.settings import ModelSettings
from watchword.files import write_atomic
from watchword.train import architectures, qat
from watchword.train.config import RunConfig, save_config
from watchword.train.curves import draw_curves
from watchword.train.loop import Judgement, Observers, OnValidation, RunLog, Stage, fit
from watchword.train.losses import make_loss
from watchword.train.scoring import Scorer
from watchword.train.tensorflow import make_reproducible
from watchword.train.validation import Accuracy, ValidationSet, calibrate, make_validation_set

_NORMALISATION_STREAMS = 400  # of each kind: enough for a mean and a variance
_RANGE_SEGMENTS = 256  # training segments that set the activations' ranges
_LOGGED_ALARMS = 3  # the log's FRR is at this many false alarms


@dataclass
class Run:
    """A run under way: what its stages share."""

    config: RunConfig
    out: Path
    progress: bool
    log: RunLog
    on_validation: OnValidation | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    speed: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Any:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 1)
        if self.progress:
            tqdm.write(f"{name}: {self.seconds[name]:.0f} s")


@dataclass(frozen=True)
class Prepared:
    """Data in the form that training takes."""

    geometry: Geometry
    training: TrainingSet
    validation: ValidationSet
    settings: ModelSettings
    clips: dict[str, int]


def train_run(
    config: RunConfig, out: Path, progress: bool = True, on_validation: OnValidation | None = None,
    rebuild: bool = False,
) -> dict[str, Any]:
    """Train, quantise, convert and judge; everything goes to `out`. Returns the content of metrics.json."""
    if not config.word.phrase:
        raise WatchwordError("no wake word given", "[word] phrase", "name it in the TOML or with --word")
    if not config.data.manifest:
        raise WatchwordError("no manifest given", "[data] manifest", "name it in the TOML or with --manifest")
    architectures.architecture(config.model)  # an unknown name fails here, not after the features
    run = Run(config, out, progress, RunLog(out / "log.csv"), on_validation)
    save_config(config, out / "config.toml")
    with run.timed("features"):
        prepared = _prepare(config, make_features(config, progress, rebuild))
    make_reproducible(config.train.seed)
    with run.timed("float"):
        network, batches = _train_float(run, prepared)
    models: dict[str, bytes] = {}  # none of a teacher, which stays float
    if architectures.architecture(config.model).streams:
        with run.timed("qat"):
            quantised, folded = _train_quantised(run, prepared, network, batches)
        with run.timed("convert"):
            models = _convert(run, prepared, quantised, folded, batches)
    with run.timed("judge"):
        accuracy = _judge_all(run, prepared, network, models)
    final = "int8" if models else "float"
    settings, calibration = _calibrated(config, prepared.settings, accuracy[final])
    if models:
        write_atomic(out / "model.tflite", models["int8"])
    settings.save(out / "settings.json")
    shown: dict[str, Accuracy] = {n: accuracy[n] for n in ("float", "int8") if n in accuracy}
    draw_curves(run.log, shown, out / "curves.png")
    metrics = _metrics(run, prepared, settings, accuracy, calibration, network)
    metrics["size_warnings"] = _check_size(config, models["int8"], settings) if models else []
    write_atomic(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    return metrics


def size_target(config: RunConfig) -> SizeTarget:
    """The limits of `[size]` as the exporter takes them."""
    size = config.size
    return SizeTarget(round(size.flash_kb * 1024), round(size.ram_kb * 1024), size.on_excess)


def _prepare(config: RunConfig, features: Features) -> Prepared:
    f, t = config.features, config.train
    geometry = Geometry(f.hop_samples, architectures.receptive_rows(config.model), config.model.stem_stride)
    rng = np.random.default_rng([t.seed, 2])
    streams = [
        *_some(features.positives, rng), *_some(features.negatives, rng)
    ]  # fmt: skip
    normalisation = fit_normalisation(streams, f)
    detector = core.DetectorConfig(
        config.detector.smoothing, config.detector.high, config.detector.low, config.detector.cooldown_ms
    )
    rows = geometry.segment_rows(t.segment_s, detector.smoothing)
    training = make_training_set(features.positives, features.negatives, normalisation, rows)
    validation = make_validation_set(features.validation, normalisation, geometry)
    settings = ModelSettings(config.word.phrase, f.hop_samples, f.coeffs, normalisation, detector)
    return Prepared(geometry, training, validation, settings, features.plan.clips)


def _some(streams: Sequence[np.ndarray] | np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    picks = rng.permutation(len(streams))[:_NORMALISATION_STREAMS]
    return [streams[i] for i in picks]


def _train_float(run: Run, prepared: Prepared) -> tuple[Any, Batches]:
    config, t = run.config, run.config.train
    geometry = prepared.geometry
    rows = geometry.segment_rows(t.segment_s, config.detector.smoothing)
    masks = make_masks(config.augment, prepared.settings.normalisation, geometry.hop_samples)
    batches = Batches(
        prepared.training, geometry, rows, t.batch, t.negatives_per_positive, t.window_end_s, t.seed, masks
    )
    network = architectures.build_model(config.model, config.features.coeffs)
    stage = Stage(
        "float", t.epochs, t.steps_per_epoch, t.learning_rate, t.warmup_epochs, t.weight_decay, t.ema_decay,
        t.validate_every,
    )  # fmt: skip
    _fit(run, prepared, network, stage, batches)
    return network, batches


def _train_quantised(run: Run, prepared: Prepared, network: Any, batches: Batches) -> tuple[Any, Any]:
    config, t = run.config, run.config.train
    folded = qat.fold_batch_norm(network, config.model, config.features.coeffs)
    quantised = qat.quantise(folded, _segments(batches))
    stage = Stage(
        "int8 QAT", config.qat.epochs, t.steps_per_epoch, config.qat.learning_rate, 0, t.weight_decay,
        t.ema_decay, t.validate_every,
    )  # fmt: skip
    _fit(run, prepared, quantised, stage, batches)
    return quantised, folded


def _segments(batches: Batches) -> np.ndarray:
    """Training segments, int8 [n, rows, coeffs]."""
    size = batches.positives + batches.negatives
    taken = [batch.rows for batch in batches.take(-(-_RANGE_SEGMENTS // size))]
    return np.concatenate(taken)


def _fit(run: Run, prepared: Prepared, network: Any, stage: Stage, batches: Batches) -> None:
    logits = architectures.logits_of(network)
    scorer = Scorer(logits, prepared.geometry)
    detector = prepared.settings.detector

    def judge() -> Judgement:
        accuracy = prepared.validation.measure(scorer.scores, detector)
        frr = accuracy.frr(_LOGGED_ALARMS)
        return Judgement(accuracy.rank, frr["clean"], float(np.mean(list(frr.values()))))

    def mine(epoch: int) -> None:
        if run.config.train.hard_share > 0 and epoch % stage.validate_every == 0 and epoch < stage.epochs:
            batches.set_hardness(_hardness(scorer, prepared, batches), run.config.train.hard_share)

    name = stage.name.split()[-1].lower()
    loss = make_loss(run.config.train, detector.smoothing, prepared.geometry)
    say = tqdm.write if run.progress else None
    observers = Observers(judge, mine, say, run.progress, run.on_validation)
    speed = fit(network, logits, stage, loss, batches, observers, run.log, run.out / f"weights_{name}.npz")
    run.speed[name] = round(speed)


def _hardness(scorer: Scorer, prepared: Prepared, batches: Batches) -> np.ndarray:
    """How high the network scores each block of the training negatives, 0..1: float [blocks]."""
    training, geometry = prepared.training, prepared.geometry
    logits = scorer.logits(training.negatives)
    kernel = np.ones(prepared.settings.detector.smoothing, np.float32)
    averaged = np.convolve(logits, kernel / len(kernel), mode="same")
    firsts = -(-training.starts // geometry.stride_rows)
    inside = firsts[:, None] + np.arange(geometry.scores(batches.rows))[None, :]
    highest = averaged[np.minimum(inside, len(averaged) - 1)].max(axis=1)
    return 1.0 / (1.0 + np.exp(-highest.astype(np.float64)))


def _convert(run: Run, prepared: Prepared, quantised: Any, folded: Any, batches: Batches) -> dict[str, bytes]:
    """The model as int8 .tflite: trained for it ("int8"), and quantised afterwards ("int8 PTQ")."""
    from watchword.export.convert import to_tflite

    rows, coeffs = prepared.geometry.receptive_rows, run.config.features.coeffs
    windows = list(_segments(batches)[:, -rows:])
    return {
        "int8": to_tflite(qat.deployable(quantised, folded), rows, coeffs),
        "int8 PTQ": to_tflite(folded, rows, coeffs, windows),
    }


def _judge_all(run: Run, prepared: Prepared, network: Any, models: dict[str, bytes]) -> dict[str, Accuracy]:
    """Accuracy on validation: the float network, and the .tflite files through the C engine."""
    scorer = Scorer(architectures.logits_of(network), prepared.geometry)
    scores: dict[str, Callable[[Sequence[np.ndarray]], list[np.ndarray]]] = {"float": scorer.scores}
    scores |= {name: _engine_scores(content, prepared.settings) for name, content in models.items()}
    detector = prepared.settings.detector
    return {name: prepared.validation.measure(score, detector) for name, score in scores.items()}


def _engine_scores(
    tflite: bytes, settings: ModelSettings
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    from watchword.export.graph import read_network
    from watchword.export.image import build_image

    image = core.ModelImage(build_image(read_network(tflite), settings))
    return lambda streams: [image.scores(rows) for rows in streams]


def _calibrated(
    config: RunConfig, settings: ModelSettings, accuracy: Accuracy
) -> tuple[ModelSettings, dict[str, float] | None]:
    """The settings with the high threshold chosen for `[detector] target_fah`, if there is one."""
    if config.detector.target_fah == 0:
        return settings, None
    detector, reasons = calibrate(accuracy, settings.detector, config.detector.target_fah)
    return ModelSettings(
        settings.word, settings.hop_samples, settings.coeffs, settings.normalisation, detector
    ), reasons


def _check_size(config: RunConfig, tflite: bytes, settings: ModelSettings) -> list[str]:
    from watchword.export.graph import read_network
    from watchword.export.image import build_image

    network = read_network(tflite)
    image = build_image(network, settings)
    return size_target(config).check(len(image), network.arena_bytes, f"model '{settings.word}'")


def _metrics(
    run: Run, prepared: Prepared, settings: ModelSettings, accuracy: dict[str, Accuracy],
    calibration: dict[str, float] | None, network: Any,
) -> dict[str, Any]:  # fmt: skip
    words = {name: len(peaks) for name, peaks in accuracy["float"].word_peaks.items()}
    return {
        "word": settings.word,
        "parameters": int(qat.fold_batch_norm(network, run.config.model, settings.coeffs).count_params()),
        "receptive_field_s": prepared.geometry.receptive_rows * prepared.geometry.hop_s,
        "clips": prepared.clips,
        "training": {
            "positive_draws": len(prepared.training.positives),
            "negative_hours": len(prepared.training.negatives) * prepared.geometry.hop_s / 3600.0,
        },
        "validation": {
            "words": words,
            "negative_hours": prepared.validation.negative_hours,
            "results": {name: result.table(settings.detector) for name, result in accuracy.items()},
        },
        "calibration": calibration,
        "seconds": run.seconds,
        "segments_per_s": run.speed,
    }
