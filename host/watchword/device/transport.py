"""What a board is reached through, and what it means when it goes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from watchword.errors import WatchwordError

try:
    from termios import error as _TerminalError
except ImportError:  # Windows
    _TerminalError = OSError  # type: ignore[assignment, misc]

CONNECT_REMEDY = (
    "check the cable, the port name and that no other program has it open, reset the board, "
    "or flash it with `watchword flash`"
)


class Transport(Protocol):
    """What HostLink needs of a port; pyserial's Serial and socket:// ports have it.

    With `timeout` 0, `read` returns at once with what is there. `fileno`, where it exists, lets
    the host sleep until bytes come.
    """

    timeout: float | None
    write_timeout: float | None

    def read(self, size: int = 1, /) -> bytes: ...

    def write(self, data: bytes, /) -> int | None: ...

    def close(self) -> None: ...


class ConnectionLost(WatchwordError):
    """The board or the port went away, or is not there yet; it may come back."""


@contextmanager
def connection(name: str) -> Iterator[None]:
    """A port that goes away inside (the cable is pulled, a board restarts its own USB) is said in a line."""
    try:
        yield
    except (OSError, _TerminalError) as error:  # pyserial's SerialException is an OSError
        raise ConnectionLost(f"the connection broke: {error}", name, CONNECT_REMEDY) from error
