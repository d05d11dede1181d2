"""A board's plain text, from a real terminal device."""

from __future__ import annotations

import os
import pty
import tty

import pytest
from watchword.device import monitor, ports
from watchword.errors import WatchwordError


def test_a_port_that_goes_away_is_said_in_a_line_after_what_the_board_said() -> None:
    board, port = pty.openpty()
    tty.setraw(board)
    tty.setraw(port)
    name = os.ttyname(port)
    with ports.open_port(name) as transport:
        lines = monitor.lines(transport, None, name)
        os.write(board, b"12.340 s  alexa  0.93\r\n\x1b[2J\x1b]0;title\x07half")
        assert next(lines) == "12.340 s  alexa  0.93"
        os.close(port)
        os.close(board)
        assert next(lines) == "[2J]0;titlehalf", "no escape sequence reaches the terminal"
        with pytest.raises(WatchwordError, match=rf"{name}: the connection broke.*check the cable"):
            next(lines)
