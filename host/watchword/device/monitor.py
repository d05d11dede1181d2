"""The plain text a board speaks while no host holds its link."""

from __future__ import annotations

import time
from collections.abc import Iterator

from watchword.device.messages import printable
from watchword.device.transport import Transport, connection
from watchword.errors import WatchwordError

READ_BYTES = 4096
WAIT_S = 0.2  # between two looks at the clock
LONGEST_LINE_BYTES = 400  # a board says less; more without a line end is another baud rate or binary


def lines(transport: Transport, seconds: float | None = None, name: str = "board") -> Iterator[str]:
    """Lines as they are completed; ends after `seconds` (None: never), with an error if the port goes."""
    deadline = None if seconds is None else time.monotonic() + seconds
    pending = b""
    try:
        with connection(name):
            transport.timeout = 0
        while deadline is None or time.monotonic() < deadline:
            with connection(name):
                data = transport.read(READ_BYTES)
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
