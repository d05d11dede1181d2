#!/usr/bin/env python3
"""`make bench`: what Watchword costs, on the emulated ESP32-C3 and on this computer.

Instruction counts are exact and the same on every computer; they are compared with the committed
ones in docs/cost.json, and a rise of more than 2 % is an error. Writes build/bench/cost.json;
`--update` writes docs/cost.json and docs/cost.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import compare_cost
import cost_board
import cost_report
import numpy as np
from cost_audio import speech_like
from tqdm import tqdm
from watchword import core, spec
from watchword.device import firmware, ports
from watchword.device.client import Board
from watchword.errors import WatchwordError
from watchword.export import load_image
from watchword.files import write_atomic

ROOT = firmware.ROOT
OUT = ROOT / "build" / "bench"
BASELINE = ROOT / "docs" / "cost.json"
TABLE = ROOT / "docs" / "cost.md"
AUDIO_SECONDS = 20.0
UART_SECONDS = 4.0
HOST_SECONDS = 60.0
REPEATS = 3
# Source folders and files by the part of the firmware they belong to; the first that fits counts.
MODULES = {
    "link": ("core/src/link.c", "core/src/cobs.c", "core/src/crc32.c"),
    "pipeline": ("core/src/", "core/gen/"),
    "application": ("app/",),
    "board": ("board/",),
    "model": ("model.c",),
}
REST = "C library"
# Objects in RAM that the pipeline, the link and the rings between them need.
RAM_OBJECTS = ("arena", "pipeline", "link", "slots", "host", "received", "outgoing", "heard")


def board_costs(model: Path, pcm: np.ndarray) -> dict[str, Any]:
    """Counts of the real firmware over its link: by stage, per hop and per second; stack."""
    image = load_image(model)
    header = core.ModelImage(image).header
    window = int(header["receptive_rows"]) * int(header["hop_samples"])
    with ports.open_port("emu:c3", model) as transport, Board(transport, "emu:c3") as board:
        board.stats(reset=True)
        board.stream(pcm[:window])
        first = board.stats(reset=True)
        result = board.stream(pcm)
        whole = board.stats()
    if not np.array_equal(result.scores, core.run_pipeline(image, pcm).scores):
        raise WatchwordError("the board's scores differ from the host's", "emu:c3")
    hops_per_second = spec.SAMPLE_RATE_HZ / int(header["hop_samples"])
    scores_per_second = hops_per_second / int(header["stride_rows"])
    counts: dict[str, float] = {}
    for stage in spec.STAGES:
        # The first window, when not every layer has a row yet, is left out of the mean.
        steady = whole[f"{stage}_total"] - first[f"{stage}_total"]
        mean = steady / (whole["hops"] - first["hops"])
        counts[f"{stage} per hop, least"] = whole[f"{stage}_min"]
        counts[f"{stage} per hop, mean"] = mean
        counts[f"{stage} per hop, most"] = whole[f"{stage}_max"]
        counts[f"{stage} per second"] = mean * hops_per_second
    counts["pipeline per second"] = sum(counts[f"{stage} per second"] for stage in spec.STAGES)
    counts["one window from reset"] = first["model_total"]
    counts["whole windows per second"] = first["model_total"] * scores_per_second
    return {"counts": counts, "stack_bytes": whole["stack_bytes"], "arena_bytes": header["arena_bytes"]}


def layer_costs(model: Path, pcm: np.ndarray) -> dict[str, float]:
    """Counts by layer (a row of it), of the normaliser and of the front end at either hop."""
    values = cost_board.pipeline_counts(model, pcm, OUT / "pipeline")
    hops = values["hops"][0]
    image = load_image(model)
    counts = {"normaliser per row": values["normaliser"][0] / hops}
    for name in ("frontend_row_10ms", "frontend_row_20ms"):
        counts[name.replace("_row_", " row, hop ").replace("ms", " ms")] = values[name][0]
    for index, (layer, total) in enumerate(zip(cost_report.layers(image), values["layer"], strict=True)):
        counts[f"layer {index} {layer.title}"] = total * layer.row_step / hops
    return counts


def microfrontend_costs(pcm: np.ndarray) -> dict[str, float] | str:
    """TensorFlow's micro frontend per row; the reason when it cannot be had."""
    try:
        values = cost_board.microfrontend_counts(pcm, OUT / "microfrontend")
    except WatchwordError as error:
        return str(error)
    return {f"micro frontend row, hop {ms} ms": values[f"frontend_row_{ms}ms"][0] for ms in (10, 20)}


def sizes(model: Path, board: dict[str, Any]) -> dict[str, int]:
    """Bytes of code by part, of static RAM by object, of the model, the arena and the stack."""
    built = firmware.build("emu-c3", model)
    prefix = firmware.emulated_boards()["emu-c3"].toolchain_prefix
    command = [f"{prefix}nm", "--size-sort", "-S", "-l", str(built.elf)]
    found = {f"code: {part}": 0 for part in (*MODULES, REST)}
    ram = 0
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        words = line.replace("\t", " ").split(" ", 4)
        if len(words) < 4 or not words[0][0].isdigit():
            continue
        size, kind, name = int(words[1], 16), words[2].lower(), words[3]
        source = words[4] if len(words) > 4 else ""
        if kind in "tr" and "virtio" not in source and "emu_flash" not in source:
            found[f"code: {_module(source)}"] += size
        if kind in "bd" and name in RAM_OBJECTS and "/firmware/app/" in source:
            ram += size
    found.pop("code: model")
    return {
        **found,
        "code: all, with tables and C library": built.code_bytes,
        "model image": len(load_image(model)),
        "RAM: pipeline, arena, link and rings": ram,
        "RAM: all static": built.ram_bytes,
        "arena": board["arena_bytes"],
        "stack, deepest seen": board["stack_bytes"],
    }


def _module(source: str) -> str:
    inside = source.partition("/firmware/")[2]
    for part, places in MODULES.items():
        if any(inside.startswith(place) or (part == "model" and "/model.c" in source) for place in places):
            return part
    return REST


def best_rate(seconds: float, action: Any) -> float:
    """Times real time of the fastest of a few runs, by processor time of one core."""
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        action()
        taken.append(time.process_time() - started)
    return seconds / min(taken)


def host_speeds(model: Path, pcm: np.ndarray) -> dict[str, float]:
    """Times real time on this computer, one core; and of the board's links, by the clock."""
    image, long = load_image(model), np.tile(pcm, round(HOST_SECONDS / AUDIO_SECONDS))
    checked = core.ModelImage(image)
    hop, coeffs = int(checked.header["hop_samples"]), int(checked.header["coeffs"])
    speeds = {
        "front end": best_rate(HOST_SECONDS, lambda: core.frontend_rows(long, hop, coeffs, checked.kind)),
        "pipeline": best_rate(HOST_SECONDS, lambda: core.run_pipeline(image, long)),
    }
    for port, seconds in (("emu:c3", AUDIO_SECONDS), ("emu:c3-uart", UART_SECONDS)):
        with ports.open_port(port, model) as transport, Board(transport, port) as board:
            started = time.monotonic()
            board.stream(pcm[: round(seconds * spec.SAMPLE_RATE_HZ)])
            speeds[f"{port}, inference included"] = seconds / (time.monotonic() - started)
    return speeds


def training_seconds(model: Path) -> dict[str, float]:
    """How long each stage of the model's training took, by its card; empty for a model without."""
    try:
        card = json.loads((model / "card.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return dict((card.get("training") or {}).get("seconds", {}))


def measure(model: Path) -> dict[str, Any]:
    """Everything, as it goes to cost.json."""
    bar = tqdm(total=5, desc="bench", disable=None, bar_format="{desc}: {n_fmt}/{total_fmt} {postfix}")

    def step(what: str) -> None:
        bar.set_postfix_str(what)
        bar.update()

    pcm = speech_like(AUDIO_SECONDS)
    step("emulated board")
    board = board_costs(model, pcm)
    step("layers")
    counts = board["counts"] | layer_costs(model, pcm)
    step("TensorFlow's micro frontend")
    other = microfrontend_costs(pcm)
    step("sizes")
    found = sizes(model, board)
    step("speeds")
    header = core.ModelImage(load_image(model)).header
    results = {
        "model": {"word": header["word"], "crc32": f"{int(header['crc32']):08x}"},
        "compiler": cost_board.compiler(),
        "counts": {name: round(value) for name, value in counts.items()},
        "micro_frontend": other,
        "sizes": found,
        "host": host_speeds(model, pcm),
        "training_s": training_seconds(model),
    }
    bar.close()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=firmware.default_model_dir(), help="an exported model")
    parser.add_argument("--update", action="store_true", help="write docs/cost.json and docs/cost.md")
    arguments = parser.parse_args()
    try:
        results = measure(arguments.model.resolve())
    except WatchwordError as error:
        print(error, file=sys.stderr)
        return 1
    text = json.dumps(results, indent=2) + "\n"
    write_atomic(OUT / "cost.json", text)
    print(cost_report.markdown(results))
    if arguments.update:
        committed = {name: results[name] for name in cost_report.COMMITTED}
        write_atomic(BASELINE, json.dumps(committed, indent=2) + "\n")
        write_atomic(TABLE, cost_report.document(results))
        print(f"wrote {TABLE} and {BASELINE}")
    elif BASELINE.exists():
        return compare_cost.report(json.loads(BASELINE.read_text()), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
