"""Between a microphone's driver and the pipeline: firmware/board/microphone.c and the core's DC blocker."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

BOARD = Path(__file__).resolve().parents[2] / "firmware" / "board"
CAPACITY = 64
UNITY = 256


class Microphone(ctypes.Structure):
    _fields_ = (
        ("samples", ctypes.POINTER(ctypes.c_int16)),
        *((name, ctypes.c_uint32) for name in ("capacity", "written", "taken")),
        *((name, ctypes.c_uint32) for name in ("overruns", "clipped", "gain_q8", "listening")),
        ("offset", ctypes.c_int64),
    )


class Clock(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("part_us", "parts", "now_us")),
        *((name, ctypes.c_int32) for name in ("delay_us", "least_us")),
        *((name, ctypes.c_bool) for name in ("started", "settled")),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed: the ring cannot be built")
    path = tmp_path_factory.mktemp("microphone") / "microphone.so"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    flags += [f"-I{BOARD.parent / 'core' / part}" for part in ("include", "gen")]
    sources = [BOARD / "microphone.c", BOARD.parent / "core" / "src" / "dc_blocker.c"]
    subprocess.run(["gcc", *flags, *map(str, sources), "-o", str(path)], check=True)
    loaded = ctypes.CDLL(str(path))
    loaded.microphone_take.restype = ctypes.c_size_t
    loaded.microphone_gain.restype = ctypes.c_uint16
    loaded.microphone_clock_part.restype = ctypes.c_uint32
    return loaded


class Ring:
    def __init__(self, library: ctypes.CDLL, gain_q8: int = UNITY) -> None:
        self.library, self.state = library, Microphone()
        self._store = (ctypes.c_int16 * CAPACITY)()
        library.microphone_init(ctypes.byref(self.state), self._store, CAPACITY, gain_q8)
        self.listen(True)

    def listen(self, on: bool) -> None:
        self.library.microphone_listen(ctypes.byref(self.state), ctypes.c_bool(on))

    def put(self, raw: np.ndarray) -> None:
        data = np.ascontiguousarray(raw, np.int32)
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        self.library.microphone_put(ctypes.byref(self.state), pointer, ctypes.c_size_t(len(data)))

    def take(self, count: int) -> np.ndarray:
        out = np.zeros(count, np.int16)
        pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))
        taken = self.library.microphone_take(ctypes.byref(self.state), pointer, ctypes.c_size_t(count))
        return out[:taken]


def blocked(raw: np.ndarray, mean: int = 0) -> list[int]:
    """The DC blocker by its definition, in whole numbers; `mean` times 256."""
    out = []
    for sample in raw.tolist():
        value = sample - (mean >> 8)
        mean += value
        out.append(min(max(value, -(2**31)), 2**31 - 1))
    return out


def to_16_bits(sound: list[int], gain_q8: int = UNITY) -> list[int]:
    return [min(max((value * gain_q8 + (1 << 23)) >> 24, -32768), 32767) for value in sound]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=60), st.integers(0, 2**32 - 1))
def test_samples_come_in_order_or_are_counted_lost(
    library: ctypes.CDLL, steps: list[tuple[int, int]], start: int
) -> None:
    """Also where the free-running counters wrap."""
    ring = Ring(library)
    ring.state.written = ring.state.taken = start
    total = sum(coming for coming, _ in steps)
    raw = np.random.default_rng(start).integers(-(2**30), 2**30, total)
    sound = to_16_bits(blocked(raw))
    put, kept, taken, waiting = 0, [], [], 0
    for coming, going in steps:
        ring.put(raw[put : put + coming])
        fits = min(coming, CAPACITY - waiting)
        kept += sound[put : put + fits]
        put += coming
        got = ring.take(going)
        assert len(got) == min(going, waiting + fits)
        waiting += fits - len(got)
        taken += got.tolist()
    assert taken == kept[: len(taken)]
    assert ring.state.overruns == put - len(kept)


def test_who_begins_to_listen_hears_what_comes_from_then_on(library: ctypes.CDLL) -> None:
    ring = Ring(library)
    ring.put(np.full(CAPACITY + 5, 1 << 20))
    assert ring.state.overruns == 5
    ring.listen(False)
    ring.put(np.full(1000, 1 << 30))
    assert ring.state.overruns == 5, "nobody listens: nothing is lost"
    ring.listen(True)
    assert ring.take(CAPACITY).size == 0, "what waited is old"
    ring.put(np.array([77 << 16]))
    assert ring.take(CAPACITY).size == 1


def test_an_offset_is_taken_away_before_the_gain_and_speech_is_not(library: ctypes.CDLL) -> None:
    """-3 dB at 10 Hz; a microphone that stands at a tenth of its range clips at 24 dB of gain no more."""
    rate, gain = 16_000, 16
    seconds = np.arange(rate) / rate
    for hz, least_db, most_db in ((10, -3.1, -2.9), (60, -0.15, 0), (1000, -0.02, 0.02)):
        tone = np.sin(2 * np.pi * hz * seconds) * 2**31 / 64
        ring = Ring(library, gain * UNITY)
        heard = []
        for part in np.split((tone + 2**31 / 10).astype(np.int64), rate // CAPACITY):
            ring.put(part)
            heard.append(ring.take(CAPACITY))
        settled = np.concatenate(heard)[rate // 2 :].astype(float)
        level_db = 20 * np.log10(settled.std() * np.sqrt(2) / (32768 * gain / 64))
        assert least_db <= level_db <= most_db, hz
        assert abs(settled.mean()) < 2


PART_US = 10_000


def lost_parts(library: ctypes.CDLL, arrivals_us: list[float]) -> int:
    clock = Clock()
    library.microphone_clock_start(ctypes.byref(clock), PART_US)
    times = (int(at) % 2**32 for at in arrivals_us)
    return sum(library.microphone_clock_part(ctypes.byref(clock), ctypes.c_uint32(at)) for at in times)


@example(
    set(range(214, 1500, 100)) - {1414}, 59
)  # a window shows a piece of a loss, and the next one the rest
@given(st.sets(st.integers(200, 1500), max_size=30), st.integers(0, 2**32 - 1))
def test_parts_that_never_came_are_counted_by_the_time_they_left(
    library: ctypes.CDLL, lost: set[int], start: int
) -> None:
    """Late ones are not lost, however late; nor do clocks lose anything that differ by 100 ppm."""
    random, arrivals, at = np.random.default_rng(start), [], 0.0
    for part in range(2000):
        late = random.uniform(0, 80_000) if random.random() < 0.1 else random.uniform(0, 300)
        at = max(at + 1, part * PART_US * 1.0001 + late)
        if part not in lost:
            arrivals.append(start + at)
    assert lost_parts(library, arrivals) == len(lost)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(1, 0xFFFF))
def test_gain_is_exact_rounded_and_clips(library: ctypes.CDLL, raw: int, gain_q8: int) -> None:
    ring = Ring(library, gain_q8)  # the first sample has no mean to be taken away
    ring.put(np.array([raw], np.int64).astype(np.int32))
    assert ring.take(1).tolist() == to_16_bits([raw], gain_q8)
    assert ring.state.clipped == (not -32768 <= (raw * gain_q8 + (1 << 23)) >> 24 <= 32767)


def test_gain_changes_live_and_zero_leaves_it(library: ctypes.CDLL) -> None:
    ring = Ring(library, 512)
    assert library.microphone_gain(ctypes.byref(ring.state), 0) == 512
    ring.put(np.array([100 << 16]))
    assert library.microphone_gain(ctypes.byref(ring.state), 1024) == 1024
    ring.put(np.array([100 << 16]))
    first, second = blocked(np.array([100 << 16] * 2))
    assert ring.take(2).tolist() == [*to_16_bits([first], 512), *to_16_bits([second], 1024)]
