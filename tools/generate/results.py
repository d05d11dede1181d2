#!/usr/bin/env python3
"""docs/reference/results.md and the JSON Schemas: every key of the files that Watchword writes for programs.

All of it comes from the dataclasses behind the files: a key's meaning is the comment beside its field.
`--check` writes nothing and fails when a page or schema is not what it would write.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import types
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from watchword.evaluate.results import Results
from watchword.export.card import Card
from watchword.export.streaming_card import StreamingCard
from watchword.files import write_atomic
from watchword.judge.results import CascadeResults
from watchword.train.metrics import Metrics

from tools.generate.settings import effects

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "results.md"
SCHEMAS = ROOT / "host" / "watchword" / "schemas"
INTRODUCTION = """# Files for other programs

Written by `make reference` from the dataclasses that write the files. Each file also has a
JSON Schema (draft 2020-12) in the package: `host/watchword/schemas`. Keys keep their names and meanings;
programs must pass over keys they do not know, since later versions may add some. Times in a recording are
in seconds of the sound file, shares are 0..1, and a figure that does not exist is `null`, never 0.
"""


@dataclass(frozen=True)
class Document:
    """A file, the dataclass behind it, and what writes it."""

    name: str
    root: type
    about: str


DOCUMENTS = (
    Document("results.json", Results, "Of a session folder: what `bench` and `evaluate` measured."),
    Document("card.json", Card, "Of a model folder: what `export` knows of the model."),
    Document(
        "export-card.json",
        StreamingCard,
        "Of a folder that `export --format esphome` wrote: what it knows beside the manifest.",
    ),
    Document("metrics.json", Metrics, "Of a run folder: what `train` ended with."),
    Document("judge.json", CascadeResults, "What `watchword judge --out FILE` writes, under any name."),
)


def parts(root: type) -> list[type]:
    """The dataclasses that a file consists of, in the order in which a reader meets them."""
    found: list[type] = []

    def visit(kind: type) -> None:
        if kind in found:
            return
        found.append(kind)
        for hint in get_type_hints(kind).values():
            for inner in dataclasses_in(hint):
                visit(inner)

    visit(root)
    return found


def dataclasses_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for inner in get_args(hint):
        yield from dataclasses_in(inner)


@cache
def meanings(kind: type) -> dict[str, str]:
    """Meaning of each field of a dataclass, from its comments."""
    module = inspect.getmodule(kind)
    assert module is not None
    told = effects(inspect.getsource(module))
    owners = [base.__name__ for base in kind.__mro__]  # a field may be inherited
    return {
        field.name: next((told[o, field.name] for o in owners if told.get((o, field.name))), "")
        for field in fields(kind)
    }


def faults(document: Document) -> list[str]:
    """Keys without a meaning, and keys that may be null without saying when."""
    found = []
    for kind in parts(document.root):
        hints = get_type_hints(kind)
        for name, meaning in meanings(kind).items():
            if not meaning:
                found.append(f"{kind.__name__}.{name} has no comment")
            elif type(None) in get_args(hints[name]) and "null" not in meaning:
                found.append(f"{kind.__name__}.{name} does not say when it is null")
    return found


def shown(hint: Any) -> str:
    """A type for people."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("null" if part is type(None) else shown(part) for part in inner)
    if origin in (tuple, list):
        repeated = len(inner) == 1 or inner[-1] is Ellipsis
        return f"list of {shown(inner[0])}" if repeated else f"list of {len(inner)} {shown(inner[0])}s"
    if origin is dict:
        return f"object: text → {shown(inner[1])}"
    if isinstance(hint, type) and is_dataclass(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    names = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "anything"}
    return names[hint]


def section(document: Document) -> str:
    """One file's part of the page."""
    lines = [f"## {document.name}", "", document.about, ""]
    for kind in parts(document.root):
        told, hints = meanings(kind), get_type_hints(kind)
        if kind is not document.root:
            lines += [f"### {kind.__name__}", "", inspect.cleandoc(kind.__doc__ or "").split("\n")[0], ""]
        lines += ["| key | value | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {shown(hints[name])} | {told[name]} |" for name in told]
        lines.append("")
    return "\n".join(lines)


def page() -> str:
    """The whole of docs/reference/results.md."""
    return "\n".join([INTRODUCTION, *(section(document) for document in DOCUMENTS)]).rstrip() + "\n"


def schema(document: Document) -> str:
    """The JSON Schema of a file, with the meanings as descriptions."""
    kinds = parts(document.root)
    refs, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for kind in kinds:
        part = components[kind.__name__]
        part["description"] = inspect.cleandoc(kind.__doc__ or "").split("\n")[0]
        for name, meaning in meanings(kind).items():
            part["properties"][name] = {"description": meaning, **part["properties"][name]}
            part["properties"][name].pop("default", None)
        part["required"] = [f.name for f in fields(kind) if f.default is MISSING]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": document.name,
        "description": document.about,
        **refs[0],
        "$defs": components,
    }
    return json.dumps(head, indent=1, ensure_ascii=False) + "\n"


def schema_path(document: Document) -> Path:
    return SCHEMAS / f"{document.name.removesuffix('.json')}.schema.json"


def schema_of(name: str) -> dict[str, Any]:
    """The schema of a file, as it is shipped."""
    (document,) = [document for document in DOCUMENTS if document.name == name]
    return dict(json.loads(schema_path(document).read_text(encoding="utf-8")))


def contents() -> dict[Path, str]:
    """Everything this tool writes."""
    return {PAGE: page(), **{schema_path(document): schema(document) for document in DOCUMENTS}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether all is up to date")
    arguments = parser.parse_args()
    wrong = [fault for document in DOCUMENTS for fault in faults(document)]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    for path, content in contents().items():
        if not arguments.check:
            print(f"wrote {write_atomic(path, content)}")
        elif not path.is_file() or path.read_text(encoding="utf-8") != content:
            print(f"{path} is out of date: run `make reference`", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
