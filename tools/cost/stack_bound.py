"""The deepest an emulated board's stack can ever be: every call path of its firmware, added up.

The compiler writes each function's frame and calls (-fcallgraph-info=su); the bound is the most
expensive path from main. It holds for all inputs, unlike the high-water mark a board reports. Recursion,
frames of unknown size, and calls through pointers that are not listed here are errors.

usage: python -m tools.cost.stack_bound [--board emu-c3] [--model models/hey_lighthouse]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from watchword.device import firmware
from watchword.errors import WatchwordError
from watchword.evaluate.budgets import read_budgets

FLAGS = "-fcallgraph-info=su"
INDIRECT = "__indirect_call"
# What a source file's calls through pointers can reach.
POINTERS = {"requests.c": ("on_*",), "model_store.c": ("can_run",), "pipeline.c": ("board_counter",)}
# The compiler's and the C library's own functions come without a call graph; none calls back, and
# those in use keep a few registers. Any other function without one is an error.
LIBRARY = ("mem*", "str*", "__*di3", "__*si3", "__*di2", "__*si2", "__riscv_*")
LIBRARY_BYTES = 128
NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?(?:\\n(\d+) bytes \(([^)]*)\))?"')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^":]*))?')


@dataclass
class Graph:
    """Functions by title (a static one's has its file before a colon)."""

    frames: dict[str, int] = field(default_factory=dict)
    calls: dict[str, set[str]] = field(default_factory=dict)

    def add(self, text: str) -> None:
        """One file that GCC wrote."""
        for title, size, kind in NODE.findall(text):
            if size:
                if "dynamic" in kind and "bounded" not in kind:
                    raise WatchwordError("a frame of unknown size", title, "give its arrays a fixed size")
                self.frames[title] = int(size)
        for source, target, where in EDGE.findall(text):
            targets = self.calls.setdefault(source, set())
            targets.add(f"{INDIRECT} {Path(where).name}" if target == INDIRECT else target)

    def targets(self, title: str) -> Iterable[str]:
        for target in self.calls.get(title, ()):
            if target.startswith(INDIRECT):
                yield from self._pointed_at(target.removeprefix(INDIRECT).strip())
            else:
                yield target

    def _pointed_at(self, file: str) -> list[str]:
        patterns = POINTERS.get(file, ())
        found = [t for t in self.frames if any(fnmatch(t.rpartition(":")[2], p) for p in patterns)]
        if not found:
            raise WatchwordError("a call through a pointer leads nobody knows where", file, "list it here")
        return found


def deepest(graph: Graph, start: str = "main") -> tuple[int, list[str]]:
    """Bytes, and the functions of the path."""
    done: dict[str, tuple[int, list[str]]] = {}
    open_calls: list[str] = []

    def visit(title: str) -> tuple[int, list[str]]:
        name = title.rpartition(":")[2]
        if title in open_calls:
            path = " -> ".join([*open_calls[open_calls.index(title) :], title])
            raise WatchwordError(f"recursion: {path}", name, "a stack without a bound is no stack")
        if title not in graph.frames:
            if not any(fnmatch(name, pattern) for pattern in LIBRARY):
                raise WatchwordError("a function without a call graph", name, "list it here")
            return LIBRARY_BYTES, [name]
        if title not in done:
            open_calls.append(title)
            below = max((visit(target) for target in graph.targets(title)), default=(0, []))
            open_calls.pop()
            done[title] = (graph.frames[title] + below[0], [f"{name} {graph.frames[title]}", *below[1]])
        return done[title]

    return visit(start)


def stack_bound(env: str, model_dir: Path, out: Path) -> tuple[int, list[str]]:
    """Compile the firmware of an emulated board into `out` and bound its stack."""
    firmware.build_with(env, model_dir, out, FLAGS)
    graph = Graph()
    for path in sorted(out.rglob("*.ci")):
        graph.add(path.read_text())
    return deepest(graph)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", default="emu-c3")
    parser.add_argument("--model", type=Path, default=firmware.default_model_dir())
    arguments = parser.parse_args()
    try:
        out = firmware.ROOT / "build" / "stack" / arguments.board
        bound, path = stack_bound(arguments.board, arguments.model, out)
        limit = read_budgets(arguments.board)["stack_bytes"]
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.board}: at most {bound} bytes of stack, {limit:.0f} allowed\n  " + "\n  ".join(path))
    return 0 if bound <= limit else 2


if __name__ == "__main__":
    sys.exit(main())
