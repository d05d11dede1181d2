"""The tables of docs/evidence/cost.md, from what tools/cost/measure.py measured."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from watchword import core, spec
from watchword.device.firmware import emulated_boards

COMMITTED = ("model", "boards", "micro_frontend")  # the rest is this computer's
CORES = {"emu-c3": "rv32imc", "emu-esp32": "Xtensa LX6"}
STAGE_NAMES = {"frontend": "front end", "model": "model", "detector": "detector"}
ROWS_PER_SECOND = {10: 100, 20: 50}

MICRO_STAGES = {
    "window": "window and its largest value",
    "spectrum": "scaling, FFT, power",
    "channels": "sums of the mel triangles, square roots",
    "levels": "noise reduction, PCAN, logarithm",
}
MICRO_NOTE = """TensorFlow's micro frontend (noise reduction, PCAN and log on, 40 channels, 30 ms window, as
microWakeWord runs it) was compiled from the PyPI package pymicro-features with -O2 for the same board, and
gave the same rows to the bit as ours on both boards. It allocates {heap:,} bytes; ours holds 1,128 bytes of
state and takes up to 2.4 KB of stack, with the constants in flash.

microWakeWord's alexa, whole, on TFLM and esp-nn, beside ours:
[community-models.md](community-models.md).
"""

INTRODUCTION = """# What it costs

Written by `make cost COST=--update` (tools/cost/measure.py). The counts are instructions of the emulated
boards: exact, and the same in every run; `make cost` measures them again and fails when one rose by
more than 2 % on either. Instructions are not cycles: a chip also waits for its flash and its pipeline.
Model: "{word}" ({crc32}), on 20 s of synthetic, speech-like audio (tools/cost/audio.py). Convs skip
inputs that stand for zero, so the model's share depends a little on the audio.

QEMU has no Xtensa core that gives the upper half of a product (`mulsh`), as the ESP32's has, nor has
Debian a GCC for the ESP32: what the counts of `emu-esp32` say is that instruction set without that
instruction, compiled by clang. With it and GCC, as in the image for a chip, they are fewer:
docs/evidence/boards.md. Reading the counter there takes some twenty instructions, which are in its counts.
Constants that lie between functions there count only in the sum of all code.
"""


@dataclass(frozen=True)
class LayerShape:
    """A layer of an image, as the table names it."""

    title: str
    row_step: int  # input rows from one of its rows to the next


def layers(image: bytes) -> list[LayerShape]:
    """The layers of a model image."""
    header = core.ModelImage(image).header
    names = [name for name, _ in spec.LAYER_FIELDS]
    ops = {code: name.lower() for name, code in spec.MODEL_OPS.items()}
    found = []
    for index in range(int(header["layer_count"])):
        at = int(header["layers_offset"]) + index * spec.LAYER_BYTES
        record = struct.unpack_from(spec.fields_format(spec.LAYER_FIELDS), image, at)
        layer = dict(zip(names, record, strict=True))
        taps = f" k{layer['taps']}" if layer["taps"] > 1 else ""
        title = f"{ops[layer['op']]} {layer['in_channels']}->{layer['out_channels']}{taps}"
        found.append(LayerShape(title, layer["row_step"]))
    return found


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _millions(value: float) -> str:
    return f"{value / 1e6:.2f} M"


def _stages(env: str, board: dict[str, Any]) -> str:
    counts, chip = board["counts"], emulated_boards()[env]
    rows = []
    for stage, name in STAGE_NAMES.items():
        per_hop = [_count(counts[f"{stage} per hop, {which}"]) for which in ("least", "mean", "most")]
        rows.append((name, *per_hop, _millions(counts[f"{stage} per second"])))
    total = counts["pipeline per second"]
    rows.append(("**pipeline**", "", "", "", f"**{_millions(total)}**"))
    clock_hz = chip.clock_hz
    share = f"{total / clock_hz:.1%} of a {clock_hz // 1_000_000} MHz core at one cycle an instruction.\n"
    head = ("instructions", "per hop, least", "mean", "most", "per second of audio")
    return f"## {env} ({chip.chip}, {CORES[env]}; {board['compiler']})\n\n{_table(head, rows)}\n{share}"


def _comparison(counts: dict[str, int], other: dict[str, int] | str) -> str:
    ratio = counts["whole windows per second"] / counts["model per second"]
    lines = [
        f"Streaming takes {_millions(counts['model per second'])} a second, running the whole window for "
        f"every score {_millions(counts['whole windows per second'])}: **{ratio:.1f} times more** "
        f"({_count(counts['one window from reset'])} a window).\n"
    ]
    if isinstance(other, str):
        return "\n".join([*lines, f"TensorFlow's micro frontend was not measured: {other}\n"])
    rows = []
    for hop, per_second in ROWS_PER_SECOND.items():
        mfcc, ours = counts[f"frontend row, hop {hop} ms"], counts[f"frontend micro row, hop {hop} ms"]
        theirs = other[f"row, hop {hop} ms"]
        of_all = [f"{_count(row)} ({_millions(row * per_second)})" for row in (mfcc, ours, theirs)]
        rows.append((f"hop {hop} ms", *of_all, f"{theirs / mfcc:.1f}", f"{theirs / ours:.1f}"))
    head = ("a row (a second)", "MFCC", "micro", "TensorFlow's micro", "its ratio to MFCC", "to micro")
    stages = [
        (name, _count(counts[f"frontend micro {key}"]), _count(other[key]),
         f"{other[key] / counts[f'frontend micro {key}']:.1f}")
        for key, name in MICRO_STAGES.items()
    ]  # fmt: skip # a row of the table
    stage_head = ("a row's stages, hop 10 ms", "micro", "TensorFlow's micro", "ratio")
    return "\n".join([*lines, _table(head, rows), _table(stage_head, stages), MICRO_NOTE.format(**other)])


def _side_by_side(what: str, boards: dict[str, Any], kind: str, starts: tuple[str, ...]) -> str:
    """A column for each board."""
    names = [name for name in next(iter(boards.values()))[kind] if name.startswith(starts)]
    rows = [(name, *(_count(board[kind][name]) for board in boards.values())) for name in names]
    return _table((what, *boards), rows)


def markdown(results: dict[str, Any]) -> str:
    """All tables, with this computer's speeds."""
    speeds = [(name, f"{value:,.1f}") for name, value in results["host"].items()]
    return "\n".join(
        [
            document(results),
            "## This computer\n",
            "Front end and pipeline: streaming through the C core on one core.\n",
            _table(("", "times real time"), speeds),
            training_time(results["training_s"]),
        ]
    )


def training_time(seconds: dict[str, float]) -> str:
    """What the model's training took on the computer it was trained on, features from the cache."""
    stages = {name: value for name, value in seconds.items() if name != "features"}
    if not stages:
        return "Training time: not in the model's card.\n"
    parts = ", ".join(f"{name} {value:.0f} s" for name, value in stages.items())
    return f"Training this model from cached features took {sum(stages.values()) / 60:.1f} min: {parts}.\n"


def document(results: dict[str, Any]) -> str:
    """docs/evidence/cost.md: what does not depend on the computer."""
    boards = results["boards"]
    compared = next(iter(boards))
    parts = [
        INTRODUCTION.format(**results["model"]),
        *(_stages(env, board) for env, board in boards.items()),
        f"## Against other ways, on {compared}\n",
        _comparison(boards[compared]["counts"], results["micro_frontend"]),
        "## In detail\n",
        _side_by_side("part of the model, instructions a row", boards, "counts", ("layer", "normal")),
        _side_by_side("size, bytes", boards, "sizes", ("",)),
    ]
    return "\n".join(parts)
