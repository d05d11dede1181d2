"""Builds the link fuzzer with sanitizers and runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "firmware" / "core"
INPUTS = 1_000_000


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: the fuzzer cannot be built")
    program = tmp_path_factory.mktemp("fuzz") / "fuzz_link"
    sources = [CORE / "src" / name for name in ("link.c", "cobs.c", "crc32.c")]
    includes = [f"-I{CORE / part}" for part in ("include", "gen", "src")]
    flags = ["-std=c99", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    files = [str(path) for path in (ROOT / "tests" / "c" / "fuzz_link.c", *sources)]
    subprocess.run(["gcc", *flags, *sanitizers, *includes, *files, "-o", str(program)], check=True)
    return program


def test_a_million_hostile_inputs(fuzzer: Path) -> None:
    run = subprocess.run([str(fuzzer), str(INPUTS), "1"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    inputs, delivered = (int(part.split()[0]) for part in run.stdout.split(","))
    assert inputs == INPUTS
    assert delivered > 5 * INPUTS, "four each are the new session at the end; the rest came of the input"
