"""Every constant that the chip and the host must agree on, written once (stdlib only).

`tools/generate/core.py` turns this module into `firmware/core/gen/*`; Python imports it directly.
Change a value here, run `make gen`, and both sides follow. Nothing else may repeat a value.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

# ── Front end ────────────────────────────────────────────────────────────────────────────────
SAMPLE_RATE_HZ = 16_000
WINDOW_SAMPLES = 512  # 32 ms periodic Hann, also the FFT length
MEL_BANDS = 40
MEL_LOW_HZ = 60.0
MEL_HIGH_HZ = 7_600.0
HOP_CHOICES_SAMPLES = (160, 320)  # 10 ms and 20 ms
# A row is the DCT of the log-mel bands, or all MEL_BANDS of them, or what the micro front end below gives.
FEATURE_KINDS = {"mfcc": 0, "logmel": 1, "micro": 2}
MAX_COEFFS = MEL_BANDS
MIN_COEFFS = 13
# A soft floor: log2(1 + E / floor). The floor is the spectrum of white noise at this level, so
# digital silence gives 0 and a whisper below it cannot swing the features.
FLOOR_DBFS = -75.0
MFCC_FRAC_BITS = 7  # int16 rows of either kind, 1 LSB = 1/128 of a log2 power unit = 0.0235 dB

# ── Micro front end: TensorFlow's, with the settings of microWakeWord ────────────────────────
MICRO_WINDOW_SAMPLES = 480  # 30 ms Hann
MICRO_HOP_SAMPLES = 160  # of models we train; those of others may have the other one
MICRO_FFT_SAMPLES = 512
MICRO_CHANNELS = 40
MICRO_LOW_HZ = 125.0
MICRO_HIGH_HZ = 7_500.0
MICRO_WINDOW_FRAC_BITS = 12
MICRO_WEIGHT_FRAC_BITS = 12  # of the mel triangles
MICRO_NOISE_FRAC_BITS = 10  # of the estimate of the noise beside a signal
MICRO_NOISE_FOLLOW = {"EVEN": 0.025, "ODD": 0.06}  # weight of a new row in it, by the channel's number
MICRO_SIGNAL_LEFT = 0.05  # the least share of a signal that noise reduction leaves
MICRO_COEFFICIENT_BITS = 14  # of these three, rounded down
MICRO_PCAN_STRENGTH = 0.95  # gain = (noise + offset) ** -strength
MICRO_PCAN_OFFSET = 80.0
MICRO_PCAN_GAIN_BITS = 21
MICRO_RATIO_FRAC_BITS = 12  # signal times gain
MICRO_OUT_FRAC_BITS = 6  # of what PCAN gives
MICRO_LOG_BITS = 6  # a row's value is 2 ** this * ln(x)

# ── Normalisation of rows to the model's int8 input ─────────────────────────────────────────
# mv: mean and variance; affine: the same function of every row, as microWakeWord's models want it
CMVN_MODES = {"none": 0, "global": 1, "running": 2, "running_mv": 3, "affine": 4}
NORM_GAIN_FRAC_BITS = 14  # int8 = (mfcc - mean) * gain, gain as unsigned Q2.14
AFFINE_GAIN_FRAC_BITS = 30  # affine: int8 = row * gain + mean, gain as unsigned Q2.30
CMVN_ALPHA_FRAC_BITS = 15  # running mean: mean += alpha * (mfcc - mean), alpha as Q15
# Running spread (mean absolute deviation): how much slower than the mean it moves, how far it may leave
# the model's typical spread either way (so the gain stays within 1/4 .. 4), and the spreads a model may name.
CMVN_SPREAD_SLOWER_BITS = 2
CMVN_SPREAD_RANGE_BITS = 2
CMVN_MIN_SPREAD = 16
CMVN_MAX_SPREAD = 8_191
INPUT_SCALE = 1.0 / 32.0  # real value of one int8 step at the model input; zero point 0

# ── Detector (defaults; a model image carries its own, the link can change them live) ────────
DETECTOR_SMOOTHING = 5  # scores
DETECTOR_MAX_SMOOTHING = 32
DETECTOR_HIGH = 0.7
DETECTOR_LOW = 0.3
DETECTOR_COOLDOWN_MS = 500
SCORE_FRAC_BITS = 8  # a raw score is an unsigned byte, 256 = certainty
THRESHOLD_FRAC_BITS = 15  # smoothed scores and thresholds are Q15 in an unsigned 16-bit word
DETECTOR_MAX_HIGH = 1.0 - 2.0**-SCORE_FRAC_BITS  # the highest score there is: above it, nothing is detected
DETECTOR_MAX_COOLDOWN_MS = 0xFFFF
# Settings that a calibrated model brings, and for how many times the target of false alarms per hour.
PRESETS = {"strict": 0.2, "normal": 1.0, "eager": 4.0}
DEFAULT_PRESET = "normal"  # what a model starts with
NO_PRESET = 0xFF  # in place of a preset's number: the settings are none of the model's presets


def q15(level: float) -> int:
    """A level or threshold 0..1 as the detector holds it: the nearest step."""
    return round(level * (1 << THRESHOLD_FRAC_BITS))


# ── Link framing ─────────────────────────────────────────────────────────────────────────────
LINK_BAUD = 921_600
LINK_MAX_PAYLOAD_BYTES = 656
PROTOCOL_VERSION = 2  # 2: several words, each with a number
WORD_BYTES = 32  # UTF-8, zero padded
MAX_WORDS = 4  # at once; a build may define WW_MAX_WORDS otherwise

STATUS = {  # ww_status: returned by every C function that can fail
    "OK": 0,
    "ERR_ARGUMENT": 1,
    "ERR_TRUNCATED": 2,
    "ERR_MAGIC": 3,
    "ERR_VERSION": 4,
    "ERR_CRC": 5,
    "ERR_FRONTEND": 6,
    "ERR_LAYER": 7,
    "ERR_ARENA": 8,
    "ERR_BUSY": 9,
    "ERR_MESSAGE": 10,
    "ERR_FLASH": 11,
    "ERR_SPACE": 12,
    "ERR_MICROPHONE": 13,
    "ERR_REAL_TIME": 14,
    "ERR_PRESET": 15,
    "ERR_FEATURES": 16,
    "ERR_WORDS": 17,
    "ERR_FRONTENDS": 18,
}

STATUS_TEXTS = {  # of each status: what is wrong, and what to do about it
    "OK": ("no error", ""),
    "ERR_ARGUMENT": ("a value is missing, out of range or not aligned", "check the settings"),
    "ERR_TRUNCATED": ("the model image is incomplete", "export the model again"),
    "ERR_MAGIC": ("this is not a Watchword model image", "use the model.bin or model.c of an exported model"),
    "ERR_VERSION": ("the model image was made by another version", "export the model again"),
    "ERR_CRC": ("the model image is corrupt", "export the model again"),
    "ERR_FRONTEND": (
        "the model was trained for another front end",
        "train or export it with this version",
    ),
    "ERR_LAYER": ("the model has a layer that this version cannot run", "export the model again"),
    "ERR_ARENA": ("the model needs more memory than there is", "give more, or train a smaller model"),
    "ERR_BUSY": ("what was asked for before is not finished", "finish it, then try again"),
    "ERR_MESSAGE": ("unknown or malformed message", "use the host tool of the firmware's version"),
    "ERR_FLASH": ("flash could not be written or read", "try again, then check the board"),
    "ERR_SPACE": ("there is no place for so much", "use something smaller"),
    "ERR_MICROPHONE": ("there is no microphone, or it does not run", "check its wiring"),
    "ERR_REAL_TIME": ("the model is too much work for this chip", "train a smaller one"),
    "ERR_PRESET": ("the model has no such preset", "use another, or set the detector's values"),
    "ERR_FEATURES": (
        "this program was built without the model's kind of features",
        "build it without WW_WITH_MFCC=0 and WW_WITH_MICRO=0",
    ),
    "ERR_WORDS": ("there is no place for a further word", "use fewer, or build with a larger WW_MAX_WORDS"),
    "ERR_FRONTENDS": (
        "there is no place for a further front end",
        "use models of the same kind of features and hop, or build with a larger WW_MAX_FRONTENDS",
    ),
}

LISTEN = {  # what a board sends of what its microphone hears, beside scores and detections
    "STOP": 0,  # nothing: it stops listening
    "DETECTIONS": 1,  # the audio before each detection
    "EVERYTHING": 2,  # all audio
}


def fields_format(fields: tuple[tuple[str, str], ...]) -> str:
    """The `struct` format of a little-endian field table."""
    codes = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q"}
    return "<" + "".join(f"{t[1:]}s" if t[0] == "c" else codes[t] for _, t in fields)


@dataclass(frozen=True)
class Message:
    """One link message: little-endian fields in order, optionally `tail` (the remaining bytes).

    Field types: u8 u16 u32 u64 i16 i32, or "c<n>" for n bytes of zero-padded UTF-8.
    """

    name: str
    type_id: int
    fields: tuple[tuple[str, str], ...] = ()
    tail: str | None = None  # name of a variable-length last field (bytes)
    sequenced: bool = True  # false: link control, never retransmitted by sequence number
    doc: str = ""

    @property
    def struct_format(self) -> str:
        return fields_format(self.fields)

    @property
    def from_host(self) -> bool:
        """Sent by the host, within the sequence."""
        return self.type_id >> 4 in (1, 3)

    @property
    def fixed_bytes(self) -> int:
        return struct.calcsize(self.struct_format)


STAGES = ("frontend", "model", "detector")  # order of the per-stage cost counters


def _stage_fields() -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{stage}_{what}", kind)
        for stage in STAGES
        for what, kind in (("total", "u64"), ("min", "u32"), ("max", "u32"))
    )


MESSAGES = (
    # Link control, outside the sequence: type ids below 0x10.
    Message("ack", 0x00, (), None, False, "carries only the header's ack and credits"),
    Message("hello", 0x01, (("protocol", "u16"), ("session", "u32")), None, False, "host: start a session"),
    Message("welcome", 0x02, (("protocol", "u16"), ("session", "u32")), None, False, "device: session open"),
    # Host to device.
    Message("info_get", 0x10, (("word_number", "u8"),), doc="answered by info; there always is a word 0"),
    Message("stream_start", 0x11, (("stream", "u32"),), doc="reset the pipeline; sample index 0"),
    Message("audio", 0x12, (), "pcm", doc="int16 little-endian samples"),
    Message("stream_end", 0x13, (("stream", "u32"),), doc="answered by stream_done after the last score"),
    Message("config_get", 0x14, (("word_number", "u8"),), doc="answered by config"),
    Message(
        "config_set",
        0x15,
        (
            ("word_number", "u8"),
            ("smoothing", "u16"),
            ("high_q15", "u16"),
            ("low_q15", "u16"),
            ("cooldown_ms", "u16"),
        ),
        doc="answered by config (as now in force) or error",
    ),
    Message(
        "stats_get",
        0x16,
        (("word_number", "u8"), ("reset", "u8")),
        doc="answered by stats; reset=1 clears those of all words after",
    ),
    Message("text_mode", 0x17, doc="leave the framed protocol, go back to plain text"),
    Message("restart", 0x18, doc="restart the board (an emulated board exits)"),
    Message(
        "model_begin",
        0x19,
        (("slot", "u8"), ("image_bytes", "u32"), ("image_crc32", "u32")),
        doc="store a model image for that slot, CRC-32 over all its bytes; answered by model_state",
    ),
    Message(
        "model_chunk", 0x1A, (("offset", "u32"),), "bytes", doc="the next bytes; answered only by an error"
    ),
    Message("model_commit", 0x1B, doc="check, keep and run the stored model; answered by model_state"),
    Message("model_abort", 0x1C, doc="forget a half-stored model; answered by model_state"),
    Message("settings_save", 0x1D, doc="keep detectors and gain over restarts; answered by settings_saved"),
    Message(
        "microphone_set", 0x1E, (("gain_q8", "u16"),), doc="0 leaves it as it is; answered by microphone"
    ),
    Message(
        "listen",
        0x1F,
        (("send", "u8"),),
        doc="run the pipeline on the board's own microphone, or stop; send: one of LISTEN, answered by "
        "listening, or by listened when it stops",
    ),
    Message(
        "preset_set",
        0x30,
        (("word_number", "u8"), ("preset", "u8")),
        doc="detector settings that the model brings, by their number in PRESETS; answered by config",
    ),
    Message(
        "model_remove",
        0x31,
        (("slot", "u8"),),
        doc="forget the slot's stored model: slot 0 runs the linked one again, another is empty; answered by "
        "model_state",
    ),
    # Device to host.
    Message(
        "info",
        0x20,
        (
            ("spec_id", "u32"),
            ("frontend_id", "u32"),
            ("model_crc32", "u32"),
            ("model_bytes", "u32"),
            ("arena_bytes", "u32"),  # of this word's model
            ("arena_free", "u32"),  # bytes that no model uses
            ("clock_hz", "u32"),  # of the counter behind cycle counts; 0 = instructions
            ("hop_samples", "u16"),
            ("coeffs", "u16"),
            ("receptive_rows", "u16"),
            ("stride_rows", "u16"),
            ("word_number", "u8"),
            ("words", "u8"),  # how many run
            ("slot", "u8"),  # of the word's model
            ("slots", "u8"),  # how many there are
            ("firmware", "c32"),
            ("board", "c32"),
            ("word", f"c{WORD_BYTES}"),
        ),
        doc="firmware, board, and the model of one word; words are numbered in the order of their slots",
    ),
    Message("stream_started", 0x21, (("stream", "u32"),), doc="the pipeline is reset: audio is welcome"),
    Message(
        "scores",
        0x22,
        (("word_number", "u8"), ("first_index", "u32")),
        "scores",
        doc="consecutive raw scores of a word in this stream, one byte each; first_index counts from 0",
    ),
    Message(
        "detection",
        0x23,
        (("word_number", "u8"), ("sample_index", "u64"), ("smoothed_q15", "u16"), ("cost", "u32")),
        doc="sample_index: end of the hop that fired; cost: counter units from that hop's arrival to here",
    ),
    Message(
        "stream_done",
        0x24,
        (("stream", "u32"), ("samples", "u64")),
        doc="what came in between stream_start and stream_end; a word_done of each word came before",
    ),
    Message(
        "config",
        0x25,
        (
            ("word_number", "u8"),
            ("smoothing", "u16"),
            ("high_q15", "u16"),
            ("low_q15", "u16"),
            ("cooldown_ms", "u16"),
            ("preset", "u8"),  # which one these are, or NO_PRESET
        ),
        doc="the settings of a word's detector as now in force",
    ),
    Message(
        "stats",
        0x26,
        (
            ("word_number", "u8"),
            ("samples", "u64"),
            ("hops", "u32"),
            *_stage_fields(),
            ("stack_bytes", "u32"),  # high-water mark, painted
            ("heap_bytes", "u32"),  # lowest free heap seen; 0 where there is none
            ("crc_errors", "u32"),
            ("bad_frames", "u32"),
            ("retransmissions", "u32"),
            ("overruns", "u32"),  # microphone samples lost
        ),
        doc="counter units of each stage over its calls for one word; they add up over the words: a shared "
        "front end is charged to the first that uses it; all since boot or the last reset",
    ),
    Message("error", 0x27, (("code", "u16"),), "text", doc="code: a ww_status; text: UTF-8"),
    Message(
        "model_state",
        0x28,
        (("slot", "u8"), ("stored_bytes", "u32"), ("slot_bytes", "u32"), ("model_crc32", "u32")),
        doc="of the image being stored, the longest that fits, and the header CRC of the model that runs in "
        "the slot; 0: none",
    ),
    Message(
        "microphone",
        0x29,
        (("present", "u8"), ("gain_q8", "u16"), ("clipped", "u32"), ("overruns", "u32")),
        doc="counted since boot, in samples",
    ),
    Message(
        "listening",
        0x2A,
        (("send", "u8"), ("snippet_samples", "u32")),
        doc="sample index 0 is the next sample; snippet_samples: how much audio a detection comes with",
    ),
    Message(
        "heard",
        0x2B,
        (("sample_index", "u64"),),
        "pcm",
        doc="int16 little-endian samples of the microphone, from sample_index on; never one twice",
    ),
    Message(
        "listened",
        0x2C,
        (("samples", "u64"), ("overruns", "u32"), ("clipped", "u32")),
        doc="the end: what the pipeline took, a word_done of each word came before; overruns: samples lost "
        "before it, in cuts",
    ),
    Message(
        "word_done",
        0x2D,
        (("word_number", "u8"), ("rows", "u32"), ("scores", "u32"), ("detections", "u32")),
        doc="the end of a stream or listening: what this word gave in it, all of it sent before",
    ),
    Message("settings_saved", 0x2E, (("words", "u8"),), doc="the settings of how many words were kept"),
)
MESSAGE = {m.name: m for m in MESSAGES}


# ── Model image ──────────────────────────────────────────────────────────────────────────────
# header, layer records, normalisation tables, weights; little endian, every field naturally
# aligned, every offset from the start of the image and a multiple of 4. A layer's output is a
# stream of rows ("value"): value 0 is the model's input, value i + 1 the output of layer i. Each
# value keeps its latest `ring_rows` rows in the arena; rows before the first one hold its fill.
# A layer may write channels of the rows of an earlier one (`joins`): the two values are then the same.
MODEL_MAGIC = int.from_bytes(b"WWMI", "little")
MODEL_VERSION = 4
MODEL_MAX_LAYERS = 64  # layer records
MODEL_MAX_CHANNELS = 1024  # of any value
MODEL_MAX_ROWS = 2048  # receptive field, taps and ring depth
MODEL_MAX_PRODUCTS = 32_768  # per output: 2^15 products of 255 * 128 stay below 2^30
MODEL_MAX_BIAS = 1 << 30  # so that bias + products fit an int32
MODEL_MAX_IMAGE_BYTES = 1 << 20  # a board's slot may be smaller
MODEL_MAX_ARENA_BYTES = 1 << 18  # a board may have less
MODEL_ADD_SHIFT = 20  # TFLite's: inputs of an ADD gain these bits before they meet
MODEL_STATE_BYTES = 4  # of each value, at the start of the arena, before the rings

MODEL_HEADER_FIELDS = (
    ("magic", "u32"),  # MODEL_MAGIC
    ("version", "u16"),  # MODEL_VERSION: of this layout
    ("header_bytes", "u16"),  # MODEL_HEADER_BYTES
    ("image_bytes", "u32"),  # of the whole image
    ("crc32", "u32"),  # of everything that follows this field
    ("frontend_id", "u32"),  # FRONTEND_ID: another front end makes other rows
    ("arena_bytes", "u32"),  # exactly what states and rings take
    ("layers_offset", "u32"),  # the layer records
    ("norm_mean_offset", "u32"),  # int16 [coeffs]; running_mv: uint16 [coeffs] follow, the typical spreads
    ("norm_gain_offset", "u32"),  # uint16 [coeffs], Q2.14; affine: uint32 [coeffs], Q2.30
    ("presets_offset", "u32"),  # a preset record for each of PRESETS; 0: there are none
    ("weights_offset", "u32"),  # the blob all layer offsets point into
    ("weights_bytes", "u32"),  # length of that blob
    ("input_ring_offset", "u32"),  # in the arena
    ("input_ring_rows", "u16"),  # rows of value 0 that are kept
    ("layer_count", "u16"),  # layer records
    ("hop_samples", "u16"),  # one of HOP_CHOICES_SAMPLES
    ("coeffs", "u16"),  # values in a row of features
    ("cmvn_mode", "u8"),  # number in CMVN_MODES
    ("feature_kind", "u8"),  # number in FEATURE_KINDS; 0 in the images of earlier versions: MFCC
    ("cmvn_alpha_q15", "u16"),  # running modes: step of the running mean
    ("receptive_rows", "u16"),  # input rows that a score is made from
    ("stride_rows", "u16"),  # input rows from one score to the next
    ("smoothing", "u16"),  # scores that are averaged
    ("high_q15", "u16"),  # an average that reaches this is a detection
    ("low_q15", "u16"),  # below this the detector is armed again
    ("cooldown_ms", "u16"),  # least time between two detections
    ("word", f"c{WORD_BYTES}"),  # UTF-8, printable, ends with a zero
    ("first_rows", "u16"),  # input rows before the first score; fewer than receptive_rows: the fill counts
    ("input_fill", "i8"),  # value of the input's rows before the first one
    ("reserved", "u8"),  # zero
)
MODEL_CRC_FROM = 16  # bytes before the first one the CRC covers

PRESET_FIELDS = (  # detector settings, as the header has them
    ("smoothing", "u16"),  # scores that are averaged
    ("high_q15", "u16"),  # an average that reaches this is a detection
    ("low_q15", "u16"),  # below this the detector is armed again
    ("cooldown_ms", "u16"),  # least time between two detections
)

MODEL_OPS = {  # "tables" = bias int32 [out], multiplier uint32 Q32 [out], shift int8 [out]
    "CONV": 1,  # int8 [groups][taps][in / groups][out / groups], tables
    "DEPTHWISE": 2,  # int8 [taps][out], out = in * k, tables
    "ADD": 3,  # a + b, row by row, b of the larger scale; multiplier and shift [2]: of a, of the sum
    "AVERAGE": 4,  # mean over taps, same scale in and out
    "MEAN": 5,  # mean over taps with a requantisation; multiplier and shift [1]
    "LUT": 6,  # a function of one int8: int8 [groups][256], indexed by c % groups and the value + 128
}

# Instructions a layer takes for an output row: an upper estimate, of the ESP32 where no input is zero, for
# what a model image may ask of a chip (tests/host/test_real_time.py holds it to the measured counts).
MODEL_WORK_PER_PRODUCT = 6
MODEL_WORK_PER_OUTPUT = 75
MODEL_WORK_PER_LAYER = 1200
MODEL_WORK_CYCLES = 2  # of the core, for an instruction: memory that stalls, the front end, the link

LAYER_FIELDS = (
    ("op", "u16"),  # number in MODEL_OPS
    ("input_a", "u16"),  # value number
    ("input_b", "u16"),  # ADD only, else 0
    ("in_channels", "u16"),  # of input_a that it reads
    ("out_channels", "u16"),  # that it writes
    ("groups", "u16"),  # CONV, LUT; else 1
    ("taps", "u16"),  # rows of input_a that one output row reads
    ("dilation", "u16"),  # in rows of input_a
    ("stride", "u16"),  # in rows of input_a
    ("lag_a", "u16"),  # ADD: how many rows before the latest one is read
    ("lag_b", "u16"),  # the same of input_b
    ("ring_rows", "u16"),  # of the output
    ("first_row", "u16"),  # model input rows before the first output row
    ("row_step", "u16"),  # model input rows from one output row to the next
    ("in_first", "u16"),  # first channel of input_a that it reads
    ("joins", "u16"),  # value whose rows it writes into, so with the same ring and timing; 0: its own rows
    ("out_first", "u16"),  # first channel of the row that it writes
    ("row_channels", "u16"),  # of a row in the ring: what all layers that share it write
    ("zero_a", "i8"),  # CONV, ADD: input zero points (elsewhere folded into the bias)
    ("zero_b", "i8"),  # ADD
    ("zero_out", "i8"),  # zero point of the output
    ("out_min", "i8"),  # fused activation: no output is below this
    ("out_max", "i8"),  # nor above this
    ("fill", "i8"),  # value of the rows before the first one
    ("reserved", "c2"),  # zero
    ("ring_offset", "u32"),  # in the arena
    ("weights_offset", "u32"),  # 0 where the op has none, likewise below
    ("bias_offset", "u32"),  # int32
    ("multiplier_offset", "u32"),  # uint32, Q32
    ("shift_offset", "u32"),  # int8
)


MODEL_HEADER_BYTES = struct.calcsize(fields_format(MODEL_HEADER_FIELDS))
LAYER_BYTES = struct.calcsize(fields_format(LAYER_FIELDS))
PRESET_BYTES = struct.calcsize(fields_format(PRESET_FIELDS))
MODEL_FORMAT_ID = zlib.crc32(
    repr((MODEL_VERSION, MODEL_HEADER_FIELDS, LAYER_FIELDS, PRESET_FIELDS, MODEL_OPS)).encode()
)


# ── Tables derived from the constants ────────────────────────────────────────────────────────
def hz_to_mel(hz: float) -> float:
    """HTK mel scale (Young et al., The HTK Book, 2006, eq. 5.13)."""
    return 2595.0 * math.log10(1.0 + hz / 700.0)


def mel_to_hz(mel: float) -> float:
    hz: float = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return hz


def mel_edges_hz() -> list[float]:
    """MEL_BANDS + 2 triangle corners, evenly spaced in mel."""
    low, high = hz_to_mel(MEL_LOW_HZ), hz_to_mel(MEL_HIGH_HZ)
    return [mel_to_hz(low + (high - low) * i / (MEL_BANDS + 1)) for i in range(MEL_BANDS + 2)]


def floor_power() -> float:
    """Expected power of one FFT bin, in squared LSB, for white noise at FLOOR_DBFS."""
    sigma = 32768.0 * 10.0 ** (FLOOR_DBFS / 20.0)
    hann_energy = 0.375 * WINDOW_SAMPLES
    power: float = sigma * sigma * hann_energy
    return power


def _fingerprint(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode())


FRONTEND_ID = _fingerprint(
    "frontend-1", SAMPLE_RATE_HZ, WINDOW_SAMPLES, MEL_BANDS, MEL_LOW_HZ, MEL_HIGH_HZ,
    FLOOR_DBFS, MFCC_FRAC_BITS, NORM_GAIN_FRAC_BITS, CMVN_ALPHA_FRAC_BITS, INPUT_SCALE,
)  # fmt: skip # a list of names
_MICRO = [value for name, value in sorted(globals().items()) if name.startswith("MICRO_")]
MICRO_FRONTEND_ID = _fingerprint("micro-1", SAMPLE_RATE_HZ, *_MICRO)
FRONTEND_IDS = {kind: MICRO_FRONTEND_ID if kind == "micro" else FRONTEND_ID for kind in FEATURE_KINDS}
