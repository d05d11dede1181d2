"""Network + settings -> the bytes of a model image (layout: spec.py, model image)."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from watchword import core, spec
from watchword.errors import WatchwordError
from watchword.export.layers import Layer, Network
from watchword.export.settings import ModelSettings


class _Blob:
    """Arrays one after another from `start` on, each on a 4-byte boundary."""

    def __init__(self, start: int) -> None:
        self.start, self.content = start, bytearray()

    @property
    def end(self) -> int:
        return self.start + len(self.content)

    def put(self, array: np.ndarray | None, dtype: str) -> int:
        """Offset of the array in the image; 0 for none."""
        if array is None:
            return 0
        offset = self.end
        self.content += np.ascontiguousarray(array, dtype).tobytes()
        self.content += bytes(-len(self.content) % 4)
        return offset


def build_image(network: Network, settings: ModelSettings) -> bytes:
    """The whole image, CRC included."""
    blob = _Blob(spec.MODEL_HEADER_BYTES + len(network.layers) * spec.LAYER_BYTES)
    presets = blob.put(_preset_records(settings), "<u2")
    mean = blob.put(_means_and_spreads(settings.normalisation), "<i2")
    gain = blob.put(settings.normalisation.gain, _gain_layout(settings.normalisation))
    weights = blob.end
    records = b"".join(_layer_record(network, i, blob) for i in range(len(network.layers)))
    fields = {
        **_settings_fields(settings),
        "magic": spec.MODEL_MAGIC,
        "version": spec.MODEL_VERSION,
        "header_bytes": spec.MODEL_HEADER_BYTES,
        "image_bytes": blob.end,
        "crc32": 0,
        "frontend_id": spec.FRONTEND_IDS[settings.kind],
        "arena_bytes": network.arena_bytes,
        "layers_offset": spec.MODEL_HEADER_BYTES,
        "norm_mean_offset": mean,
        "norm_gain_offset": gain,
        "presets_offset": presets,
        "weights_offset": weights,
        "weights_bytes": blob.end - weights,
        "input_ring_offset": network.ring_offsets()[0],
        "input_ring_rows": network.ring_rows()[0],
        "layer_count": len(network.layers),
        "receptive_rows": network.receptive_rows,
        "first_rows": network.first_rows,
        "input_fill": network.input_fill,
        "reserved": 0,
        "stride_rows": network.stride_rows,
    }
    return seal(_pack(spec.MODEL_HEADER_FIELDS, fields) + records + bytes(blob.content))


def _preset_records(settings: ModelSettings) -> np.ndarray | None:
    """uint16 [presets, fields], or none."""
    records = [[*_detector_fields(preset).values()] for preset in settings.presets.values()]
    return np.array(records) if records else None


def _means_and_spreads(normalisation: core.Normalisation) -> np.ndarray:
    """int16 [coeffs], or [2 · coeffs] where spreads, which fit int16, follow the means."""
    if normalisation.spread is None:
        return normalisation.mean
    return np.concatenate([normalisation.mean, normalisation.spread.astype(np.int16)])


def _gain_layout(normalisation: core.Normalisation) -> str:
    return np.dtype(normalisation.gain_type).newbyteorder("<").str


def seal(image: bytes) -> bytes:
    """The image with its CRC field set to fit."""
    at = spec.MODEL_CRC_FROM
    return image[: at - 4] + struct.pack("<I", zlib.crc32(image[at:])) + image[at:]


def starting_with(image: bytes, preset: str | None) -> bytes:
    """The image with the detector settings of one of its presets in force; None leaves it as it is."""
    if preset is None:
        return image
    known = core.ModelImage(image).presets
    if not known:
        raise WatchwordError(
            "the model brings no presets",
            f"preset '{preset}'",
            "export it again from a run with --target-fah 0.5; an imported one: set its threshold by tune",
        )
    names = [name for name, _ in spec.MODEL_HEADER_FIELDS]
    at = struct.calcsize(spec.fields_format(spec.MODEL_HEADER_FIELDS[: names.index("smoothing")]))
    record = struct.pack(spec.fields_format(spec.PRESET_FIELDS), *_detector_fields(known[preset]).values())
    return seal(image[:at] + record + image[at + len(record) :])


def _detector_fields(detector: core.DetectorConfig) -> dict[str, int]:
    return {name: int(getattr(detector, name)) for name, _ in spec.PRESET_FIELDS}


def _settings_fields(settings: ModelSettings) -> dict[str, int | bytes]:
    return {
        "hop_samples": settings.hop_samples,
        "coeffs": settings.coeffs,
        "cmvn_mode": spec.CMVN_MODES[settings.normalisation.mode],
        "feature_kind": spec.FEATURE_KINDS[settings.kind],
        "cmvn_alpha_q15": settings.normalisation.alpha_q15,
        **_detector_fields(settings.detector),
        "word": settings.word.encode(),
    }


def _pack(table: tuple[tuple[str, str], ...], fields: dict[str, int | bytes]) -> bytes:
    """Field table + values by name -> bytes; every field must be given, and no other."""
    names = [name for name, _ in table]
    if set(names) != set(fields):
        raise ValueError(f"fields {sorted(set(names) ^ set(fields))}")
    return struct.pack(spec.fields_format(table), *(fields[name] for name in names))


def _layer_record(network: Network, index: int, blob: _Blob) -> bytes:
    layer = network.layers[index]
    fields: dict[str, int | bytes] = {
        **_shape_fields(layer),
        "ring_rows": network.ring_rows()[index + 1],
        "ring_offset": network.ring_offsets()[index + 1],
        "weights_offset": blob.put(_stored_weights(layer), "<i1"),
        "bias_offset": blob.put(layer.bias, "<i4"),
        "multiplier_offset": blob.put(_q32(layer.multiplier), "<u4"),
        "shift_offset": blob.put(layer.shift, "<i1"),
    }
    return _pack(spec.LAYER_FIELDS, fields)


def _stored_weights(layer: Layer) -> np.ndarray | None:
    """The weights in the order of spec.MODEL_OPS: a CONV's outputs go innermost."""
    if layer.op != "CONV" or layer.weights is None:
        return layer.weights
    grouped = layer.weights.reshape(layer.groups, -1, *layer.weights.shape[1:])
    return grouped.transpose(0, 2, 3, 1)


def _q32(multiplier: np.ndarray | None) -> np.ndarray | None:
    """TFLite's Q31 multipliers (below 1) as the engine wants them."""
    return None if multiplier is None else 2 * multiplier.astype(np.uint32)


def _shape_fields(layer: Layer) -> dict[str, int | bytes]:
    return {
        "op": spec.MODEL_OPS[layer.op],
        "input_a": layer.inputs[0],
        "input_b": layer.inputs[1] if len(layer.inputs) > 1 else 0,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "groups": layer.groups,
        "taps": layer.taps,
        "dilation": layer.dilation,
        "stride": layer.stride,
        "lag_a": layer.lags[0],
        "lag_b": layer.lags[1],
        "first_row": layer.first_row,
        "row_step": layer.row_step,
        "in_first": layer.in_first,
        "joins": layer.joins,
        "out_first": layer.out_first,
        "row_channels": layer.row_bytes,
        "fill": layer.fill,
        "zero_a": layer.zeros[0],
        "zero_b": layer.zeros[1],
        "zero_out": layer.zero_out,
        "out_min": layer.out_range[0],
        "out_max": layer.out_range[1],
        "reserved": b"",
    }


def load_image(folder: Path) -> bytes:
    """The checked image of an exported model folder."""
    path = Path(folder) / "model.bin"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WatchwordError("no model here", path, "run `watchword export` first") from error
    try:
        return core.ModelImage(content).content
    except WatchwordError as error:
        raise WatchwordError(error.what, path, error.remedy) from error
