"""Opens the link to a board: a serial port, or an emulator that is built and started on the spot.

`/dev/ttyUSB0`   a real board at spec.LINK_BAUD
`emu:c3`         the emulated ESP32-C3, over its fast transport (virtio-console)
`emu:c3-uart`    the same board over the emulated 16550, as slow as a devkit's serial bridge
`emu:esp32`      the emulated ESP32, which has a 16550 only; so has `emu:esp32-uart`
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import serial
from serial.tools import list_ports

from watchword import spec
from watchword.device import firmware
from watchword.device.messages import printable
from watchword.device.transport import ConnectionLost
from watchword.errors import WatchwordError

if TYPE_CHECKING:
    from watchword.device.transport import Transport

EMULATED = "emu:"
UART_ONLY = "-uart"
CONTROL_LINES = "WATCHWORD_CONTROL_LINES"  # off: for every verb as --no-control-lines for monitor
READ_TIMEOUT_S = 0.05
WRITE_TIMEOUT_S = 10.0  # a healthy board drains the socket in milliseconds
EXIT_WAIT_S = 2.0
SHOWN_OUTPUT_BYTES = 4000


class Emulator:
    """A running emulator and its end of the link, used like a pyserial port. Dies with this process."""

    def __init__(self, name: str, command: list[str], link: socket.socket, guest_end: socket.socket) -> None:
        self.timeout: float | None = READ_TIMEOUT_S
        self.write_timeout: float | None = WRITE_TIMEOUT_S
        self.name = name
        self._link = link
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - until close()
        try:
            self._process = subprocess.Popen(
                [*_die_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=[guest_end.fileno()],
                start_new_session=True,  # Ctrl-C is for us; we end the emulator in order
            )
        except BaseException:
            link.close()
            self._output.close()
            raise
        finally:
            guest_end.close()
        atexit.register(self.close)

    def fileno(self) -> int:
        """For select: readable when the board has sent something, or is gone."""
        return self._link.fileno()

    def read(self, size: int = 1, /) -> bytes:
        """Up to `size` bytes; fewer when `timeout` seconds pass before (None: waits for all)."""
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        data = bytearray()
        while len(data) < size:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._link], [], [], wait)[0]:
                break
            try:
                part = self._link.recv(size - len(data))
            except ConnectionError:
                part = b""
            if not part:
                if data:
                    break  # what it said last; the next read tells that it is gone
                raise self._gone()
            data += part
        return bytes(data)

    def write(self, data: bytes, /) -> int:
        """All of `data`, or an error after `write_timeout` seconds."""
        self._link.settimeout(self.write_timeout)
        try:
            self._link.sendall(data)
        except TimeoutError as error:
            raise ConnectionLost("the emulated board stopped reading", self.name) from error
        except OSError as error:
            raise self._gone() from error
        return len(data)

    def close(self) -> None:
        """End the emulator, gently first. May be called again."""
        atexit.unregister(self.close)
        self._link.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(EXIT_WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.close()

    def _gone(self) -> ConnectionLost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_WAIT_S)
        self._output.seek(0)
        said = "\n".join(map(printable, self._output.read()[-SHOWN_OUTPUT_BYTES:].splitlines())).strip()
        status = self._process.returncode
        return ConnectionLost(f"the emulated board ended with status {status}: {said}", self.name)


def _die_with_parent() -> list[str]:
    """Command prefix that ends the child when this process is killed without cleaning up (Linux).

    The parent may already be gone when setpriv arms the signal, so the shell looks once more
    before it becomes the emulator.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    return [
        setpriv,
        "--pdeathsig",
        "KILL",
        "/bin/sh",
        "-c",
        '[ "$PPID" = "$0" ] && exec "$@"',
        str(os.getpid()),
    ]


def port_of(board: firmware.BoardEnv, link: str | None = None) -> str:
    """The port of an emulated board, over its usual link or another."""
    name = EMULATED + board.env.removeprefix("emu-")
    return f"{name}{UART_ONLY}" if link == "uart" else name


def emulated_env(port: str) -> str | None:
    """The firmware environment of an emulated port (`emu:c3-uart` -> `emu-c3`); None = a real port."""
    return _emulated(port)[0].env if port.startswith(EMULATED) else None


def _emulated(port: str) -> tuple[firmware.BoardEnv, str]:
    boards = firmware.emulated_boards()
    name = port.removeprefix(EMULATED)
    link = "uart" if name.endswith(UART_ONLY) else None
    env = f"emu-{name.removesuffix(UART_ONLY)}"
    if env not in boards:
        known = ", ".join(EMULATED + known.removeprefix("emu-") for known in boards)
        raise WatchwordError("no such emulated board", port, f"there are: {known} (and {UART_ONLY})")
    return boards[env], link or next(iter(boards[env].links))


def start_emulator(board: firmware.BoardEnv, link: str, elf: Path) -> Emulator:
    """Boot `elf`; `link` is one of board.links. The link is a socket pair: no port to race for."""
    program = shutil.which(board.emulator)
    if program is None:
        raise WatchwordError("not installed", board.emulator, f"apt install {board.emulator_debian}")
    if not hasattr(socket, "AF_UNIX"):
        raise WatchwordError("emulated boards run on Linux and macOS", board.env, "on Windows: in WSL")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    chardev = ["-chardev", f"socket,id=link,fd={theirs.fileno()}"]
    command = [program, *board.arguments, "-kernel", str(elf), *chardev, *board.links[link]]
    return Emulator(f"{board.env} ({link})", command, ours, theirs)


class CannotOpen(ConnectionLost):
    """There is no such port, or it may not be used."""


def open_serial(port: str, control_lines: bool = True) -> serial.Serial:
    """A real board's serial port. Without control lines DTR and RTS stay off: where they are wired straight
    to the chip's reset and boot pins, they would hold it there.
    """
    try:
        board = serial.Serial(None, spec.LINK_BAUD, timeout=READ_TIMEOUT_S, exclusive=True)
        board.port = port
        if not control_lines:
            board.dtr = board.rts = False
        board.open()
        return board
    except (serial.SerialException, OSError, ValueError) as error:
        present = ", ".join(sorted(p.device for p in list_ports.comports())) or "none"
        remedy = f"ports here: {present}; no permission: add yourself to the group dialout"
        raise CannotOpen(f"cannot open the port: {error}", port, f"{remedy}; or use emu:c3") from error


def identity(port: str) -> tuple[int, int, str] | None:
    """What a USB device at this port is known by, whatever name it gets next time; None if it has no such."""
    for found in list_ports.comports():
        if found.device == port and found.vid is not None and found.serial_number:
            return found.vid, found.pid, found.serial_number
    return None


def where_is(wanted: tuple[int, int, str] | None) -> str | None:
    """The port that this device has now."""
    for found in list_ports.comports() if wanted else ():
        if (found.vid, found.pid, found.serial_number) == wanted:
            return str(found.device)
    return None


@contextmanager
def open_port(
    port: str,
    model_dir: Path | None = None,
    built: firmware.FirmwareImage | None = None,
    control_lines: bool = True,
) -> Iterator[Transport]:
    """The link to the board at `port`, closed (and an emulator ended) on the way out.

    model_dir: the model an emulated board is built with (default: firmware.default_model_dir());
    a real board keeps the one it was flashed with. built: such a firmware that is there already.
    """
    transport: Transport
    if port.startswith(EMULATED):
        board, link = _emulated(port)
        transport = start_emulator(board, link, (built or firmware.build(board.env, model_dir)).elf)
    else:
        transport = open_serial(port, control_lines and os.environ.get(CONTROL_LINES, "on") != "off")
    try:
        yield transport
    finally:
        transport.close()
