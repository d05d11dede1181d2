"""`make pareto`: what each architecture costs, and what runs of it miss, in one table and one picture.

  python -m tools.studies.pareto                                    # costs alone, with random weights
  python -m tools.studies.pareto runs/alexa_ds runs/alexa_mobile    # and the FRR of trained runs

Parameters, multiply-accumulates and the arena follow from the graph; instructions are counted on the
emulated ESP32-C3, by the real firmware, on the audio of tools/cost/audio.py. A row without a run has
random weights: its instructions are near those of a trained model, not equal, because convolutions skip
inputs that stand for zero. Writes docs/evidence/pareto.md and docs/evidence/pareto.png.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from tqdm import tqdm
from watchword import core, spec
from watchword.config import FeaturesConfig, ModelConfig, RunConfig, config_from_dict, load_config
from watchword.core import Geometry
from watchword.device import firmware
from watchword.errors import WatchwordError
from watchword.export.card import read_card
from watchword.export.folder import export_model
from watchword.export.settings import ModelSettings
from watchword.export.size_target import SizeTarget
from watchword.files import write_atomic
from watchword.train import architectures
from watchword.train.run_folder import read_trained

from tools.cost import measure
from tools.cost.audio import speech_like

DOCS = measure.ROOT / "docs" / "evidence"
BOARD = firmware.emulated_boards()["emu-c3"]
AUDIO_SECONDS = 10.0
DEFAULTS = (
    "tiny_conv",
    "ds_tcn",
    "ds_tcn channels=32",
    "mobilenet",
    "mobilenet channels=24 expansion=4",
    "resnet18",
    "conformer",
)


@dataclass(frozen=True)
class Row:
    """One line of the table; None where a figure does not exist."""

    name: str
    parameters: int
    macs_per_second: float
    arena_bytes: int | None = None
    instructions_per_hop: float | None = None  # of the model, mean over hops
    instructions_at_most: int | None = None
    million_instructions_per_second: float | None = None  # front end and detector included
    frr_clean: float | None = None
    frr_mean: float | None = None  # over all validation conditions
    fah: float | None = None  # on validation, at the run's own threshold
    target_fah: float | None = None


def parse(text: str) -> ModelConfig:
    """'mobilenet channels=24' -> its settings, checked as those of a file are."""
    arch, *pairs = text.split()
    values: dict[str, Any] = {"arch": arch}
    for pair in pairs:
        key, _, value = pair.partition("=")
        try:
            values[key] = json.loads(value)
        except ValueError as error:
            raise WatchwordError(
                f"'{pair}' is not KEY=NUMBER or KEY=[..]", text, "e.g. channels=32"
            ) from error
    return config_from_dict({"model": values}, text).model


def architecture_row(text: str, features: FeaturesConfig, pcm: np.ndarray) -> Row:
    """Costs of an architecture with random weights."""
    model = parse(text)
    network = random_network(model, features.coeffs)
    if not architectures.architecture(model).streams:
        return teacher_row(text, model, features, network)
    settings = random_settings(features, pcm)
    with tempfile.TemporaryDirectory() as folder:
        rows = core.normalise(
            core.frontend_rows(pcm, features.hop_samples, features.coeffs, features.kind),
            settings.normalisation,
        )
        tflite = int8_file(network, model, rows)
        export_model(tflite, settings, Path(folder), SizeTarget(), {"random_weights": True})
        return measured(text, Path(folder), pcm)


def run_row(run: Path, pcm: np.ndarray) -> Row:
    """Costs of a trained run, and what it missed on validation."""
    config, metrics = load_config(run / "config.toml"), read_metrics(run)
    name = f"{run.name} ({config.model.arch})"
    if architectures.architecture(config.model).streams:
        trained = read_trained(run)
        with tempfile.TemporaryDirectory() as folder:
            export_model(trained.tflite, trained.settings, Path(folder), SizeTarget(), {})
            row = measured(name, Path(folder), pcm)
    else:
        network = architectures.build_model(config.model, config.features.coeffs)
        row = teacher_row(name, config.model, config.features, network)
    return replace(row, **cast(dict[str, Any], errors(metrics, run)))


def errors(metrics: dict[str, Any], run: Path) -> dict[str, float | None]:
    """FRR and FAH at the threshold that the run was calibrated to."""
    try:
        results = metrics["validation"]["results"]
        final = results.get("int8", results["float"])
        frr, target = final["frr_at_high"], (metrics["calibration"] or {}).get("target_fah")
        return {
            "frr_clean": frr["clean"],
            "frr_mean": float(np.mean(list(frr.values()))),
            "fah": final["fah_at_high"],
            "target_fah": target,
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise WatchwordError(f"metrics.json lacks {error}", run, "train again with this version") from error


def read_metrics(run: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((run / "metrics.json").read_text()))
    except (OSError, ValueError) as error:
        raise WatchwordError(f"cannot read the run's metrics: {error}", run, "name a finished run") from error


def measured(name: str, folder: Path, pcm: np.ndarray) -> Row:
    """The figures of an exported model: from its card, and from the emulated board."""
    card = read_card(folder)
    board = measure.board_costs(BOARD, folder, pcm)
    counts = board["counts"]
    scores_per_second = spec.SAMPLE_RATE_HZ / (card.settings["hop_samples"] * card.stride_rows)
    return Row(
        name,
        card.sizes.parameters,
        card.sizes.products_per_score * scores_per_second,
        board["arena_bytes"],
        counts["model per hop, mean"],
        counts["model per hop, most"],
        counts["pipeline per second"] / 1e6,
    )


def teacher_row(name: str, model: ModelConfig, features: FeaturesConfig, network: Any) -> Row:
    """A second of scores in one segment, as TensorFlow's profiler counts it; no chip runs it."""
    from watchword.processes import quiet_stderr
    from watchword.train.qat import fold_batch_norm
    from watchword.train.tensorflow import load_tensorflow

    tf = load_tensorflow()
    folded = fold_batch_norm(network, model, features.coeffs)
    geometry = Geometry(
        features.hop_samples,
        architectures.receptive_rows(model),
        model.stem_stride,
        lead_samples=core.lead_samples(features.kind, features.hop_samples),
    )

    def operations(scores: int) -> int:
        rows = int(geometry.score_rows(scores)[-1])
        shape = tf.TensorSpec((1, rows, 1, features.coeffs), tf.float32)
        graph = tf.function(lambda x: folded(x, training=False)).get_concrete_function(shape)
        with quiet_stderr():
            options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
            options["output"] = "none"
            return int(tf.compat.v1.profiler.profile(_frozen(graph), options=options).total_float_ops)

    many = round(10.0 / geometry.score_s)  # of many scores: what one more costs, not the first window
    per_score = (operations(2 * many) - operations(many)) / many / 2.0  # two operations a product
    return Row(name, int(folded.count_params()), per_score / geometry.score_s)


def _frozen(graph: Any) -> Any:
    """The graph with its variables as constants, which the profiler needs to know shapes."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(graph).graph


def random_network(model: ModelConfig, coeffs: int) -> Any:
    """As training would begin."""
    from watchword.train.tensorflow import load_tensorflow

    load_tensorflow().keras.utils.set_random_seed(1)
    return architectures.build_model(model, coeffs)


def int8_file(network: Any, model: ModelConfig, rows: np.ndarray) -> bytes:
    """Quantised with ranges measured on int8 rows [n, coeffs]."""
    from watchword.train.convert import to_tflite
    from watchword.train.qat import deployable, fold_batch_norm, quantise

    coeffs, span = rows.shape[1], architectures.receptive_rows(model)
    folded = fold_batch_norm(network, model, coeffs)
    segments = np.stack([rows[at : at + span] for at in range(0, len(rows) - span, span // 2)])
    return to_tflite(deployable(quantise(folded, segments), folded), span, coeffs)


def random_settings(features: FeaturesConfig, pcm: np.ndarray) -> ModelSettings:
    """The normalisation that training would fit to this audio."""
    from watchword.data.normalisation import fit_normalisation

    rows = core.frontend_rows(pcm, features.hop_samples, features.coeffs, features.kind)
    normalisation = fit_normalisation([rows], features)
    return ModelSettings(
        "random weights",
        features.hop_samples,
        features.coeffs,
        normalisation,
        core.DetectorConfig(),
        features.kind,
    )


def on_the_front(rows: list[Row]) -> set[str]:
    """Names of the trained rows that no other beats in both instructions and FRR."""

    def costs(row: Row) -> tuple[float, float]:
        return (row.instructions_per_hop or np.inf, row.frr_mean if row.frr_mean is not None else np.inf)

    trained = [row for row in rows if row.frr_mean is not None and row.instructions_per_hop is not None]
    return {
        row.name
        for row in trained
        if not any(
            all(a <= b for a, b in zip(costs(other), costs(row), strict=True)) and costs(other) != costs(row)
            for other in trained
        )
    }


def markdown(rows: list[Row], compiler: str, features: FeaturesConfig) -> str:
    """docs/evidence/pareto.md."""
    front = on_the_front(rows)
    head = (
        "",
        "parameters",
        "MAC/s",
        "arena, bytes",
        "instructions a hop, mean",
        "most",
        "pipeline, a second",
        "FRR clean",
        "FRR mean",
        "FAH (target)",
    )
    lines = [
        "# What each architecture costs and misses\n",
        "Written by `make pareto` (tools/studies/pareto.py).\n",
        f"- Instructions: of the model alone on the emulated ESP32-C3 ({compiler}), on "
        f"{AUDIO_SECONDS:g} s of tools/cost/audio.py, hop "
        f"{1000 * features.hop_samples // spec.SAMPLE_RATE_HZ} ms, {features.coeffs} coefficients. "
        "The pipeline's include the front end and the detector.",
        "- Rows that are named after a run are trained, with its own features. Their errors are those of its "
        "validation set at its own threshold; FRR mean: over all its conditions.",
        "- The others have random weights. resnet18 and conformer are teachers and judges: "
        "no chip runs them.",
        *(["- **Bold**: no other trained row is better in both instructions and FRR."] if front else []),
        "",
        "| " + " | ".join(head) + " |",
        "|---" + "|---:" * (len(head) - 1) + "|",
        *("| " + " | ".join(_cells(row, row.name in front)) + " |" for row in rows),
        "\n![instructions and size](pareto.png)\n",
    ]
    return "\n".join(lines)


def _cells(row: Row, bold: bool) -> list[str]:
    def shown(value: float | None, scale: float, text: str) -> str:
        return "" if value is None else format(value * scale, text)

    fah = shown(row.fah, 1, ".2f") + ("" if row.target_fah is None else f" ({row.target_fah:g})")
    return [
        f"**{row.name}**" if bold else row.name,
        f"{row.parameters:,}",
        f"{row.macs_per_second / 1e6:.2f} M",
        shown(row.arena_bytes, 1, ",.0f"),
        shown(row.instructions_per_hop, 1, ",.0f"),
        shown(row.instructions_at_most, 1, ",.0f"),
        shown(row.million_instructions_per_second, 1, ".2f") + (" M" if row.arena_bytes else ""),
        shown(row.frr_clean, 100, ".1f"),
        shown(row.frr_mean, 100, ".1f"),
        fah,
    ]


def draw(rows: list[Row], path: Path) -> None:
    """Instructions against FRR where there are runs, against parameters where there are none."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    trained = any(row.frr_mean is not None for row in rows)
    figure, axes = pyplot.subplots(figsize=(8, 5), constrained_layout=True)
    for row in rows:
        y = row.frr_mean if trained else row.parameters
        if row.instructions_per_hop is None or y is None or row.arena_bytes is None:
            continue
        height = 100 * y if trained else y
        axes.scatter(row.instructions_per_hop, height, s=row.arena_bytes / 20, alpha=0.6)
        axes.annotate(row.name, (row.instructions_per_hop, height), xytext=(6, 6), textcoords="offset points")
    ylabel = "FRR, % (mean of the validation conditions)" if trained else "parameters"
    axes.set(
        xlabel="instructions a hop (model, emulated ESP32-C3)", ylabel=ylabel, title="area: bytes of arena"
    )
    axes.set_xlim(0, 1.4 * max((row.instructions_per_hop or 0 for row in rows), default=1) or 1)  # for names
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    write_atomic(path, buffer.getvalue())


def all_rows(runs: list[Path], names: list[str], pcm: np.ndarray, features: FeaturesConfig) -> list[Row]:
    rows = []
    for what in tqdm([*runs, *names], desc="pareto", disable=None):
        rows.append(run_row(what, pcm) if isinstance(what, Path) else architecture_row(what, features, pcm))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path, help="run folders of `watchword train`")
    parser.add_argument(
        "--arch",
        action="append",
        metavar="'NAME KEY=VALUE ..'",
        help=f"with random weights [{', '.join(DEFAULTS)}]",
    )
    parser.add_argument("--runs-only", action="store_true", help="no rows with random weights")
    parser.add_argument(
        "--out", type=Path, default=DOCS, help="where pareto.md and pareto.png go [docs/evidence]"
    )
    arguments = parser.parse_args()
    names = [] if arguments.runs_only else arguments.arch or list(DEFAULTS)
    features = RunConfig().features
    try:
        rows = all_rows(arguments.runs, names, speech_like(AUDIO_SECONDS), features)
        draw(rows, arguments.out / "pareto.png")
        text = markdown(rows, firmware.compiler_version(BOARD), features)
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    write_atomic(arguments.out / "pareto.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
