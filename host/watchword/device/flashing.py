"""`watchword flash`: a board's firmware, prebuilt where there is an image, and its model after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from watchword import project
from watchword.device import firmware, images, ports
from watchword.device.client import FLASH_REMEDY, Board
from watchword.device.monitor import WAIT_S
from watchword.device.push import push
from watchword.device.transport import ConnectionLost
from watchword.errors import WatchwordError
from watchword.export.image import load_image

COMES_BACK_S = 10.0  # a board with USB of its own leaves the bus when it restarts


def flash(board: str, port: str, model_dir: Path | None = None, image_path: Path | None = None) -> str:
    """Returns what the board runs then, in one line.

    With an image the model is pushed; else the firmware is built around it.
    """
    firmware.check_real(board)
    if port.startswith(ports.EMULATED):
        raise WatchwordError(
            "is no port of a real board", port, f"--port of the {board}, such as /dev/ttyUSB0"
        )
    image = images.checked(image_path, board) if image_path else images.find(board)
    if image is None:
        if firmware.missing_package():
            what = f"there is no image {images.file_name(board)} here, and no PlatformIO to build one"
            remedy = f"download it from the release, or {project.pip_install('device')}"
            raise WatchwordError(what, board, remedy)
        firmware.upload(board, port, model_dir)
        return f"{board} at {port}: flashed"
    model = load_image(model_dir) if model_dir else b""  # checked before the board has lost what it ran
    identity = ports.identity(port)
    with ports.open_port(port):
        pass  # one that is not there, or is held by another program, is told as every verb tells it
    images.write(image, port)
    return settle(port, identity, image.record, model)


def settle(
    port: str, identity: tuple[int, int, str] | None, record: images.Record, model: bytes = b""
) -> str:
    """What a board says of itself that has just been flashed, with `model` pushed to it."""
    with _after_restart(port, identity) as board:
        runs = str(board.info["board"]), str(board.info["firmware"])
        if runs != (record.board, record.version):
            what = f"the board says it runs {' '.join(runs)}, not {record.board} {record.version}"
            raise WatchwordError(what, port, FLASH_REMEDY)
        if model:
            return push(board, model)
        return f"{record.board} runs '{board.info['word']}' now; push another model with `watchword push`"


@contextmanager
def _after_restart(port: str, identity: tuple[int, int, str] | None) -> Iterator[Board]:
    """The board once it is back, which may be under another name."""
    board, opened = _connected(port, identity)
    with opened:
        yield board


def _connected(port: str, identity: tuple[int, int, str] | None) -> tuple[Board, ExitStack]:
    until = time.monotonic() + COMES_BACK_S
    while True:
        here = ports.where_is(identity) or port
        try:
            with ExitStack() as stack:
                transport = stack.enter_context(ports.open_port(here))
                return stack.enter_context(Board(transport, here)), stack.pop_all()
        except ConnectionLost:
            if time.monotonic() > until:
                raise
            time.sleep(WAIT_S)
