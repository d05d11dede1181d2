"""A board that says anything at all: every call of the client ends in time, with a result or one error."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fake_board import Application, FakeBoard
from watchword import spec
from watchword.core import DetectorConfig
from watchword.device import messages
from watchword.device.bench import parity
from watchword.device.capture import capture, save_detections, save_everything
from watchword.device.client import Board
from watchword.device.link import HostLink
from watchword.device.messages import Received
from watchword.errors import WatchwordError
from watchword.evaluate.metrics import ScoredStream

SEEDS = 60
USES = (
    "stats",
    "config_get",
    "config_set",
    "microphone",
    "bench",
    "push",
    "remove",
    "capture",
    "capture_all",
    "clips",
)
NASTY_BYTES = b"\x1b[2J\x1b]0;title\x07\r\n\x00\xff\xfe\xc2\x9b\xe2\x80\xae"
FROM_BOARD = [m for m in spec.MESSAGES if m.type_id >= 0x20]


class Hostile(Application):
    """Answers like a board, with lies in it, or never, or without end."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.lies = self.rng.choice((0.0, 0.1, 0.5))  # share of answers that are something else
        self.floods = self.rng.random() < 0.3  # talks without being asked
        self.mute = self.rng.random() < 0.2

    def take(self, type_id: int, payload: bytes) -> None:
        message = messages.decode(type_id, payload)
        answered = len(self.outbox)
        handler = getattr(self, f"on_{message.name}", None)
        if handler and not (self.mute and message.name != "info_get"):
            handler(message)
        for i in range(answered, len(self.outbox)):
            if message.name != "info_get" and self.rng.random() < self.lies:
                self.outbox[i] = self.anything()

    def on_listen(self, message: Received) -> None:
        self.say("listening", {"send": message.number("send"), "snippet_samples": self.number(4)})

    def number(self, size: int) -> int:
        top = (1 << 8 * size) - 1
        return (
            self.rng.choice((0, 1, 2, 320, top // 2, top // 2 + 1, top - 1, top, self.rng.randint(0, top)))
            & top
        )

    def value(self, kind: str) -> messages.Value:
        size = int(kind[1:])
        if kind[0] == "c":
            return self.some_bytes(size).decode("latin-1")[: size // 2]
        unsigned = self.number(size // 8)
        return unsigned - (1 << size - 1) if kind[0] == "i" else unsigned

    def some_bytes(self, most: int) -> bytes:
        return bytes(self.rng.choices(NASTY_BYTES + bytes(range(256)), k=self.rng.randint(0, most)))

    def anything(self) -> tuple[int, bytes]:
        message = self.rng.choice(FROM_BOARD)
        fields = {name: self.value(kind) for name, kind in message.fields}
        tail = self.some_bytes(64) if message.tail is not None else b""
        return message.type_id, messages.encode(message.name, fields, tail)


class Talker(Hostile):
    """Says one thing without end."""

    def __init__(self) -> None:
        super().__init__(0)
        self.mute = self.floods = True

    def anything(self) -> tuple[int, bytes]:
        fields: dict[str, messages.Value] = dict.fromkeys(("sample_index", "smoothed_q15", "cost"), 1)
        fields["word_number"] = 0
        return messages.type_id("detection"), messages.encode("detection", fields)


class HostileBoard(FakeBoard):
    """The port of such a board."""

    def _work(self) -> None:
        super()._work()
        app = self.app
        if isinstance(app, Hostile) and app.floods and self.device.connected and len(app.outbox) < 2:
            app.outbox.append(app.anything())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on with every look at it: minutes of waiting take no time."""
    now = 0.0

    def tick(link: HostLink) -> float:
        nonlocal now
        now += 0.004
        return now

    monkeypatch.setattr(HostLink, "now", tick)
    monkeypatch.setattr(HostLink, "_wait", lambda link, seconds: None)


def uses(folder: Path) -> dict[str, Callable[[Board], object]]:
    pcm = np.random.default_rng(0).integers(-9000, 9000, 6_000).astype(np.int16)

    def bench(board: Board) -> object:
        results = list(board.stream_many([pcm, pcm[:100]]))
        nothing = np.zeros(0, np.int64)
        host = [ScoredStream(None, 0, np.zeros(0, np.uint8), nothing, nothing) for _ in results]  # type: ignore[arg-type]
        return parity(host, results)

    return {
        "stats": lambda board: board.stats(reset=True),
        "config_get": lambda board: board.config_get(),
        "config_set": lambda board: board.config_set(DetectorConfig(5, 0.7, 0.3, 500)),
        "microphone": lambda board: board.microphone(2.0),
        "bench": bench,
        "push": lambda board: board.push_model(bytes(3000)),
        "remove": lambda board: board.remove_model(1),
        "capture": lambda board: capture(board, 1.0),
        "capture_all": lambda board: save_everything(board, folder / "all.wav", 1.0),
        "clips": lambda board: save_detections(board, folder / "clips", 1.0),
    }


@pytest.mark.parametrize("use", USES)
def test_every_use_ends_with_a_result_or_one_clear_error(use: str, quick: None, tmp_path: Path) -> None:
    outcomes = {"result": 0, "error": 0}
    for seed in range(SEEDS):
        folder = tmp_path / str(seed)
        try:
            with Board(HostileBoard(seed, make_app=partial(Hostile, seed))) as board:
                assert all(str(value).isprintable() for value in board.info.values())
                uses(folder)[use](board)
            outcomes["result"] += 1
        except WatchwordError as error:
            assert str(error).isprintable(), error
            outcomes["error"] += 1
    assert outcomes["error"] >= SEEDS // 10, f"the boards were not hostile: {outcomes}"


@pytest.mark.parametrize("use", ["stats", "bench", "push", "capture_all"])
def test_a_board_that_talks_without_end_and_never_answers_is_given_up(
    use: str, quick: None, tmp_path: Path
) -> None:
    port = HostileBoard(make_app=Talker)
    with (
        pytest.raises(WatchwordError, match=r"within|took no|results"),
        Board(port) as board,
    ):
        uses(tmp_path)[use](board)
    assert port.closed


def test_what_a_board_says_is_printable() -> None:
    for message in FROM_BOARD:
        fields = {n: "\x1b[2Ja\u202e\x9bb" if t[0] == "c" else 1 for n, t in message.fields}
        decoded = messages.decode(message.type_id, messages.encode(message.name, fields))
        assert all(str(value).isprintable() for value in decoded.fields.values())
