"""`watchword bench`: every recording through a board's pipeline, over its serial link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from watchword import core, spec
from watchword.data.recordings import ADDED_SAMPLES, LEAD_SAMPLES, Selection, stream_pcm
from watchword.device import firmware
from watchword.device.client import Board, BoardDetection, StreamResult, check_model
from watchword.device.firmware import FirmwareImage
from watchword.device.ports import emulated_env, open_port
from watchword.device.push import push as push_model
from watchword.device.scored import scored_stream
from watchword.errors import WatchwordError
from watchword.evaluate import budgets
from watchword.evaluate.assemble import BoardFigures, Heard, Limits, build_results
from watchword.evaluate.host import announce
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.progress import Progress
from watchword.evaluate.results import Cost, DetectionCost, Estimate, LinkFigures, Parity, Results, Spread
from watchword.evaluate.session import Session
from watchword.evaluate.stream import run_host
from watchword.export.image import load_image

ESTIMATE_CPI = 1.5  # cycles an instruction takes on a chip: a stated assumption, not a measurement

BYTES_PER_SECOND = 2 * spec.SAMPLE_RATE_HZ  # of audio; framing adds a little


@dataclass(frozen=True)
class BoardRun:
    """What came back from the board."""

    info: dict[str, int | str]
    stats: dict[str, int]
    silence: dict[str, int]  # the same counters for one stream of nothing but the added silence
    results: tuple[StreamResult, ...]
    link: LinkFigures
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
    with connect(port, image, session, push, built) as board:
        values = _check_board(board, image, port, limits, session)
        host = run_host(image, selection)
        for unreadable in host.skipped:
            session.log(f"skipped {unreadable.path}: {unreadable.reason}")
        run = run_board(board, host.streams, session)
    geometry, clock_hz = core.ModelImage(image).geometry, int(run.info["clock_hz"])
    streams = [
        scored_stream(stream.recording, geometry, result, clock_hz)
        for stream, result in zip(host.streams, run.results, strict=True)
    ]
    heard = Heard(model, image, selection, streams, host.skipped, run.seconds, run.times_real_time)
    figures = board_figures(port, run, built, parity(host.streams, run.results))
    return build_results(heard, Limits(limits, values), figures)


@contextmanager
def connect(
    port: str, image: bytes, session: Session, push: bool, built: FirmwareImage | None = None
) -> Iterator[Board]:
    """The board at `port`, with the model pushed to it if asked for."""
    with open_port(port, built=built) as transport, Board(transport, port) as board:
        if push:
            session.log(push_model(board, image))
        yield board


def run_board(board: Board, reference: Sequence[ScoredStream], session: Session) -> BoardRun:
    """The board's part: stream, collect."""
    total_s = sum(stream.audio_samples + ADDED_SAMPLES for stream in reference) / spec.SAMPLE_RATE_HZ
    board.stats(reset=True)
    board.stream(np.zeros(ADDED_SAMPLES, np.int16))
    silence = board.stats(reset=True)
    bar = Progress(str(board.info["board"]), total_s)
    before = board.link_counters.bytes_sent
    board.link.on_sent = lambda count: bar.reach(min((count - before) / BYTES_PER_SECOND, total_s))
    results = []
    try:
        for stream, result in zip(reference, board.stream_many(_pcm(reference)), strict=True):
            results.append(result)
            session.log(_line(stream, result), show=False)
    finally:
        bar.close()
    stats = board.stats()
    speed = total_s / bar.elapsed_s
    session.log(
        f"streamed {total_s:,.0f} s (with the silence around each recording) in "
        f"{bar.elapsed_s:,.0f} s: {speed:.1f} x real time"
    )
    return BoardRun(
        board.info, stats, silence, tuple(results), _link_figures(board, stats), bar.elapsed_s, speed
    )


def _link_figures(board: Board, stats: dict[str, int]) -> LinkFigures:
    """The counters of both ends of the link."""
    counters = board.link_counters
    return LinkFigures(
        bytes=counters.bytes_sent + counters.bytes_received,
        retransmissions=counters.retransmissions + stats["retransmissions"],
        lost_samples=board.lost_samples,
        bad_frames=counters.bad_frames + stats["bad_frames"],
        crc_errors=counters.crc_errors + stats["crc_errors"],
    )


def board_figures(port: str, run: BoardRun, built: FirmwareImage | None, equal: Parity) -> BoardFigures:
    """What the results hold of the board alone."""
    return BoardFigures(
        name=str(run.info["board"]),
        port=port,
        cost=cost_of(run),
        ram_bytes=built.ram_bytes if built else None,
        stack_bytes=run.stats["stack_bytes"],
        code_bytes=built.code_bytes if built else None,
        parity=equal,
        link=run.link,
        firmware_sha256=built.sha256 if built else None,
        info=run.info,
        stats=run.stats,
        firmware={**asdict(built), "elf": str(built.elf)} if built else None,
    )


def cost_of(run: BoardRun) -> Cost:
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
    return Cost(
        instructions_per_audio_second={**(per_second if instructions else dict.fromkeys(per_second))},
        instructions_per_hop={
            stage: Spread(run.stats[f"{stage}_min"], totals[stage] / hops, run.stats[f"{stage}_max"])
            for stage in spec.STAGES
        },
        estimate=_estimate(str(run.info["board"]), per_second["total"]) if instructions else None,
        unit="instructions" if instructions else "cycles",
        detection_instructions=_detection_costs(run.results),
        cycles_per_audio_second=None if instructions else per_second,
    )


def parity(reference: Sequence[ScoredStream], results: Sequence[StreamResult]) -> Parity:
    """Every score and detection of the board against the host pipeline's."""
    scores = differing = detections = only_one = 0
    for host, board in zip(reference, results, strict=True):
        common = min(host.scores.size, board.scores.size)
        longest = max(host.scores.size, board.scores.size)
        scores += longest
        differing += int(np.count_nonzero(host.scores[:common] != board.scores[:common])) + longest - common
        ours = {int(sample) for sample in host.detections}
        theirs = {detection.sample_index for detection in board.detections}
        detections += len(ours | theirs)
        only_one += len(ours ^ theirs)
    return Parity(scores, differing, detections, only_one)


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


def _detection_costs(results: Sequence[StreamResult]) -> DetectionCost | None:
    """Counter units from the arrival of the deciding hop to the detection."""
    costs = [detection.cost for result in results for detection in result.detections]
    return DetectionCost(float(np.percentile(costs, 50)), max(costs)) if costs else None


def _estimate(board: str, instructions_per_second: float) -> Estimate | None:
    """For the chip that an emulated board stands for; None for a board that stands for no chip."""
    env = firmware.emulated_boards().get(board)
    if env is None:
        return None
    share = instructions_per_second * ESTIMATE_CPI / env.clock_hz
    text = (
        f"estimate: {100 * share:.1f} % of a {env.clock_hz // 1_000_000} MHz {env.chip} core, if an "
        f"instruction takes {ESTIMATE_CPI} cycles (assumed, not measured)"
    )
    return Estimate(env.clock_hz, ESTIMATE_CPI, share, text)


def _line(stream: ScoredStream, result: StreamResult) -> str:
    """A line of log.txt."""
    peak, found = int(result.scores.max(initial=0)), ", ".join(map(_shown, result.detections)) or "none"
    return f"{stream.recording.name}: {result.scores.size} scores, peak {peak}, detections: {found}"


def _shown(detection: BoardDetection) -> str:
    seconds = (detection.sample_index - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ
    return f"{seconds:.3f} s ({core.unit(detection.smoothed_q15):.2f})"
