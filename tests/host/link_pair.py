"""A C host link and a C device link joined by a simulated, possibly very bad wire.

Time is simulated in milliseconds, so that a test of minutes of link time takes a moment and gives
the same result every time.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from watchword import spec
from watchword._core import ffi, lib

Frame = tuple[int, bytes]  # type, payload
AUDIO = spec.MESSAGE["audio"].type_id
SCORES = spec.MESSAGE["scores"].type_id
FIRST_SEQUENCED = 0x10


def records(packed: bytes) -> list[Frame]:
    frames, at = [], 0
    while at < len(packed):
        length = int.from_bytes(packed[at + 1 : at + 3], "little")
        frames.append((packed[at], packed[at + 3 : at + 3 + length]))
        at += 3 + length
    return frames


class End:
    """One side: the C link with a Python list in place of an application."""

    def __init__(self, host: bool, slots: int) -> None:
        self.link = ffi.gc(lib.wwb_link_new(host, slots), lib.wwb_link_free)
        assert self.link != ffi.NULL
        self._out = ffi.new("uint8_t[]", 65536)
        self._used = ffi.new("size_t *")
        self._rest = b""

    def receive(self, data: bytes, max_frames: int = 1 << 30) -> list[Frame]:
        """Frames for the caller; what max_frames leaves over is kept for the next call."""
        frames: list[Frame] = []
        data = self._rest + data
        while data and len(frames) < max_frames:
            left = max_frames - len(frames)
            count = lib.wwb_link_receive(
                self.link, data, len(data), left, self._out, len(self._out), self._used
            )
            frames += records(bytes(ffi.buffer(self._out, count)))
            data = data[self._used[0] :]
        self._rest = data
        return frames

    def send(self, type_id: int, payload: bytes) -> bool:
        return lib.wwb_link_send(self.link, type_id, payload, len(payload)) == 0

    def transmit(self, now_ms: int) -> bytes:
        count = lib.wwb_link_transmit(self.link, now_ms & 0xFFFFFFFF, self._out, len(self._out))
        return bytes(ffi.buffer(self._out, count))

    def connect(self, session: int) -> None:
        lib.wwb_link_connect(self.link, session)

    def close(self) -> None:
        lib.wwb_link_close(self.link)

    def set_credits(self, frames: int) -> None:
        lib.wwb_link_set_credits(self.link, frames)

    @property
    def connected(self) -> bool:
        return bool(lib.wwb_link_connected(self.link))

    @property
    def pending(self) -> bool:
        return bool(lib.wwb_link_pending(self.link))

    @property
    def counters(self) -> dict[str, int]:
        values = ffi.new("uint32_t[4]")
        lib.wwb_link_counters(self.link, values)
        return dict(zip(("crc_errors", "bad_frames", "out_of_order", "retransmissions"), values, strict=True))


@dataclass(frozen=True)
class Errors:
    """Probability per frame of each accident."""

    corrupt: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    truncate: float = 0.0
    garbage: float = 0.0
    oversize: float = 0.0

    def apply(self, frame: bytes, rng: random.Random) -> bytes:
        if rng.random() < self.drop:
            return b""
        if rng.random() < self.duplicate:
            frame = frame * rng.randint(2, 3)
        if rng.random() < self.truncate:
            frame = frame[: rng.randrange(len(frame))]
        if frame and rng.random() < self.corrupt:
            damaged = bytearray(frame)
            for _ in range(rng.randint(1, 4)):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            frame = bytes(damaged)
        if rng.random() < self.garbage:
            frame += rng.randbytes(rng.randint(1, 40))
        if rng.random() < self.oversize:
            frame += bytes(rng.randint(1, 255) for _ in range(rng.randint(700, 3000)))
        return frame


class Wire:
    """One direction: a queue of bytes with a rate, a delay and accidents."""

    def __init__(
        self, rng: random.Random, errors: Errors, bytes_per_ms: float = 90.0, delay_ms: float = 1.0
    ) -> None:
        self.rng, self.errors = rng, errors
        self.bytes_per_ms, self.delay_ms = bytes_per_ms, delay_ms
        self.bytes_put = 0
        self._queue: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0

    def put(self, data: bytes, now_ms: float) -> None:
        """Whole frames, each behind a zero of its own."""
        for frame in split_frames(data):
            damaged = self.errors.apply(frame, self.rng)
            self.bytes_put += len(frame)
            self._free_at = max(self._free_at, now_ms) + len(frame) / self.bytes_per_ms
            if damaged:
                self._queue.append((self._free_at + self.delay_ms, damaged))

    def get(self, now_ms: float) -> bytes:
        arrived = b""
        while self._queue and self._queue[0][0] <= now_ms:
            arrived += self._queue.popleft()[1]
        return arrived


def split_frames(data: bytes) -> list[bytes]:
    """The frames of a transmit: zero, COBS bytes, zero."""
    return [b"\0" + body + b"\0" for body in data.split(b"\0") if body]


class Receiver:
    """The reading application: a buffer of `room` frames, of which one leaves every `frame_ms`."""

    def __init__(self, room: int, frame_ms: float) -> None:
        self.room, self.frame_ms = room, frame_ms
        self.frames: list[Frame] = []
        self._taken_at: deque[float] = deque()
        self._busy_until = 0.0

    def take(self, frames: list[Frame], now_ms: float) -> None:
        for frame in frames:
            if frame[0] >= FIRST_SEQUENCED:
                self._busy_until = max(self._busy_until, now_ms) + self.frame_ms
                self._taken_at.append(self._busy_until)
                self.frames.append(frame)

    def credits(self, now_ms: float) -> int:
        while self._taken_at and self._taken_at[0] <= now_ms:
            self._taken_at.popleft()
        return self.room - len(self._taken_at)


class Pair:
    """Host and device with a wire each way; `step` is one millisecond."""

    def __init__(
        self,
        rng: random.Random,
        down: Wire,
        up: Wire,
        device_slots: int = 4,
        host_slots: int = 32,
        device_room: int = 12,
        device_frame_ms: float = 0.0,
        start_ms: int = 0,
    ) -> None:
        self.rng, self.down, self.up = rng, down, up
        self.host, self.device = End(True, host_slots), End(False, device_slots)
        self.host_app, self.device_app = Receiver(32, 0.0), Receiver(device_room, device_frame_ms)
        self.now_ms = self.start_ms = start_ms
        self.sessions: list[int] = []  # HELLOs the device application saw
        self.welcomes: list[int] = []

    def step(self) -> None:
        self.now_ms += 1
        now = self.now_ms
        arrived = self.device.receive(self.down.get(now))
        self.sessions += [int.from_bytes(p[2:6], "little") for t, p in arrived if t == 1]
        self.device_app.take(arrived, now)
        self.device.set_credits(self.device_app.credits(now))
        self.up.put(self.device.transmit(now), now)
        arrived = self.host.receive(self.up.get(now))
        self.welcomes += [int.from_bytes(p[2:6], "little") for t, p in arrived if t == 2]
        self.host_app.take(arrived, now)
        self.host.set_credits(self.host_app.credits(now))
        self.down.put(self.host.transmit(now), now)

    def run_until(self, done: Callable[[], bool], limit_ms: int) -> None:
        end = self.now_ms + limit_ms
        while not done():
            assert self.now_ms < end, f"nothing moved: {self.host.counters}, {self.device.counters}"
            self.step()

    def connect(self, session: int, limit_ms: int = 20_000) -> None:
        self.device.set_credits(self.device_app.room)
        self.host.set_credits(self.host_app.room)
        self.host.connect(session)
        self.run_until(lambda: self.host.connected, limit_ms)

    def exchange(self, to_device: list[Frame], to_host: list[Frame], limit_ms: int = 600_000) -> None:
        """Send both lists at once and check that both arrive whole, once and in order."""
        device_before, host_before = len(self.device_app.frames), len(self.host_app.frames)
        host_queue, device_queue = deque(to_device), deque(to_host)

        def done() -> bool:
            for end, queue in ((self.host, host_queue), (self.device, device_queue)):
                while queue and end.send(*queue[0]):
                    queue.popleft()
            idle = not self.host.pending and not self.device.pending
            return not host_queue and not device_queue and idle

        self.run_until(done, limit_ms)
        assert self.device_app.frames[device_before:] == to_device
        assert self.host_app.frames[host_before:] == to_host


def random_frames(rng: random.Random, count: int, type_id: int, longest: int = 656) -> list[Frame]:
    """Payloads with many zeros and long runs without any, what COBS has to cope with."""
    frames = []
    for _ in range(count):
        length = rng.choice((0, 1, rng.randint(0, longest), longest))
        payload = rng.randbytes(length) if rng.random() < 0.7 else bytes([rng.choice((0, 1, 255))]) * length
        frames.append((type_id, payload))
    return frames
