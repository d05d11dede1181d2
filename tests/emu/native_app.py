"""The firmware's application compiled for this computer, under sanitizers, and how to run it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from watchword.device.firmware import ROOT

FIRMWARE = ROOT / "firmware"
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
HEARD_SAMPLES = 16_000  # of the microphone, kept for a detection


def compile_app(model_dir: Path, program: Path, *more: str) -> Path:
    """The program, with the model of that folder in it and `more` compiler flags."""
    sources = [
        *(FIRMWARE / "app").glob("*.c"),
        FIRMWARE / "entry" / "bare_metal.c",
        *(FIRMWARE / "core" / "src").glob("*.c"),
        *(FIRMWARE / "core" / "gen").glob("*.c"),
        model_dir / "model.c",
        Path(__file__).with_name("host_board.c"),
    ]
    include = [FIRMWARE / part for part in ("board", "core/include", "core/gen", "app")]
    flags = [
        "-std=c99",
        "-g",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wcast-align=strict",
        *SANITIZERS,
        '-DWATCHWORD_VERSION="9.8.7"',
        f"-DWATCHWORD_HEARD_SAMPLES={HEARD_SAMPLES}",
        *more,
    ]
    folders = [f"-I{folder}" for folder in (*include, model_dir)]
    command = ["gcc", *flags, *folders, *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def record(pcm: np.ndarray, folder: Path) -> Path:
    """A file that can be the board's microphone."""
    recording = folder / "microphone.raw"
    recording.write_bytes(pcm.astype("<i2").tobytes())
    return recording


class SocketTransport:
    """A connected socket with pyserial's manners."""

    def __init__(self, link: socket.socket) -> None:
        self.link, self.timeout, self.write_timeout = link, 0.0, 10.0

    def fileno(self) -> int:
        return self.link.fileno()

    def read(self, size: int = 1, /) -> bytes:
        self.link.settimeout(self.timeout)
        try:
            return self.link.recv(size)
        except (BlockingIOError, TimeoutError, ConnectionError):
            return b""

    def write(self, data: bytes, /) -> int:
        self.link.settimeout(self.write_timeout)
        self.link.sendall(data)
        return len(data)

    def close(self) -> None:
        self.link.close()


@contextmanager
def running(
    program: Path, can_end: tuple[int, ...] = (0,), **environment: object
) -> Iterator[SocketTransport]:
    """From switching on to pulling the plug; fails on a sanitizer's word.

    `environment`: the BOARD_… variables of host_board.c; `can_end`: exit statuses that are no fault.
    """
    ours, theirs = socket.socketpair()
    settings = {f"BOARD_{name.upper()}": str(value) for name, value in environment.items()}
    process = subprocess.Popen([str(program)], stdin=theirs, stderr=subprocess.PIPE, env=settings)
    theirs.close()
    transport = SocketTransport(ours)
    try:
        yield transport
    finally:
        transport.close()
        said = process.communicate(timeout=20)[1].decode()
        assert process.returncode in can_end, said
