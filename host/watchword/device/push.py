"""`watchword push`: a model image into a board's flash, over its serial link."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tqdm import tqdm

from watchword import core
from watchword.device.client import Board
from watchword.device.messages import Value
from watchword.errors import WatchwordError

MODEL_REMEDY = "add --push, or flash it: watchword flash --model MODEL"


def push(board: Board, image: bytes) -> str:
    """Make `image` the model that the board runs; returns what happened, in one line."""
    model = core.ModelImage(image)
    if clock_hz := int(board.info["clock_hz"]):  # an emulated board, which has none, checks at the end
        model.check_real_time(clock_hz)
    header = model.header
    wanted = int(header["crc32"])
    named = f"'{header['word']}' ({wanted:08x})"
    if int(board.info["model_crc32"]) == wanted:
        return f"{board.info['board']} runs {named} already"
    with tqdm(total=len(image), unit="B", unit_scale=True, desc="model", file=sys.stderr) as bar:

        def sent(count: int) -> None:
            bar.update(count - bar.n)

        board.push_model(image, sent)
    return f"{board.info['board']} runs {named} now, {len(image)} bytes in flash"


def check_model(info: Mapping[str, Value], image: bytes, port: str, remedy: str = MODEL_REMEDY) -> None:
    """An error if the board with this `info` runs another model than `image`."""
    header = core.ModelImage(image).header
    wanted, found = int(header["crc32"]), int(info["model_crc32"])
    if found != wanted:
        raise WatchwordError(
            f"the board runs another model: '{info['word']}' ({found:08x}), not "
            f"'{header['word']}' ({wanted:08x})",
            port,
            remedy,
        )
