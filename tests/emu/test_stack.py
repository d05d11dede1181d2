"""The firmware's stack: bounded for every input, and measured below that bound."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_model import noise, write_model
from boards import ENVS, port_of
from watchword.core import DetectorConfig
from watchword.device import ports
from watchword.device.client import Board
from watchword.errors import WatchwordError
from watchword.evaluate.budgets import read_budgets

from tools.cost.stack_bound import Graph, deepest, stack_bound


@pytest.mark.emu
@pytest.mark.parametrize("env", ENVS)
def test_no_path_through_the_firmware_needs_more_than_the_budget(
    env: str, model_dir: Path, tmp_path: Path, capsys
) -> None:
    bound, path = stack_bound(env, model_dir, tmp_path / "build")
    used = measured(port_of(env), model_dir, tmp_path)
    with capsys.disabled():
        print(f"\n{env}: at most {bound} bytes of stack, {used} measured")
    assert used <= bound <= read_budgets(env)["stack_bytes"], "\n".join(path)


def measured(port: str, model_dir: Path, tmp_path: Path) -> int:
    """The painted high-water mark after everything a host can ask for."""
    other = write_model(tmp_path / "other", seed=33, kind="logmel", cmvn="running_mv")
    with ports.open_port(port, model_dir) as transport, Board(transport, port) as board:
        board.stream(noise(2.0, 1))
        board.config_set(DetectorConfig(3, 0.5, 0.25, 1000))
        board.microphone(4)
        board.settings_save()
        board.push_model((other / "model.bin").read_bytes())
        board.push_model((model_dir / "model.bin").read_bytes(), slot=1)
        board.stream(noise(2.0, 2))
        board.remove_model(1)
        return board.stats()["stack_bytes"]


def node(name: str, frame: str = "") -> str:
    return f'node: {{ title: "{name}" label: "{name}\\nfile.c:1:1{frame}" }}\n'


def edge(caller: str, called: str, where: str = "firmware/app/file.c:3:4") -> str:
    return f'edge: {{ sourcename: "{caller}" targetname: "{called}" label: "{where}" }}\n'


def bound_of(*lines: str) -> int:
    graph = Graph()
    graph.add("".join(lines))
    return deepest(graph)[0]


MAIN = node("main", "\\n16 bytes (static)")


def test_the_dearest_path_counts() -> None:
    near, far = node("near", "\\n500 bytes (static)"), node("a.c:far", "\\n400 bytes (static)")
    below = node("below", "\\n200 bytes (dynamic,bounded)")
    calls = edge("main", "near") + edge("main", "a.c:far") + edge("a.c:far", "below")
    assert bound_of(MAIN, near, far, below, calls) == 16 + 400 + 200


def test_calls_through_known_pointers_count() -> None:
    sizes = {"on_a": 32, "on_b": 64}
    handlers = "".join(
        node(f"requests.c:{name}", f"\\n{size} bytes (static)") for name, size in sizes.items()
    )
    assert bound_of(MAIN, handlers, edge("main", "__indirect_call", "firmware/app/requests.c:9:1")) == 80


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([edge("main", "main")], "recursion"),
        ([edge("main", "__indirect_call", "firmware/app/other.c:9:1")], "nobody knows where"),
        ([node("other"), edge("main", "other")], "without a call graph"),
        ([node("other", "\\n32 bytes (dynamic)")], "unknown size"),
    ],
)
def test_what_cannot_be_bounded_is_refused(lines: list[str], why: str) -> None:
    with pytest.raises(WatchwordError, match=why):
        bound_of(MAIN, *lines)
