"""A board in this process: the C device link with a small application in Python behind a port.

Its "pipeline" gives one score per 640 samples, their sum modulo 256, and a detection where that is
above 250: easy to predict, and wrong as soon as one sample is lost, doubled or out of place.
"""

from __future__ import annotations

import random
import time
import zlib
from collections import deque
from collections.abc import Callable

import numpy as np
from link_pair import FIRST_SEQUENCED, End, Errors, split_frames
from watchword import core, spec
from watchword.device import messages

SAMPLES_PER_SCORE = 640
INFO = {
    "frontend_id": spec.FRONTEND_ID,
    "model_crc32": 1,
    "model_bytes": 2,
    "arena_bytes": 3,
    "clock_hz": 0,
    "hop_samples": 320,
    "coeffs": 40,
    "receptive_rows": 50,
    "stride_rows": 2,
    "arena_free": 100_000,
    "word_number": 0,
    "words": 1,
    "slot": 0,
    "slots": 4,
    "firmware": "fake",
    "board": "in-process",
    "word": "änything",
}


def expected_scores(pcm: np.ndarray) -> np.ndarray:
    blocks = pcm[: len(pcm) // SAMPLES_PER_SCORE * SAMPLES_PER_SCORE].reshape(-1, SAMPLES_PER_SCORE)
    return (blocks.astype(np.int64).sum(axis=1) % 256).astype(np.uint8)


class Application:
    """What a firmware does with messages; answers go to `outbox`."""

    def __init__(self) -> None:
        self.outbox: deque[tuple[int, bytes]] = deque()
        self.info = {"spec_id": core.spec_id(), **INFO}
        self.config = {
            "word_number": 0,
            "smoothing": 5,
            "high_q15": 22938,
            "low_q15": 9830,
            "cooldown_ms": 500,
            "preset": spec.NO_PRESET,
        }
        self.gain_q8 = 512
        self.saved: dict[str, messages.Value] | None = None
        self.pushed = b""
        self.expects = (0, 0)  # bytes and CRC of the model being pushed
        self.wants_text = self.wants_restart = False
        self.skip_audio = False  # a defect: takes audio and forgets it
        self.skip_scores = False  # another: drops a score message
        self.deaf = False  # another: accepts everything and answers nothing
        self._reset(0)

    def _reset(self, stream: int) -> None:
        self._stream, self._samples, self._scores, self._detections = stream, 0, 0, 0
        self._rest = np.zeros(0, np.int16)

    def say(self, name: str, fields: dict[str, messages.Value], tail: bytes = b"") -> None:
        self.outbox.append((messages.type_id(name), messages.encode(name, fields, tail)))

    def take(self, type_id: int, payload: bytes) -> None:
        message = messages.decode(type_id, payload)
        if not self.deaf:
            getattr(self, f"on_{message.name}")(message)

    def on_info_get(self, message: messages.Received) -> None:
        self.say("info", self.info)

    def on_config_get(self, message: messages.Received) -> None:
        self.say("config", self.config)

    def on_preset_set(self, message: messages.Received) -> None:
        self.config |= {"smoothing": 8, "preset": message.number("preset")}
        self.say("config", self.config)

    def on_config_set(self, message: messages.Received) -> None:
        if message.number("low_q15") == 1:
            self.say("error", {"code": spec.STATUS["ERR_ARGUMENT"]}, b"thresholds too low")
            return
        self.config = {**message.fields, "preset": spec.NO_PRESET}
        self.say("config", self.config)

    def on_stats_get(self, message: messages.Received) -> None:
        fields = {name: 0 for name, _ in spec.MESSAGE["stats"].fields}
        self.say("stats", fields | {"hops": 7, "heap_bytes": message.number("reset")})

    def on_settings_save(self, message: messages.Received) -> None:
        self.saved = self.config
        self.say("settings_saved", {"words": 1})

    def on_microphone_set(self, message: messages.Received) -> None:
        self.gain_q8 = message.number("gain_q8") or self.gain_q8
        fields = {"present": 1, "gain_q8": self.gain_q8, "clipped": 3, "overruns": 4}
        self.say("microphone", fields)

    def on_model_begin(self, message: messages.Received) -> None:
        self.pushed = b""
        self.expects = (message.number("image_bytes"), message.number("image_crc32"))
        self._say_model_state()

    def on_model_chunk(self, message: messages.Received) -> None:
        if message.number("offset") != len(self.pushed):
            self.say("error", {"code": spec.STATUS["ERR_ARGUMENT"]}, b"model_chunk: value refused")
        self.pushed += message.tail

    def on_model_commit(self, message: messages.Received) -> None:
        if self.expects != (len(self.pushed), zlib.crc32(self.pushed)):
            self.say("error", {"code": spec.STATUS["ERR_CRC"]}, b"model_commit: damaged on its way")
            return
        self.info["model_crc32"] = core.ModelImage(self.pushed).header["crc32"]
        self._say_model_state()

    def _say_model_state(self) -> None:
        running = {"slot": 0, "model_crc32": self.info["model_crc32"], "slot_bytes": 65536}
        self.say("model_state", running | {"stored_bytes": len(self.pushed)})

    def on_text_mode(self, message: messages.Received) -> None:
        self.wants_text = True

    def on_restart(self, message: messages.Received) -> None:
        self.wants_restart = True

    def on_stream_start(self, message: messages.Received) -> None:
        self._reset(message.number("stream"))
        self.say("stream_started", {"stream": self._stream})

    def on_audio(self, message: messages.Received) -> None:
        if self.skip_audio:
            self.skip_audio = False
            return
        pcm = np.frombuffer(message.tail, "<i2")
        self._samples += len(pcm)
        pcm = np.concatenate([self._rest, pcm])
        scores = expected_scores(pcm)
        self._rest = pcm[len(scores) * SAMPLES_PER_SCORE :]
        if len(scores) and self.skip_scores:
            self.skip_scores = False
        elif len(scores):
            self.say("scores", {"word_number": 0, "first_index": self._scores}, scores.tobytes())
        for i in np.flatnonzero(scores > 250):
            self._detections += 1
            end = (self._scores + int(i) + 1) * SAMPLES_PER_SCORE
            level = {"word_number": 0, "smoothed_q15": int(scores[i]) << 7}
            self.say("detection", level | {"sample_index": end, "cost": 9})
        self._scores += len(scores)

    def on_stream_end(self, message: messages.Received) -> None:
        counts = {"scores": self._scores, "detections": self._detections}
        self.say("word_done", {"word_number": 0, "rows": self._samples // 320} | counts)
        self.say("stream_done", {"stream": self._stream, "samples": self._samples})


class FakeBoard:
    """A pyserial-like port with the board behind it; everything happens inside read and write."""

    def __init__(
        self,
        seed: int = 0,
        errors: Errors | None = None,
        slots: int = 4,
        room: int = 6,
        make_app: Callable[[], Application] = Application,
    ) -> None:
        self.timeout: float | None = None
        self.write_timeout: float | None = None
        self.name = "fake"
        self.closed = False
        self.silent = False  # unplugged at the other end
        self.protocol: int | None = None  # answer HELLO with another version
        self.text_lines = 0
        self._rng = random.Random(seed)
        self._errors = errors or Errors()
        self._slots, self._room, self._make_app = slots, room, make_app
        self._to_host = b""
        self.boot()

    def boot(self) -> None:
        """Power on, or reset: the former state is gone, in the middle of whatever it was doing."""
        self.app = self._make_app()
        self.device = End(False, self._slots)
        self._inbox: deque[tuple[int, bytes]] = deque()
        self.device.set_credits(self._room)
        self._print("watchword ready\r\n")

    def crash(self, text: str) -> None:
        """What the panic handler writes, past the link."""
        self._to_host += text.encode()

    def _print(self, line: str) -> None:
        self.text_lines += 1
        self._to_host += line.encode()

    def write(self, data: bytes) -> int:
        assert not self.closed
        damaged = b"".join(self._errors.apply(f, self._rng) for f in split_frames(data))
        if not self.silent:
            for type_id, payload in self.device.receive(damaged):
                if type_id >= FIRST_SEQUENCED:
                    self._inbox.append((type_id, payload))
                else:  # a new session
                    self._inbox.clear()
                    self.app = self._make_app()
        return len(data)

    def read(self, size: int = 1) -> bytes:
        assert not self.closed and self.timeout == 0
        if not self.silent:
            self._work()
        data, self._to_host = self._to_host[:size], self._to_host[size:]
        return data

    def _work(self) -> None:
        """One turn of the board's main loop: a message in if there is room for its answers."""
        if self._inbox and len(self.app.outbox) < 2:
            self.app.take(*self._inbox.popleft())
        while self.app.outbox and self.device.send(*self.app.outbox[0]):
            self.app.outbox.popleft()
        self.device.set_credits(self._room - len(self._inbox))
        wire = self.device.transmit(int(time.monotonic() * 1000))
        if self.protocol is not None:
            wire = self._other_version(wire)
        self._to_host += b"".join(self._errors.apply(f, self._rng) for f in split_frames(wire))
        if self.app.wants_text and not self.device.pending:
            self.device.close()
            self.app = self._make_app()
            self._print("back to text\r\n")
        if self.app.wants_restart:
            self.boot()

    def _other_version(self, wire: bytes) -> bytes:
        """The WELCOME a board of another protocol version would send to this HELLO."""
        from cobs_reference import encode_frame, frames_of

        out = b""
        for frame in frames_of(wire):
            if frame[0] == messages.type_id("welcome"):
                session = int.from_bytes(frame[6:10], "little")
                fields = {"protocol": self.protocol or 0, "session": session}
                frame = bytes(frame[:4]) + messages.encode("welcome", fields)
                out += encode_frame(frame, 0)
        return out

    def close(self) -> None:
        self.closed = True
