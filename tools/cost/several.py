"""What a further word costs: models alone and together on the emulated boards (no part of `make cost`).

    python -m tools.cost.several models/alexa models/computer FURTHER_FOLDER

Prints the tables of docs/evidence/several-words.md. Every score of every word is compared with the host's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from watchword import core, spec
from watchword.device import firmware, ports
from watchword.device.client import Board
from watchword.device.push import push
from watchword.errors import WatchwordError
from watchword.export.image import load_image

from tools.cost.audio import speech_like

SECONDS = 20.0


@dataclass(frozen=True)
class WordCost:
    """Instructions of a word for a second of audio, by stage."""

    word: str
    stages: dict[str, float]
    arena_bytes: int

    @property
    def total(self) -> float:
        return sum(self.stages.values())


def costs(env: str, models: Sequence[Path], pcm: np.ndarray) -> tuple[list[WordCost], int]:
    """Of each word while all of them run, and the board's deepest stack."""
    emulated = firmware.emulated_boards()[env]
    port = ports.port_of(emulated)
    with ports.open_port(port, models[0]) as transport, Board(transport, port) as board:
        for slot, model in enumerate(models[1:], 1):
            push(board, load_image(model), slot)
        board.stats_of_words(reset=True)
        result = board.stream(pcm)
        counted = board.stats_of_words()
        infos = board.words
    for model, gave in zip(models, result.words, strict=True):
        if not np.array_equal(gave.scores, core.run_pipeline(load_image(model), pcm).scores):
            raise WatchwordError("the board's scores differ from the host's", model)
    seconds = len(pcm) / spec.SAMPLE_RATE_HZ
    found = [
        WordCost(
            str(info["word"]),
            {stage: stats[f"{stage}_total"] / seconds for stage in spec.STAGES},
            int(info["arena_bytes"]),
        )
        for info, stats in zip(infos, counted, strict=True)
    ]
    return found, counted[0]["stack_bytes"]


def _millions(value: float) -> str:
    return f"{value / 1e6:.2f} M"


def table(env: str, models: Sequence[Path], pcm: np.ndarray) -> str:
    """A Markdown table of one board."""
    alone = [costs(env, [model], pcm)[0][0] for model in models]
    together, stack = costs(env, models, pcm)
    lines = [
        f"## {env}",
        "",
        "| a second of audio | alone: front end | model | all | together: front end | model | all | arena |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one, beside in zip(alone, together, strict=True):
        parts = [
            _millions(value)
            for cost in (one, beside)
            for value in (cost.stages["frontend"], cost.stages["model"], cost.total)
        ]
        lines.append(f"| {one.word} | {' | '.join(parts)} | {one.arena_bytes:,} B |")
    sums = [sum(cost.total for cost in costs_) for costs_ in (alone, together)]
    arenas = sum(one.arena_bytes for one in alone)
    lines.append(f"| all | | | {_millions(sums[0])} | | | **{_millions(sums[1])}** | {arenas:,} B |")
    built = firmware.build(env, models[0])
    sizes = f"Static RAM {built.ram_bytes:,} B, the stack at its deepest {stack:,} B."
    return "\n".join([*lines, "", sizes, ""])


def main() -> int:
    """Both boards."""
    models = [Path(argument) for argument in sys.argv[1:]]
    if len(models) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    pcm = speech_like(SECONDS)
    for env in firmware.emulated_boards():
        print(table(env, models, pcm), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
