"""`watchword bench`: every recording through a board's pipeline, over its serial link."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core, spec
from watchword.data.recordings import ADDED_SAMPLES, LEAD_SAMPLES, Selection, stream_pcm
from watchword.device import firmware
from watchword.device.client import Board, BoardDetection, StreamResult, check_model
from watchword.device.firmware import FirmwareImage
from watchword.device.ports import emulated_env, open_port
from watchword.device.push import push as push_model
from watchword.device.scored import scored_stream
from watchword.device.transport import Transport
from watchword.errors import WatchwordError
from watchword.evaluate import budgets
from watchword.evaluate.host import announce, build_results, finish_budgets
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.progress import Progress
from watchword.evaluate.results import Results
from watchword.evaluate.session import Session
from watchword.evaluate.stream import run_host
from watchword.export.image import load_image

# What an instruction count would mean on a devkit: a stated assumption, not a measurement.
ESTIMATE_CLOCK_HZ = 160_000_000
ESTIMATE_CPI = 1.5

BYTES_PER_SECOND = 2 * spec.SAMPLE_RATE_HZ  # of audio; framing adds a little


class Meter:
    """A port that tells how much was written to it, so that long recordings show progress."""

    def __init__(self, port: Transport) -> None:
        self._port, self.written = port, 0
        self.on_written: Callable[[int], None] = lambda count: None

    def write(self, data: bytes, /) -> int | None:
        """Write, count, tell."""
        written = self._port.write(data)
        self.written += len(data) if written is None else written
        self.on_written(self.written)
        return written

    def read(self, size: int = 1, /) -> bytes:
        return self._port.read(size)

    def close(self) -> None:
        self._port.close()

    @property
    def timeout(self) -> float | None:
        return self._port.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._port.timeout = seconds

    @property
    def write_timeout(self) -> float | None:
        return self._port.write_timeout

    @write_timeout.setter
    def write_timeout(self, seconds: float | None) -> None:
        self._port.write_timeout = seconds

    def __getattr__(self, name: str) -> Any:
        """What only some ports have, such as fileno."""
        return getattr(self._port, name)


@dataclass(frozen=True)
class BoardRun:
    """What came back from the board."""

    info: dict[str, int | str]
    stats: dict[str, int]
    silence: dict[str, int]  # the same counters for one stream of nothing but the added silence
    results: tuple[StreamResult, ...]
    link: dict[str, int]
    seconds: float
    times_real_time: float


def bench(
    port: str, model: Path, selection: Selection, session: Session, limits: Path, push: bool = False
) -> Results:
    """Stream everything to the board at `port` and to the host pipeline; compare, measure, judge.

    push: send the model to a board that runs another one.
    """
    image = load_image(model)
    budgets.read_tables(limits)  # what is wrong with the file is said before the long work
    announce(selection, session)
    built = _build(port, model, session)
    with connect(port, model, image, session, push) as (board, meter):
        values = _check_board(board, image, port, limits, session)
        host = run_host(image, selection)
        for unreadable in host.skipped:
            session.log(f"skipped {unreadable.path}: {unreadable.reason}")
        run = run_board(board, meter, host.streams, session)
    geometry, clock_hz = core.ModelImage(image).geometry, int(run.info["clock_hz"])
    streams = [
        scored_stream(heard.recording, geometry, result, clock_hz)
        for heard, result in zip(host.streams, run.results, strict=True)
    ]
    results = build_results(str(run.info["board"]), image, streams, selection, host.skipped)
    results["origin"]["model"] = str(model)
    results["cost"] = cost_results(run)
    results["memory"] |= _memory(run, built)
    results["parity"] = parity(host.streams, run.results)
    results["link"] = run.link
    results["hashes"] |= {
        "firmware": built.sha256 if built else None,
        "spec": f"{int(run.info['spec_id']):08x}",
    }
    results["details"] |= {"info": run.info, "stats": run.stats}
    results["details"]["firmware"] = {**asdict(built), "elf": str(built.elf)} if built else None
    results["provenance"] |= {"port": port, "times_real_time": run.times_real_time, "seconds": run.seconds}
    finish_budgets(results, limits, values)
    return results


@contextmanager
def connect(
    port: str, model: Path, image: bytes, session: Session, push: bool
) -> Iterator[tuple[Board, Meter]]:
    """The board at `port`, with the model pushed to it if asked for."""
    with open_port(port, model) as transport, Board(meter := Meter(transport), port) as board:
        if push:
            session.log(push_model(board, image))
        yield board, meter


def run_board(board: Board, meter: Meter, reference: Sequence[ScoredStream], session: Session) -> BoardRun:
    """The board's part: stream, collect."""
    total_s = sum(stream.audio_samples + ADDED_SAMPLES for stream in reference) / spec.SAMPLE_RATE_HZ
    board.stats(reset=True)
    board.stream(np.zeros(ADDED_SAMPLES, np.int16))
    silence = board.stats(reset=True)
    bar = Progress(str(board.info["board"]), total_s)
    meter.on_written = lambda count: bar.reach(min(count / BYTES_PER_SECOND, total_s))
    results = []
    try:
        for stream, result in zip(reference, board.stream_many(_pcm(reference)), strict=True):
            results.append(result)
            session.log(_line(stream, result), show=False)
    finally:
        bar.close()
    stats, link = board.stats(), _link_results(board)
    link |= {name: link[name] + stats[name] for name in ("retransmissions", "bad_frames", "crc_errors")}
    speed = total_s / bar.elapsed_s
    session.log(
        f"streamed {total_s:,.0f} s (with the silence around each recording) in "
        f"{bar.elapsed_s:,.0f} s: {speed:.1f} x real time"
    )
    return BoardRun(board.info, stats, silence, tuple(results), link, bar.elapsed_s, speed)


def _link_results(board: Board) -> dict[str, int]:
    """This end's counters of the link."""
    counters = board.link_counters
    return {
        "bytes": counters.bytes_sent + counters.bytes_received,
        "retransmissions": counters.retransmissions,
        "lost_samples": board.lost_samples,
        "bad_frames": counters.bad_frames,
        "crc_errors": counters.crc_errors,
    }


def cost_results(run: BoardRun) -> Results:
    """Counter totals per second of audio and per hop, by stage.

    Silence costs less than sound, so the streams' silence around each recording is subtracted from
    the figures per second; those per hop include it.
    """
    added = len(run.results)
    audio_s = (run.stats["samples"] - added * ADDED_SAMPLES) / spec.SAMPLE_RATE_HZ
    hops = run.stats["hops"]
    if not hops or audio_s <= 0:
        raise WatchwordError("the board counted no hops", str(run.info["board"]), "flash the firmware again")
    totals = {stage: run.stats[f"{stage}_total"] for stage in spec.STAGES}
    per_second = {
        stage: max(0.0, total - added * run.silence[f"{stage}_total"]) / audio_s
        for stage, total in totals.items()
    }
    per_second["total"] = sum(per_second.values())
    instructions = run.info["clock_hz"] == 0
    cost: Results = {
        "unit": "instructions" if instructions else "cycles",
        "instructions_per_audio_second": per_second if instructions else dict.fromkeys(per_second),
        "instructions_per_hop": {
            stage: {
                "min": run.stats[f"{stage}_min"],
                "mean": totals[stage] / hops,
                "max": run.stats[f"{stage}_max"],
            }
            for stage in spec.STAGES
        },
        "detection_instructions": _detection_costs(run.results),
        "estimate": _estimate(per_second["total"]) if instructions else None,
    }
    if not instructions:
        cost["cycles_per_audio_second"] = per_second
    return cost


def parity(reference: Sequence[ScoredStream], results: Sequence[StreamResult]) -> Results:
    """Every score and detection of the board against the host pipeline's."""
    found = {"checked_scores": 0, "mismatches": 0, "checked_detections": 0, "detection_mismatches": 0}
    for host, board in zip(reference, results, strict=True):
        common = min(host.scores.size, board.scores.size)
        longest = max(host.scores.size, board.scores.size)
        differing = int(np.count_nonzero(host.scores[:common] != board.scores[:common]))
        found["checked_scores"] += longest
        found["mismatches"] += differing + longest - common
        ours = {int(sample) for sample in host.detections}
        theirs = {detection.sample_index for detection in board.detections}
        found["checked_detections"] += len(ours | theirs)
        found["detection_mismatches"] += len(ours ^ theirs)
    return found


def _build(port: str, model: Path, session: Session) -> FirmwareImage | None:
    """The firmware of an emulated board, so that its sizes are known; a real board has its own."""
    env = emulated_env(port)
    if env is None:
        return None
    session.log(f"firmware {env} with {model}")
    return firmware.build(env, model)


def _check_board(board: Board, image: bytes, port: str, limits: Path, session: Session) -> dict[str, float]:
    """The right model, known budgets and the model's own detector settings, before any long work.

    Returns the board's budgets.
    """
    check_model(board.info, image, port)
    name, model = str(board.info["board"]), int(board.info["model_crc32"])
    values = budgets.read_budgets(name, limits)
    detector = core.ModelImage(image).detector
    if board.config_get() != detector:
        session.log("the board's detector settings were changed; back to the model's own")
        board.config_set(detector)
    session.log(f"{name}: firmware {board.info['firmware']}, word '{board.info['word']}', model {model:08x}")
    return values


def _pcm(reference: Sequence[ScoredStream]) -> Iterator[np.ndarray]:
    for stream in reference:
        yield stream_pcm(stream.recording)


def _memory(run: BoardRun, built: FirmwareImage | None) -> Results:
    return {
        "ram_bytes": built.ram_bytes if built else None,
        "arena_bytes": run.info["arena_bytes"],
        "stack_bytes": run.stats["stack_bytes"],
        "code_bytes": built.code_bytes if built else None,
        "model_bytes": run.info["model_bytes"],
    }


def _detection_costs(results: Sequence[StreamResult]) -> Results | None:
    """Counter units from the arrival of the deciding hop to the detection."""
    costs = [detection.cost for result in results for detection in result.detections]
    return {"p50": float(np.percentile(costs, 50)), "max": max(costs)} if costs else None


def _estimate(instructions_per_second: float) -> Results:
    share = instructions_per_second * ESTIMATE_CPI / ESTIMATE_CLOCK_HZ
    return {
        "clock_hz": ESTIMATE_CLOCK_HZ,
        "cycles_per_instruction": ESTIMATE_CPI,
        "cpu_share": share,
        "text": f"estimate: {100 * share:.1f} % of a {ESTIMATE_CLOCK_HZ // 1_000_000} MHz core, "
        f"if an instruction takes {ESTIMATE_CPI} cycles (assumed, not measured)",
    }


def _line(stream: ScoredStream, result: StreamResult) -> str:
    """A line of log.txt."""
    peak, found = int(result.scores.max(initial=0)), ", ".join(map(_shown, result.detections)) or "none"
    return f"{stream.recording.name}: {result.scores.size} scores, peak {peak}, detections: {found}"


def _shown(detection: BoardDetection) -> str:
    seconds = (detection.sample_index - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ
    return f"{seconds:.3f} s ({core.unit(detection.smoothed_q15):.2f})"
