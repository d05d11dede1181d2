"""What runs for every hop is compiled for speed where the build asks for size (firmware/core/src/hot.h)."""

from __future__ import annotations

import subprocess
from pathlib import Path

CORE = Path(__file__).parents[2] / "firmware" / "core"


def code_bytes(folder: Path, *flags: str) -> int:
    """Of the kernels as GCC compiles them for this computer."""
    target = folder / "kernels.o"
    command = ["gcc", "-std=c99", *flags, "-I", str(CORE / "include"), "-I", str(CORE / "gen"), "-c"]
    subprocess.run([*command, str(CORE / "src" / "kernels.c"), "-o", str(target)], check=True)
    listed = subprocess.run(["size", str(target)], check=True, capture_output=True, text=True)
    return int(listed.stdout.splitlines()[1].split()[0])


def test_a_build_for_size_does_not_slow_the_kernels(tmp_path: Path) -> None:
    for_speed, asked = code_bytes(tmp_path, "-O2"), code_bytes(tmp_path, "-Os")
    without = code_bytes(tmp_path, "-Os", "-U__OPTIMIZE__")  # as if hot.h were not there
    assert abs(asked - for_speed) < 0.1 * for_speed
    assert without < 0.8 * for_speed
