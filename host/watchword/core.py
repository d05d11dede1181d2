"""The C core from Python: features, normalisation, inference, detection (see firmware/core).

Every function here is a thin call into the very C code that runs on the chip.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from watchword import project, spec
from watchword.errors import WatchwordError


class _NotBuilt:
    """In place of the C core in a checkout where it was not compiled: settings are known, nothing runs."""

    def __getattr__(self, name: str) -> Any:
        raise WatchwordError("the C core is not built", "watchword._core", f"run {project.pip_install()}")


try:
    from watchword._core import ffi as ffi
    from watchword._core import lib as lib
except ImportError:
    ffi = lib = _NotBuilt()

Pcm = NDArray[np.int16]
Rows = NDArray[np.int16]
InputRows = NDArray[np.int8]
Scores = NDArray[np.uint8]

STATUS_NAMES = {value: name for name, value in spec.STATUS.items()}


def spec_id() -> int:
    """Fingerprint of everything generated from spec.py; board and host must have the same."""
    return int(lib.wwb_spec_id())


def max_words() -> int:
    """How many words this build runs at once."""
    return int(lib.wwb_max_words())


def _check(status: int, where: str) -> int:
    if status < 0:
        name = STATUS_NAMES.get(-status, f"status {-status}")
        what, remedy = spec.STATUS_TEXTS.get(name, ("unknown status", "check the settings"))
        raise WatchwordError(f"rejected by the core: {what} ({name})", where, remedy)
    return status


def _pointer(array: np.ndarray, ctype: str) -> object:
    return ffi.cast(ctype, array.ctypes.data)


def _settings(config: DetectorConfig) -> Any:
    """As the C side takes them."""
    return ffi.new("wwb_detector *", [config.smoothing, config.high_q15, config.low_q15, config.cooldown_ms])


@overload
def unit(level_q15: int) -> float: ...
@overload
def unit(level_q15: np.ndarray) -> NDArray[np.float64]: ...
def unit(level_q15: int | np.ndarray) -> float | NDArray[np.float64]:
    """Levels or thresholds of the detector, Q15, as numbers 0..1."""
    return level_q15 / float(spec.q15(1.0))


@dataclass(frozen=True)
class DetectorConfig:
    """Smoothing in scores, thresholds 0..1, cooldown in milliseconds."""

    smoothing: int = spec.DETECTOR_SMOOTHING  # scores in the moving average
    high: float = spec.DETECTOR_HIGH  # average from which the detector fires, 0..1
    low: float = spec.DETECTOR_LOW  # average below which it can fire again, 0..1
    cooldown_ms: int = spec.DETECTOR_COOLDOWN_MS  # no second detection sooner than this, ms

    def __post_init__(self) -> None:
        def require(valid: bool, field_name: str, expected: str) -> None:
            if not valid:
                raise WatchwordError(f"must be {expected}", f"detector {field_name}", "change the setting")

        limit = spec.DETECTOR_MAX_SMOOTHING
        require(1 <= self.smoothing <= limit, "smoothing", f"1..{limit} scores, not {self.smoothing}")
        require(
            0 <= self.low <= self.high <= spec.DETECTOR_MAX_HIGH,
            "thresholds",
            f"0 <= low <= high <= {spec.DETECTOR_MAX_HIGH:.4f} (the highest score there is), "
            f"not {self.low:g}, {self.high:g}",
        )
        longest = spec.DETECTOR_MAX_COOLDOWN_MS
        require(0 <= self.cooldown_ms <= longest, "cooldown_ms", f"0..{longest}, not {self.cooldown_ms}")

    @classmethod
    def from_fields(cls, smoothing: int, high_q15: int, low_q15: int, cooldown_ms: int) -> DetectorConfig:
        """The settings as an image or a message of the link holds them."""
        return cls(smoothing, unit(high_q15), unit(low_q15), cooldown_ms)

    @property
    def high_q15(self) -> int:
        return spec.q15(self.high)

    @property
    def low_q15(self) -> int:
        return spec.q15(self.low)


@dataclass(frozen=True)
class Normalisation:
    """How int16 rows become int8 input rows; mean in row LSB, gain in Q2.14, both [coeffs].

    `running_mv` alone has `spread` [coeffs]: the typical mean absolute deviation, in row LSB. With `affine`
    the mean is the int8 value of row 0, and the gain Q2.30.
    """

    mode: str
    alpha_q15: int
    mean: NDArray[np.int16]
    gain: np.ndarray
    spread: NDArray[np.uint16] | None = None

    @property
    def gain_type(self) -> type[np.uint16] | type[np.uint32]:
        """What holds a gain, here and in an image."""
        return gain_type(self.mode)


def gain_type(mode: str) -> type[np.uint16] | type[np.uint32]:
    return np.uint32 if mode == "affine" else np.uint16


@dataclass(frozen=True)
class Detection:
    """An event: the end (exclusive) of the hop that fired, and the smoothed score in Q15."""

    sample_index: int
    smoothed_q15: int


@dataclass(frozen=True)
class PipelineRun:
    """Everything the pipeline said about one recording; arrays have one entry a score."""

    scores: Scores
    smoothed_q15: NDArray[np.uint16]
    score_samples: NDArray[np.int64]
    detections: list[Detection]
    rows: int


def frontend_rows(pcm: Pcm, hop_samples: int, coeffs: int, kind: str = "mfcc") -> Rows:
    """Rows of this kind, [len(pcm) // hop_samples, coeffs], in Q9.7 log2-power units.

    Those of micro are 64 ln(x), the first after MICRO_WINDOW_SAMPLES.
    """
    if kind not in spec.FEATURE_KINDS:
        raise WatchwordError(f"unknown kind '{kind}'", "front end", f"one of {', '.join(spec.FEATURE_KINDS)}")
    pcm = np.ascontiguousarray(pcm, np.int16)
    rows = np.empty((len(pcm) // hop_samples if hop_samples > 0 else 0, coeffs), np.int16)
    count = lib.wwb_frontend_rows(
        _pointer(pcm, "int16_t *"),
        len(pcm),
        spec.FEATURE_KINDS[kind],
        hop_samples,
        coeffs,
        _pointer(rows, "int16_t *"),
        len(rows),
    )
    return rows[: _check(count, f"front end ({kind}, hop {hop_samples}, {coeffs} coefficients)")]


def normalise(rows: Rows, normalisation: Normalisation) -> InputRows:
    """int8 model input [rows, coeffs]; running CMVN starts afresh at the first row.

    Defined in docs/reference/frontend.md.
    """
    rows = np.ascontiguousarray(rows, np.int16)
    mean = np.ascontiguousarray(normalisation.mean, np.int16)
    gain = np.ascontiguousarray(normalisation.gain, normalisation.gain_type)
    if normalisation.mode not in spec.CMVN_MODES:
        raise WatchwordError(
            f"unknown CMVN mode '{normalisation.mode}'",
            "normalisation",
            f"one of {', '.join(spec.CMVN_MODES)}",
        )
    spread = None if normalisation.spread is None else np.ascontiguousarray(normalisation.spread, np.uint16)
    if not len(mean) == len(gain) == rows.shape[1] or (spread is not None and len(spread) != len(mean)):
        raise WatchwordError(
            "mean, gain and rows differ in length", "normalisation", "export the model again"
        )
    out = np.empty(rows.shape, np.int8)
    status = lib.wwb_normalise(
        _pointer(rows, "int16_t *"),
        len(rows),
        rows.shape[1],
        spec.CMVN_MODES[normalisation.mode],
        normalisation.alpha_q15,
        _pointer(mean, "int16_t *"),
        _pointer(gain, "void *"),
        ffi.NULL if spread is None else _pointer(spread, "uint16_t *"),
        _pointer(out, "int8_t *"),
    )
    _check(status, "normalisation")
    return out


def detect(
    scores: Scores, score_samples: NDArray[np.int64], config: DetectorConfig
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Smoothed scores in Q15 and the indices (into `scores`) of the detections."""
    scores = np.ascontiguousarray(scores, np.uint8)
    samples = np.ascontiguousarray(score_samples, np.uint64)
    smoothed, fired = np.zeros(len(scores), np.uint16), np.zeros(len(scores), np.uint8)
    status = lib.wwb_detect(
        _pointer(scores, "uint8_t *"),
        _pointer(samples, "uint64_t *"),
        len(scores),
        _settings(config),
        _pointer(smoothed, "uint16_t *"),
        _pointer(fired, "uint8_t *"),
    )
    _check(status, "detector settings")
    return smoothed, np.flatnonzero(fired)


def lead_samples(kind: str, hop_samples: int) -> int:
    """Samples that the first row of this kind waits for beyond its hop; the others see silence before it."""
    return spec.MICRO_WINDOW_SAMPLES - hop_samples if kind == "micro" else 0


@dataclass(frozen=True)
class Geometry:
    """How samples, rows and scores of a model relate."""

    hop_samples: int
    receptive_rows: int  # rows of a window, which give one score
    stride_rows: int  # rows from one score to the next
    fill_rows: int = 0  # rows of the first window that stand before the stream, so that scores come sooner
    lead_samples: int = 0  # that the first row takes beyond its hop, see lead_samples()

    @property
    def first_rows(self) -> int:
        """Rows of a stream before its first score."""
        return self.receptive_rows - self.fill_rows

    @property
    def hop_s(self) -> float:
        return self.hop_samples / spec.SAMPLE_RATE_HZ

    @property
    def score_s(self) -> float:
        """Seconds from one score to the next."""
        return self.stride_rows * self.hop_s

    @property
    def window_samples(self) -> int:
        return self.lead_samples + self.receptive_rows * self.hop_samples

    @property
    def score_step_samples(self) -> int:
        """Samples from one score to the next."""
        return self.stride_rows * self.hop_samples

    def scores(self, rows: int) -> int:
        """How many scores a stream of `rows` gives."""
        return max(0, (rows - self.first_rows) // self.stride_rows + 1)

    def score_rows(self, scores: int) -> NDArray[np.int64]:
        """How many rows of a stream the window of each of its first `scores` scores ends after."""
        return self.first_rows + self.stride_rows * np.arange(scores, dtype=np.int64)

    def score_samples(self, scores: int) -> NDArray[np.int64]:
        """The same in samples of the stream."""
        return self.lead_samples + self.score_rows(scores) * self.hop_samples

    def rows_until(self, seconds: float) -> int:
        """How many rows of a stream are due by then, to the nearest."""
        return round((seconds * spec.SAMPLE_RATE_HZ - self.lead_samples) / self.hop_samples)


@dataclass(frozen=True)
class ModelImage:
    """A checked model image (models/<word>/model.bin)."""

    content: bytes
    header: dict[str, int | str] = field(init=False)

    def __post_init__(self) -> None:
        _check(lib.wwb_model_check(self.content, len(self.content)), "model image")
        object.__setattr__(self, "header", _header_fields(self.content))

    def scores(self, rows: InputRows) -> Scores:
        """Raw scores of a stream of int8 rows [n, coeffs], one per stride after the warm-up."""
        rows = np.ascontiguousarray(rows, np.int8)
        out = np.empty(len(rows), np.uint8)
        count = lib.wwb_model_scores(
            self.content,
            len(self.content),
            _pointer(rows, "int8_t *"),
            len(rows),
            _pointer(out, "uint8_t *"),
            len(out),
        )
        return out[: _check(count, "model image")]

    def values(self, rows: InputRows, value: int, channels: int) -> NDArray[np.int8]:
        """Every row int8 [n, channels] that one value of the engine takes while `rows` stream through it."""
        rows = np.ascontiguousarray(rows, np.int8)
        out = np.empty((len(rows), channels), np.int8)
        count = lib.wwb_model_values(
            self.content,
            len(self.content),
            _pointer(rows, "int8_t *"),
            len(rows),
            value,
            _pointer(out, "int8_t *"),
            len(rows),
        )
        return out[: _check(count, "model image")]

    @property
    def instructions_per_second(self) -> int:
        """Upper estimate of what a chip executes for a second of audio."""
        count = ffi.new("uint32_t *")
        _check(lib.wwb_model_instructions(self.content, len(self.content), count), "model image")
        return int(count[0])

    def check_real_time(self, core_hz: int, beside: int = 0) -> None:
        """An error if a chip of that clock would fall behind the audio.

        `beside`: instructions per second of the models that run beside this one.
        """
        _check(lib.wwb_models_keep_up(self.instructions_per_second + beside, core_hz), "model image")

    @property
    def kind(self) -> str:
        """The kind of features it was trained on: a key of spec.FEATURE_KINDS."""
        return next(
            name for name, value in spec.FEATURE_KINDS.items() if value == self.header["feature_kind"]
        )

    @property
    def detector(self) -> DetectorConfig:
        """The detector settings the image carries."""
        return DetectorConfig.from_fields(*(int(self.header[name]) for name, _ in spec.PRESET_FIELDS))

    @property
    def presets(self) -> dict[str, DetectorConfig]:
        """The detector settings that can be chosen by name: each of spec.PRESETS, or none."""
        at = int(self.header["presets_offset"])
        layout = spec.fields_format(spec.PRESET_FIELDS)
        records = struct.iter_unpack(layout, self.content[at:][: len(spec.PRESETS) * spec.PRESET_BYTES])
        found = (DetectorConfig.from_fields(*record) for record in records)
        return dict(zip(spec.PRESETS, found, strict=True)) if at else {}

    @property
    def geometry(self) -> Geometry:
        names = ("hop_samples", "receptive_rows", "stride_rows", "first_rows")
        hop, receptive, stride, first = (int(self.header[name]) for name in names)
        return Geometry(hop, receptive, stride, receptive - first, lead_samples(self.kind, hop))


def _header_fields(image: bytes) -> dict[str, int | str]:
    names = [name for name, _ in spec.MODEL_HEADER_FIELDS]
    layout = spec.fields_format(spec.MODEL_HEADER_FIELDS)
    values = struct.unpack_from(layout, image)
    texts = [v.rstrip(b"\0").decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values]
    return dict(zip(names, texts, strict=True))


class Pipeline:
    """The whole chain, from audio to detections, for one word or several, fed piece by piece."""

    def __init__(self, images: Sequence[bytes], detectors: Sequence[DetectorConfig | None] = ()) -> None:
        """`detectors` replace the images' own settings, where given and not None."""
        if len(detectors) > len(images):
            what = f"{len(detectors)} settings for {len(images)} models"
            raise WatchwordError(what, "detectors", "give one for each model")
        settings = ffi.new("wwb_detector[]", len(images))
        for place, detector in enumerate(detectors):
            if detector is not None:
                settings[place] = _settings(detector)[0]
        self._images = [ffi.from_buffer("uint8_t[]", image) for image in images]  # the C side points there
        sizes = ffi.new("size_t[]", [len(image) for image in images])
        status, failed = ffi.new("int *"), ffi.new("size_t *")
        pointers = ffi.new("uint8_t *[]", self._images)
        pipeline = lib.wwb_pipeline_new(pointers, sizes, settings, len(images), status, failed)
        where = f"model image {failed[0] + 1} of {len(images)}" if len(images) > 1 else "model image"
        _check(int(status[0]), where)
        self._pipeline = ffi.gc(pipeline, lib.wwb_pipeline_free)

    def feed(self, pcm: Pcm, chunk_samples: int = 0) -> tuple[PipelineRun, ...]:
        """What the next int16 [samples] give for each word; indices and rows count from the start.

        `chunk_samples` cuts the audio into pieces of that size; the result does not depend on it.
        """
        pcm = np.ascontiguousarray(pcm, np.int16)
        capacity = (len(pcm) // min(spec.HOP_CHOICES_SAMPLES) + 2) * len(self._images)
        words, scores, fired = (np.empty(capacity, np.uint8) for _ in range(3))
        smoothed, samples = np.empty(capacity, np.uint16), np.empty(capacity, np.uint64)
        n = lib.wwb_pipeline_feed(
            self._pipeline,
            _pointer(pcm, "int16_t *"),
            len(pcm),
            chunk_samples,
            _pointer(words, "uint8_t *"),
            _pointer(scores, "uint8_t *"),
            _pointer(smoothed, "uint16_t *"),
            _pointer(samples, "uint64_t *"),
            _pointer(fired, "uint8_t *"),
            capacity,
        )
        return tuple(
            self._run(word, *(array[:n][words[:n] == word] for array in (scores, smoothed, samples, fired)))
            for word in range(len(self._images))
        )

    def _run(
        self, word: int, scores: Scores, smoothed: np.ndarray, samples: np.ndarray, fired: np.ndarray
    ) -> PipelineRun:
        ends = samples.astype(np.int64)
        events = [Detection(int(ends[i]), int(smoothed[i])) for i in np.flatnonzero(fired)]
        return PipelineRun(scores, smoothed, ends, events, int(lib.wwb_pipeline_rows(self._pipeline, word)))


def run_pipeline(
    image: bytes, pcm: Pcm, detector: DetectorConfig | None = None, chunk_samples: int = 0
) -> PipelineRun:
    """The whole chain of one word over one recording, from a fresh start."""
    (run,) = Pipeline([image], [detector]).feed(pcm, chunk_samples)
    return run
