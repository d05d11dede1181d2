"""One training run, from manifest to run folder.

The folder holds config.toml, log.csv, curves.png, metrics.json, weights_float.npz, weights_qat.npz,
model.tflite, settings.json, tensorboard/, findings.json if something was found, and until the end
state.npz, from which an interrupted run is resumed. Each file is written whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core
from watchword.config import RunConfig
from watchword.core import Geometry
from watchword.data.batches import Batches, TrainingSet, make_training_set, segment_rows
from watchword.data.features import fit_normalisation
from watchword.data.plan import Features, JobPlan, make_features
from watchword.data.specaugment import make_masks
from watchword.errors import WatchwordError
from watchword.export.settings import ModelSettings
from watchword.export.size_target import SizeTarget
from watchword.files import write_atomic
from watchword.train import architectures, qat
from watchword.train.calibration import calibrate_all
from watchword.train.checkpoint import STAGES, Run, RunKeeper, finished_metrics, open_folder
from watchword.train.curves import draw_curves
from watchword.train.distill.choose import Taught, check_teacher, make_lesson
from watchword.train.loop import Observers, fit, median_speed
from watchword.train.losses import make_loss
from watchword.train.progress import Progress
from watchword.train.scoring import Scorer
from watchword.train.sources import Sources, find_sources
from watchword.train.stage import Judgement, OnValidation, RunLog, Stage
from watchword.train.state import StateFile, comparable, data_digest
from watchword.train.tensorflow import make_reproducible, precision
from watchword.train.trainer import load_weights
from watchword.train.validation import Accuracy, Score, ValidationSet, calibrate, make_validation_set

_NORMALISATION_STREAMS = 400  # of each kind: enough for a mean and a variance
_RANGE_SEGMENTS = 256  # training segments that set the activations' ranges
_DISTANCE_BATCHES = 20
_STEPS_WORTH_FUSING = 1000
_LOGGED_ALARMS = 3  # the log's FRR is at this many false alarms


@dataclass(frozen=True)
class Prepared:
    """Data in the form that training takes."""

    geometry: Geometry
    training: TrainingSet
    validation: ValidationSet
    settings: ModelSettings
    sources: Sources
    segment_rows: int
    plan: JobPlan


def train_run(
    config: RunConfig,
    out: Path,
    progress: bool = True,
    on_validation: OnValidation | None = None,
    rebuild: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """Train, quantise, convert and judge; everything goes to `out`. Returns the content of metrics.json.

    With `resume` a run that was interrupted goes on after its latest epoch, to the same result; a complete
    one is left as it is.
    """
    _check_inputs(config)
    if resume and (complete := finished_metrics(config, out)) is not None:
        return complete
    open_folder(config, out, resume)
    run = Run(config, out, progress, RunLog(out / "log.csv"), on_validation)
    with run.timed("features"):
        features = make_features(config, progress, rebuild)
        prepared = _prepare(config, features)
    taught = _taught(run, features, prepared)
    make_reproducible(config.train.seed)
    keeper = _begin(run, prepared, resume)
    with run.timed("float"):
        network, batches = _train_float(run, prepared, taught)
    models: dict[str, bytes] = {}  # none of a teacher, which stays float
    if architectures.architecture(config.model).streams:
        with run.timed("qat"):
            quantised, folded = _train_quantised(run, prepared, network, batches, taught)
        with run.timed("convert"):
            models = _convert(run, prepared, quantised, folded, batches)
    with run.timed("judge"):
        settings, accuracy, calibration = _judge_finally(run, prepared, network, models)
    if models:
        write_atomic(out / "model.tflite", models["int8"])
    settings.save(out / "settings.json")
    shown: dict[str, Accuracy] = {n: accuracy[n] for n in ("float", "int8") if n in accuracy}
    draw_curves(run.log, shown, out / "curves.png")
    metrics = _metrics(run, prepared, settings, accuracy, calibration, network)
    if taught is not None:
        metrics["distillation"] = _distillation(taught, network, batches)
    metrics["size_warnings"] = _check_size(config, models["int8"], settings) if models else []
    write_atomic(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    keeper.close()
    return metrics


def _check_inputs(config: RunConfig) -> None:
    if not config.word.phrase:
        raise WatchwordError("no wake word given", "[word] phrase", "name it in the TOML or with --word")
    if not config.data.manifest:
        raise WatchwordError("no manifest given", "[data] manifest", "name it in the TOML or with --manifest")
    architectures.architecture(config.model)  # an unknown name fails here, not after the features
    check_teacher(config)


def _taught(run: Run, features: Features, prepared: Prepared) -> Taught | None:
    """The lesson of the run's teacher, if it has one."""
    if not run.config.distill.teacher:
        return None
    with run.timed("teacher"):
        return make_lesson(run.config, features, prepared.geometry, run.progress)


def _begin(run: Run, prepared: Prepared, resume: bool) -> RunKeeper:
    """Keep the run's state from here on, or take up the one that an interrupted run left."""
    training, config = prepared.training, run.config
    data = data_digest(training.positives, training.negatives, training.starts, *prepared.validation.rows)
    store = StateFile(run.out, comparable(config), data)
    keeper = run.keeper = RunKeeper(run, store, prepared.sources)
    if resume and store.path.is_file():
        run.take_up(store.load())
    stages = [_float_stage(config)]
    if architectures.architecture(config.model).streams:
        stages.append(_qat_stage(config))
    run.bar = Progress(sum(stage.segments(config.train.batch) for stage in stages), run.progress)
    hop_s = prepared.geometry.hop_s
    positives = training.positives.shape[0] * prepared.segment_rows
    run.diagnosis.before_training(len(training.negatives) * hop_s, positives * hop_s, run.seconds["features"])
    return keeper


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
    rows = segment_rows(geometry, t.segment_s, detector.smoothing)
    training = make_training_set(features.positives, features.negatives, normalisation, rows)
    validation = make_validation_set(features.validation, normalisation, geometry)
    settings = ModelSettings(config.word.phrase, f.hop_samples, f.coeffs, normalisation, detector, f.kind)
    sources = find_sources(features)
    return Prepared(geometry, training, validation, settings, sources, rows, features.plan)


def _some(streams: Sequence[np.ndarray] | np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    picks = rng.permutation(len(streams))[:_NORMALISATION_STREAMS]
    return [streams[i] for i in picks]


def _train_float(run: Run, prepared: Prepared, taught: Taught | None = None) -> tuple[Any, Batches]:
    config, t = run.config, run.config.train
    geometry = prepared.geometry
    masks = make_masks(
        config.augment, prepared.settings.normalisation, geometry.hop_samples, config.features.kind
    )
    batches = Batches(
        prepared.training, geometry, prepared.segment_rows, t.batch, t.negatives_per_positive, t.window_end_s,
        t.seed, masks,
    )  # fmt: skip
    with precision(t.mixed_precision):
        network = architectures.build_model(config.model, config.features.coeffs)
    architectures.start_from(network, config.model, config.features.kind)
    _fit(run, prepared, network, _float_stage(config), batches, taught)
    full = architectures.build_model(config.model, config.features.coeffs)  # computes in float32
    full.set_weights(network.get_weights())
    return full, batches


def _train_quantised(
    run: Run, prepared: Prepared, network: Any, batches: Batches, taught: Taught | None
) -> tuple[Any, Any]:
    config = run.config
    folded = qat.fold_batch_norm(network, config.model, config.features.coeffs)
    quantised = qat.quantise(folded, _segments(batches))
    _fit(run, prepared, quantised, _qat_stage(config), batches, taught if config.distill.in_qat else None)
    return quantised, folded


def _float_stage(config: RunConfig) -> Stage:
    t = config.train
    return Stage(
        STAGES[0], t.epochs, t.steps_per_epoch, t.learning_rate, t.warmup_epochs, t.weight_decay, t.ema_decay,
        t.validate_every, t.patience, _fusing_pays(config),
    )  # fmt: skip


def _fusing_pays(config: RunConfig) -> bool:
    """XLA compiles for about ten seconds; it makes the small networks faster, and knows no loss scaling."""
    t = config.train
    small = architectures.architecture(config.model).streams
    return small and t.mixed_precision == "off" and t.epochs * t.steps_per_epoch >= _STEPS_WORTH_FUSING


def _qat_stage(config: RunConfig) -> Stage:
    t, q = config.train, config.qat
    return Stage(
        STAGES[1], q.epochs, t.steps_per_epoch, q.learning_rate, 0, t.weight_decay, t.ema_decay,
        t.validate_every, t.patience,
    )  # fmt: skip


def _segments(batches: Batches) -> np.ndarray:
    """Training segments, int8 [n, rows, coeffs]."""
    size = batches.positives + batches.negatives
    taken = [batch.rows for batch in batches.take(-(-_RANGE_SEGMENTS // size))]
    return np.concatenate(taken)


def _distillation(taught: Taught, network: Any, batches: Batches) -> dict[str, Any]:
    """The teacher, and how far the float student's scores are from its own on training segments."""
    logits = architectures.logits_of(network)
    return {**taught.facts, "distance": taught.lesson.distance(logits, batches.take(_DISTANCE_BATCHES))}


def _fit(
    run: Run, prepared: Prepared, network: Any, stage: Stage, batches: Batches, taught: Taught | None
) -> None:
    name = stage.name.split()[-1].lower()
    checkpoint = run.out / f"weights_{name}.npz"
    if run.is_done(stage):
        load_weights(network, checkpoint)
        if run.bar is not None:
            run.bar.skip(stage.segments(batches.size))
        run.speed[name] = median_speed(run.log, stage)
        return
    logits = architectures.logits_of(network)
    scorer = Scorer(logits, prepared.geometry)
    detector = prepared.settings.detector

    def judge() -> Judgement:
        return _judgement(run.config, prepared.validation.measure(scorer.scores, detector), detector)

    def mine(epoch: int) -> None:
        if run.config.train.hard_share > 0 and epoch % stage.validate_every == 0 and epoch < stage.epochs:
            batches.set_hardness(_hardness(scorer, prepared, batches), run.config.train.hard_share)

    loss = make_loss(run.config.train, detector.smoothing, prepared.geometry)
    observers = Observers(judge, mine, run.say, run.progress, run.on_validation, run.keeper, run.bar)
    resume = run.goes_on_in(stage)
    lesson = taught.lesson if taught is not None else None
    fit(network, logits, stage, loss, batches, observers, run.log, checkpoint, lesson, resume)
    run.speed[name] = median_speed(run.log, stage)


def _judgement(config: RunConfig, accuracy: Accuracy, detector: core.DetectorConfig) -> Judgement:
    """What validation says of the weights that training has come to."""
    target, by_target = config.detector.target_fah, config.train.best_by == "target_fah"
    allowed = int(target * accuracy.negative_hours)
    high = calibrate(accuracy, detector, target)[0].high if target > 0 else detector.high
    frr = accuracy.frr(_LOGGED_ALARMS)
    return Judgement(
        rank=accuracy.rank,
        frr_clean=frr["clean"],
        frr_mean=float(np.mean(list(frr.values()))),
        target=float(np.mean(list(accuracy.frr(allowed).values()))) if by_target else None,
        accuracy=accuracy.correct_at(high),
        fpr=accuracy.fpr_at(high),
        fnr=accuracy.fnr_at(high),
        fah=accuracy.alarms_at(high) / accuracy.negative_hours,
        val_loss=accuracy.loss,
        spread=accuracy.spread,
        frr=frr,
    )


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
    from watchword.train.convert import to_tflite

    rows, coeffs = prepared.geometry.receptive_rows, run.config.features.coeffs
    windows = list(_segments(batches)[:, -rows:])
    return {
        "int8": to_tflite(qat.deployable(quantised, folded), rows, coeffs),
        "int8 PTQ": to_tflite(folded, rows, coeffs, windows),
    }


def _judge_finally(
    run: Run, prepared: Prepared, network: Any, models: dict[str, bytes]
) -> tuple[ModelSettings, dict[str, Accuracy], dict[str, float] | None]:
    """The detector's settings, calibrated if a target is given, and the accuracy with them on validation.

    Of the float network, and of the .tflite files through the C engine.
    """
    scorer = Scorer(architectures.logits_of(network), prepared.geometry)
    scores: dict[str, Score] = {"float": scorer.scores}
    scores |= {name: _engine_scores(content, prepared.settings) for name, content in models.items()}
    # The streams are scored once; what the detector makes of it is cheap.
    found = {name: score(prepared.validation.rows) for name, score in scores.items()}
    final = found["int8" if models else "float"]
    validation, target = prepared.validation, run.config.detector.target_fah
    detector, calibration = prepared.settings.detector, None
    if target > 0 and run.config.detector.calibrate == "all":
        detector, calibration = calibrate_all(validation, final, detector, target)
    elif target > 0:
        detector, calibration = calibrate(validation.measure(lambda _: final, detector), detector, target)

    def measured(stored: list[np.ndarray]) -> Accuracy:
        return validation.measure(lambda _: stored, detector)

    accuracy = {name: measured(stored) for name, stored in found.items()}
    shipped = accuracy["int8" if models else "float"]
    run.diagnosis.at_the_end(shipped.fpr_at(detector.high), shipped.fnr_at(detector.high))
    return replace(prepared.settings, detector=detector), accuracy, calibration


def _engine_scores(
    tflite: bytes, settings: ModelSettings
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    from watchword.export.graph import read_network
    from watchword.export.image import build_image

    image = core.ModelImage(build_image(read_network(tflite), settings))
    return lambda streams: [image.scores(rows) for rows in streams]


def _check_size(config: RunConfig, tflite: bytes, settings: ModelSettings) -> list[str]:
    from watchword.export.graph import read_network
    from watchword.export.image import build_image

    network = read_network(tflite)
    image = build_image(network, settings)
    return size_target(config).check(len(image), network.arena_bytes, f"model '{settings.word}'")


def _settings(config: RunConfig) -> dict[str, Any]:
    """All that decided the result, without where this computer keeps its files."""
    settings = comparable(config)
    settings["data"]["manifest"] = Path(config.data.manifest).name
    return settings


def _metrics(
    run: Run, prepared: Prepared, settings: ModelSettings, accuracy: dict[str, Accuracy],
    calibration: dict[str, float] | None, network: Any,
) -> dict[str, Any]:  # fmt: skip
    words = {name: len(peaks) for name, peaks in accuracy["float"].word_peaks.items()}
    return {
        "word": settings.word,
        "parameters": int(qat.fold_batch_norm(network, run.config.model, settings.coeffs).count_params()),
        "receptive_field_s": prepared.geometry.receptive_rows * prepared.geometry.hop_s,
        "command": "watchword train --config config.toml, which holds `config`; then watchword export",
        "config": _settings(run.config),
        "data": prepared.plan.provenance,
        "clips": prepared.plan.clips,
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
        "findings": run.diagnosis.records(),
        "seconds": run.seconds_so_far(),
        "segments_per_s": run.speed,
    }
