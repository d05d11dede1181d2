"""Pushed models survive a loss of power at every byte: the store on a simulated flash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
RANDOM_ROUNDS = 20_000
SCENARIOS, LEAST_CUTS = 6, 3 * 4096


@pytest.fixture(scope="module")
def power_cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: the simulation cannot be built")
    program = tmp_path_factory.mktemp("power") / "power_cut"
    sources = [
        ROOT / "tests" / "c" / "power_cut.c",
        FIRMWARE / "app" / "model_store.c",
        FIRMWARE / "core" / "src" / "crc32.c",
    ]
    parts = ("app", "board", "core/include", "core/gen")
    includes = [f"-I{FIRMWARE / part}" for part in parts]
    flags = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-clobbered"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(
        ["gcc", *flags, *sanitizers, *includes, *map(str, sources), "-o", str(program)], check=True
    )
    return program


def test_a_working_model_survives_every_cut(power_cut: Path) -> None:
    run = subprocess.run([str(power_cut), str(RANDOM_ROUNDS), "1"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    assert int(run.stdout.split()[0]) > SCENARIOS * LEAST_CUTS + RANDOM_ROUNDS
