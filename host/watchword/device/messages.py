"""Link messages as Python values; every layout comes from spec.MESSAGES."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from watchword import spec
from watchword.errors import WatchwordError

Value = int | str
_BY_TYPE = {message.type_id: message for message in spec.MESSAGES}


@dataclass(frozen=True)
class Received:
    """One decoded message: its name, fixed fields by name, and the variable-length rest."""

    name: str
    fields: dict[str, Value] = field(default_factory=dict)
    tail: bytes = b""

    def number(self, name: str) -> int:
        return int(self.fields[name])

    def text(self, name: str) -> str:
        return str(self.fields[name])


def printable(text: bytes) -> str:
    """What a board says, safe to show: no control or escape characters, whatever the bytes are."""
    return "".join(c for c in text.decode("utf-8", "replace") if c.isprintable())


def type_id(name: str) -> int:
    return spec.MESSAGE[name].type_id


def encode(name: str, fields: Mapping[str, Value] | None = None, tail: bytes = b"") -> bytes:
    """The payload of a message; every field must be given."""
    message = spec.MESSAGE[name]
    fields = fields or {}
    names = [field_name for field_name, _ in message.fields]
    if set(names) != set(fields):
        raise ValueError(f"{name} takes the fields {names}, not {sorted(fields)}")
    if tail and message.tail is None:
        raise ValueError(f"{name} has no tail")
    values = [v.encode() if isinstance(v, str) else v for v in (fields[n] for n in names)]
    return struct.pack(message.struct_format, *values) + tail


def decode(type_number: int, payload: bytes) -> Received:
    """A payload that passed the link's CRC. What does not fit the spec is another version's."""
    message = _BY_TYPE.get(type_number)
    too_long = message is not None and message.tail is None and len(payload) > message.fixed_bytes
    if message is None or len(payload) < message.fixed_bytes or too_long:
        what = f"message type {type_number:#04x} with {len(payload)} bytes is not in this version's protocol"
        raise WatchwordError(what, "board", "flash firmware built from this version: `watchword flash`")
    raw = struct.unpack_from(message.struct_format, payload)
    names = [field_name for field_name, _ in message.fields]
    values = [printable(v.rstrip(b"\0")) if isinstance(v, bytes) else v for v in raw]
    return Received(message.name, dict(zip(names, values, strict=True)), payload[message.fixed_bytes :])
