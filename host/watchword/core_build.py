"""Builds `watchword._core`: the C core behind the flat functions of firmware/core/bind (cffi).

cffi reads the very headers in firmware/core/bind/*.h, so no prototype is written twice.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cffi

# Of the sources: this file runs by path, before the package can be imported.
ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "firmware" / "core"
GCC_FLAGS = ["-std=c99", "-O3", "-Wall", "-Wextra"]


def declarations(header: Path) -> str:
    """A bind header without preprocessor lines and `extern "C"`: what cffi's parser takes."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def make_builder() -> cffi.FFI:
    """The module's builder; its sources are named relative to the project, where setuptools compiles."""
    headers = sorted((CORE / "bind").glob("*.h"))
    sources = sorted([*(CORE / "src").glob("*.c"), *(CORE / "bind").glob("*.c"), *(CORE / "gen").glob("*.c")])
    builder = cffi.FFI()
    for header in headers:
        builder.cdef(declarations(header))
    builder.set_source(
        "watchword._core",
        "\n".join(f'#include "{header.name}"' for header in headers),
        sources=[str(source.relative_to(ROOT)) for source in sources],
        include_dirs=[str(CORE / part) for part in ("include", "gen", "bind", "src")],
        extra_compile_args=["/std:c11", "/O2"] if sys.platform == "win32" else GCC_FLAGS,
    )
    return builder


ffibuilder = make_builder()

if __name__ == "__main__":  # compile in place, for a checkout whose C sources changed
    options = ["--quiet", "--no-deps", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "install", *options, "--editable", "."]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)
