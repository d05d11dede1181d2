"""Comments of Python source by line: where the generated pages take their words from (stdlib only)."""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass


@dataclass(frozen=True)
class Comment:
    """The text after the # of one line."""

    text: str
    alone: bool  # nothing before it on its line


def comments(source: str) -> dict[int, Comment]:
    """Every comment of `source`, by its line number."""
    return {
        token.start[0]: Comment(token.string.lstrip("# "), not token.line[: token.start[1]].strip())
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }


def block_above(found: dict[int, Comment], line: int) -> str:
    """The lines of comment right above `line`, as one text."""
    above: list[str] = []
    while (line := line - 1) in found and found[line].alone:
        above.insert(0, found[line].text)
    return " ".join(above)
