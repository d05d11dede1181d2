"""The plain text a board speaks while no host holds its link."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchword.device.link import Transport

READ_BYTES = 4096
WAIT_S = 0.2  # between two looks at the clock
LONGEST_LINE_BYTES = 400  # a board says less; more without a line end is another baud rate or binary


def lines(transport: Transport, seconds: float | None = None) -> Iterator[str]:
    """Lines as they are completed; ends after `seconds` (None: never)."""
    transport.timeout = 0
    deadline = None if seconds is None else time.monotonic() + seconds
    pending = b""
    while deadline is None or time.monotonic() < deadline:
        data = transport.read(READ_BYTES)
        if not data:
            time.sleep(WAIT_S if deadline is None else max(0.0, min(WAIT_S, deadline - time.monotonic())))
        *complete, pending = (pending + data).split(b"\n")
        yield from map(_text, complete)
        if len(pending) > LONGEST_LINE_BYTES:
            yield _text(pending)
            pending = b""
    if pending:
        yield _text(pending)


def _text(line: bytes) -> str:
    """Printable characters only: a frame of a half-finished session must not confuse a terminal."""
    return "".join(c for c in line.decode("utf-8", "replace") if c.isprintable())
