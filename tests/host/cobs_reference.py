"""COBS and frames written independently of the C code, from the published description: an oracle."""

from __future__ import annotations

import zlib


def stuff(data: bytes) -> bytes:
    out = b""
    for run in (data + b"\0").split(b"\0")[: data.count(b"\0") + 1]:
        while len(run) >= 254:
            out, run = out + b"\xff" + run[:254], run[254:]
        out += bytes([len(run) + 1]) + run
    return out


def unstuff(wire: bytes) -> bytes | None:
    """None for what cannot have been made by COBS."""
    out, at = b"", 0
    while at < len(wire):
        code = wire[at]
        block = wire[at + 1 : at + code]
        if code == 0 or len(block) != code - 1:
            return None
        out += block
        at += code
        if code != 255 and at < len(wire):
            out += b"\0"
    return out


def encode_frame(body: bytes, start: int) -> bytes:
    """Header and payload -> wire bytes; `start`: the session, 0 for HELLO and WELCOME."""
    return b"\0" + stuff(body + zlib.crc32(body, start).to_bytes(4, "little")) + b"\0"


def frames_of(wire: bytes) -> list[bytes]:
    """Header and payload of every well-formed frame, its CRC taken off unchecked."""
    decoded = [unstuff(part) for part in wire.split(b"\0") if part]
    return [frame[:-4] for frame in decoded if frame is not None and len(frame) >= 8]
