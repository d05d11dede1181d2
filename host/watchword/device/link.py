"""The host's end of the link over a pyserial-like port: the C link, pumped without threads."""

from __future__ import annotations

import secrets
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from watchword import spec
from watchword.core import ffi, lib
from watchword.device import messages
from watchword.device.messages import Received, Value
from watchword.device.stray_text import StrayText
from watchword.device.transport import CONNECT_REMEDY, ConnectionLost, Transport, connection
from watchword.errors import WatchwordError

READ_BYTES = 65_536
WRITE_TIMEOUT_S = 10.0  # a port that takes nothing for this long is dead
IDLE_S = 0.02  # longest wait in one pump: the link's timers are served at least this often


@dataclass(frozen=True)
class LinkCounters:
    """The host's view of one session; bytes include everything on the wire."""

    bytes_sent: int
    bytes_received: int
    crc_errors: int
    bad_frames: int
    out_of_order: int
    retransmissions: int


def _descriptor(transport: Transport) -> int | None:
    """What select can wait for; None for ports that have no such thing (Windows, tests)."""
    fileno: Any = getattr(transport, "fileno", None)
    try:
        return None if fileno is None else int(fileno())
    except OSError:
        return None


class HostLink:
    """Frames in and out of one port. Nothing happens between calls: `pump` moves the bytes."""

    def __init__(
        self, transport: Transport, name: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.transport = transport
        self.name = name or str(getattr(transport, "name", None) or getattr(transport, "port", "") or "board")
        self.received: deque[Received] = deque()
        self.on_sent: Callable[[int], None] = lambda count: None  # gets all bytes sent so far
        self.moved = 0  # grows with every message taken in and every byte of payload queued
        self._clock = clock
        self._window = int(lib.wwb_link_max_window())
        self._link = ffi.gc(lib.wwb_link_new(1, self._window), lib.wwb_link_free)
        self._wire = ffi.new("uint8_t[]", READ_BYTES)
        self._records = ffi.new("uint8_t[]", READ_BYTES)
        self._used = ffi.new("size_t *")
        self._bytes_sent = self._bytes_received = 0
        self._open = self._restarted = False
        self._stray = StrayText()
        self._descriptor = _descriptor(transport)
        with connection(self.name):
            transport.timeout = 0
            transport.write_timeout = WRITE_TIMEOUT_S

    def now(self) -> float:
        """Seconds of the clock that the link's timers run on."""
        return self._clock()

    # ── Session ──────────────────────────────────────────────────────────────────────────────
    def connect(self, timeout_s: float) -> None:
        """Take the board from text to frames, in a new session."""
        self._open = self._restarted = False
        self.received.clear()
        lib.wwb_link_set_credits(self._link, self._window)
        lib.wwb_link_connect(self._link, secrets.randbits(31) + 1)
        deadline = self.now() + timeout_s
        while not self.connected:
            self.pump(IDLE_S)
            self._refuse_other_protocol()
            if self.now() > deadline:
                raise ConnectionLost(f"board not answering within {timeout_s:g} s", self.name, CONNECT_REMEDY)
        self._open = True
        self._stray.clear()  # the boot text

    @property
    def connected(self) -> bool:
        return bool(lib.wwb_link_connected(self._link))

    @property
    def pending(self) -> bool:
        """True while queued frames are not acknowledged."""
        return bool(lib.wwb_link_pending(self._link))

    def leave(self) -> None:
        """End the session on this side; the port stays open."""
        self._open = False
        lib.wwb_link_close(self._link)

    def _refuse_other_protocol(self) -> None:
        while self.received:
            message = self.received.popleft()
            if message.name == "welcome" and message.number("protocol") != spec.PROTOCOL_VERSION:
                spoken, known = message.number("protocol"), spec.PROTOCOL_VERSION
                raise WatchwordError(
                    f"the board speaks protocol version {spoken}, this program version {known}",
                    self.name,
                    "flash firmware built from this version: `watchword flash`",
                )

    # ── Messages ─────────────────────────────────────────────────────────────────────────────
    def try_send(self, name: str, tail: bytes = b"", /, **fields: Value) -> bool:
        """Queue a message if there is a free slot."""
        payload = messages.encode(name, fields, tail)
        status = lib.wwb_link_send(self._link, messages.type_id(name), payload, len(payload))
        if status == -spec.STATUS["ERR_ARGUMENT"]:
            raise ValueError(f"{name} is link control, not a message to send")
        self.moved += status == 0
        return bool(status == 0)

    def send_pieces(self, name: str, data: memoryview) -> int:
        """Queue as much of `data` as there are slots for, as tails of as many messages; bytes taken."""
        pointer = ffi.cast("uint8_t *", ffi.from_buffer(data)) if len(data) else ffi.NULL
        taken = int(lib.wwb_link_send_pieces(self._link, messages.type_id(name), pointer, len(data)))
        self.moved += taken
        return taken

    # ── Bytes ────────────────────────────────────────────────────────────────────────────────
    def pump(self, wait_s: float = 0.0) -> None:
        """Take in what has come, put out what is due; if neither, wait up to `wait_s` for bytes."""
        try:
            with connection(self.name):
                busy = self._take_in()
                busy |= self._put_out()
                if not busy and wait_s > 0:
                    self._wait(min(wait_s, IDLE_S))
        except WatchwordError:
            self.leave()
            raise
        if self._open and not self.connected:
            self._open = False
            raise self._lost()

    def _lost(self) -> ConnectionLost:
        said = self._stray.lines()
        text = "".join(["; it said:", *(f"\n  {line}" for line in said), "\n"]) if said else ""
        if self._restarted:
            remedy = "see its text: `watchword monitor`"
            return ConnectionLost(f"the board restarted{text}", self.name, remedy)
        return ConnectionLost(f"the board stopped answering{text}", self.name, CONNECT_REMEDY)

    def _take_in(self) -> bool:
        data = self.transport.read(READ_BYTES)
        self._bytes_received += len(data)
        self._stray.add(data)
        rest = data
        while rest:
            count = lib.wwb_link_receive(
                self._link, rest, len(rest), self._window, self._records, READ_BYTES, self._used
            )
            self._deliver(ffi.buffer(self._records, count)[:])
            rest = rest[self._used[0] :]
            lib.wwb_link_set_credits(self._link, self._window)
        return bool(data)

    def _deliver(self, records: bytes) -> None:
        """Unpack {type u8, length u16, payload} records of bind_link.h."""
        at = 0
        while at < len(records):
            end = at + 3 + int.from_bytes(records[at + 1 : at + 3], "little")
            message = messages.decode(records[at], records[at + 3 : end])
            if self._open and message.name == "welcome":
                self._restarted = True
            else:
                self.received.append(message)
            self.moved += 1
            at = end

    def _put_out(self) -> bool:
        now_ms = int(self.now() * 1000) & 0xFFFFFFFF
        count = int(lib.wwb_link_transmit(self._link, now_ms, self._wire, READ_BYTES))
        if count:
            self._write(ffi.buffer(self._wire, count)[:])
        return count > 0

    def _write(self, data: bytes) -> None:
        while data:
            written = self.transport.write(data)
            count = len(data) if written is None else written
            self._bytes_sent += count
            self.on_sent(self._bytes_sent)
            data = data[count:]

    def _wait(self, seconds: float) -> None:
        if self._descriptor is None:
            time.sleep(min(seconds, 0.001))
        else:
            select.select([self._descriptor], [], [], seconds)

    @property
    def counters(self) -> LinkCounters:
        values = ffi.new("uint32_t[4]")
        lib.wwb_link_counters(self._link, values)
        return LinkCounters(self._bytes_sent, self._bytes_received, *(int(v) for v in values))
