"""docs/reference/image.md: the bytes of a model image, from watchword.spec and its comments.

`tools/generate/core.py` writes and checks it together with the C files, so that none can be left behind.
"""

from __future__ import annotations

import ast
import inspect
import struct

from watchword import spec

from tools.generate.comments import Comment, block_above, comments

LIMITS = (
    "MODEL_MAX_IMAGE_BYTES",
    "MODEL_MAX_ARENA_BYTES",
    "MODEL_MAX_LAYERS",
    "MODEL_MAX_CHANNELS",
    "MODEL_MAX_ROWS",
    "MODEL_MAX_PRODUCTS",
    "MODEL_MAX_BIAS",
)
INTRODUCTION = """# A model image, byte by byte

Written by `make gen` from host/watchword/spec.py; the same command writes the C structs
(`firmware/core/gen/ww_model_format.h`). `watchword export` makes an image (`model.bin`, and as a C array
`model.c`), a board takes one with `watchword push`, and `ww_model_check`
(`firmware/core/src/model_check.c`) refuses everything that is not exactly as described here before a
single value of it is used.

The parts, one after another: header ({header} bytes), layer records ({layer} bytes each), preset
records ({preset} bytes each; {presets}, or none at all), normalisation
tables, weights. Little endian; every field is naturally aligned; every offset counts from the start of
the image and is a multiple of 4.

A layer's output is a stream of rows, a *value*: value 0 is the model's input, value i + 1 the output of
layer i, and a layer reads only values before its own. The arena begins with {state} bytes of state for
each value; behind them lie the rings, one after another, each on a 4-byte boundary, with the latest
`ring_rows` rows of each value. The last layer has one channel: the score.

Types: `u8`, `u16`, `u32` unsigned, `i8` signed, `c32` 32 bytes padded with zeros. The header begins with
the bytes `{magic}` and version {version}.
"""


def render() -> str:
    """The whole page."""
    source = inspect.getsource(spec)
    found = comments(source)
    assigned = {
        node.targets[0].id: node
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    introduction = INTRODUCTION.format(
        header=spec.MODEL_HEADER_BYTES,
        layer=spec.LAYER_BYTES,
        preset=spec.PRESET_BYTES,
        presets=", ".join(spec.PRESETS),
        state=spec.MODEL_STATE_BYTES,
        magic=spec.MODEL_MAGIC.to_bytes(4, "little").decode(),
        version=spec.MODEL_VERSION,
    )
    return "\n".join(
        [
            introduction,
            *_fields("Header", spec.MODEL_HEADER_FIELDS, assigned["MODEL_HEADER_FIELDS"], found),
            *_fields("Layer record", spec.LAYER_FIELDS, assigned["LAYER_FIELDS"], found),
            *_fields("Preset record", spec.PRESET_FIELDS, assigned["PRESET_FIELDS"], found),
            *_operations(assigned["MODEL_OPS"], found),
            *_limits(assigned, found),
        ]
    )


def _fields(
    title: str, fields: tuple[tuple[str, str], ...], node: ast.Assign, found: dict[int, Comment]
) -> list[str]:
    assert isinstance(node.value, ast.Tuple)
    lines = [f"## {title}\n", "| byte | type | field | |", "|---:|---|---|---|"]
    offset = 0
    for (name, kind), element in zip(fields, node.value.elts, strict=True):
        lines.append(f"| {offset} | {kind} | `{name}` | {_beside(found, element)} |")
        offset += struct.calcsize(spec.fields_format(((name, kind),)))
    return [*lines, ""]


def _operations(node: ast.Assign, found: dict[int, Comment]) -> list[str]:
    assert isinstance(node.value, ast.Dict)
    lines = [
        "## Operations\n",
        f"Offsets of a layer that its operation has no use for are 0. {_sentence(found[node.lineno].text)}\n",
        "| code | operation | weights, and what it does |",
        "|---:|---|---|",
    ]
    for (name, code), element in zip(spec.MODEL_OPS.items(), node.value.values, strict=True):
        lines.append(f"| {code} | {name} | {_beside(found, element)} |")
    return [*lines, ""]


def _limits(assigned: dict[str, ast.Assign], found: dict[int, Comment]) -> list[str]:
    lines = ["## Limits\n", "| constant | at most | |", "|---|---:|---|"]
    lines += [f"| `{name}` | {getattr(spec, name):,} | {_beside(found, assigned[name])} |" for name in LIMITS]
    return [*lines, ""]


def _beside(found: dict[int, Comment], node: ast.stmt | ast.expr) -> str:
    """The comment on the node's line and those alone above it, safe in a table."""
    own = found.get(node.end_lineno or node.lineno)
    parts = (block_above(found, node.lineno), own.text if own and not own.alone else "")
    return " ".join(part for part in parts if part).replace("|", "\\|")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
