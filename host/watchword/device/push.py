"""`watchword push`: a model image into a board's flash, over its serial link."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from watchword import core
from watchword.device.client import Board
from watchword.device.messages import Value
from watchword.errors import WatchwordError

MODEL_REMEDY = "add --push, or flash it: watchword flash --model MODEL"


def push(board: Board, image: bytes, slot: int = 0) -> str:
    """Make `image` the model that the board runs in that slot; returns what happened, in one line."""
    model, others = core.ModelImage(image), [info for info in board.words if info["slot"] != slot]
    header = model.header
    wanted = int(header["crc32"])
    place = f" in slot {slot}" if slot else ""
    named = f"'{header['word']}' ({wanted:08x}){place}"
    _check_slot(board, slot)
    if any(int(info["model_crc32"]) == wanted for info in board.words if info["slot"] == slot):
        return f"{board.info['board']} runs {named} already"
    _check_room(board, model, slot)
    if clock_hz := int(board.info["clock_hz"]):  # an emulated board, which has none, checks at the end
        model.check_real_time(clock_hz)  # beside what else runs: the board knows
    with tqdm(total=len(image), unit="B", unit_scale=True, desc="model", file=sys.stderr) as bar:

        def sent(count: int) -> None:
            bar.update(count - bar.n)

        board.push_model(image, sent, slot)
    beside = f", beside {_listed(others)}" if others else ""
    return f"{board.info['board']} runs {named} now, {len(image)} bytes in flash{beside}"


def remove(board: Board, slot: int) -> str:
    """Forget the model pushed to that slot; returns what is left, in one line."""
    _check_slot(board, slot)
    before = _models(board)
    board.remove_model(slot)
    runs = f"{board.info['board']} runs {_listed(board.words)}"
    changed = _models(board) != before
    return f"{runs} now" if changed else f"nothing was pushed to slot {slot}: {runs} as before"


def _models(board: Board) -> list[tuple[Value, Value]]:
    return [(info["slot"], info["model_crc32"]) for info in board.words]


def _check_slot(board: Board, slot: int) -> None:
    slots = int(board.info["slots"])
    if not 0 <= slot < slots:
        raise WatchwordError(f"has no slot {slot}", board.link.name, f"its slots are 0 to {slots - 1}")


def _check_room(board: Board, model: core.ModelImage, slot: int) -> None:
    """Before the long way over the link: is there working memory? The board has the last word."""
    replaced = sum(int(info["arena_bytes"]) for info in board.words if info["slot"] == slot)
    needed, free = int(model.header["arena_bytes"]), int(board.info["arena_free"]) + replaced
    if needed > free + _ROUNDING:
        raise WatchwordError(
            f"'{model.header['word']}' needs {needed} bytes of working memory, {free} are free beside "
            f"{_listed([info for info in board.words if info['slot'] != slot]) or 'nothing'}",
            board.link.name,
            "remove a word (watchword push --slot N --remove), or train a smaller one",
        )


_ROUNDING = 15  # a board gives each model whole steps of 16 bytes


def _listed(infos: Sequence[Mapping[str, Value]]) -> str:
    return ", ".join(f"'{info['word']}'" for info in infos)


def check_model(
    infos: Sequence[Mapping[str, Value]], image: bytes, port: str, remedy: str = MODEL_REMEDY
) -> int:
    """The number of the word that runs `image` on the board with these `infos`; an error if none does."""
    header = core.ModelImage(image).header
    wanted = int(header["crc32"])
    for number, info in enumerate(infos):
        if int(info["model_crc32"]) == wanted:
            return number
    running = ", ".join(f"'{info['word']}' ({int(info['model_crc32']):08x})" for info in infos)
    raise WatchwordError(
        f"the board runs another model: {running}, not '{header['word']}' ({wanted:08x})", port, remedy
    )
