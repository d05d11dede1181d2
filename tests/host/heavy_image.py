"""A model image that is right in every respect and too much work for any chip: layers share one table."""

from __future__ import annotations

import struct
import zlib

from watchword import spec

LAYERS, TAPS, OUTPUTS = spec.MODEL_MAX_LAYERS, 16, 28
_ONE_Q32 = (1 << 32) - 1


def heavy_image(light: bytes) -> bytes:
    """Of the front end and detector of `light`; a million products a row of 40 coefficients."""
    header_format, layer_format = map(spec.fields_format, (spec.MODEL_HEADER_FIELDS, spec.LAYER_FIELDS))
    names = [name for name, _ in spec.MODEL_HEADER_FIELDS]
    header = dict(zip(names, struct.unpack_from(header_format, light), strict=True))
    coeffs = header["coeffs"]
    layers_at = spec.MODEL_HEADER_BYTES
    norm_at = layers_at + LAYERS * spec.LAYER_BYTES
    mean = light[header["norm_mean_offset"] :][: 4 * coeffs]  # with the spreads, where there are any
    gain = light[header["norm_gain_offset"] :][: 2 * coeffs]
    norm = _padded(mean) + _padded(gain)
    weights_at = norm_at + len(norm)
    table = bytes(TAPS * coeffs * OUTPUTS)
    tables = [
        _padded(table),
        bytes(4 * OUTPUTS),
        struct.pack("<I", _ONE_Q32) * OUTPUTS,
        _padded(bytes(OUTPUTS)),
    ]
    offsets = [weights_at + sum(map(len, tables[:i])) for i in range(len(tables))]
    blob = b"".join(tables)
    ring = (LAYERS + 1) * spec.MODEL_STATE_BYTES
    header |= {"input_ring_offset": ring, "input_ring_rows": TAPS, "presets_offset": 0}
    ring += _up(TAPS * coeffs)
    layers = b""
    for i in range(LAYERS):
        last = i == LAYERS - 1
        values = dict.fromkeys((name for name, _ in spec.LAYER_FIELDS), 0) | {
            "op": spec.MODEL_OPS["CONV"], "input_a": i if last else 0, "groups": 1, "dilation": 1,
            "stride": 1,
            "in_channels": OUTPUTS if last else coeffs, "out_channels": 1 if last else OUTPUTS,
            "taps": 1 if last else TAPS, "ring_rows": 1, "first_row": TAPS, "row_step": 1,
            "out_min": -128, "out_max": 127, "row_channels": 1 if last else OUTPUTS,
            "ring_offset": ring, "weights_offset": offsets[0], "bias_offset": offsets[1],
            "multiplier_offset": offsets[2], "shift_offset": offsets[3], "reserved": b"",
        }  # fmt: skip # a table of fields
        layers += struct.pack(layer_format, *(values[name] for name, _ in spec.LAYER_FIELDS))
        ring += _up(1 if last else OUTPUTS)
    header |= {
        "arena_bytes": ring, "layers_offset": layers_at, "layer_count": LAYERS,
        "receptive_rows": TAPS, "first_rows": TAPS, "input_fill": 0, "reserved": 0,
        "stride_rows": 1, "norm_mean_offset": norm_at, "norm_gain_offset": norm_at + len(_padded(mean)),
        "weights_offset": weights_at, "weights_bytes": len(blob), "image_bytes": weights_at + len(blob),
    }  # fmt: skip # a table of fields
    body = layers + norm + blob
    image = struct.pack(header_format, *(header[name] for name in names)) + body
    crc = zlib.crc32(image[spec.MODEL_CRC_FROM :])
    at = spec.MODEL_CRC_FROM - 4
    return image[:at] + struct.pack("<I", crc) + image[spec.MODEL_CRC_FROM :]


def _up(count: int) -> int:
    return (count + 3) & ~3


def _padded(content: bytes) -> bytes:
    return content.ljust(_up(len(content)), b"\0")
