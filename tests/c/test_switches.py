"""The core without one of its front ends: what is left works, images that want the other are refused."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import cffi
import numpy as np
import pytest
from watchword import core, spec
from watchword.core_build import CORE, ROOT, declarations
from watchword.export.image import seal

OWNER = {"mfcc": "MFCC", "logmel": "MFCC", "micro": "MICRO"}
PARTS = {
    "MFCC": {"ww_mfcc_row", "ww_hann", "ww_fft_twiddles", "ww_dct", "ww_mel_weights"},
    "MICRO": {"ww_micro_row", "ww_micro_window", "ww_micro_twiddles", "ww_micro_gain"},
}
INCLUDE = [f"-I{CORE / part}" for part in ("include", "gen", "bind", "src")]
FLAGS = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections"]

FFI = cffi.FFI()
for header in ("bind_model.h", "bind_pipeline.h"):
    FFI.cdef(declarations(CORE / "bind" / header))


@pytest.fixture(scope="module", params=["MFCC", "MICRO"])
def without(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """The front end that is left out, and the core built so."""
    library = tmp_path_factory.mktemp("without") / f"{request.param}.so"
    sources = [*CORE.glob("src/*.c"), *CORE.glob("gen/*.c"), *CORE.glob("bind/*.c")]
    command = ["gcc", *FLAGS, "-fPIC", "-shared", f"-DWW_WITH_{request.param}=0", *INCLUDE, "-o", library]
    subprocess.run([*command, *map(str, sources)], check=True)
    return request.param, FFI.dlopen(str(library))


def image_of(kind: str) -> bytes:
    """A shipped model's image that says it wants this kind."""
    fields = spec.MODEL_HEADER_FIELDS
    before = [name for name, _ in fields].index("feature_kind")
    image = bytearray((ROOT / "models" / "hey_lighthouse" / "model.bin").read_bytes())
    image[struct.calcsize(spec.fields_format(fields[:before]))] = spec.FEATURE_KINDS[kind]
    return seal(bytes(image))


@pytest.mark.parametrize("kind", spec.FEATURE_KINDS)
def test_the_other_front_end_gives_its_rows(without: tuple[str, Any], kind: str) -> None:
    left_out, lib = without
    pcm = np.random.default_rng(3).normal(0, 2_000, 8_000).astype(np.int16)
    expected, rows = core.frontend_rows(pcm, 160, 40, kind), np.empty((50, 40), np.int16)
    count = lib.wwb_frontend_rows(
        FFI.from_buffer("int16_t[]", pcm),
        len(pcm),
        spec.FEATURE_KINDS[kind],
        160,
        40,
        FFI.from_buffer("int16_t[]", rows),
        len(rows),
    )
    if OWNER[kind] == left_out:
        assert count == -spec.STATUS["ERR_FEATURES"]
    else:
        np.testing.assert_array_equal(rows[:count], expected)


@pytest.mark.parametrize("kind", spec.FEATURE_KINDS)
def test_images_that_want_what_was_left_out_are_refused(without: tuple[str, Any], kind: str) -> None:
    left_out, lib = without
    image = image_of(kind)
    status = -lib.wwb_model_check(image, len(image))
    assert (status == spec.STATUS["ERR_FEATURES"]) == (OWNER[kind] == left_out)


def test_without_any_front_end_there_is_no_core(tmp_path: Path) -> None:
    command = ["gcc", *FLAGS, "-DWW_WITH_MFCC=0", "-DWW_WITH_MICRO=0", *INCLUDE, "-c", "-o", tmp_path / "o"]
    done = subprocess.run([*command, str(CORE / "src" / "frontend.c")], capture_output=True, text=True)
    assert done.returncode and "no features are left" in done.stderr


MAIN = """
#include "watchword/frontend.h"
int main(int n, char **a) {
    static ww_frontend fe;
    size_t used;
    int16_t row[WW_MAX_COEFFS] = {0};
    (void)a;
    return ww_frontend_init(&fe, (uint16_t)n, 160, 40) == WW_OK && ww_frontend_push(&fe, row, 1, &used, row);
}
"""


@pytest.mark.parametrize("left_out", ["MFCC", "MICRO", None])
def test_what_was_left_out_takes_no_memory(left_out: str | None, tmp_path: Path) -> None:
    """Neither its code nor, by a linker that leaves out what nothing names, its tables."""
    main, program = tmp_path / "main.c", tmp_path / "main"
    main.write_text(MAIN)
    switch = [f"-DWW_WITH_{left_out}=0"] if left_out else []
    sources = [*map(str, CORE.glob("src/*.c")), *map(str, CORE.glob("gen/*.c")), str(main)]
    subprocess.run(
        ["gcc", *FLAGS, *switch, *INCLUDE, "-Wl,--gc-sections", "-o", program, *sources], check=True
    )
    told = subprocess.run(["nm", "-P", program], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in told.splitlines()}
    for owner, parts in PARTS.items():
        assert parts & names == (set() if owner == left_out else parts)
