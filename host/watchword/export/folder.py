"""Writes a model folder: model.tflite, model.bin, model.c, model.h, golden.npz, card.json."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchword import files, spec, words
from watchword.errors import WatchwordError
from watchword.export.card import FILE as CARD
from watchword.export.card import Card, Checks, Sizes, Source, read_card
from watchword.export.origin import Origin
from watchword.export.size_target import SizeTarget
from watchword.typed_json import read_json, to_json

if TYPE_CHECKING:
    import numpy as np

    from watchword.export.layers import Network
    from watchword.export.settings import ModelSettings

_NO_LICENCE = "not told"
TOOLS = ("watchword", "numpy", "tflite_micro", "tensorflow", "tf_keras", "tensorflow-model-optimization")


def export_model(
    tflite: bytes,
    settings: ModelSettings,
    out_dir: Path,
    size_target: SizeTarget,
    card: dict[str, Any],
    golden_rows: np.ndarray | None = None,
) -> Path:
    """Convert, check against TFLite Micro, write everything to `out_dir`; returns it.

    `card` holds what the training knows (metrics, data hashes), kept under "training" in
    card.json. `golden_rows`: real windows int8 [n, receptive_rows, coeffs] to add to the goldens.
    """
    with needing_tflm("export"):
        from watchword.export.affine import require_input
        from watchword.export.graph import read_network

        network = read_network(tflite)
    if network.coeffs != settings.coeffs:
        what = f"the model takes {network.coeffs} coefficients, its settings say {settings.coeffs}"
        raise WatchwordError(what, "model.tflite", "export with the settings it was trained with")
    require_input(network.input_scale, network.input_zero, settings.kind)
    facts = ModelFacts(tflite, network, settings, card)
    return write_folder(facts, out_dir, size_target, golden_rows)


@dataclass(frozen=True)
class ModelFacts:
    """A model that was read, and what is known of it."""

    tflite: bytes
    network: Network
    settings: ModelSettings
    training: dict[str, Any]
    origin: Origin | None = None


def write_folder(
    model: ModelFacts, out_dir: Path, size_target: SizeTarget, golden_rows: np.ndarray | None = None
) -> Path:
    """The folder of a model that was read: all of its files, or none, and only once TFLite Micro agrees."""
    from watchword.export import c_writer
    from watchword.export.image import build_image

    _check_place(Path(out_dir), model)
    image = build_image(model.network, model.settings)
    warnings = size_target.check(len(image), model.network.arena_bytes, f"model '{model.settings.word}'")
    with needing_tflm("comparing a model with TFLite Micro"):
        from watchword.export import golden

        if model.network.fill_rows:
            golden_rows = golden.rising_windows(image, model.network)
        vectors = golden.make_golden(model.tflite, model.network, golden_rows)
    compared = golden.check_golden(image, vectors)
    content = _card(model, image, Checks(compared, tuple(warnings)))
    written: dict[str, bytes | str] = {
        "model.tflite": model.tflite,
        "model.bin": image,
        "model.h": c_writer.render_header(image, model.network, model.settings.word),
        "model.c": c_writer.render_source(image, content.sha256["model.tflite"], model.settings.word),
        "golden.npz": vectors.to_npz(),
        CARD: to_json(content),
    }
    return files.write_folder(Path(out_dir), written)


@dataclass(frozen=True)
class _Holds:
    """What of a card tells whose model a folder holds."""

    word: str
    origin: dict[str, Any] | None = None


def _check_place(folder: Path, model: ModelFacts) -> None:
    """A newer model of the same word may take an older one's place; no other model vanishes unsaid."""
    if not (folder / CARD).is_file():
        return
    holds = read_json(folder / CARD, _Holds, "choose another --out, or remove the folder")
    same_word = words.folder_name(holds.word) == words.folder_name(model.settings.word)
    if same_word and (holds.origin is None) == (model.origin is None):
        return
    how = "exported" if holds.origin is None else "imported"
    what = f"holds another model: '{holds.word}', which was {how}"
    raise WatchwordError(what, folder, "choose another --out, or remove the folder")


@contextmanager
def needing_tflm(purpose: str) -> Iterator[None]:
    """What is imported within may be missing: then the error says what to install."""
    try:
        yield
    except ImportError as error:
        raise WatchwordError(f"{purpose} needs {error.name}", "", 'pip install "watchword[train]"') from error


def summary(folder: Path) -> str:
    """What was exported, for a terminal: the layer table, the sizes and the checks."""
    card = read_card(folder)
    sizes, checks = card.sizes, card.checks
    lines = [
        *card.layers,
        f"one score every {card.stride_rows} rows from {card.receptive_rows} rows of context; "
        f"{sizes.parameters} parameters, {sizes.products_per_score} multiply-accumulates a score",
        f"image {sizes.image_bytes} bytes (flash), arena {sizes.arena_bytes} bytes (RAM)",
        f"{checks.windows_equal_to_tflite_micro} windows: every score equal to TFLite Micro's",
        *(f"warning: {text}" for text in checks.size_warnings),
        *licences(card.attribution),
        *_imported(card.origin),
        f"wrote {folder}",
    ]
    return "\n".join(lines)


def _imported(origin: Origin | None) -> list[str]:
    """One line: whose model it is, and what it takes for a detection."""
    if origin is None:
        return []
    return [
        f"{origin.format} by {origin.author or 'nobody named'}, licence {origin.licence}; "
        f"detects above a mean of {origin.cutoff:g} over {origin.window} scores"
    ]


def licences(attribution: Sequence[Source], card: str = CARD) -> list[str]:
    """One line: the licences of what the model learnt from, and how many sources tell none."""
    trained = [entry for entry in attribution if entry.trained]
    told = sorted({entry.licence for entry in trained} - {_NO_LICENCE})
    silent = sum(entry.licence == _NO_LICENCE for entry in trained)
    parts = [", ".join(told)] if told else []
    parts += [f"{silent} sources tell none (column licence of a manifest)"] if silent else []
    return (
        [f"licences of its training material: {'; '.join(parts)}; {card} names every source"] if parts else []
    )


def _card(model: ModelFacts, image: bytes, checks: Checks) -> Card:
    header_crc = int.from_bytes(image[spec.MODEL_CRC_FROM - 4 : spec.MODEL_CRC_FROM], "little")
    network, settings = model.network, model.settings
    return Card(
        word=settings.word,
        sha256={name: hashlib.sha256(b).hexdigest() for name, b in _hashed(model.tflite, image)},
        crc32=f"{header_crc:08x}",
        frontend_id=f"{spec.FRONTEND_IDS[settings.kind]:08x}",
        model_format_id=f"{spec.MODEL_FORMAT_ID:08x}",
        settings=json.loads(settings.to_json()),
        sizes=Sizes(len(image), network.arena_bytes, _parameters(network), network.products_per_score),
        receptive_rows=network.receptive_rows,
        stride_rows=network.stride_rows,
        layers=tuple(network.table().splitlines()),
        tools=_tool_versions(),
        attribution=attribution(model.training),
        training=model.training,
        checks=checks,
        origin=model.origin,
    )


def attribution(training: dict[str, Any]) -> tuple[Source, ...]:
    """Every source that the model was trained or validated on, with its licence if the manifest tells it."""
    sources = training.get("data", {}).get("sources", [])
    trained: dict[tuple[str, str], bool] = {}
    for s in sources:
        key = s["source"] or "(no source told)", s.get("licence") or _NO_LICENCE
        trained[key] = trained.get(key, False) or s.get("split") != "val"
    return tuple(Source(*key, trained=trained[key]) for key in sorted(trained))


def _hashed(tflite: bytes, image: bytes) -> tuple[tuple[str, bytes], ...]:
    return (("model.tflite", tflite), ("model.bin", image))


def _parameters(network: Network) -> int:
    """Weights and biases of the convolutions; a fused table is none."""
    convolutions = [layer for layer in network.layers if layer.op in ("CONV", "DEPTHWISE")]
    arrays = [a for layer in convolutions for a in (layer.weights, layer.bias) if a is not None]
    return sum(int(array.size) for array in arrays)


def _tool_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for tool in TOOLS:
        try:
            versions[tool] = metadata.version(tool)
        except metadata.PackageNotFoundError:
            continue
    return versions
