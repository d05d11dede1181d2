"""One training run, from manifest to run folder.

The folder holds config.toml, log.csv, curves.png, metrics.json, weights_float.npz, weights_qat.npz,
model.tflite, settings.json, tensorboard/, findings.json if something was found, and until the end
state.npz, from which an interrupted run is resumed. Each file is written whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from watchword.config import RunConfig
from watchword.data.corpus import require_word
from watchword.errors import WatchwordError
from watchword.files import write_atomic
from watchword.train import architectures
from watchword.train.checkpoint import Run, RunCheckpointer, finished_metrics, open_folder
from watchword.train.curves import draw_curves
from watchword.train.distill.choose import check_teacher
from watchword.train.fit import Training, float_stage, qat_stage
from watchword.train.metrics import Metrics
from watchword.train.outcome import (
    Outcome,
    check_size,
    convert,
    distillation_facts,
    make_metrics,
    validate_models,
)
from watchword.train.prepare import Prepared, make_batches, prepare
from watchword.train.progress import ProgressBar
from watchword.train.stage import OnValidation
from watchword.train.state import METRICS_FILE, StateFile, comparable, data_digest
from watchword.train.tensorflow import make_reproducible
from watchword.typed_json import to_json


def train_run(
    config: RunConfig,
    out: Path,
    progress: bool = True,
    on_validation: OnValidation | None = None,
    rebuild: bool = False,
    resume: bool = False,
) -> Metrics:
    """Train, quantise, convert and validate; everything goes to `out`. Returns the content of metrics.json.

    With `resume` a run that was interrupted goes on after its latest epoch, to the same result; a complete
    one is left as it is.
    """
    _check_inputs(config)
    if resume and (complete := finished_metrics(config, out)) is not None:
        return complete
    open_folder(config, out, resume)
    run = Run(config, out, progress, on_validation)
    prepared = prepare(run, rebuild)
    make_reproducible(config.train.seed)
    state = _begin(run, prepared, resume)
    training = Training(run, prepared, make_batches(config, prepared), RunCheckpointer(run, state))
    with run.timed("float"):
        network = training.train_float()
    models = _quantise(training, network)
    with run.timed("validation"):
        outcome = validate_models(config, prepared, network, models)
    metrics = _write_results(training, outcome, network, models)
    run.close()
    state.remove()  # last: without it the run counts as complete
    return metrics


def _check_inputs(config: RunConfig) -> None:
    """Refuse what can be refused before any work is done."""
    if not config.word.phrase:
        raise WatchwordError("no wake word given", "[word] phrase", "name it in the TOML or with --word")
    if not config.data.manifest:
        raise WatchwordError("no manifest given", "[data] manifest", "name it in the TOML or with --manifest")
    require_word(Path(config.data.manifest), config.word.phrase)
    architectures.architecture(config.model)
    check_teacher(config)


def _begin(run: Run, prepared: Prepared, resume: bool) -> StateFile:
    """Open the run's state, continue from it if asked to, and note what is known before training."""
    training, config = prepared.training, run.config
    data = data_digest(training.positives, training.negatives, training.starts, *prepared.validation.rows)
    state = StateFile(run.out, comparable(config), data)
    if resume and state.path.is_file():
        run.resume_from(state.load())
    stages = [float_stage(config)]
    if architectures.architecture(config.model).streams:
        stages.append(qat_stage(config))
    run.bar = ProgressBar(sum(stage.segments(config.train.batch) for stage in stages), run.progress)
    run.diagnosis.before_training(
        prepared.negative_s, prepared.positive_s, run.seconds["features"], prepared.plan.unsure
    )
    return state


def _quantise(training: Training, network: Any) -> dict[str, bytes]:
    """The float network as .tflite files, by name; none of a teacher, which stays float."""
    run, prepared = training.run, training.prepared
    if not architectures.architecture(run.config.model).streams:
        return {}
    with run.timed("qat"):
        quantised = training.train_quantised(network)
    with run.timed("convert"):
        return convert(run.config, quantised, training.segments(), prepared.geometry.receptive_rows)


def _write_results(training: Training, outcome: Outcome, network: Any, models: dict[str, bytes]) -> Metrics:
    """Write what the run ends with to its folder; returns the content of metrics.json."""
    run, prepared, high = training.run, training.prepared, outcome.settings.detector.high
    run.diagnosis.at_the_end(outcome.exported.fpr_at(high), outcome.exported.fnr_at(high))
    if models:
        write_atomic(run.out / "model.tflite", models["int8"])
    outcome.settings.save(run.out / "settings.json")
    drawn = {name: scores for name, scores in outcome.accuracy.items() if name in ("float", "int8")}
    draw_curves(run.log, drawn, run.out / "curves.png")
    teacher = prepared.distillation
    metrics = make_metrics(
        run,
        prepared,
        outcome,
        network,
        distillation=distillation_facts(teacher, network, training.batches) if teacher else None,
        size_warnings=check_size(run.config, models["int8"], outcome.settings) if models else [],
    )
    write_atomic(run.out / METRICS_FILE, to_json(metrics))
    return metrics
