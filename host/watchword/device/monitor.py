"""The plain text a board speaks while no host holds its link."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from watchword.device import ports
from watchword.device.messages import printable
from watchword.device.transport import ConnectionLost, Transport, connection
from watchword.errors import WatchwordError

READ_BYTES = 4096
WAIT_S = 0.2  # between two looks at the clock
LONGEST_LINE_BYTES = 400  # a board says less; more without a line end is another baud rate or binary
# A board that has said nothing so long after its port was opened is asked, by Enter, for its boot text. It
# may have spoken before, or to another port: it answers the one that it heard from last.
ASKED_AFTER_S = (0.5, 3.0)
HINT_AFTER_S = 6.0
HINT = (
    "monitor: nothing yet; is this the board's port, is its firmware Watchword's, "
    "and is it out of reset (try --no-control-lines)?"
)


class _Asking:
    """What to do about a board that says nothing."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self._started, self._asked, self._hinted = transport, time.monotonic(), 0, False

    def turn(self) -> str | None:
        """Ask when it is time; the hint, once."""
        silent_s = time.monotonic() - self._started
        if self._asked < len(ASKED_AFTER_S) and silent_s >= ASKED_AFTER_S[self._asked]:
            self._asked += 1
            self._transport.write(b"\n")
        if self._hinted or silent_s < HINT_AFTER_S:
            return None
        self._hinted = True
        return HINT


def lines(
    transport: Transport, seconds: float | None = None, name: str = "board", ask: bool = False
) -> Iterator[str]:
    """Lines as they are completed; ends after `seconds` (None: never), with an error if the port goes.

    ask: a board that says nothing is asked who it is.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    asking = _Asking(transport) if ask else None
    pending = b""
    try:
        with connection(name):
            transport.timeout = 0
        while deadline is None or time.monotonic() < deadline:
            with connection(name):
                data = transport.read(READ_BYTES)
                asking = None if data else asking
                hint = asking.turn() if asking else None
            if hint:
                yield hint
            if not data:
                left_s = WAIT_S if deadline is None else deadline - time.monotonic()
                time.sleep(max(0.0, min(WAIT_S, left_s)))
            *complete, pending = (pending + data).split(b"\n")
            yield from map(printable, complete)
            if len(pending) > LONGEST_LINE_BYTES:
                yield printable(pending)
                pending = b""
    except WatchwordError:
        if pending:
            yield printable(pending)
        raise
    if pending:
        yield printable(pending)


def watch(
    port: str, model_dir: Path | None = None, seconds: float | None = None, control_lines: bool = True
) -> Iterator[str]:
    """Lines of the board at `port`, also after it was unplugged or restarted; ends after `seconds`.

    A port that cannot be opened at first is an error, and so is the end of an emulated board.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    here, same = port, ports.identity(port)
    lost: ConnectionLost | None = None
    while True:
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            with ports.open_port(here, model_dir, control_lines=control_lines) as transport:
                if lost:
                    yield f"monitor: {here} is back"
                lost = None
                yield from lines(transport, left_s, here, ask=True)
            return
        except ConnectionLost as error:
            if port.startswith(ports.EMULATED) or not (lost or _was_open(error)):
                raise
            if not lost:
                yield f"monitor: {error.what}; waiting for it to come back"
            lost = error
        if left_s == 0.0:
            return
        time.sleep(WAIT_S)
        here = ports.where_is(same) or port


def _was_open(error: ConnectionLost) -> bool:
    return not isinstance(error, ports.CannotOpen)
