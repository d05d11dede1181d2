"""ww_model_check and the engine behind it, under ASan and UBSan, on hostile images."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from watchword import core, spec

pytest.importorskip("tflite_micro", reason="builds the seed images: pip install -e .[train]")

ROOT = Path(__file__).resolve().parents[2]
from ds_tcn import settings  # noqa: E402
from test_streaming import Graph, inception, mix_conv, scaled  # noqa: E402
from tflite_builder import RELU, T, TfliteBuilder  # noqa: E402
from watchword.export.graph import read_network  # noqa: E402
from watchword.export.image import build_image  # noqa: E402
from watchword.export.layers import Network  # noqa: E402
from watchword.export.streaming import read_streaming_network  # noqa: E402

CORE = ROOT / "firmware" / "core"
MUTANTS = 200_000
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O2"]


def residual_seed(b: TfliteBuilder) -> T:
    x = b.conv(b.requantise(b.input), 6, 3, stride=2, groups=1)
    y = b.conv(b.depthwise(x, 3, dilation=2, act=RELU), 6, 1, groups=2)
    return b.mean(b.add(y, b.crop(x, 2, 2)))


def pooling_seed(b: TfliteBuilder) -> T:
    x = b.depthwise(b.conv(b.input, 5, 2), 3, multiplier=2)
    return b.average(x, 3, stride=2)


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("fuzz") / "fuzz_model"
    sources = [*CORE.glob("src/*.c"), *CORE.glob("gen/*.c")]
    includes = [f"-I{CORE / part}" for part in ("include", "gen", "src")]
    harness = Path(__file__).with_name("fuzz_model.c")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", *SANITIZE, *includes]
    subprocess.run(["gcc", *flags, "-o", program, harness, *sources], check=True)
    return program


def window_networks() -> list[Network]:
    """Two that read whole windows."""
    networks = []
    for number, (make, rows) in enumerate(((residual_seed, 19), (pooling_seed, 8))):
        b = TfliteBuilder(np.random.default_rng(number), rows, 13)
        networks.append(read_network(b.build(b.score_head(make(b)))))
    return networks


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small images that together hold every op and every way to read and write channels."""
    folder, paths = tmp_path_factory.mktemp("seeds"), []
    streams = [read_streaming_network(make(Graph(3))) for make in (inception, scaled, mix_conv)]
    networks = [*window_networks(), *streams]
    layers = [layer for network in networks for layer in network.layers]
    assert {layer.op for layer in layers} == set(spec.MODEL_OPS)
    assert any(layer.joins for layer in layers) and any(layer.in_first for layer in layers)
    assert any(layer.op == "LUT" and layer.groups > 1 for layer in layers)
    for number, network in enumerate(networks):
        chosen = settings(network.coeffs, mode=("running", "running_mv", "affine")[number % 3])
        if number % 2:  # some with presets, some without
            chosen = replace(chosen, presets=dict.fromkeys(spec.PRESETS, chosen.detector))
        paths.append(folder / f"{number}.bin")
        paths[-1].write_bytes(build_image(network, chosen))
    return paths


def test_no_mutant_crashes(fuzzer: Path, seeds: list[Path]) -> None:
    count = str(MUTANTS // len(seeds))
    result = subprocess.run([fuzzer, count, "1", *seeds], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    counts = {k: int(v) for k, v in (pair.split(":") for pair in result.stdout.split())}
    for name in (
        "OK",
        "ERR_TRUNCATED",
        "ERR_MAGIC",
        "ERR_VERSION",
        "ERR_CRC",
        "ERR_FRONTEND",
        "ERR_LAYER",
        "ERR_ARENA",
    ):
        assert counts[str(spec.STATUS[name])] > 100, f"{name} hardly exercised: {counts}"
    assert counts["scores"] > 1000


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4])
def test_every_damaged_byte_is_noticed(seeds: list[Path], seed: int) -> None:
    """Without a fixed-up CRC no change of any byte passes."""
    image = seeds[seed].read_bytes()
    for at in range(len(image)):
        damaged = bytearray(image)
        damaged[at] ^= 1 << (at % 8)
        assert core.lib.wwb_model_check(bytes(damaged), len(damaged)) != 0, f"byte {at}"


def test_every_truncation_is_noticed(seeds: list[Path]) -> None:
    image = seeds[0].read_bytes()
    wanted = spec.STATUS["ERR_TRUNCATED"]
    assert {core.lib.wwb_model_check(image[:n], n) for n in range(len(image))} == {-wanted}
