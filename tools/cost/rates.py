"""What the search estimates costs with (watchword/train/search/rates.json), from the measured ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from watchword import core
from watchword.export.graph import read_network
from watchword.export.image import load_image
from watchword.files import write_atomic
from watchword.train.search.cost import BOARD, RATES, SCHEMA, work_of

from tools.cost import report


def document(model: Path, results: dict[str, Any]) -> dict[str, Any]:
    """The rates behind `results` (a cost.json) of the exported model in folder `model`."""
    counts = results["boards"][BOARD]["counts"]
    image = load_image(model)
    network, geometry = read_network((model / "model.tflite").read_bytes()), core.ModelImage(image).geometry
    layers, per_row = [], 0.0
    for index, (layer, shape) in enumerate(zip(network.layers, report.layers(image), strict=True)):
        instructions = counts[f"layer {index} {shape.title}"]
        layers.append({**asdict(work_of(layer)), "instructions": instructions})
        per_row += instructions / layer.row_step
    front_end = {
        name: {str(16 * ms): counts[f"frontend {row}, hop {ms} ms"] for ms in (10, 20)}
        for name, row in (("mfcc", "row"), ("micro", "micro row"))
    }
    whole = counts["pipeline per second"] * geometry.hop_s
    return {
        "schema": SCHEMA,
        "board": BOARD,
        "model": results["model"],
        "front_end_per_row": front_end,
        "rest_per_row": round(max(0.0, whole - per_row - front_end["mfcc"][str(geometry.hop_samples)])),
        "layers": layers,
    }


def write(model: Path, results: dict[str, Any]) -> Path:
    return write_atomic(RATES, json.dumps(document(model, results), indent=2) + "\n")
