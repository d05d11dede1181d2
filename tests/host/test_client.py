"""Board against a board in this process: the C device link and a small application behind it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fake_board import SAMPLES_PER_SCORE, FakeBoard, expected_scores
from link_pair import Errors
from watchword import spec
from watchword.core import DetectorConfig, spec_id
from watchword.device import client, deadline, link
from watchword.device.client import Board
from watchword.errors import WatchwordError


def recording(seed: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-32768, 32768, round(seconds * spec.SAMPLE_RATE_HZ)).astype(np.int16)


def check(result: client.StreamResult, pcm: np.ndarray) -> None:
    scores = expected_scores(pcm)
    np.testing.assert_array_equal(result.scores, scores)
    assert result.samples == len(pcm) and result.lost_samples == 0 and result.rows == len(pcm) // 320
    fired = np.flatnonzero(scores > 250)
    assert [d.sample_index for d in result.detections] == [(i + 1) * SAMPLES_PER_SCORE for i in fired]
    assert all(d.cost == 9 for d in result.detections)


def test_connects_past_boot_text_and_reads_the_info() -> None:
    port = FakeBoard()
    with Board(port) as board:
        assert board.info["word"] == "änything" and board.info["spec_id"] == spec_id()
        assert not port.closed
    assert port.closed and port.text_lines == 2, "left in text mode"


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.03, 1.0, 61.7])
def test_one_stream_of_any_length(seconds: float) -> None:
    with Board(FakeBoard()) as board:
        pcm = recording(1, seconds)
        check(board.stream(pcm), pcm)
        counters = board.link_counters
        assert counters.retransmissions == 0 and counters.bytes_sent > 2 * len(pcm)


def test_many_streams_in_order_and_requests_in_between() -> None:
    recordings = [recording(i, 0.05 * (i % 7)) for i in range(60)]
    with Board(FakeBoard(slots=2, room=3)) as board:
        for i, result in enumerate(board.stream_many(recordings)):
            check(result, recordings[i])
            if i % 9 == 0:
                assert board.stats(reset=True)["heap_bytes"] == 1
        assert board.lost_samples == 0


def test_blocks_of_a_recording_are_read_as_the_board_takes_them() -> None:
    whole, read = recording(5, 20.0), []

    def blocks() -> Iterator[np.ndarray]:
        for at in range(0, len(whole), 4_000):
            read.append(at)
            yield whole[at : at + 4_000]
            yield whole[:0]

    with Board(FakeBoard(slots=2, room=3)) as board:
        results = board.stream_many([blocks(), recording(6, 0.5)])
        assert not read, "nothing is read before it is asked for"
        check(next(results), whole)
        check(next(results), recording(6, 0.5))
    assert len(read) == 80


def test_recordings_are_taken_lazily_and_sent_ahead() -> None:
    taken = []

    def source() -> Iterator[np.ndarray]:
        for i in range(100):
            taken.append(i)
            yield recording(i, 0.02)

    with Board(FakeBoard()) as board:
        results = board.stream_many(source())
        next(results)
        assert 1 < len(taken) <= client.STREAMS_AHEAD + 1


def test_a_given_up_stream_does_not_spoil_the_next() -> None:
    recordings = [recording(i, 0.5) for i in range(10)]
    with Board(FakeBoard()) as board:
        results = board.stream_many(recordings)
        check(next(results), recordings[0])
        results.close()  # type: ignore[attr-defined]
        pcm = recording(99, 1.0)
        check(board.stream(pcm), pcm)
        check(board.stream(pcm), pcm)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_over_a_bad_wire(seed: int) -> None:
    errors = Errors(corrupt=0.01, drop=0.01, duplicate=0.02, truncate=0.01, garbage=0.01, oversize=0.003)
    recordings = [recording(i, 1.5) for i in range(8)]
    with Board(FakeBoard(seed, errors)) as board:
        for result, pcm in zip(board.stream_many(recordings), recordings, strict=True):
            check(result, pcm)
        assert board.lost_samples == 0 and board.link_counters.retransmissions > 0


def test_config_goes_there_and_back() -> None:
    with Board(FakeBoard()) as board:
        assert board.config_get().smoothing == 5
        wanted = DetectorConfig(7, 0.75, 0.25, 1000)
        assert board.config_set(wanted) == wanted == board.config_get()
        with pytest.raises(WatchwordError, match=r"thresholds too low \(ERR_ARGUMENT\)"):
            board.config_set(DetectorConfig(5, 0.5, 1 / 32768, 500))
        assert board.preset() is None
        assert board.preset_set("eager").smoothing == 8 and board.preset() == "eager"


def test_board_not_answering() -> None:
    port = FakeBoard()
    port.silent = True
    with pytest.raises(WatchwordError, match=r"fake: board not answering within 0\.3 s \(check the cable"):
        Board(port, connect_timeout_s=0.3)
    assert port.closed


def test_another_protocol_version() -> None:
    port = FakeBoard()
    port.protocol = spec.PROTOCOL_VERSION + 1
    with pytest.raises(
        WatchwordError,
        match=rf"version {spec.PROTOCOL_VERSION + 1}, this program version {spec.PROTOCOL_VERSION}",
    ):
        Board(port)
    assert port.closed


def test_a_core_of_before_an_update_is_not_taken_for_a_silent_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchword.device.client.spec_id", lambda: 0xDEADBEEF)
    port = FakeBoard()
    with pytest.raises(WatchwordError, match=r"compiled core is not of these sources .*pip install"):
        Board(port)
    assert port.closed


@pytest.mark.parametrize("what", ["spec_id", "frontend_id"])
def test_firmware_of_another_spec(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fake_board import INFO

    monkeypatch.setitem(INFO, what, 0xDEADBEEF)
    port = FakeBoard()
    with pytest.raises(WatchwordError, match=r"deadbeef.*flash"):
        Board(port)
    assert port.closed


def test_board_reset_in_mid_stream() -> None:
    port = FakeBoard()

    def source() -> Iterator[np.ndarray]:
        yield recording(0, 0.2)
        port.crash("\r\nGuru Meditation Error: Core  1 panic'ed (LoadProhibited)\r\nBack")
        port.crash("trace: 0x400d1a2b:0x3ffb\r\n")
        port.boot()
        yield recording(1, 0.2)

    with pytest.raises(WatchwordError, match="the board restarted") as raised, Board(port) as board:
        list(board.stream_many(source()))
    assert port.closed
    crash = ["Guru Meditation Error: Core  1 panic'ed (LoadProhibited)", "Backtrace: 0x400d1a2b:0x3ffb"]
    assert "".join(f"\n  {line}" for line in [*crash, "watchword ready"]) in raised.value.what


def test_board_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    port = FakeBoard()
    with pytest.raises(WatchwordError, match="the connection broke: no such device"), Board(port) as board:

        def gone(size: int = 1) -> bytes:
            raise OSError("no such device")

        monkeypatch.setattr(port, "read", gone)
        board.stats()
    assert port.closed


def test_application_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "ANSWER_TIMEOUT_S", 0.2)
    port = FakeBoard()
    with pytest.raises(WatchwordError, match=r"no answer to stats_get within 0\.2 s"), Board(port) as board:
        port.app.deaf = True
        board.stats()
    assert port.closed


def test_samples_the_board_forgot_are_counted() -> None:
    port = FakeBoard()
    with Board(port) as board:
        port.app.skip_audio = True
        result = board.stream(recording(0, 1.0))
        assert result.lost_samples == board.lost_samples == spec.LINK_MAX_PAYLOAD_BYTES // 2


def test_missing_scores_are_an_error() -> None:
    port = FakeBoard()
    with pytest.raises(WatchwordError, match="scores of word 0 jump from 0 to 1"), Board(port) as board:
        port.app.skip_scores = True
        board.stream(recording(0, 1.0))


def test_ctrl_c_closes_the_port() -> None:
    port = FakeBoard()

    def source() -> Iterator[np.ndarray]:
        yield recording(0, 0.2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Board(port) as board:
        list(board.stream_many(source()))
    assert port.closed and port.text_lines == 2, "and leaves the board in text mode"


def test_text_mode_and_restart_leave_the_port_open() -> None:
    port = FakeBoard()
    board = Board(port)
    board.text_mode()
    assert not port.closed and port.text_lines == 2
    board = Board(port)
    board.restart()
    assert not port.closed
    with Board(port) as board:
        assert board.stats()["hops"] == 7


def test_goodbye_to_a_dead_board_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "GOODBYE_TIMEOUT_S", 0.1)
    port = FakeBoard()
    board = Board(port)
    port.silent = True
    board.close()
    assert port.closed


def test_wrong_array_is_refused() -> None:
    with Board(FakeBoard()) as board, pytest.raises(ValueError, match="float64"):
        board.stream(np.zeros(3))  # type: ignore[arg-type]


def test_a_board_of_another_make_is_an_error() -> None:
    from watchword.device import messages

    for type_id, payload in ((0x7F, b""), (messages.type_id("info_get"), b"xy"), (0x20, b"short")):
        with pytest.raises(WatchwordError, match="not in this version's protocol"):
            messages.decode(type_id, payload)


def test_messages_keep_their_fields() -> None:
    from watchword.device import messages

    for message in spec.MESSAGES:
        fields = {n: "wörd" if t[0] == "c" else (-3 if t[0] == "i" else 3) for n, t in message.fields}
        tail = b"" if message.tail is None else b"\0tail"
        payload = messages.encode(message.name, fields, tail)
        assert messages.decode(message.type_id, payload) == messages.Received(message.name, fields, tail)
    with pytest.raises(ValueError, match="stream"):
        messages.encode("stream_start", {})


def test_link_counters_are_of_the_session() -> None:
    with Board(FakeBoard()) as board:
        assert isinstance(board.link_counters, link.LinkCounters)
        assert board.link_counters.crc_errors == 0 and board.link_counters.bad_frames == 0
