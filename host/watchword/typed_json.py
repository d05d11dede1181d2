"""JSON files whose layout is a frozen dataclass: written, read back and checked in one place."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from watchword.errors import WatchwordError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
_SURROGATE = re.compile("[\ud800-\udfff]")  # stands for a byte of a file name that is not UTF-8


def to_json(value: DataclassInstance) -> str:
    """The text of a file; a figure that is not finite would be a defect, so it is refused."""
    text = json.dumps(asdict(value), indent=1, allow_nan=False, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def from_json(content: Any, kind: type[T], where: str | Path, remedy: str) -> T:
    """A `kind` of what json.loads returned. Unknown keys are passed over: later versions may add some."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        what = str(error).replace("Object missing required field", "lacks").replace("$.", "")
        raise WatchwordError(what, where, remedy) from error


def read_json(path: Path, kind: type[T], remedy: str, schema: int | None = None) -> T:
    """A `kind` from a file; with `schema`, an error if the file says another."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WatchwordError(f"not readable: {error}", path, remedy) from error
    found = content.get("schema") if isinstance(content, dict) else None
    if schema is not None and found != schema:
        raise WatchwordError(f"has schema {found}, not {schema}", path, remedy)
    return from_json(content, kind, path, remedy)
