"""The ring between a microphone's driver and the pipeline: firmware/board/microphone.c."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BOARD = Path(__file__).resolve().parents[2] / "firmware" / "board"
CAPACITY = 64
UNITY = 256


class Microphone(ctypes.Structure):
    _fields_ = (
        ("samples", ctypes.POINTER(ctypes.c_int16)),
        *((name, ctypes.c_uint32) for name in ("capacity", "written", "taken")),
        *((name, ctypes.c_uint32) for name in ("overruns", "clipped", "gain_q8")),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: the ring cannot be built")
    path = tmp_path_factory.mktemp("microphone") / "microphone.so"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    flags += [f"-I{BOARD.parent / 'core' / part}" for part in ("include", "gen")]
    subprocess.run(["gcc", *flags, str(BOARD / "microphone.c"), "-o", str(path)], check=True)
    loaded = ctypes.CDLL(str(path))
    loaded.microphone_take.restype = ctypes.c_size_t
    loaded.microphone_gain.restype = ctypes.c_uint16
    return loaded


class Ring:
    def __init__(self, library: ctypes.CDLL, gain_q8: int = UNITY) -> None:
        self.library, self.state = library, Microphone()
        self._store = (ctypes.c_int16 * CAPACITY)()
        library.microphone_init(ctypes.byref(self.state), self._store, CAPACITY, gain_q8)

    def put(self, raw: np.ndarray) -> None:
        data = np.ascontiguousarray(raw, np.int32)
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        self.library.microphone_put(ctypes.byref(self.state), pointer, ctypes.c_size_t(len(data)))

    def take(self, count: int) -> np.ndarray:
        out = np.zeros(count, np.int16)
        pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))
        taken = self.library.microphone_take(ctypes.byref(self.state), pointer, ctypes.c_size_t(count))
        return out[:taken]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=60), st.integers(0, 2**32 - 1))
def test_samples_come_in_order_or_are_counted_lost(
    library: ctypes.CDLL, steps: list[tuple[int, int]], start: int
) -> None:
    """Also where the free-running counters wrap."""
    ring = Ring(library)
    ring.state.written = ring.state.taken = start
    put, kept, taken, waiting = 0, [], [], 0
    for coming, going in steps:
        numbers = np.arange(put, put + coming) % 30_000
        ring.put(numbers << 16)
        put += coming
        fits = min(coming, CAPACITY - waiting)
        kept += numbers[:fits].tolist()
        got = ring.take(going)
        assert len(got) == min(going, waiting + fits)
        waiting += fits - len(got)
        taken += got.tolist()
    assert taken == kept[: len(taken)]
    assert ring.state.overruns == put - len(kept)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 0xFFFF))
def test_gain_is_exact_rounded_and_clips(library: ctypes.CDLL, raw: int, gain_q8: int) -> None:
    ring = Ring(library, gain_q8)
    ring.put(np.array([raw], np.int64).astype(np.int32))
    value = (raw * gain_q8 + (1 << 23)) >> 24
    assert ring.take(1)[0] == np.clip(value, -32768, 32767)
    assert ring.state.clipped == (not -32768 <= value <= 32767)


def test_gain_changes_live_and_zero_leaves_it(library: ctypes.CDLL) -> None:
    ring = Ring(library, 512)
    assert library.microphone_gain(ctypes.byref(ring.state), 0) == 512
    ring.put(np.array([100 << 16]))
    assert library.microphone_gain(ctypes.byref(ring.state), 1024) == 1024
    ring.put(np.array([100 << 16]))
    assert ring.take(2).tolist() == [200, 400]
