"""Talking to a board: information, settings, statistics, and streams of audio for its pipeline."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from watchword import spec
from watchword.core import DetectorConfig, spec_id
from watchword.device.deadline import RESET_REMEDY, Deadline
from watchword.device.link import IDLE_S, HostLink, LinkCounters
from watchword.device.messages import Received, Value, printable
from watchword.device.stream import BoardDetection as BoardDetection
from watchword.device.stream import Recorded, Stream, blocks_of
from watchword.device.stream import StreamResult as StreamResult
from watchword.device.transport import Transport
from watchword.errors import WatchwordError

CONNECT_TIMEOUT_S = 10.0
SLOWEST_STREAM = 20.0  # times the length of the audio, which a board may take for it
GOODBYE_TIMEOUT_S = 0.5
CHUNK_BYTES = 512  # of a model image in a message; any size that fits a frame would do
QUIET_S = 0.1  # a board that says nothing for this long has come to the end of its work
STREAMS_AHEAD = 8  # streams sent and not yet answered: more than any round trip needs
FLASH_REMEDY = "flash firmware built from this version: `watchword flash`"
DEFECT_REMEDY = "a defect of the firmware: please report it"


@dataclass(frozen=True)
class MicrophoneState:
    """A board's microphone: amplification, and samples clipped and lost since boot."""

    present: bool
    gain: float
    clipped: int
    overruns: int


class Board:
    """A connected board; a context manager that leaves it in text mode and the port closed."""

    def __init__(
        self, transport: Transport, name: str = "", connect_timeout_s: float = CONNECT_TIMEOUT_S
    ) -> None:
        self.link = HostLink(transport, name)
        self.lost_samples = 0
        self._number = 0
        self._streams: dict[int, Stream] = {}
        self._current: Stream | None = None
        try:
            self.link.connect(connect_timeout_s)
            self.info = self._request("info_get", "info").fields
            self._check_versions()
        except BaseException:
            transport.close()
            raise

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Back to text if the board listens, then close the port; never fails, never waits long."""
        try:
            self.text_mode(GOODBYE_TIMEOUT_S)
        except WatchwordError:
            pass  # it does not listen: there is nothing to say goodbye to
        finally:
            self.link.transport.close()

    def _check_versions(self) -> None:
        for what, theirs, ours in (
            ("spec", int(self.info["spec_id"]), spec_id()),
            ("front end", int(self.info["frontend_id"]), spec.FRONTEND_ID),
        ):
            if theirs != ours:
                raise WatchwordError(
                    f"the board's firmware has {what} {theirs:08x}, this program {ours:08x}",
                    self.link.name,
                    FLASH_REMEDY,
                )

    # ── Requests ─────────────────────────────────────────────────────────────────────────────
    def stats(self, reset: bool = False) -> dict[str, int]:
        """Counters since the last reset; `reset` clears them after reading."""
        reply = self._request("stats_get", "stats", reset=int(reset))
        return {name: int(value) for name, value in reply.fields.items()}

    def config_get(self) -> DetectorConfig:
        return _detector(self._request("config_get", "config"))

    def config_set(self, config: DetectorConfig) -> DetectorConfig:
        """Change the detector until the board restarts; returns what is now in force."""
        reply = self._request(
            "config_set",
            "config",
            smoothing=config.smoothing,
            high_q15=config.high_q15,
            low_q15=config.low_q15,
            cooldown_ms=config.cooldown_ms,
        )
        return _detector(reply)

    def preset_set(self, name: str) -> DetectorConfig:
        """One of the settings that the model brings, until the board restarts; returns them."""
        return _detector(self._request("preset_set", "config", preset=list(spec.PRESETS).index(name)))

    def preset(self) -> str | None:
        """Which of the model's presets is in force; None: other settings, or the model brings none."""
        return dict(enumerate(spec.PRESETS)).get(self._request("config_get", "config").number("preset"))

    def settings_save(self) -> None:
        """Keep detector settings and microphone gain over restarts."""
        self._request("settings_save", "config")

    def microphone(self, gain: float | None = None) -> MicrophoneState:
        """What the microphone does; `gain` (1/256 .. 255) changes its amplification."""
        gain_q8 = 0 if gain is None else min(max(round(gain * 256), 1), 0xFFFF)
        reply = self._request("microphone_set", "microphone", gain_q8=gain_q8)
        counts = (reply.number("clipped"), reply.number("overruns"))
        return MicrophoneState(bool(reply.number("present")), reply.number("gain_q8") / 256, *counts)

    def push_model(self, image: bytes, on_progress: Callable[[int], None] = lambda count: None) -> None:
        """Store a model image in the board's flash and run it from now on; the detector gets the
        model's own settings. When anything fails, the board goes on with the model it had.
        """
        begin = {"image_bytes": len(image), "image_crc32": zlib.crc32(image)}
        self._request("model_begin", "model_state", **begin)
        waiting = Deadline(self.link, "the board took no more of the model")
        for at in range(0, len(image), CHUNK_BYTES):
            chunk = image[at : at + CHUNK_BYTES]
            while not self.link.try_send("model_chunk", chunk, offset=at):
                self.turn(self._sort, waiting)
            waiting.restart()
            on_progress(at + len(chunk))
        self._request("model_commit", "model_state")
        self.info = self._request("info_get", "info").fields

    def text_mode(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Back to plain text; this Board is done then, the port stays open."""
        self._leave_mode("text_mode", timeout_s)

    def restart(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Restart the board (an emulated one exits); this Board is done then."""
        self._leave_mode("restart", timeout_s)

    @property
    def link_counters(self) -> LinkCounters:
        return self.link.counters

    def ask(self, name: str, answer: str, take: Callable[[Received], None], **fields: Value) -> Received:
        """Send a request and wait for its answer; every other message meanwhile goes to `take`."""
        waiting = Deadline(self.link, f"the board gave no answer to {name}")
        answers = list[Received]()

        def sort(message: Received) -> None:
            (answers.append if message.name == answer else take)(message)

        while not self.link.try_send(name, **fields):
            self.turn(sort, waiting)
        while not answers:
            self.turn(sort, waiting)
        return answers[0]

    def turn(self, take: Callable[[Received], None], *deadlines: Deadline) -> None:
        """Move bytes, hand what came to `take`; raises when the board refuses something or a deadline
        has passed.
        """
        self.link.pump(IDLE_S)
        while self.link.received:
            if (message := self.link.received.popleft()).name == "error":
                raise _refusal(message, self.link.name)
            take(message)
        for deadline in deadlines:
            deadline.check()

    def _request(self, name: str, answer: str, **fields: Value) -> Received:
        return self.ask(name, answer, self._sort, **fields)

    def _leave_mode(self, name: str, timeout_s: float) -> None:
        """Send the session's last message, and take in what the board still says until it gets there:
        unread answers would keep it from ever coming to this message.
        """
        link = self.link
        deadline, quiet_since, moved, sent = link.now() + timeout_s, link.now(), link.moved, False
        try:
            while link.connected and link.now() < deadline:
                sent = sent or link.try_send(name)
                link.pump(IDLE_S)
                link.received.clear()
                if link.moved != moved or link.pending or not sent:
                    quiet_since, moved = link.now(), link.moved
                elif link.now() - quiet_since > QUIET_S:
                    break
        except WatchwordError:
            if not sent:
                raise  # otherwise it left at once, as asked
        taken = sent and not link.pending
        link.leave()
        if not taken:
            raise WatchwordError(
                f"the board did not take {name} within {timeout_s:g} s", link.name, RESET_REMEDY
            )

    # ── Streams ──────────────────────────────────────────────────────────────────────────────
    def stream(self, pcm: NDArray[np.int16]) -> StreamResult:
        """Run one recording, int16 [samples], through the board's pipeline from a fresh start."""
        (result,) = self.stream_many([pcm])
        return result

    def stream_many(self, recordings: Iterable[Recorded]) -> Iterator[StreamResult]:
        """Results in order. Sends ahead while results come back, so the round trip costs nothing.

        A recording given in blocks is read as the board takes it: a long one needs no more memory.
        """
        source = iter(recordings)
        started: deque[Stream] = deque()
        more = True
        step, whole = Deadline(self.link, "the board took no audio and gave no score"), None
        try:
            while more or started:
                sending = started[-1] if started and not started[-1].ended else None
                if more and sending is None and len(started) < STREAMS_AHEAD:
                    sending = self._next_stream(source)
                    more = sending is not None
                    if sending:
                        started.append(sending)
                if started and whole is None:
                    whole = Deadline(self.link, f"the board did not finish stream {started[0].number}")
                if whole:  # a board that only ever drips does not hold the host; grows with what was sent
                    whole.more_s = SLOWEST_STREAM * started[0].samples / spec.SAMPLE_RATE_HZ
                self._advance(started, sending, step, *([whole] if whole else []))
                while started and (result := started[0].result):
                    self._streams.pop(started.popleft().number)
                    yield result
                    step.restart()  # the caller's time does not count
                    whole = None
        finally:
            for stream in started:  # given up half-way: late answers will be ignored
                self._streams.pop(stream.number, None)

    def _advance(self, started: deque[Stream], sending: Stream | None, *deadlines: Deadline) -> None:
        """One turn of the link; the first deadline restarts when audio was taken or scores came."""
        before = sum(stream.progress for stream in started)
        if sending:
            self._feed(sending)
        self.turn(self._sort, *deadlines)
        if sum(stream.progress for stream in started) != before:
            deadlines[0].restart()

    def _next_stream(self, source: Iterator[Recorded]) -> Stream | None:
        recording = next(source, None)
        if recording is None:
            return None
        self._number += 1
        blocks = blocks_of(recording)
        stream = Stream(self._number, blocks, next(blocks, memoryview(b"")))
        self._streams[stream.number] = stream
        return stream

    def _feed(self, stream: Stream) -> None:
        """Queue as much of a stream as the link takes now."""
        if not stream.started:
            stream.started = self.link.try_send("stream_start", stream=stream.number)
        if stream.started and stream.waiting:
            taken = self.link.send_pieces("audio", stream.waiting)
            stream.sent += taken
            stream.waiting = stream.waiting[taken:] or next(stream.blocks, memoryview(b""))
        if stream.started and not stream.waiting:
            stream.ended = self.link.try_send("stream_end", stream=stream.number)

    def _sort(self, message: Received) -> None:
        if message.name == "stream_started":
            self._current = self._streams.get(message.number("stream"))
        elif message.name == "scores":
            self._take_scores(message)
        elif message.name == "detection":
            self._take_detection(message)
        elif message.name == "stream_done":
            self._finish(message)

    def _take_scores(self, message: Received) -> None:
        if self._current is None:
            return
        expected, first = len(self._current.scores), message.number("first_index")
        if first != expected:
            raise WatchwordError(
                f"scores of stream {self._current.number} jump from {expected} to {first}",
                self.link.name,
                DEFECT_REMEDY,
            )
        self._current.scores += message.tail
        self._check_possible(self._current, len(self._current.scores))

    def _take_detection(self, message: Received) -> None:
        if self._current is None:
            return
        detection = detection_of(message)
        self._current.detections.append(detection)
        self._check_possible(self._current, len(self._current.detections), detection.sample_index)

    def _check_possible(self, stream: Stream, results: int, sample: int = 0) -> None:
        """There is at most one result a hop, and none later than the audio."""
        if results > stream.samples // max(1, int(self.info["hop_samples"])) or sample > stream.samples:
            raise WatchwordError(
                f"stream {stream.number} of {stream.samples} samples has {results} results, one at "
                f"sample {sample}",
                self.link.name,
                DEFECT_REMEDY,
            )

    def _finish(self, done: Received) -> None:
        stream = self._streams.get(done.number("stream"))
        if stream is None:
            return
        got = (len(stream.scores), len(stream.detections))
        counted = (done.number("scores"), done.number("detections"))
        if got != counted:
            raise WatchwordError(
                f"stream {stream.number}: {got} scores and detections came, the board counted {counted}",
                self.link.name,
                DEFECT_REMEDY,
            )
        lost = stream.samples - done.number("samples")
        if lost < 0:
            raise WatchwordError(
                f"stream {stream.number}: {stream.samples} samples were sent, the board counted "
                f"{done.number('samples')}",
                self.link.name,
                DEFECT_REMEDY,
            )
        self.lost_samples += lost
        scores = np.frombuffer(bytes(stream.scores), np.uint8)
        counters = (done.number("samples"), done.number("rows"), lost)
        stream.result = StreamResult(stream.number, scores, tuple(stream.detections), *counters)
        self._current = None


def detection_of(message: Received) -> BoardDetection:
    """A `detection` message."""
    return BoardDetection(*(message.number(n) for n in ("sample_index", "smoothed_q15", "cost")))


def _refusal(message: Received, name: str) -> WatchwordError:
    """An `error` message of the board `name`."""
    code = message.number("code")
    status = next((n for n, value in spec.STATUS.items() if value == code), f"status {code}")
    reason = printable(message.tail) or "no reason given"
    return WatchwordError(f"the board refused: {reason} ({status})", name)


def _detector(config: Received) -> DetectorConfig:
    names = ("smoothing", "high_q15", "low_q15", "cooldown_ms")
    return DetectorConfig.from_fields(*(config.number(name) for name in names))
