"""The optimised kernels, front end and normaliser against their plain definitions, bit for bit."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watchword import core, spec
from watchword.core_build import CORE, declarations
from watchword.device import firmware
from watchword.export.image import build_image
from watchword.export.layers import Layer, Network
from watchword.export.settings import ModelSettings

HERE = Path(__file__).parent
REPLACED = ("kernels", "mfcc", "micro", "normaliser")
UNDEFINED_ENDS_IT = ("-fsanitize=undefined", "-fno-sanitize-recover=all")  # an overflow prints and aborts
EXTRA = "int32_t ww_requantise(int32_t x, uint32_t multiplier, int shift);"
SEEDS = st.integers(0, 2**32 - 1)
SLOW = settings(max_examples=150)
SHARED = ("frontend", "model", "model_check", "model_work", "crc32", "detector", "pipeline")

ffi = cffi.FFI()
for header in ("bind_model.h", "bind_pipeline.h"):
    ffi.cdef(declarations(CORE / "bind" / header))
ffi.cdef(EXTRA)


def build(folder: Path, name: str, sources: list[Path], more: tuple[str, ...] = ()) -> Any:
    library = folder / f"{name}.so"
    includes = [f"-I{CORE / part}" for part in ("include", "gen", "bind", "src")]
    shared = [CORE / "src" / f"{n}.c" for n in SHARED]
    shared += [
        CORE / "gen" / "ww_tables.c",
        CORE / "bind" / "bind_model.c",
        CORE / "bind" / "bind_pipeline.c",
    ]
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", *more, *includes]
    subprocess.run(["gcc", *flags, "-o", library, *sources, *shared], check=True)
    return ffi.dlopen(str(library))


def variants() -> dict[str, tuple[str, ...]]:
    """How the emulated boards have the core compiled, without what only their compilers know."""
    boards = firmware.emulated_boards().values()
    return {b.env: tuple(flag for flag in b.machine_flags if flag.startswith("-DWW_")) for b in boards}


@pytest.fixture(scope="module", params=variants().values(), ids=variants())
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """(the product, the reference): the same core but for the files that have a reference."""
    folder = tmp_path_factory.mktemp("reference")
    sources = [CORE / "src" / f"{n}.c" for n in REPLACED]
    product = build(folder, "product", sources, (*UNDEFINED_ENDS_IT, *request.param))
    return product, build(folder, "reference", [HERE / f"reference_{n}.c" for n in REPLACED])


# ── Kernels ─────────────────────────────────────────────────────────────────────────────────────
@SLOW
@given(st.integers(-(2**31) + 2**22, 2**31 - 2**22), st.integers(0, 2**32 - 1), st.integers(-31, 30))
def test_requantise(both: tuple[Any, Any], x: int, multiplier: int, shift: int) -> None:
    """Any sum that a checked image can bring about, any multiplier, any shift."""
    got, expected = (lib.ww_requantise(x, multiplier, shift) for lib in both)
    assert got == expected


@pytest.mark.parametrize("shift", [-31, -20, -2, -1, 0])
def test_requantise_rounds_ties_alike(both: tuple[Any, Any], shift: int) -> None:
    product, reference = both
    for x in (*range(-70, 70), 2**30, -(2**30)):
        for multiplier in (1 << 31, (1 << 31) - 1, (1 << 32) - 1, 3 << 30, 1):
            assert product.ww_requantise(x, multiplier, shift) == reference.ww_requantise(
                x, multiplier, shift
            )


def random_scales(rng: np.random.Generator, count: int, highest: int) -> dict[str, np.ndarray]:
    """Multipliers and shifts: mostly as trained models have them, now and then anything allowed."""
    extreme = rng.random(count) < 0.1
    shift = np.where(extreme, rng.integers(-31, highest + 1, count), rng.integers(-9, -4, count))
    multiplier = np.where(extreme, rng.integers(0, 2**31, count), rng.integers(2**30, 2**31, count))
    return {"multiplier": multiplier.astype(np.int32), "shift": shift.astype(np.int8)}


def int8(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-128, 128, shape).astype(np.int8)


def random_bias(rng: np.random.Generator, count: int) -> np.ndarray:
    limit = int(rng.choice([1 << 14, spec.MODEL_MAX_BIAS - 1]))
    return rng.integers(-limit, limit + 1, count).astype(np.int32)


class RandomNetwork:
    """Layers with random shapes and constants, each reading channels of the value before it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.coeffs = rng, int(rng.integers(spec.MIN_COEFFS, spec.MAX_COEFFS + 1))
        self.layers: list[Layer] = []
        for _ in range(int(rng.integers(1, 5))):
            getattr(self, str(rng.choice(["conv", "pair", "depthwise", "depthwise", "add", "pool", "lut"])))()
        self.conv(outputs=1)
        self.network = Network(self.coeffs, tuple(self.layers), input_fill=int(rng.integers(-128, 128)))

    def timing(self, value: int) -> tuple[int, int, int]:
        """(bytes of a row, first row, rows a step) of a value."""
        if value == 0:
            return self.coeffs, 1, 1
        layer = self.layers[value - 1]
        return layer.row_bytes, layer.first_row, layer.row_step

    def some_channels(self) -> tuple[int, int]:
        """(first, count) of what the next layer reads: all channels or some."""
        channels = self.timing(len(self.layers))[0]
        if self.rng.random() < 0.6:
            return 0, channels
        first = int(self.rng.integers(0, channels))
        return first, int(self.rng.integers(1, channels - first + 1))

    def append(self, op: str, outputs: int, taps: int = 1, **fields: Any) -> None:
        rng, value = self.rng, len(self.layers)
        channels, first, step = self.timing(value)
        if "read" in fields:
            fields["in_first"], channels = fields.pop("read")
        zero_out, *ends = (int(v) for v in rng.integers(-128, 128, 3))
        narrow, rectified = (min(ends), max(ends)), (zero_out, int(rng.integers(zero_out, 128)))
        out_range = narrow if rng.random() < 0.3 else rectified if rng.random() < 0.5 else (-128, 127)
        dilation = int(rng.integers(1, 4))
        early = first + int(rng.integers(0, (taps - 1) * dilation + 1)) * step  # or with rows of the fill
        fields = {"inputs": (value,), "first_row": early, **fields}
        stride = int(rng.choice([1, 1, 2, 3])) if op not in ("ADD", "LUT") else 1
        self.layers.append(
            Layer(
                op,
                op,
                in_channels=channels,
                out_channels=outputs,
                row_step=step * stride,
                taps=taps,
                stride=stride,
                dilation=dilation,
                zero_out=zero_out,
                out_range=out_range,
                **{"fill": int(rng.integers(-128, 128)), **fields},
            )
        )

    def pair(self) -> None:
        """Two layers that read the same and write into the same rows."""
        self.conv()
        first, owner = self.layers[-1], len(self.layers)
        assert first.weights is not None
        total, at = 2 * first.out_channels + 3, int(self.rng.integers(0, 4))
        self.layers[-1] = replace(first, row_channels=total, out_first=at)
        beside = 0 if at == 3 else at + first.out_channels
        weights = int8(self.rng, first.weights.shape)
        self.layers.append(replace(first, weights=weights, joins=owner, row_channels=total, out_first=beside))

    def conv(self, outputs: int | None = None) -> None:
        rng = self.rng
        read = self.some_channels()
        channels = read[1]
        groups = int(rng.choice([g for g in (1, 1, 2, 3, 4) if channels % g == 0]))
        groups, outputs = (1, outputs) if outputs else (groups, groups * int(rng.integers(1, 40)))
        taps = int(rng.integers(1, 7))
        weights, bias = int8(rng, (outputs, taps, channels // groups)), random_bias(rng, outputs)
        zeros = (int(rng.integers(-128, 128)), 0)
        self.append(
            "CONV",
            outputs,
            taps,
            read=read,
            groups=groups,
            weights=weights,
            bias=bias,
            zeros=zeros,
            **random_scales(rng, outputs, 30),
        )

    def depthwise(self) -> None:
        rng = self.rng
        read = self.some_channels()
        outputs = read[1] * int(rng.choice([1, 1, 1, 2]))
        taps = int(rng.choice([1, 3, 5, 9, 16, 17]))
        weights, bias = int8(rng, (taps, outputs)), random_bias(rng, outputs)
        scales = random_scales(rng, outputs, 30)
        self.append("DEPTHWISE", outputs, taps, read=read, weights=weights, bias=bias, **scales)

    def pool(self) -> None:
        rng, read = self.rng, self.some_channels()
        taps = int(rng.integers(1, 9))
        mean = {"bias": random_bias(rng, 1), **random_scales(rng, 1, 30)} if rng.random() < 0.5 else {}
        self.append("MEAN" if mean else "AVERAGE", read[1], taps, read=read, **mean)

    def lut(self) -> None:
        read = self.some_channels()
        groups = int(self.rng.integers(1, read[1] + 1))
        self.append("LUT", read[1], read=read, groups=groups, weights=int8(self.rng, (groups, 256)))

    def add(self) -> None:
        rng, value = self.rng, len(self.layers)
        channels, first, step = self.timing(value)
        partners = [
            v
            for v in range(value + 1)
            if (t := self.timing(v))[0] == channels and t[2] == step and (first - t[1]) % step == 0
        ]
        inputs = [value, int(rng.choice(partners))]
        rng.shuffle(inputs)
        firsts = [self.timing(v)[1] for v in inputs]
        start = max(firsts) + step * int(rng.integers(0, 3))
        self.append(
            "ADD",
            channels,
            inputs=tuple(inputs),
            first_row=start,
            lags=tuple((start - f) // step for f in firsts),
            zeros=tuple(int(z) for z in rng.integers(-128, 128, 2)),
            **random_scales(rng, 2, 0),
        )


def streamed(lib: Any, image: bytes, value: int, channels: int, rows: np.ndarray) -> np.ndarray:
    """All rows int8 [n, channels] that one value takes while `rows` stream through the engine."""
    out = np.zeros((len(rows), channels), np.int8)
    count = lib.wwb_model_values(
        image,
        len(image),
        ffi.from_buffer("int8_t[]", rows),
        len(rows),
        value,
        ffi.from_buffer("int8_t[]", out),
        len(out),
    )
    assert count > 0, f"nothing came out: {count}"
    return out[:count]


def some_rows(rng: np.random.Generator, count: int, coeffs: int, zero: int) -> np.ndarray:
    rows = rng.integers(-128, 128, (count, coeffs))
    return np.where(rng.random((count, coeffs)) < 0.3, zero, rows).astype(np.int8)


@SLOW
@given(SEEDS)
def test_kernels(both: tuple[Any, Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = RandomNetwork(rng).network
    flat, unit = np.zeros(network.coeffs, np.int16), np.full(network.coeffs, 1 << 14, np.uint16)
    normalisation = core.Normalisation("none", 0, flat, unit)
    about = ModelSettings("random", 320, network.coeffs, normalisation, core.DetectorConfig())
    image = build_image(network, about)
    zero = network.layers[0].zeros[0]
    rows = some_rows(rng, network.receptive_rows + 20, network.coeffs, zero)
    for value in range(1, len(network.layers) + 1):
        got, expected = (streamed(lib, image, value, network.row_bytes(value), rows) for lib in both)
        np.testing.assert_array_equal(got, expected, err_msg=network.table())


# ── Front end and normaliser ────────────────────────────────────────────────────────────────────
def frontend_rows(lib: Any, pcm: np.ndarray, kind: int, hop: int, coeffs: int) -> np.ndarray:
    rows = np.empty((len(pcm) // hop, coeffs), np.int16)
    count = lib.wwb_frontend_rows(
        ffi.from_buffer("int16_t[]", pcm),
        len(pcm),
        kind,
        hop,
        coeffs,
        ffi.from_buffer("int16_t[]", rows),
        len(rows),
    )
    assert 0 < count <= len(rows)
    return rows[:count]


def some_audio(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise, tones, square waves and impulses, each at any level down to silence."""
    t = np.arange(samples)
    shape = (
        rng.normal(0, 1, samples),
        np.sin(t * rng.uniform(0.001, 3.1)),
        np.sign(np.sin(t * rng.uniform(0.001, 3.1))),
        rng.random(samples) < 0.003,
        rng.integers(-1, 2, samples),
        np.where(t % 700 < 350, 0, rng.normal(0, 1, samples)),
    )[int(rng.integers(6))]
    scaled = shape * 2.0 ** rng.uniform(-2, 16) + rng.choice([0, 0, 0, 20_000, -32_768])
    return np.clip(np.round(scaled), -32_768, 32_767).astype(np.int16)


@SLOW
@given(SEEDS, st.sampled_from(spec.HOP_CHOICES_SAMPLES), st.integers(spec.MIN_COEFFS, spec.MAX_COEFFS))
def test_frontend(both: tuple[Any, Any], seed: int, hop: int, coeffs: int) -> None:
    pcm = some_audio(np.random.default_rng(seed), 3_200)
    for kind, length in (
        (spec.FEATURE_KINDS["mfcc"], coeffs),
        (spec.FEATURE_KINDS["logmel"], spec.MEL_BANDS),
        (spec.FEATURE_KINDS["micro"], spec.MICRO_CHANNELS),
    ):
        got, expected = (frontend_rows(lib, pcm, kind, hop, length) for lib in both)
        np.testing.assert_array_equal(got, expected)


def test_the_square_root_of_the_micro_front_end(tmp_path: Path) -> None:
    program = tmp_path / "micro_root"
    flags = [
        "-std=c99",
        "-O2",
        *UNDEFINED_ENDS_IT,
        *(f"-I{CORE / part}" for part in ("include", "gen", "src")),
    ]
    sources = [HERE / "micro_root.c", CORE / "gen" / "ww_tables.c"]
    subprocess.run(["gcc", *flags, "-o", program, *sources], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.stdout == "0 errors\n", done.stdout


@SLOW
@given(SEEDS, st.sampled_from(sorted(spec.CMVN_MODES.values())), st.integers(1, 32_767))
def test_normaliser(both: tuple[Any, Any], seed: int, mode: int, alpha: int) -> None:
    rng = np.random.default_rng(seed)
    rows, mean = (rng.integers(-32_768, 32_768, (n, 40)).astype(np.int16) for n in (30, 1))
    gain = (2.0 ** rng.uniform(0, 16, 40)).astype(np.uint16)
    spread = (2.0 ** rng.uniform(4, 13, 40)).astype(np.uint16)
    if rng.random() < 0.3:  # the extremes of everything
        rows = np.where(rows < 0, -32_768, 32_767).astype(np.int16)
        mean = np.where(mean < 0, -32_768, 32_767).astype(np.int16)
        gain, alpha = np.full(40, 65_535, np.uint16), int(rng.choice([1, 32_767]))
        spread = rng.choice([spec.CMVN_MIN_SPREAD, spec.CMVN_MAX_SPREAD], 40).astype(np.uint16)
    results = []
    for lib in both:
        out = np.empty((30, 40), np.int8)
        status = lib.wwb_normalise(
            ffi.from_buffer("int16_t[]", rows),
            30,
            40,
            mode,
            alpha,
            ffi.from_buffer("int16_t[]", mean),
            ffi.from_buffer("uint16_t[]", gain),
            ffi.from_buffer("uint16_t[]", spread),
            ffi.from_buffer("int8_t[]", out),
        )
        assert status == 0
        results.append(out)
    np.testing.assert_array_equal(*results)
