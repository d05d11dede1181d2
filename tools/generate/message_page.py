"""docs/reference/messages.md: every message of the link with its fields, from watchword.spec."""

from __future__ import annotations

import ast
import inspect
from itertools import groupby

from watchword import spec

from tools.generate.comments import comments

INTRODUCTION = """# The messages of the link

Written by `make gen` from host/watchword/spec.py, protocol version {version}. How frames carry them:
[link.md](link.md).

Fields follow one another without gaps, little endian; `c32` is 32 bytes of UTF-8 padded with zeros. A field
in *italics* is the rest of the payload, of any length that fits: a payload is at most {payload} bytes.
Levels and thresholds are Q15: {one} is 1.
"""


def render() -> str:
    """The whole page."""
    lines = [
        INTRODUCTION.format(
            version=spec.PROTOCOL_VERSION, payload=spec.LINK_MAX_PAYLOAD_BYTES, one=spec.q15(1.0)
        )
    ]
    notes = field_notes()
    for title, group in groupby(spec.MESSAGES, _section):
        lines += [f"## {title}\n", "| type | message | fields | |", "|---|---|---|---|"]
        lines += [*(_row(message, notes) for message in group), ""]
    return "\n".join(lines)


def _section(message: spec.Message) -> str:
    if not message.sequenced:
        return "Link control, outside the sequence"
    return "From the host" if message.from_host else "From the board"


def field_notes() -> dict[tuple[str, str], str]:
    """What spec.py says beside a field: (message, field) -> comment."""
    source = inspect.getsource(spec)
    told = comments(source)
    found: dict[tuple[str, str], str] = {}
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Message":
            name = str(ast.literal_eval(call.args[0]))
            fields = [node for node in ast.walk(call) if isinstance(node, ast.Tuple) and node.lineno in told]
            found |= {(name, ast.unparse(node.elts[0]).strip("'")): told[node.lineno].text for node in fields}
    return found


def _row(message: spec.Message, notes: dict[tuple[str, str], str]) -> str:
    fields = [f"`{name}` {kind}" for name, kind in message.fields]
    fields += [f"*{message.tail}*"] if message.tail else []
    told = [
        f"{name}: {notes[message.name, name]}" for name, _ in message.fields if (message.name, name) in notes
    ]
    text = "; ".join(filter(None, [message.doc, *told])).replace("|", "\\|")
    return f"| 0x{message.type_id:02x} | `{message.name}` | {', '.join(fields)} | {text} |"
