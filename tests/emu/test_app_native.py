"""The firmware's application in a process of this computer, with a microphone that is a file."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from board_model import WORD, noise, write_model
from native_app import SocketTransport, compile_app, record, running
from test_board import assert_same_as_host, boot_text, next_message, request, send_raw
from watchword import core, spec
from watchword.device import monitor
from watchword.device.client import Board
from watchword.errors import WatchwordError

FUZZED_MESSAGES = 20_000


def test_detections_of_the_microphone_are_lines_of_text(
    program: Path, model_dir: Path, tmp_path: Path
) -> None:
    pcm = noise(20.0, 11)
    expected = core.run_pipeline((model_dir / "model.bin").read_bytes(), pcm).detections
    assert len(expected) >= 5, "too few detections to compare"
    with running(program, microphone=record(pcm, tmp_path)) as transport:
        lines = boot_text(transport, 6 + len(expected))
        assert not list(monitor.lines(transport, 0.3)), "more detections than the host's pipeline"
    assert lines[3] == "audio  listening to the microphone"
    wanted = []
    for event in expected:
        ms, percent = event.sample_index // 16, int(event.smoothed_q15 / 32768 * 100 + 0.5)
        wanted.append(f"{ms / 1000:.3f} s  {WORD}  {percent / 100:.2f}")
    level = [line for line in lines[5:] if line.startswith("audio  level")]
    assert [line for line in lines[5:] if line not in level] == wanted
    assert level == [level_line(pcm)]


def level_line(pcm: np.ndarray) -> str:
    """What is said of the second that is measured."""
    part = pcm[8192 : 8192 + 16384].astype(float) / 32768
    rms_db, peak_db = (20 * np.log10(value) for value in (np.sqrt((part**2).mean()), abs(part).max()))
    return f"audio  level {round(rms_db)} dBFS, peak {round(peak_db)} dBFS"


@pytest.mark.parametrize("amplitude", [0, 2, 3, 1000, 32767])
def test_the_level_of_the_microphone_is_said_or_that_there_is_none(
    program: Path, tmp_path: Path, amplitude: int
) -> None:
    pcm = (amplitude * np.sin(np.arange(32_000) / 8)).round().astype(np.int16)
    with running(program, microphone=record(pcm, tmp_path)) as transport:
        line = boot_text(transport, 6)[5]
    silent = "audio  no signal: check the microphone's SD (data) and L/R wires and its power"
    assert line == (silent if amplitude <= 2 else level_line(pcm))


def test_enter_brings_the_boot_text_again(program: Path) -> None:
    """And bytes that are no text do not, nor many of them in a row."""
    with running(program) as transport:
        first = boot_text(transport)
        transport.write(b"\x81\x02\n\x00")
        assert not list(monitor.lines(transport, 3.0))
        transport.write(b"\r\n" * 50)
        assert boot_text(transport) == first
        assert not list(monitor.lines(transport, 0.5))


def test_the_boot_text_says_why_it_restarted(program: Path) -> None:
    with running(program, restarted="brown-out") as transport:
        assert boot_text(transport, 1)[0].endswith("field, restarted: brown-out")


def test_streams_give_the_hosts_scores(program: Path, model_dir: Path) -> None:
    with running(program) as transport:
        board = Board(transport, "native")
        assert board.info["firmware"] == "9.8.7" and board.info["clock_hz"] == 1000
        assert board.info["board"] == "a board with a name that is longer than the thirty-two bytes"[:32]
        assert_same_as_host(board, model_dir, noise(5.0, 3))
        stats = board.stats()
        assert (stats["stack_bytes"], stats["heap_bytes"], stats["overruns"]) == (1234, 5678, 77)
        board.text_mode()


def test_twenty_thousand_hostile_messages(program: Path, model_dir: Path) -> None:
    """Any type, any length, any bytes, in and out of streams: answered or ignored, never a fault."""
    rng = random.Random(20)
    types = [m.type_id for m in spec.MESSAGES if m.from_host and m.name not in ("text_mode", "restart")]
    with running(program) as transport:
        board = Board(transport, "native")
        answers = 0
        for _ in range(FUZZED_MESSAGES):
            length = rng.choice((0, 1, 2, 4, 8, rng.randrange(657)))
            type_id = rng.choice(types) if rng.random() < 0.9 else rng.randrange(0x19, 0x100)
            send_raw(board, type_id, rng.randbytes(length))
            answers += len(board.link.received)
            board.link.received.clear()
        board = Board(transport, "native")  # late answers belong to the former session
        board.config_set(core.ModelImage((model_dir / "model.bin").read_bytes()).detector)
        assert_same_as_host(board, model_dir, noise(3.0, 6))
    assert answers > FUZZED_MESSAGES / 10


def test_noise_in_text_mode_starts_nothing(program: Path, model_dir: Path) -> None:
    with running(program) as transport:
        boot_text(transport)
        transport.write(random.Random(1).randbytes(200_000))
        board = Board(transport, "native")
        assert_same_as_host(board, model_dir, noise(2.0, 6))


def test_a_model_on_features_that_were_left_out_is_refused(model_dir: Path, tmp_path: Path) -> None:
    micro = write_model(tmp_path / "micro", kind="micro", cmvn="affine")
    image = (micro / "model.bin").read_bytes()
    program = compile_app(model_dir, tmp_path / "without", "-DWW_WITH_MICRO=0")
    with running(program, flash=tmp_path / "flash") as transport:
        board = Board(transport, "native")
        with pytest.raises(WatchwordError, match=r"built without its kind of features \(ERR_FEATURES"):
            board.push_model(image)
        assert_same_as_host(board, model_dir, noise(3.0, 3))  # the former model runs on
    with running(compile_app(micro, tmp_path / "only", "-DWW_WITH_MFCC=0")) as transport:
        assert_same_as_host(Board(transport, "native"), micro, noise(3.0, 3))
    with running(compile_app(model_dir, tmp_path / "wrong", "-DWW_WITH_MFCC=0")) as transport:
        line = boot_text(transport, 4)[1]
    assert (
        line == f"model  rejected, status {spec.STATUS['ERR_FEATURES']}: built without its kind of features"
    )


def test_a_rejected_model_is_said_in_text_and_in_frames(model_dir: Path, tmp_path: Path) -> None:
    source = (model_dir / "model.c").read_text()
    head, brace, body = source.partition("= {\n")
    first = body.index("0x")
    (tmp_path / "model.c").write_text(head + brace + body[:first] + "0xEE" + body[first + 4 :])
    (tmp_path / "model.h").write_text((model_dir / "model.h").read_text())
    with running(compile_app(tmp_path, tmp_path / "app")) as transport:
        lines = boot_text(transport, 4)
        assert lines[1].startswith(f"model  rejected, status {spec.STATUS['ERR_MAGIC']}")
        link_only = Board.__new__(Board)
        link_only.link = open_link(transport)
        for name in ("info_get", "stream_start", "config_get", "stats_get"):
            fields = {f: 0 for f, _ in spec.MESSAGE[name].fields}
            answer = request(link_only, name, "error", **fields)
            assert answer.number("code") == spec.STATUS["ERR_MAGIC"]
        send_raw(link_only, spec.MESSAGE["audio"].type_id, bytes(640))
        assert next_message(link_only).name == "error"


def open_link(transport: SocketTransport):
    from watchword.device.link import HostLink

    link = HostLink(transport, "native")
    link.connect(10)
    return link
