"""A board's plain text, from a real terminal device."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from watchword.device import monitor, ports
from watchword.errors import WatchwordError

pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
tty = pytest.importorskip("tty")
PATIENCE_S = 20.0


class Terminal:
    """A board's end of a port, whose name stays though the port comes and goes."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug_in()

    def plug_in(self) -> None:
        self.board, self._port = pty.openpty()
        tty.setraw(self.board)
        tty.setraw(self._port)
        self.name.symlink_to(os.ttyname(self._port))

    def unplug(self) -> None:
        self.name.unlink()
        os.close(self._port)
        os.close(self.board)

    def say(self, text: bytes) -> None:
        os.write(self.board, text)

    def wait_for(self, text: bytes) -> None:
        heard = b""
        while text not in heard:
            assert select.select([self.board], [], [], PATIENCE_S)[0], heard
            heard += os.read(self.board, 100)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "ttyBOARD")
    yield opened
    if opened.name.is_symlink():
        opened.unplug()


def test_a_port_that_goes_away_is_said_in_a_line_after_what_the_board_said(terminal: Terminal) -> None:
    name = str(terminal.name)
    with ports.open_port(name) as transport:
        lines = monitor.lines(transport, None, name)
        terminal.say(b"12.340 s  alexa  0.93\r\n\x1b[2J\x1b]0;title\x07half")
        assert next(lines) == "12.340 s  alexa  0.93"
        terminal.unplug()
        assert next(lines) == "[2J]0;titlehalf", "no escape sequence reaches the terminal"
        with pytest.raises(WatchwordError, match=rf"{name}: the connection broke.*check the cable"):
            next(lines)


def test_a_board_that_comes_back_is_watched_on(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """And asked again who it is."""
    monkeypatch.setattr(monitor, "ASKED_AFTER_S", (0.0,))
    lines = monitor.watch(str(terminal.name))
    with answering_enter(terminal, b"first\r\n"):
        assert next(lines) == "first"
    terminal.unplug()
    assert "waiting" in next(lines)
    terminal.plug_in()
    assert next(lines).endswith("is back")
    with answering_enter(terminal, b"second\r\n"):
        assert next(lines) == "second"


@contextmanager
def answering_enter(terminal: Terminal, text: bytes) -> Iterator[None]:
    def answer() -> None:
        terminal.wait_for(b"\n")
        terminal.say(text)

    board = threading.Thread(target=answer)
    board.start()
    yield
    board.join()


def test_a_silent_board_is_asked_and_doubted(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "ASKED_AFTER_S", (0.0, 0.1))
    monkeypatch.setattr(monitor, "HINT_AFTER_S", 0.2)
    lines = monitor.watch(str(terminal.name), control_lines=False)
    assert next(lines) == monitor.HINT
    terminal.wait_for(b"\n\n")
    terminal.say(b"Watchword 0.1.0\r\n")
    assert next(lines) == "Watchword 0.1.0"


def test_a_port_that_never_was_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="cannot open the port"):
        next(monitor.watch(str(tmp_path / "ttyNONE")))


def test_a_board_is_found_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chip's own USB port gets the next free one when it restarts."""

    def at(device: str) -> SimpleNamespace:
        return SimpleNamespace(device=device, vid=0x303A, pid=0x1001, serial_number="F4:12:FA:00:00:01")

    others = [SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, serial_number=None)]
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [*others, at("/dev/ttyACM0")])
    known = ports.identity("/dev/ttyACM0")
    assert known and ports.identity("/dev/ttyS0") is None
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [*others, at("/dev/ttyACM1")])
    assert ports.where_is(known) == "/dev/ttyACM1"
    assert ports.where_is(None) is None
