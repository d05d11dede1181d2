"""The link's rules one by one; the properties under bad wires are in test_link_properties.py."""

from __future__ import annotations

import random
import zlib

import pytest
from cobs_reference import encode_frame, frames_of, stuff
from link_pair import AUDIO, SCORES, End, Errors, Pair, Wire, random_frames, split_frames
from watchword import spec
from watchword._core import lib
from watchword.device import messages

ACK, HELLO, WELCOME = 0, 1, 2
POLL, ANSWER, NAK = 0x80, 0x40, 0x20
SESSION = 0x12345678


def perfect_pair(**options: float) -> Pair:
    rng = random.Random(0)
    return Pair(rng, Wire(rng, Errors(), 1e6), Wire(rng, Errors(), 1e6), **options)  # type: ignore[arg-type]


def open_device(slots: int = 4, credits: int = 4, session: int = SESSION, host_credits: int = 32) -> End:
    """A device whose session was opened by hand, so that a test can speak to it frame by frame."""
    device = End(False, slots)
    device.set_credits(credits)
    hello = messages.encode("hello", {"protocol": spec.PROTOCOL_VERSION, "session": session})
    frames = device.receive(encode_frame(bytes([HELLO, 0, 0, host_credits]) + hello, 0))
    assert [f[0] for f in frames] == [HELLO]
    assert [f[0] for f in frames_of(device.transmit(0))] == [WELCOME]
    return device


def data(seq: int, payload: bytes = b"", ack: int = 0, credits: int = 32) -> bytes:
    return encode_frame(bytes([AUDIO, seq, ack, credits]) + payload, SESSION)


def control(flags: int, ack: int, credits: int = 32) -> bytes:
    return encode_frame(bytes([ACK, flags, ack, credits]), SESSION)


# ── CRC and framing ──────────────────────────────────────────────────────────────────────────
def test_crc_equals_zlib_in_one_go_and_in_pieces() -> None:
    rng = random.Random(1)
    for length in (0, 1, 2, 3, 255, 4096):
        content, start = rng.randbytes(length), rng.getrandbits(32)
        assert lib.wwb_crc32(start, content, length) == zlib.crc32(content, start)
        cut = length // 3
        half = lib.wwb_crc32(start, content[:cut], cut)
        assert lib.wwb_crc32(half, content[cut:], length - cut) == zlib.crc32(content, start)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0",
        b"\1",
        bytes(656),
        b"\xff" * 656,
        b"\1" * 246 + b"\0" * 3,
        *(b"\1" * n for n in range(244, 252)),
        *(b"\2" * n + b"\0" for n in range(498, 506)),
    ],
)
def test_frames_on_the_wire_are_cobs_and_zlib_crc(payload: bytes) -> None:
    device = open_device()
    assert device.send(SCORES, payload)
    wire = device.transmit(0)
    body = bytes([SCORES, 0, 0, 4]) + payload
    frame = body + zlib.crc32(body, SESSION).to_bytes(4, "little")
    assert wire.count(b"\0") == 2 and wire[0] == wire[-1] == 0
    assert frames_of(wire) == [body]
    # The encoder may or may not write a closing code of 1 after a full block; both are COBS.
    assert wire[1:-1] in (stuff(frame), stuff(frame) + b"\1")
    device = open_device()
    assert device.receive(data(0, payload)) == [(AUDIO, payload)]


@pytest.mark.parametrize("chunk", [1, 2, 7, 100])
def test_received_frames_do_not_depend_on_how_the_bytes_are_cut(chunk: int) -> None:
    wire = b"text before\r\n" + b"".join(data(i, bytes([i]) * 50 * i) for i in range(4))
    device = open_device()
    got = [f for at in range(0, len(wire), chunk) for f in device.receive(wire[at : at + chunk])]
    assert got == [(AUDIO, bytes([i]) * 50 * i) for i in range(4)]


def test_too_long_or_control_type_is_refused() -> None:
    device = open_device()
    too_long = bytes(spec.LINK_MAX_PAYLOAD_BYTES + 1)
    assert lib.wwb_link_send(device.link, SCORES, too_long, len(too_long)) == -spec.STATUS["ERR_ARGUMENT"]
    assert lib.wwb_link_send(device.link, WELCOME, b"", 0) == -spec.STATUS["ERR_ARGUMENT"]
    assert not device.pending


@pytest.mark.parametrize("slots", [0, -1, 33])
def test_slot_count_is_checked(slots: int) -> None:
    from watchword._core import ffi

    assert lib.wwb_link_new(0, slots) == ffi.NULL


def test_bad_frames_are_counted_and_skipped() -> None:
    device = open_device()
    damaged = bytearray(data(0, b"\1" * 20))
    damaged[10] ^= 4
    assert device.receive(bytes(damaged)) == []
    assert device.counters["crc_errors"] == 1
    assert device.receive(b"\0\1\2\0" + b"\5\1\0" + b"\7" * 1000 + b"\0") == []  # short, cut, oversize
    assert device.counters["bad_frames"] == 3
    assert device.receive(data(0, b"\1" * 20)[:-9] + b"\0") == []
    assert device.counters["crc_errors"] == 1 and device.counters["bad_frames"] == 4, "cut is not corrupt"
    unknown = encode_frame(bytes([0x0F, 0, 0, 0]), SESSION)
    assert device.receive(unknown) == [] and device.counters["bad_frames"] == 5
    assert device.receive(data(0, b"fine")) == [(AUDIO, b"fine")]


# ── Sequence, acks, credits ──────────────────────────────────────────────────────────────────
def test_duplicates_are_acked_again_and_not_delivered() -> None:
    device = open_device()
    assert device.receive(data(0, b"a")) == [(AUDIO, b"a")]
    assert frames_of(device.transmit(1)) == [bytes([ACK, 0, 1, 3])]
    assert device.receive(data(0, b"a")) == []
    assert frames_of(device.transmit(2)) == [bytes([ACK, 0, 1, 3])]


def test_gap_is_reported_at_once_and_the_sender_goes_back_once() -> None:
    device = open_device()
    assert device.receive(data(1, b"b")) == []
    assert frames_of(device.transmit(1)) == [bytes([ACK, NAK, 0, 4])]
    sender = open_device()
    for i in range(3):
        assert sender.send(SCORES, bytes([i]))
    assert [f[1] for f in frames_of(sender.transmit(0))] == [0, 1, 2]
    sender.receive(control(NAK, ack=1) * 5)  # the first says it, the others are echoes
    assert [f[1] for f in frames_of(sender.transmit(1))] == [1, 2]
    assert sender.counters["retransmissions"] == 2
    sender.receive(control(NAK, ack=1))
    assert frames_of(sender.transmit(2)) == []
    sender.receive(control(NAK, ack=2))  # the next one is missing: another gap
    assert [f[1] for f in frames_of(sender.transmit(3))] == [2]


def test_silence_leads_to_a_poll_and_only_its_answer_to_retransmission() -> None:
    sender = open_device()
    for i in range(3):
        assert sender.send(SCORES, bytes([i]))
    assert len(frames_of(sender.transmit(0))) == 3
    assert frames_of(sender.transmit(249)) == []
    (poll,) = frames_of(sender.transmit(250))
    assert poll[0] == ACK and poll[1] & POLL
    assert frames_of(sender.transmit(749)) == [], "the interval doubles"
    (again,) = frames_of(sender.transmit(750))
    assert again == poll, "asks with the same id until answered"
    sender.receive(control(ANSWER | ((poll[1] + 1) & 31), ack=0))
    assert frames_of(sender.transmit(760)) == [], "an answer to another poll proves nothing"
    sender.receive(control(ANSWER | (poll[1] & 31), ack=1))
    assert [f[1] for f in frames_of(sender.transmit(770))] == [1, 2]


def test_naks_that_follow_from_the_gap_of_a_poll_are_echoes() -> None:
    sender = open_device()
    assert sender.send(SCORES, b"lost")
    sender.transmit(0)
    (poll,) = frames_of(sender.transmit(250))
    assert sender.send(SCORES, b"sent after the poll")
    assert [f[1] for f in frames_of(sender.transmit(251))] == [1]
    sender.receive(control(ANSWER | (poll[1] & 31), ack=0))
    assert [f[1] for f in frames_of(sender.transmit(252))] == [0, 1]
    sender.receive(control(NAK, ack=0))
    assert frames_of(sender.transmit(253)) == []


def test_a_poll_overtaken_by_its_ack_is_forgotten() -> None:
    sender = open_device()
    assert sender.send(SCORES, b"0")
    sender.transmit(0)
    (poll,) = frames_of(sender.transmit(250))
    sender.receive(control(0, ack=1))
    assert sender.send(SCORES, b"1")
    sender.transmit(300)
    (second,) = frames_of(sender.transmit(550))
    assert second[1] & POLL and second[1] != poll[1]
    sender.receive(control(0, ack=2))
    for i in (2, 3):
        assert sender.send(SCORES, bytes([i]))
        sender.transmit(600)
        sender.receive(control(0, ack=i + 1))
    assert sender.send(SCORES, b"4")
    sender.transmit(700)
    (third,) = frames_of(sender.transmit(1700))
    assert third[1] & POLL and third[1] not in (poll[1], second[1])


def test_a_chatting_peer_is_still_asked_for_its_ack() -> None:
    sender = open_device(credits=100)
    assert sender.send(SCORES, b"lost")
    assert len(frames_of(sender.transmit(0))) == 1
    said = []
    for i in range(30):
        sender.receive(data(i))
        said += frames_of(sender.transmit(10 + 10 * i))
    assert any(frame[0] == ACK and frame[1] & POLL for frame in said)


def test_the_first_frame_after_a_pause_is_not_polled_for_at_once() -> None:
    sender = open_device()
    assert sender.send(SCORES, b"")
    assert [f[0] for f in frames_of(sender.transmit(60_000))] == [SCORES]


def test_an_idle_device_is_silent() -> None:
    device = open_device()
    assert all(device.transmit(now) == b"" for now in range(0, 60_000, 100))


def test_acks_that_make_no_sense_change_nothing() -> None:
    sender = open_device()
    for i in range(3):
        assert sender.send(SCORES, bytes([i]))
    sender.receive(control(0, ack=2) + control(0, ack=200))  # nothing was on the wire yet
    assert [f[1] for f in frames_of(sender.transmit(0))] == [0, 1, 2]
    sender.receive(control(0, ack=2) + control(0, ack=1, credits=0))  # in the wrong order
    assert sender.send(SCORES, b"credits of the older ack do not count")
    assert [f[1] for f in frames_of(sender.transmit(1))] == [3]


def test_an_ack_that_overtakes_going_back_is_believed() -> None:
    sender = open_device()
    for i in range(3):
        assert sender.send(SCORES, bytes([i]))
    assert len(frames_of(sender.transmit(0))) == 3
    sender.receive(control(NAK, ack=0) + control(0, ack=2))
    assert [f[1] for f in frames_of(sender.transmit(1))] == [2]


def test_a_blocked_sender_asks_five_times_a_second() -> None:
    pair = perfect_pair(device_room=0)
    pair.connect(SESSION)
    assert pair.host.send(AUDIO, b"x")
    before = pair.down.bytes_put
    for _ in range(5000):
        pair.step()
    assert 24 * 11 <= pair.down.bytes_put - before <= 26 * 11
    pair.device_app.room = 1
    pair.run_until(lambda: not pair.host.pending, 20)


def test_a_slow_peer_is_never_sent_the_same_twice() -> None:
    """The whole window takes 1.6 s to arrive, far longer than the first timeout."""
    rng = random.Random(0)
    pair = Pair(rng, Wire(rng, Errors(), bytes_per_ms=13.0), Wire(rng, Errors()), device_room=127)
    pair.connect(SESSION)
    pair.exchange(random_frames(rng, 200, AUDIO), [])
    assert pair.host.counters["retransmissions"] == 0


def test_a_frame_without_credit_is_dropped_and_comes_again() -> None:
    device = open_device(credits=1)
    assert device.receive(data(0, b"a") + data(1, b"b")) == [(AUDIO, b"a")]
    (ack,) = frames_of(device.transmit(1))
    assert ack[2:] == bytes([1, 0]), "one taken, no room"
    device.set_credits(1)
    (ack,) = frames_of(device.transmit(2))
    assert ack[2:] == bytes([1, 1])
    assert device.receive(data(1, b"b")) == [(AUDIO, b"b")]


def test_sender_respects_credits() -> None:
    sender = open_device(slots=8, host_credits=2)
    for i in range(8):
        assert sender.send(SCORES, bytes([i]))
    assert not sender.send(SCORES, b"")
    assert [f[1] for f in frames_of(sender.transmit(0))] == [0, 1]
    sender.receive(control(0, ack=2, credits=0))
    assert frames_of(sender.transmit(1)) == []
    sender.receive(control(0, ack=2, credits=3))
    assert [f[1] for f in frames_of(sender.transmit(2))] == [2, 3, 4]


class OnlyAnswers(Errors):
    """Loses every ack and credit update but those that were asked for."""

    def apply(self, frame: bytes, rng: random.Random) -> bytes:
        (body,) = frames_of(frame)
        return frame if body[0] != ACK or body[1] & ANSWER else b""


def test_zero_credit_stall_ends_when_every_update_is_lost() -> None:
    pair = perfect_pair(device_room=2, device_frame_ms=30.0)
    pair.connect(SESSION)
    pair.up.errors = OnlyAnswers()
    pair.exchange(random_frames(pair.rng, 60, AUDIO), [], limit_ms=20_000)


def test_credits_ride_on_acks_while_the_peer_has_some_left() -> None:
    rng = random.Random(0)
    pair = Pair(rng, Wire(rng, Errors(), 60.0), Wire(rng, Errors()), device_room=16, device_frame_ms=5.0)
    pair.connect(SESSION)
    count = 400
    pair.exchange([(AUDIO, bytes(640))] * count, [])
    assert pair.up.bytes_put < count * 1.2 * 11, "one ack a frame, hardly anything else"


def test_a_full_receiver_costs_two_small_frames_a_frame() -> None:
    pair = perfect_pair(device_room=16, device_frame_ms=5.0)
    pair.connect(SESSION)
    count = 400
    pair.exchange([(AUDIO, bytes(640))] * count, [])
    assert pair.up.bytes_put < count * 2.1 * 11


def test_sequence_numbers_wrap() -> None:
    pair = perfect_pair()
    pair.connect(SESSION)
    pair.exchange(random_frames(pair.rng, 1500, AUDIO, 40), random_frames(pair.rng, 1500, SCORES, 40))


def test_clock_wraps() -> None:
    rng = random.Random(3)
    errors = Errors(drop=0.1)
    pair = Pair(rng, Wire(rng, errors), Wire(rng, errors), start_ms=(1 << 32) - 300)
    pair.connect(SESSION)
    pair.exchange(random_frames(rng, 200, AUDIO), random_frames(rng, 50, SCORES))
    assert pair.now_ms > 1 << 32


def test_single_slot_each_way() -> None:
    pair = perfect_pair(device_slots=1, host_slots=1, device_room=1)
    pair.connect(SESSION)
    pair.exchange(random_frames(pair.rng, 50, AUDIO), random_frames(pair.rng, 50, SCORES))


def test_transmit_keeps_a_frame_that_does_not_fit() -> None:
    from watchword._core import ffi

    device = open_device()
    assert device.send(SCORES, b"\1" * 100)
    small, large = ffi.new("uint8_t[]", 60), ffi.new("uint8_t[]", 700)
    assert lib.wwb_link_transmit(device.link, 0, small, 60) == 0
    assert lib.wwb_link_transmit(device.link, 0, large, 700) > 100


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────
def test_no_frame_of_an_older_session_is_accepted() -> None:
    device = open_device(session=SESSION)
    hello = messages.encode("hello", {"protocol": spec.PROTOCOL_VERSION, "session": SESSION + 1})
    assert device.receive(encode_frame(bytes([HELLO, 0, 0, 9]) + hello, 0)) == [(HELLO, hello)]
    assert device.receive(data(0, b"old")) == []
    assert device.counters["crc_errors"] == 1
    fresh = encode_frame(bytes([AUDIO, 0, 0, 9]) + b"new", SESSION + 1)
    assert device.receive(fresh) == [(AUDIO, b"new")]


def test_repeated_hello_is_welcomed_again_and_changes_nothing() -> None:
    device = open_device()
    assert device.receive(data(0, b"a")) == [(AUDIO, b"a")]
    hello = messages.encode("hello", {"protocol": spec.PROTOCOL_VERSION, "session": SESSION})
    assert device.receive(encode_frame(bytes([HELLO, 0, 0, 9]) + hello, 0)) == []
    assert frames_of(device.transmit(1))[0][0] == WELCOME
    assert device.receive(data(1, b"b")) == [(AUDIO, b"b")]


def test_only_the_welcome_of_this_session_counts_and_only_once() -> None:
    def welcome(session: int) -> bytes:
        payload = messages.encode("welcome", {"protocol": spec.PROTOCOL_VERSION, "session": session})
        return encode_frame(bytes([WELCOME, 0, 0, 4]) + payload, 0)

    host = End(True, 4)
    host.connect(SESSION)
    assert host.receive(welcome(SESSION - 1) + welcome(0)) == [] and not host.connected
    assert [f[0] for f in host.receive(welcome(SESSION))] == [WELCOME] and host.connected
    assert host.send(AUDIO, b"")
    assert host.receive(welcome(SESSION) + welcome(SESSION - 1)) == [] and host.connected
    assert host.pending


def test_lost_welcome_is_asked_for_again() -> None:
    pair = perfect_pair()
    pair.up.errors = Errors(drop=1.0)
    pair.device.set_credits(4)
    pair.host.connect(SESSION)
    for _ in range(1000):
        pair.step()
    assert pair.device.connected and not pair.host.connected
    pair.up.errors = Errors()
    pair.run_until(lambda: pair.host.connected, 300)
    assert pair.sessions == [SESSION], "the application sees one session"


def test_hello_of_another_protocol_version_opens_nothing() -> None:
    device = End(False, 4)
    hello = messages.encode("hello", {"protocol": spec.PROTOCOL_VERSION + 1, "session": SESSION})
    assert device.receive(encode_frame(bytes([HELLO, 0, 0, 9]) + hello + b"more fields", 0)) == []
    assert not device.connected
    (welcome,) = frames_of(device.transmit(0))
    told = messages.decode(welcome[0], welcome[4:])
    assert told.fields == {"protocol": spec.PROTOCOL_VERSION, "session": SESSION}


def test_board_reset_in_mid_session_ends_it_on_the_host_at_once() -> None:
    pair = perfect_pair()
    pair.connect(SESSION)
    assert pair.host.send(AUDIO, b"x")
    pair.device = End(False, 4)
    pair.run_until(lambda: not pair.host.connected, 50)
    assert pair.welcomes == [SESSION, 0]


def test_board_reset_is_noticed_by_an_idle_host() -> None:
    pair = perfect_pair()
    pair.connect(SESSION)
    pair.device = End(False, 4)
    pair.run_until(lambda: not pair.host.connected, 1000)


def test_a_dead_board_is_given_up() -> None:
    pair = perfect_pair()
    pair.connect(SESSION)
    assert pair.host.send(AUDIO, b"x")
    pair.up.errors = Errors(drop=1.0)
    pair.run_until(lambda: not pair.host.connected, 20_000)
    assert pair.now_ms > 10_000, "a slow board gets its time"


def test_a_host_that_slept_does_not_give_the_board_up() -> None:
    pair = perfect_pair()
    pair.connect(SESSION)
    for _ in range(3):
        pair.now_ms += 3_600_000
        for _ in range(20):
            pair.step()
        assert pair.host.connected
    pair.exchange([(AUDIO, b"still here")], [(SCORES, b"me too")])


def test_the_device_never_gives_up_its_host() -> None:
    pair = perfect_pair()
    pair.connect(SESSION)
    assert pair.device.send(SCORES, b"kept")
    for now in range(0, 3_600_000, 1000):
        pair.device.transmit(now)
    assert pair.device.connected and pair.device.pending


def test_an_idle_device_answers_noise_with_little() -> None:
    """A serial monitor's user types lines; no frame comes of that, and nothing is said back."""
    device = End(False, 4)
    assert device.receive(b"help\r\n" * 500) == []
    assert device.transmit(0) == b""
    device.receive(b"\0" + data(0) * 30)  # a host that believes in a session
    (welcome,) = frames_of(device.transmit(0))
    assert messages.decode(welcome[0], welcome[4:]).number("session") == 0


def test_closing_the_device_brings_it_back_to_text_and_reconnects() -> None:
    pair = perfect_pair()
    pair.connect(SESSION)
    pair.device.close()
    assert not pair.device.connected
    assert not pair.device.send(SCORES, b"")
    pair.host.close()
    pair.connect(SESSION + 1)
    pair.exchange([(AUDIO, b"again")], [(SCORES, b"yes")])
    assert pair.sessions == [SESSION, SESSION + 1]


def test_poll_goes_quiet_when_the_peer_answers() -> None:
    """An idle session costs two small frames every half second."""
    pair = perfect_pair()
    pair.connect(SESSION)
    before = pair.down.bytes_put + pair.up.bytes_put
    for _ in range(10_000):
        pair.step()
    assert 10 * 22 <= pair.down.bytes_put + pair.up.bytes_put - before <= 25 * 22


def test_echo_of_ones_own_frames_connects_nothing() -> None:
    host = End(True, 4)
    host.connect(SESSION)
    for now in range(0, 2000, 100):
        assert host.receive(host.transmit(now)) == []
    assert not host.connected


def test_split_frames_is_the_transmit_unit() -> None:
    device = open_device()
    device.send(SCORES, b"a")
    device.send(SCORES, b"b")
    wire = device.transmit(0)
    assert len(split_frames(wire)) == 2 and b"".join(split_frames(wire)) == wire
