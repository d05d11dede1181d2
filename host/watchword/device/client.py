"""Talking to a board: information, settings, statistics, and streams of audio for its pipeline."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from watchword import project, spec, words
from watchword.core import DetectorConfig, spec_id
from watchword.device.deadline import RESET_REMEDY, Deadline
from watchword.device.link import IDLE_S, HostLink, LinkCounters
from watchword.device.messages import Received, Value, printable
from watchword.device.stream import DEFECT_REMEDY, Gathered, Recorded, Stream, StreamResult, blocks_of
from watchword.device.transport import Transport
from watchword.errors import WatchwordError

CONNECT_TIMEOUT_S = 10.0
SLOWEST_STREAM = 20.0  # times the length of the audio, which a board may take for it
GOODBYE_TIMEOUT_S = 0.5
CHUNK_BYTES = 512  # of a model image in a message; any size that fits a frame would do
QUIET_S = 0.1  # a board that says nothing for this long has come to the end of its work
STREAMS_AHEAD = 8  # streams sent and not yet answered: more than any round trip needs
FLASH_REMEDY = "flash firmware built from this version: `watchword flash`"


@dataclass(frozen=True)
class MicrophoneState:
    """A board's microphone: amplification, and samples clipped and lost since boot."""

    present: bool
    gain: float
    clipped: int
    overruns: int


def _require_current_core() -> None:
    """After an update of a checkout the compiled core is that of before: no board would understand it."""
    header = project.root() / "firmware/core/gen/ww_spec.h"
    if project.in_checkout() and f"WW_SPEC_ID 0x{spec_id():08x}u" not in header.read_text():
        what = "the compiled core is not of these sources"
        raise WatchwordError(what, "watchword._core", f"run {project.pip_install()}")


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
            _require_current_core()
            self.link.connect(connect_timeout_s)
            self._learn_words()
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

    @property
    def info(self) -> dict[str, Value]:
        """The board, and the model of its first word."""
        return self.words[0]

    def word_number(self, word: str) -> int:
        """The number of a word by its phrase."""
        known = [str(info["word"]) for info in self.words]
        found = [number for number, phrase in enumerate(known) if words.same(phrase, word)]
        if len(found) != 1:
            what = f"runs {len(found) or 'no'} model{'s' * (len(found) > 1)} of '{word}'"
            one_of = "remove one: watchword push --slot N --remove; " if found else ""
            listens = ", ".join(f"{info['word']} (slot {info['slot']})" for info in self.words)
            raise WatchwordError(what, self.link.name, f"{one_of}it listens for: {listens}")
        return found[0]

    def gathered(self) -> Gathered:
        """A place for what its words are going to give."""
        return Gathered([int(info["hop_samples"]) for info in self.words], self.link.name)

    def _learn_words(self) -> None:
        first = self._request("info_get", "info", word_number=0)
        others = range(1, min(first.number("words"), first.number("slots")))
        rest = [self._request("info_get", "info", word_number=number) for number in others]
        self.words = [info.fields for info in (first, *rest)]

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
    def stats(self, reset: bool = False, word: int = 0) -> dict[str, int]:
        """Counters of a word since the last reset; `reset` clears those of all words after reading."""
        reply = self._request("stats_get", "stats", word_number=word, reset=int(reset))
        return {name: int(value) for name, value in reply.fields.items()}

    def stats_of_words(self, reset: bool = False) -> list[dict[str, int]]:
        """The same of every word."""
        last = len(self.words) - 1
        return [self.stats(reset and word == last, word) for word in range(last + 1)]

    def config_get(self, word: int = 0) -> DetectorConfig:
        return _detector(self._config(word))

    def config_set(self, config: DetectorConfig, word: int = 0) -> DetectorConfig:
        """Change a word's detector until the board restarts; returns what is now in force."""
        reply = self._request(
            "config_set",
            "config",
            word_number=word,
            smoothing=config.smoothing,
            high_q15=config.high_q15,
            low_q15=config.low_q15,
            cooldown_ms=config.cooldown_ms,
        )
        return _detector(reply)

    def preset_set(self, name: str, word: int = 0) -> DetectorConfig:
        """One of the settings that the model brings, until the board restarts; returns them."""
        number = list(spec.PRESETS).index(name)
        return _detector(self._request("preset_set", "config", word_number=word, preset=number))

    def preset(self, word: int = 0) -> str | None:
        """Which of the model's presets is in force; None: other settings, or the model brings none."""
        return dict(enumerate(spec.PRESETS)).get(self._config(word).number("preset"))

    def _config(self, word: int) -> Received:
        return self._request("config_get", "config", word_number=word)

    def settings_save(self) -> None:
        """Keep the words' detector settings and the microphone's gain over restarts."""
        self._request("settings_save", "settings_saved")

    def microphone(self, gain: float | None = None) -> MicrophoneState:
        """What the microphone does; `gain` (1/256 .. 255) changes its amplification."""
        gain_q8 = 0 if gain is None else min(max(round(gain * 256), 1), 0xFFFF)
        reply = self._request("microphone_set", "microphone", gain_q8=gain_q8)
        counts = (reply.number("clipped"), reply.number("overruns"))
        return MicrophoneState(bool(reply.number("present")), reply.number("gain_q8") / 256, *counts)

    def push_model(
        self, image: bytes, on_progress: Callable[[int], None] = lambda count: None, slot: int = 0
    ) -> None:
        """Store a model image in the board's flash and run it in that slot from now on, its detector with
        the model's own settings. When anything fails, the board goes on with the models it had.
        """
        begin = {"slot": slot, "image_bytes": len(image), "image_crc32": zlib.crc32(image)}
        self._request("model_begin", "model_state", **begin)
        waiting = Deadline(self.link, "the board took no more of the model")
        for at in range(0, len(image), CHUNK_BYTES):
            chunk = image[at : at + CHUNK_BYTES]
            while not self.link.try_send("model_chunk", chunk, offset=at):
                self.turn(self._sort, waiting)
            waiting.restart()
            on_progress(at + len(chunk))
        self._request("model_commit", "model_state")
        self._learn_words()

    def remove_model(self, slot: int) -> None:
        """Forget the model that was pushed to that slot."""
        self._request("model_remove", "model_state", slot=slot)
        self._learn_words()

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
        stream = Stream(self._number, blocks, next(blocks, memoryview(b"")), self.gathered())
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
        elif message.name == "stream_done":
            self._finish(message)
        elif self._current is not None:
            self._current.gathered.take(message)
            self._current.gathered.check_possible(self._current.samples)

    def _finish(self, done: Received) -> None:
        stream = self._streams.get(done.number("stream"))
        if stream is None:
            return
        counted = done.number("samples")
        lost = stream.samples - counted
        if lost < 0:
            raise WatchwordError(
                f"stream {stream.number}: {stream.samples} samples were sent, the board counted {counted}",
                self.link.name,
                DEFECT_REMEDY,
            )
        self.lost_samples += lost
        stream.result = StreamResult(stream.number, stream.gathered.results(), counted, lost)
        self._current = None


def _refusal(message: Received, name: str) -> WatchwordError:
    """An `error` message of the board `name`."""
    code = message.number("code")
    status = next((n for n, value in spec.STATUS.items() if value == code), f"status {code}")
    reason = printable(message.tail) or "no reason given"
    return WatchwordError(f"the board refused: {reason} ({status})", name)


def _detector(config: Received) -> DetectorConfig:
    names = ("smoothing", "high_q15", "low_q15", "cooldown_ms")
    return DetectorConfig.from_fields(*(config.number(name) for name in names))
