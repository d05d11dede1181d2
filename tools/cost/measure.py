"""`make cost`: what Watchword costs, on the emulated boards and on this computer.

Instruction counts are exact and the same on every computer; they are compared with the committed
ones in docs/evidence/cost.json, and a rise of more than 2 % is an error. Writes build/cost/cost.json;
`--update` writes docs/evidence/cost.json and cost.md, and the rates that the search estimates with.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from watchword import core, spec
from watchword.device import firmware, ports
from watchword.device.client import Board
from watchword.errors import WatchwordError
from watchword.export.image import load_image
from watchword.files import write_atomic
from watchword.train.search.cost import BOARD

from tools.cost import board as cost_board
from tools.cost import compare, rates, report
from tools.cost.audio import speech_like

ROOT = firmware.ROOT
OUT = ROOT / "build" / "cost"
BASELINE = ROOT / "docs" / "evidence" / "cost.json"
TABLE = ROOT / "docs" / "evidence" / "cost.md"
AUDIO_SECONDS = 20.0
UART_SECONDS = 4.0
HOST_SECONDS = 60.0
REPEATS = 3
MICRO_FRONTEND_BOARD = "emu-c3"  # the other's C library lacks floating point, which it starts with
# Source folders and files by the part of the firmware they belong to; the first that fits counts.
MODULES = {
    "link": ("core/src/link.c", "core/src/cobs.c", "core/src/crc32.c"),
    "pipeline": ("core/src/",),
    "tables of the pipeline": ("core/gen/",),
    "application": ("app/",),
    "board": ("board/",),
    "model": ("model.c",),
}
REST = "C library"
# Objects in RAM that the pipeline, the link and the rings between them need.
RAM_OBJECTS = ("arena", "pipeline", "link", "slots", "host", "received", "outgoing", "heard")


def board_costs(emulated: firmware.BoardEnv, model: Path, pcm: np.ndarray) -> dict[str, Any]:
    """Counts of the real firmware over its link: by stage, per hop and per second; stack."""
    port = ports.port_of(emulated)
    image = load_image(model)
    loaded = core.ModelImage(image)
    geometry = loaded.geometry
    with ports.open_port(port, model) as transport, Board(transport, port) as board:
        board.stats(reset=True)
        board.stream(pcm[: geometry.window_samples])
        first = board.stats(reset=True)
        result = board.stream(pcm)
        whole = board.stats()
    if not np.array_equal(result.scores, core.run_pipeline(image, pcm).scores):
        raise WatchwordError("the board's scores differ from the host's", port)
    hops_per_second = spec.SAMPLE_RATE_HZ / geometry.hop_samples
    scores_per_second = hops_per_second / geometry.stride_rows
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
    return {
        "counts": counts,
        "stack_bytes": whole["stack_bytes"],
        "arena_bytes": loaded.header["arena_bytes"],
    }


def layer_costs(emulated: firmware.BoardEnv, model: Path, pcm: np.ndarray) -> dict[str, float]:
    """Counts by layer (a row of it), of the normaliser and of the front end at either hop."""
    values = cost_board.pipeline_counts(emulated, model, pcm, OUT / f"pipeline-{emulated.env}")
    hops = values["hops"][0]
    image = load_image(model)
    counts = {"normaliser per row": values["normaliser"][0] / hops}
    for name in ("frontend_row_10ms", "frontend_row_20ms"):
        counts[name.replace("_row_", " row, hop ").replace("ms", " ms")] = values[name][0]
    for index, (layer, total) in enumerate(zip(report.layers(image), values["layer"], strict=True)):
        counts[f"layer {index} {layer.title}"] = total * layer.row_step / hops
    return counts


def _checked_micro(values: dict[str, list[int]], pcm: np.ndarray, where: str) -> dict[str, float]:
    """Counts of a micro front end whose rows are the host's: a row at either hop, and its stages."""
    if values["rows_hash"] != cost_board.row_hashes(pcm):
        raise WatchwordError("its micro rows differ from the host's", where)
    rows = {f"row, hop {ms} ms": values[f"frontend_row_{ms}ms"][0] for ms in (10, 20)}
    return {**rows, **{stage: values[stage][0] for stage in report.MICRO_STAGES}}


def micro_costs(emulated: firmware.BoardEnv, pcm: np.ndarray) -> dict[str, float]:
    """Ours, on a board."""
    values = cost_board.micro_counts(emulated, pcm, OUT / f"micro-{emulated.env}")
    found = _checked_micro(values, pcm, emulated.env)
    return {f"frontend micro {name}": count for name, count in found.items()}


def microfrontend_costs(pcm: np.ndarray) -> dict[str, float] | str:
    """TensorFlow's; the reason when it cannot be had."""
    try:
        board = firmware.emulated_boards()[MICRO_FRONTEND_BOARD]
        values = cost_board.microfrontend_counts(board, pcm, OUT / "microfrontend")
    except WatchwordError as error:
        return str(error)
    return {**_checked_micro(values, pcm, "TensorFlow's micro frontend"), "heap": values["heap_bytes"][0]}


def sizes(emulated: firmware.BoardEnv, model: Path, board: dict[str, Any]) -> dict[str, int]:
    """Bytes of code by part, of static RAM by object, of the model, the arena and the stack."""
    built = firmware.build(emulated.env, model)
    found = {f"code: {part}": 0 for part in (*MODULES, REST)}
    ram = 0
    for line in firmware.binutil(emulated, "nm", "--size-sort", "-S", "-l", str(built.elf)).splitlines():
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


def host_speeds(model: Path, pcm: np.ndarray, boards: list[firmware.BoardEnv]) -> dict[str, float]:
    """Times real time on this computer, one core; and of the board's links, by the clock."""
    image, long = load_image(model), np.tile(pcm, round(HOST_SECONDS / AUDIO_SECONDS))
    checked = core.ModelImage(image)
    hop, coeffs = int(checked.header["hop_samples"]), int(checked.header["coeffs"])
    speeds = {
        "front end": best_rate(HOST_SECONDS, lambda: core.frontend_rows(long, hop, coeffs, checked.kind)),
        "pipeline": best_rate(HOST_SECONDS, lambda: core.run_pipeline(image, long)),
    }
    for port in (ports.port_of(board, link) for board in boards for link in board.links):
        seconds = UART_SECONDS if port.endswith(ports.UART_ONLY) else AUDIO_SECONDS
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


def measurable() -> list[firmware.BoardEnv]:
    """The emulated boards whose tools are here; says which are not."""
    boards = firmware.emulated_boards().values()
    for board in boards:
        if board.missing():
            print(f"{board.env} is not measured: no {', '.join(board.missing())} here", file=sys.stderr)
    return [board for board in boards if not board.missing()]


def measure_board(emulated: firmware.BoardEnv, model: Path, pcm: np.ndarray) -> dict[str, Any]:
    """One board's part of cost.json."""
    board = board_costs(emulated, model, pcm)
    counts = board["counts"] | layer_costs(emulated, model, pcm) | micro_costs(emulated, pcm)
    return {
        "compiler": firmware.compiler_version(emulated),
        "counts": {name: round(value) for name, value in counts.items()},
        "sizes": sizes(emulated, model, board),
    }


def measure(model: Path) -> dict[str, Any]:
    """Everything, as it goes to cost.json."""
    pcm, boards = speech_like(AUDIO_SECONDS), measurable()
    bar = tqdm(
        desc="cost", total=len(boards) + 2, disable=None, bar_format="{desc}: {n_fmt}/{total_fmt} {postfix}"
    )

    def step(what: str) -> None:
        bar.set_postfix_str(what)
        bar.update()

    measured = {}
    for board in boards:
        step(board.env)
        measured[board.env] = measure_board(board, model, pcm)
    step("TensorFlow's micro frontend")
    other = microfrontend_costs(pcm)
    step("speeds")
    header = core.ModelImage(load_image(model)).header
    results = {
        "model": {"word": header["word"], "crc32": f"{int(header['crc32']):08x}"},
        "boards": measured,
        "micro_frontend": other,
        "host": host_speeds(model, pcm, boards),
        "training_s": training_seconds(model),
    }
    bar.close()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=firmware.default_model_dir(), help="an exported model")
    parser.add_argument(
        "--update", action="store_true", help="write docs/evidence/cost.* and the search's rates.json"
    )
    arguments = parser.parse_args()
    try:
        results = measure(arguments.model.resolve())
    except WatchwordError as error:
        print(error, file=sys.stderr)
        return 1
    text = json.dumps(results, indent=2) + "\n"
    write_atomic(OUT / "cost.json", text)
    print(report.markdown(results))
    if arguments.update:
        committed = {name: results[name] for name in report.COMMITTED}
        write_atomic(BASELINE, json.dumps(committed, indent=2) + "\n")
        write_atomic(TABLE, report.document(results))
        written = [TABLE, BASELINE]
        if BOARD in results["boards"]:
            written.append(rates.write(arguments.model.resolve(), results))
        print(f"wrote {', '.join(map(str, written))}")
    elif BASELINE.exists():
        return compare.report(json.loads(BASELINE.read_text()), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
