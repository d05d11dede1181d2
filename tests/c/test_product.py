"""Long products, with the instruction for their upper half and without: what whole numbers give."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import cffi
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from watchword.core_build import CORE

SOURCE = Path(__file__).with_name("product.c")
INT32 = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([-(2**31), 2**31 - 1, -(2**16), 2**16 - 1, -1, 0])
HALF_BITS = 2**17  # what sums of halves need as a margin, see product.h
MANY = settings(max_examples=1_000)


@pytest.fixture(scope="module", params=[(), ("-DWW_WITHOUT_MUL_HIGH",)], ids=["instruction", "halves"])
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    library = tmp_path_factory.mktemp("product") / "product.so"
    ffi = cffi.FFI()
    ffi.cdef("\n".join(re.findall(r"^\w+ \w+\(.*\);", SOURCE.read_text(), re.M)))
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    undefined = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    includes = [f"-I{CORE / part}" for part in ("include", "gen", "src")]
    command = ["gcc", *flags, *undefined, *includes, *request.param, str(SOURCE), "-o", str(library)]
    subprocess.run(command, check=True)
    return ffi.dlopen(str(library))


@MANY
@given(INT32, INT32)
@example(-(2**31), 2**31 - 2**17 - 1)
@example(2**31 - 1, -(2**31) + 2**17 + 2)
def test_upper_half_and_whole(product: Any, a: int, b: int) -> None:
    assume(abs(a) + abs(b) < 2**32 - HALF_BITS)
    assert product.mul_high(a, b) == (a * b) >> 32
    assert product.mul(a, b) == a * b


@MANY
@given(st.integers(-(2**15), 2**15 - 1), st.integers(16, 31), st.integers(0, 2**29))
def test_raised_samples(product: Any, sample: int, up: int, b: int) -> None:
    assume(-(2**31) <= sample << up < 2**31)
    assert product.mul_high_raised(sample, up, b) == ((sample << up) * b) >> 32


@MANY
@given(INT32, INT32)
def test_squares(product: Any, a: int, b: int) -> None:
    assume(a * a + b * b < 2**61)
    assert product.squares(a, b) == a * a + b * b


@MANY
@given(INT32, st.integers(0, 2**32 - 1))
def test_rounded(product: Any, a: int, b: int) -> None:
    expected = (a * b + (1 << 31)) >> 32
    assume(-(2**31) <= expected < 2**31)
    assert product.mul_rounded(a, b) == expected


@MANY
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
def test_long(product: Any, a: int, b: int) -> None:
    assume(a * b < 2**64)
    assert product.mul_long(a, b) == a * b
