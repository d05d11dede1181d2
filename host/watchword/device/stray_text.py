"""Text that a board says in the middle of a session: a crash prints beside the frames, then starts again."""

from __future__ import annotations

import re

from watchword.device.messages import printable

KEPT_BYTES = 8192  # of the latest that came
SHOWN_LINES = 12
# Frames are binary: hardly ever do this many letters of one stand before a line's end.
_LINE = re.compile(rb"[\t\x1b -~]{4,}\r?\n")


class StrayText:
    """Gets every byte of a session; remembers the latest."""

    def __init__(self) -> None:
        self._latest = bytearray()

    def add(self, data: bytes) -> None:
        self._latest += data[-KEPT_BYTES:]
        del self._latest[:-KEPT_BYTES]

    def clear(self) -> None:
        self._latest.clear()

    def lines(self) -> list[str]:
        """The last readable lines, oldest first."""
        found = (printable(line).strip() for line in _LINE.findall(bytes(self._latest)))
        return [line for line in found if line][-SHOWN_LINES:]
