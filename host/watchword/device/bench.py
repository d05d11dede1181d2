"""`watchword bench`: every recording through a board's pipeline, over its serial link."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from watchword import core, spec
from watchword.data.recordings import ADDED_SAMPLES, Selection
from watchword.device import firmware
from watchword.device.client import Board
from watchword.device.firmware import FirmwareImage
from watchword.device.ports import emulated_env, open_port
from watchword.device.push import check_model
from watchword.device.push import push as push_model
from watchword.device.scored import scored_stream
from watchword.device.stream import StreamResult
from watchword.device.streaming import BoardStreams, Streamed
from watchword.device.transport import ConnectionLost
from watchword.errors import WatchwordError
from watchword.evaluate import budgets
from watchword.evaluate.assemble import BoardFigures, Heard, Limits, build_results
from watchword.evaluate.host import announce
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import Cost, DetectionCost, Estimate, Parity, Results, Spread
from watchword.evaluate.session import Session
from watchword.evaluate.stream import HostRun, run_host
from watchword.export.image import load_image, starting_with

ESTIMATE_CPI = 1.5  # cycles an instruction takes on a chip: a stated assumption, not a measurement

TRIES = 8  # to reach a board that went away, since it last gave a result
_LONGEST_WAIT_S = 10.0  # between two of them


def bench(
    port: str,
    model: Path,
    selection: Selection,
    session: Session,
    limits: Path,
    push: bool = False,
    preset: str | None = None,
) -> Results:
    """Stream everything to the board at `port` and to the host pipeline; compare, measure, judge.

    preset: of the model, to be in force instead of the settings that it starts with.
    push: send the model to a board that runs another one. A run that ends early is gone on with by the next
    one in its session; a board that goes away for a while is reached again.
    """
    image = load_image(model)
    starting_with(image, preset)  # which a model may not have
    budgets.read_tables(limits)  # what is wrong with the file is said before the long work
    announce(selection, session)
    built = build_firmware(port, model, session)
    run = _Run(port, model, image, selection, session, limits, push, built, preset)
    with session.keeping(run.partial):
        run.stream()
    return run.results()


@dataclass
class _Run:
    """A bench under way."""

    port: str
    model: Path
    image: bytes
    selection: Selection
    session: Session
    limits: Path
    push: bool
    built: FirmwareImage | None
    preset: str | None = None
    values: dict[str, float] = field(default_factory=dict)  # the board's budgets
    info: dict[str, int | str] = field(default_factory=dict)
    host: HostRun | None = None
    board: BoardStreams | None = None  # once it was reached

    def stream(self) -> None:
        """Until all is done, or the board stays away."""
        tries = 0

        def progressed() -> None:
            nonlocal tries
            tries = 0

        while True:
            try:
                with connect(self.port, self.image, self.session, self.push, self.built) as board:
                    return self._begin(board).stream(board, self.session, progressed)
            except ConnectionLost as lost:
                tries += 1
                if self.board is None or tries > TRIES:
                    raise
                self.session.log(f"{lost.what}; trying to reach the board again ({tries} of {TRIES})")
                time.sleep(min(2.0 ** (tries - 1), _LONGEST_WAIT_S))

    def _begin(self, board: Board) -> BoardStreams:
        """Check the board; the first time, let the host hear everything too."""
        word = check_model(board.words, self.image, self.port)
        self.values = check_board(board, word, self.image, self.limits, self.session, self.preset)
        self.info = dict(board.words[word])
        if self.host is None or self.board is None:
            running = starting_with(self.image, self.preset)
            self.host = run_host(running, self.selection, ledger=self.session.ledger)
            for unreadable in self.host.skipped:
                self.session.log(f"skipped {unreadable.path}: {unreadable.reason}")
            identity = identity_of(self.info, self.built)
            self.board = BoardStreams(running, identity, self.host.streams, self.session.ledger, word)
        return self.board

    def partial(self) -> Results | None:
        """What there is of a run that ended early."""
        return self.results(partial=True) if self.board is not None and self.board.done() else None

    def results(self, partial: bool = False) -> Results:
        assert self.host is not None and self.board is not None
        done = self.board.done()
        if done is None:
            raise WatchwordError("none of the recordings could be read", "", "see the skipped files above")
        seconds, streamed_s = self.board.seconds, self.board.streamed_s
        speed = streamed_s / seconds if seconds else None
        if speed is not None:
            self.session.log(
                f"streamed {streamed_s:,.0f} s (with the silence around each recording) in "
                f"{seconds:,.0f} s: {speed:.1f} x real time"
            )
        streams, figures = heard_by_board(self.port, self.image, self.host, self.info, done, self.built)
        heard = Heard(
            self.model,
            self.image,
            self.selection,
            streams,
            self.host.skipped,
            seconds or None,
            speed,
            partial,
            self.preset,
        )
        return build_results(heard, Limits(self.limits, self.values), figures)


def heard_by_board(
    port: str,
    image: bytes,
    host: HostRun,
    info: dict[str, int | str],
    done: Streamed,
    built: FirmwareImage | None,
) -> tuple[list[ScoredStream], BoardFigures]:
    """What a board made of the recordings for one word, and what it alone tells."""
    reference = [host.streams[place] for place in done.places]
    geometry, clock_hz = core.ModelImage(image).geometry, int(info["clock_hz"])
    streams = [
        scored_stream(stream.recording, geometry, result, clock_hz)
        for stream, result in zip(reference, done.results, strict=True)
    ]
    return streams, board_figures(port, BoardRun(info, done), built, parity(reference, done.results))


@contextmanager
def connect(
    port: str, image: bytes, session: Session, push: bool, built: FirmwareImage | None = None
) -> Iterator[Board]:
    """The board at `port`, with the model pushed to it if asked for."""
    with open_port(port, built=built) as transport, Board(transport, port) as board:
        if push:
            session.log(push_model(board, image))
        yield board


@dataclass(frozen=True)
class BoardRun:
    """What came back from the board."""

    info: dict[str, int | str]
    streamed: Streamed


def board_figures(port: str, run: BoardRun, built: FirmwareImage | None, equal: Parity) -> BoardFigures:
    """What the results hold of the board alone."""
    return BoardFigures(
        name=str(run.info["board"]),
        port=port,
        cost=cost_of(run),
        ram_bytes=built.ram_bytes if built else None,
        stack_bytes=run.streamed.stats["stack_bytes"],
        code_bytes=built.code_bytes if built else None,
        parity=equal,
        link=run.streamed.link,
        firmware_sha256=built.sha256 if built else None,
        info=run.info,
        stats=run.streamed.stats,
        firmware={**asdict(built), "elf": str(built.elf)} if built else None,
    )


def cost_of(run: BoardRun) -> Cost:
    """Counter totals per second of audio and per hop, by stage.

    Silence costs less than sound, so the streams' silence around each recording is subtracted from
    the figures per second; those per hop include it.
    """
    stats, silence, results = run.streamed.stats, run.streamed.silence, run.streamed.results
    added = len(results)
    audio_s = (stats["samples"] - added * ADDED_SAMPLES) / spec.SAMPLE_RATE_HZ
    hops = stats["hops"]
    if not hops or audio_s <= 0:
        raise WatchwordError("the board counted no hops", str(run.info["board"]), "flash the firmware again")
    totals = {stage: stats[f"{stage}_total"] for stage in spec.STAGES}
    per_second = {
        stage: max(0.0, total - added * silence[f"{stage}_total"]) / audio_s
        for stage, total in totals.items()
    }
    per_second["total"] = sum(per_second.values())
    instructions = run.info["clock_hz"] == 0
    return Cost(
        instructions_per_audio_second={**(per_second if instructions else dict.fromkeys(per_second))},
        instructions_per_hop={
            stage: Spread(stats[f"{stage}_min"], totals[stage] / hops, stats[f"{stage}_max"])
            for stage in spec.STAGES
        },
        estimate=_estimate(str(run.info["board"]), per_second["total"]) if instructions else None,
        unit="instructions" if instructions else "cycles",
        detection_instructions=_detection_costs(results),
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


def build_firmware(port: str, model: Path, session: Session) -> FirmwareImage | None:
    """The firmware of an emulated board, so that its sizes are known; a real board has its own."""
    env = emulated_env(port)
    if env is None:
        return None
    session.log(f"firmware {env} with {model}")
    return firmware.build(env, model)


def identity_of(info: dict[str, int | str], built: FirmwareImage | None) -> str:
    """What a board's scores are kept under: those of other firmware are others."""
    parts = (info["board"], info["firmware"], built.sha256 if built else "")
    return " ".join(str(part) for part in parts)


def check_board(
    board: Board, word: int, image: bytes, limits: Path, session: Session, preset: str | None = None
) -> dict[str, float]:
    """Known budgets and the settings to measure a word with, before any long work.

    Returns the board's budgets.
    """
    info = board.words[word]
    name, model = str(info["board"]), int(info["model_crc32"])
    values = budgets.read_budgets(name, limits)
    detector = core.ModelImage(starting_with(image, preset)).detector
    if board.config_get(word) != detector:
        wanted = f"preset '{preset}'" if preset else "the model's own"
        session.log(f"the board's detector settings were changed; back to {wanted}")
        board.config_set(detector, word)
    session.log(f"{name}: firmware {info['firmware']}, word '{info['word']}', model {model:08x}")
    return values


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
