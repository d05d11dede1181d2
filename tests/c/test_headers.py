"""The public headers are for C and for C++, and each can be included by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from watchword.core_build import CORE
from watchword.device.firmware import ROOT

FOLDERS = [ROOT / "firmware" / part for part in ("app", "board", "core/include", "core/gen")]
PUBLIC = sorted([*CORE.glob("include/**/*.h"), *CORE.glob("gen/*.h"), *FOLDERS[1].glob("*.h")])
INCLUDE = [f"-I{folder}" for folder in FOLDERS]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def test_a_cpp_program_links_with_the_core(tmp_path: Path) -> None:
    objects = []
    for source in [*CORE.glob("src/*.c"), *CORE.glob("gen/*.c")]:
        objects.append(str(tmp_path / f"{source.stem}.o"))
        command = ["gcc", "-std=c99", *WARNINGS, *INCLUDE, "-c", str(source), "-o", objects[-1]]
        subprocess.run(command, check=True)
    program = str(tmp_path / "program")
    main = str(Path(__file__).with_name("headers.cpp"))
    subprocess.run(["g++", "-std=c++11", *WARNINGS, *INCLUDE, main, *objects, "-o", program], check=True)
    subprocess.run([program], check=True)


@pytest.mark.parametrize("compiler", [["gcc", "-std=c99", "-xc"], ["g++", "-std=c++11", "-xc++"]])
def test_every_header_needs_no_other_before_it(compiler: list[str]) -> None:
    for header in [*PUBLIC, FOLDERS[0] / "app.h"]:
        source = f'#include "{header}"\n#include "{header}"\n'
        command = [*compiler, *WARNINGS, *INCLUDE, "-fsyntax-only", "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True)
        assert done.returncode == 0, f"{header.name}: {done.stderr}"
