"""Whatever the wire does, both directions lose nothing, double nothing and come to an end."""

from __future__ import annotations

import random

import pytest
from cobs_reference import stuff, unstuff
from hypothesis import given, settings
from hypothesis import strategies as st
from link_pair import AUDIO, SCORES, End, Errors, Pair, Wire, random_frames

rates = st.floats(0.0, 0.06)
error_mixes = st.builds(Errors, rates, rates, rates, rates, rates, st.floats(0.0, 0.02))


@pytest.mark.slow
@settings(max_examples=400)
@given(
    seed=st.integers(0, 2**32),
    down=error_mixes,
    up=error_mixes,
    bytes_per_ms=st.sampled_from((13.0, 90.0, 2000.0)),
    delay_ms=st.sampled_from((0.0, 1.0, 40.0)),
    device_slots=st.integers(1, 8),
    host_slots=st.integers(1, 32),
    device_room=st.integers(1, 16),
    device_frame_ms=st.sampled_from((0.0, 2.0, 20.0)),
)
def test_nothing_is_lost_over_a_bad_wire(
    seed: int,
    down: Errors,
    up: Errors,
    bytes_per_ms: float,
    delay_ms: float,
    device_slots: int,
    host_slots: int,
    device_room: int,
    device_frame_ms: float,
) -> None:
    rng = random.Random(seed)
    wires = Wire(rng, down, bytes_per_ms, delay_ms), Wire(rng, up, bytes_per_ms, delay_ms)
    pair = Pair(rng, *wires, device_slots, host_slots, device_room, device_frame_ms)
    pair.connect(rng.getrandbits(31) + 1)
    pair.exchange(random_frames(rng, 40, AUDIO), random_frames(rng, 25, SCORES, 100))
    assert pair.host.connected and pair.device.connected


@pytest.mark.parametrize("rate", [0.01, 0.05])
@pytest.mark.parametrize("kind", ["corrupt", "drop", "duplicate", "truncate", "garbage", "oversize"])
def test_each_accident_alone_in_both_directions(kind: str, rate: float) -> None:
    rng = random.Random(f"{kind} {rate}")
    errors = Errors(**{kind: rate})
    pair = Pair(rng, Wire(rng, errors), Wire(rng, errors), device_frame_ms=1.0)
    pair.connect(99)
    pair.exchange(random_frames(rng, 600, AUDIO), random_frames(rng, 300, SCORES, 100))
    counters = [end.counters for end in (pair.host, pair.device)]
    if kind in ("corrupt", "truncate"):
        assert sum(c["crc_errors"] + c["bad_frames"] for c in counters) > 0
    if kind in ("corrupt", "drop", "truncate"):
        assert sum(c["retransmissions"] for c in counters) > 0
    if kind == "duplicate":
        assert sum(c["out_of_order"] for c in counters) > 0
        assert sum(c["retransmissions"] for c in counters) == 0


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), resets=st.integers(1, 4))
def test_sessions_never_mix_when_the_board_resets_over_a_bad_wire(seed: int, resets: int) -> None:
    """Each session's frames carry its number; after a reset none of an older one may appear."""
    rng = random.Random(seed)
    errors = Errors(0.05, 0.05, 0.05, 0.05, 0.05, 0.01)
    pair = Pair(rng, Wire(rng, errors, delay_ms=20.0), Wire(rng, errors, delay_ms=20.0))
    for session in range(1, resets + 1):
        pair.connect(session)
        label = bytes([session])
        seen_device, seen_host = len(pair.device_app.frames), len(pair.host_app.frames)
        pair.exchange([(AUDIO, label + bytes([i])) for i in range(30)], [(SCORES, label)] * 10)
        assert {p[:1] for _, p in pair.device_app.frames[seen_device:]} == {label}
        assert {p[:1] for _, p in pair.host_app.frames[seen_host:]} == {label}
        while pair.host.send(AUDIO, label + b"in flight"):
            pass
        for _ in range(rng.randint(0, 5)):
            pair.step()
        pair.device = End(False, 4)
        pair.run_until(lambda: not pair.host.connected, 30_000)


@settings(max_examples=200)
@given(st.binary(max_size=1500))
def test_any_bytes_leave_a_link_that_works(noise: bytes) -> None:
    rng = random.Random(0)
    pair = Pair(rng, Wire(rng, Errors()), Wire(rng, Errors()))
    pair.device.receive(noise)
    pair.connect(5)
    pair.device.receive(noise)
    pair.host.receive(noise)
    pair.exchange([(AUDIO, b"a"), (AUDIO, b"b")], [(SCORES, b"c")])


@settings(max_examples=300)
@given(st.lists(st.sampled_from((b"\0", b"\1" * 253, b"\1" * 254, b"\xff", b"ab")), max_size=6))
def test_reference_cobs_is_its_own_inverse(parts: list[bytes]) -> None:
    content = b"".join(parts)
    wire = stuff(content)
    assert b"\0" not in wire and unstuff(wire) == content
