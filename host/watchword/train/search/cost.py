"""Instructions per second of audio of a network that no board has run: an estimate from a measured one.

`make cost` counts the instructions of every layer of one model on the emulated boards; with COST=--update it
writes those of the ESP32-C3 to rates.json beside this file. A layer's count is close to linear in what it
reads and multiplies, so the rates fitted to those layers give the count of any other network. What the fit
leaves out: the share of zeros in the activations, which convolutions and additions skip, and the front end's
small saving with fewer coefficients. On three models of other shapes the board counted up to 8 % more or less
(tests/emu/test_search_cost_board.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from watchword import spec
from watchword.errors import WatchwordError
from watchword.export.layers import Layer, Network

RATES = Path(__file__).with_name("rates.json")
SCHEMA = 2
BOARD = "emu-c3"
FRONT_ENDS = ("mfcc", "micro")  # log-mel rows cost as MFCC ones but for the DCT
_KEYS = {"schema", "board", "model", "front_end_per_row", "rest_per_row", "layers"}
_REMEDY = "measure with `make cost COST=--update`"


@dataclass(frozen=True)
class Work:
    """What one output row of a layer takes: the figures its instructions are linear in."""

    op: str  # of spec.MODEL_OPS
    first: bool  # reads the model's input, which holds few zeros to skip
    inputs: int  # values read: taps * input channels
    products: int  # multiply-accumulates; for an ADD or LUT its outputs


@dataclass(frozen=True)
class InstructionModel:
    """Rates fitted to a measured model. `rates`: instructions per (input, product) of an op."""

    rates: dict[str, tuple[float, float]]
    dense_factor: float  # the first layer against a later one of the same shape
    row: dict[str, dict[int, float]]  # instructions of a front end for a row, by its name and hop in samples
    rest_per_row: float  # normaliser, ring buffers, detector

    def layer(self, work: Work) -> float:
        """Instructions of one output row."""
        # Pooling is measured on no model: it walks its taps as a depthwise convolution does.
        rates = self.rates.get(work.op) or self.rates.get("DEPTHWISE") or _dearest(self.rates)
        count = rates[0] * work.inputs + rates[1] * work.products
        return count * (self.dense_factor if work.op == "CONV" and work.first else 1.0)

    def per_second(self, network: Network, hop_samples: int, kind: str = "mfcc") -> float:
        """Estimated instructions of the whole pipeline for a second of audio, on features of this kind."""
        front_end = self.row["micro" if kind == "micro" else "mfcc"]
        rows = spec.SAMPLE_RATE_HZ / hop_samples
        layers = sum(self.layer(work_of(layer)) / layer.row_step for layer in network.layers)
        return rows * (layers + front_end[hop_samples] + self.rest_per_row)


def load_instruction_model(path: Path = RATES) -> InstructionModel:
    """The rates of a rates.json; a file of another form is an error."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if set(content) != _KEYS or content["schema"] != SCHEMA:
            raise ValueError(f"its keys must be {', '.join(sorted(_KEYS))}, its schema {SCHEMA}")
        measured = [_measured(entry) for entry in content["layers"]]
        rows = {
            name: {int(hop): _count(count) for hop, count in content["front_end_per_row"][name].items()}
            for name in FRONT_ENDS
        }
        if not measured or any(set(hops) != set(spec.HOP_CHOICES_SAMPLES) for hops in rows.values()):
            raise ValueError("it needs layers, and each front end at every hop")
        rest = _count(content["rest_per_row"])
    except OSError as error:
        raise WatchwordError(f"no measured costs: {error.strerror}", path, _REMEDY) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WatchwordError(f"not a table of costs ({error})", path, _REMEDY) from error
    rates = {op: _fit([m for m in measured if m[0].op == op]) for op in {w.op for w, _ in measured}}
    return InstructionModel(rates, _dense_factor(measured, rates), rows, rest)


def work_of(layer: Layer) -> Work:
    reads = layer.taps * (layer.in_channels if layer.op == "CONV" else layer.out_channels)
    return Work(layer.op, layer.inputs[0] == 0, reads, layer.products if layer.op == "CONV" else reads)


def _measured(entry: dict[str, Any]) -> tuple[Work, float]:
    """One layer of rates.json: its work, and the instructions of one of its rows."""
    if set(entry) != {*(f.name for f in fields(Work)), "instructions"}:
        raise ValueError(f"a layer with the keys {', '.join(sorted(entry))}")
    if entry["op"] not in spec.MODEL_OPS or type(entry["first"]) is not bool:
        raise ValueError(f"a layer with op {entry['op']!r}, first {entry['first']!r}")
    inputs, products = (int(_count(entry[name])) for name in ("inputs", "products"))
    return Work(entry["op"], entry["first"], inputs, products), _count(entry["instructions"])


def _count(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ValueError(f"{value!r} is no count")
    return float(value)


def _fit(measured: Sequence[tuple[Work, float]]) -> tuple[float, float]:
    """Instructions per input and per product, least squares of the relative errors, none below 0."""
    from scipy.optimize import nnls

    later = [m for m in measured if not m[0].first] or list(measured)
    if later[0][0].op != "CONV":  # one figure describes these
        return 0.0, float(np.mean([count / work.products for work, count in later]))
    scale = np.array([count for _, count in later])
    columns = np.array([(work.inputs, work.products) for work, _ in later]) / scale[:, None]
    per_input, per_product = nnls(columns, np.ones(len(later)))[0]
    return float(per_input), float(per_product)


def _dense_factor(measured: Sequence[tuple[Work, float]], rates: dict[str, tuple[float, float]]) -> float:
    """Measured over fitted for the convolution that reads the input; 1 where there is none."""
    for work, count in measured:
        if work.first and work.op == "CONV":
            return count / (rates["CONV"][0] * work.inputs + rates["CONV"][1] * work.products)
    return 1.0


def _dearest(rates: dict[str, tuple[float, float]]) -> tuple[float, float]:
    return max(rates.values(), key=sum)
