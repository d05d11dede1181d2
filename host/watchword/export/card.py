"""What is known of an exported model: the types behind card.json.

The comment beside a field is its description in docs/reference/results.md and in the JSON Schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchword.export.origin import Origin
from watchword.typed_json import read_json

FILE = "card.json"


@dataclass(frozen=True)
class Sizes:
    """How big the model is."""

    image_bytes: int  # model.bin, in flash
    arena_bytes: int  # RAM it works in
    parameters: int  # weights and biases
    products_per_score: int  # multiply-accumulates for one score


@dataclass(frozen=True)
class Checks:
    """What export tried."""

    windows_equal_to_tflite_micro: int  # windows tried: every score equals TensorFlow Lite Micro
    size_warnings: tuple[str, ...]  # limits of [size] that the model exceeds


@dataclass(frozen=True)
class Source:
    """Material that the model learnt from or was judged by."""

    source: str  # as the manifest names it
    licence: str  # as the manifest tells it, or that it does not
    trained: bool = True  # False: it served validation only, so its licence does not bind the model


@dataclass(frozen=True)
class Card:
    """One exported model."""

    word: str  # the wake word
    sha256: dict[str, str]  # of model.tflite and model.bin
    crc32: str  # of the image, hexadecimal; a board tells it as model_crc32
    frontend_id: str  # of the front end it needs, hexadecimal
    model_format_id: str  # of the image's layout, hexadecimal
    settings: dict[str, Any]  # settings.json of the run: features, normalisation, detector
    sizes: Sizes  # bytes and operations
    receptive_rows: int  # rows of features that one score is made from
    stride_rows: int  # rows from one score to the next
    layers: tuple[str, ...]  # table of the layers, in words
    tools: dict[str, str]  # versions of what exported it
    attribution: tuple[Source, ...]  # everything it was trained or validated on
    training: dict[str, Any]  # metrics.json of the run; empty for a bare .tflite file
    checks: Checks  # what export tried
    origin: Origin | None = None  # of an imported model; null: it was trained here


def read_card(folder: Path) -> Card:
    """card.json of a model folder."""
    return read_json(folder / FILE, Card, "export the model again")
