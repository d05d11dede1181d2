"""`watchword push`: a model image into a board's flash, over its serial link."""

from __future__ import annotations

import sys

from tqdm import tqdm

from watchword import core
from watchword.device.client import Board


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
