"""The packages of host/watchword point one way: each imports only what stands before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "host" / "watchword"
# README draws the same line. Files and folders in one group do not import each other.
ORDER = (
    {"spec", "errors", "project"},
    {"core", "core_build", "files", "processes", "progress", "typed_json", "words", "decoders"},
    {"config_sections"},
    {"config", "audio"},
    {"export"},
    {"data"},
    {"evaluate"},
    {"device"},
    {"train"},
    {"judge"},
    {"cli", "api"},
    {"__main__"},
)
FLOOR = {name: floor for floor, names in enumerate(ORDER) for name in names}
GENERATED = {"_core"}


def module_of(path: Path) -> str:
    return ".".join(("watchword", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of all that a file imports from the package, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                name = inner if inner in MODULES or node.module == "watchword" else node.module or ""
                if name.startswith("watchword."):
                    yield node.lineno, name
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from ((node.lineno, name) for name in names if name.startswith("watchword."))


def test_every_part_has_its_place() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    parts = packages | {path.stem for path in PACKAGE.glob("*.py")}
    assert parts - {"__init__"} <= FLOOR.keys()


def test_imports_point_one_way() -> None:
    wrong = []
    for path in sorted(MODULES.values()):
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for line, name in imports(path):
            part = name.split(".")[1]
            if own == "__init__" or part == own or part in GENERATED:
                continue
            if FLOOR[part] >= FLOOR[own]:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} imports {name}")
    assert not wrong, "against the order of packages:\n" + "\n".join(wrong)


def test_no_circle_of_files() -> None:
    """Lazy imports and those for typing only count: they hide circles, they do not end them."""
    graph = {module: {name for _, name in imports(path)} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name in graph and name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
