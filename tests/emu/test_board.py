"""The firmware on the emulated boards, over all their links."""

from __future__ import annotations

import csv
import dataclasses
import os
import random
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from board_model import WORD, noise
from boards import ENVS, FAST, LINKS, NAMES, PORTS, env_of, needs, port_of
from watchword import audio, core, spec
from watchword.device import firmware, messages, monitor, ports
from watchword.device.client import Board
from watchword.errors import WatchwordError

pytestmark = pytest.mark.emu

BOOT_LINES = 5
SHIPPED = sorted(path.parent for path in (firmware.ROOT / "models").glob("*/model.bin"))


def boot_text(transport, count: int = BOOT_LINES, limit_s: float = 20.0) -> list[str]:
    lines: list[str] = []
    for line in monitor.lines(transport, limit_s):
        lines.append(line.rstrip())
        if len(lines) == count:
            break
    return lines


def events(detections) -> list[tuple[int, int]]:
    return [(d.sample_index, d.smoothed_q15) for d in detections]


def assert_same_as_host(board: Board, model_dir: Path, pcm: np.ndarray) -> None:
    expected = core.run_pipeline((model_dir / "model.bin").read_bytes(), pcm)
    result = board.stream(pcm)
    np.testing.assert_array_equal(result.scores, expected.scores)
    assert events(result.detections) == events(expected.detections)
    assert (result.samples, result.rows, result.lost_samples) == (len(pcm), expected.rows, 0)


@pytest.mark.parametrize("port", LINKS)
def test_boot_text_names_firmware_word_and_model(port: str, model_dir: Path) -> None:
    header = core.ModelImage((model_dir / "model.bin").read_bytes()).header
    with ports.open_port(port, model_dir) as transport:
        lines = boot_text(transport)
    assert lines[0] == f"Watchword 0.1.0 on {env_of(port)}"
    assert lines[1] == f"word   {WORD}"
    crc, size, arena = header["crc32"], header["image_bytes"], header["arena_bytes"]
    assert lines[2] == f"model  crc32 {crc:08x}, {size} bytes, arena {arena} bytes"
    assert "no microphone" in lines[3]
    assert "watchword bench" in lines[4]


@pytest.mark.parametrize("port", LINKS)
def test_info_after_typed_text(port: str, model_dir: Path) -> None:
    header = core.ModelImage((model_dir / "model.bin").read_bytes()).header
    with ports.open_port(port, model_dir) as transport:
        transport.write(b"hello?\r\nanybody there\r\n" * 40)
        with Board(transport, port) as board:
            info = board.info
    assert info["board"] == env_of(port) and info["word"] == WORD and info["firmware"] == "0.1.0"
    assert info["clock_hz"] == 0
    assert info["model_crc32"] == header["crc32"] and info["model_bytes"] == header["image_bytes"]
    for name in ("arena_bytes", "hop_samples", "coeffs", "receptive_rows", "stride_rows"):
        assert info[name] == header[name]


@pytest.mark.parametrize("port", LINKS)
def test_scores_and_detections_equal_the_hosts(port: str, open_board, model_dir: Path) -> None:
    seconds = 3.0 if port.endswith("-uart") else 12.0
    with open_board(port) as board:
        for seed in (1, 2):
            assert_same_as_host(board, model_dir, noise(seconds, seed))
        counters = board.link_counters
    assert (counters.crc_errors, counters.retransmissions) == (0, 0)


@needs(*NAMES)
def test_all_boards_give_the_same_scores_for_the_same_audio(open_board) -> None:
    pcm, heard = noise(4.0, 12), []
    for env in NAMES:
        with open_board(port_of(env)) as board:
            heard.append(board.stream(pcm))
    assert len(NAMES) > 1 and len(np.unique(heard[0].scores)) > 10 and heard[0].detections
    for other in heard[1:]:
        assert other.scores.tobytes() == heard[0].scores.tobytes()
        assert events(other.detections) == events(heard[0].detections)
        assert (other.samples, other.rows) == (heard[0].samples, heard[0].rows)


@needs(*NAMES)
@pytest.mark.real
@pytest.mark.parametrize("model", SHIPPED, ids=lambda folder: folder.name)
def test_all_boards_give_the_hosts_scores_of_real_speech(model: Path, real_data: Path) -> None:
    rows = csv.DictReader((real_data / "manifest.csv").open(newline=""))
    pcm = np.concatenate(
        [audio.load(real_data / row["path"])[: 2 * 16_000] for row in islice(rows, 0, 90, 30)]
    )
    for env in NAMES:
        with ports.open_port(port_of(env), model) as transport, Board(transport, env) as board:
            assert_same_as_host(board, model, pcm)


@pytest.mark.parametrize("port", PORTS)
def test_audio_in_pieces_of_any_size(port: str, open_board, model_dir: Path) -> None:
    """Frames cut anywhere, even to one sample, give the scores of the whole."""
    pcm = noise(2.5, 7)
    expected = core.run_pipeline((model_dir / "model.bin").read_bytes(), pcm)
    rng = random.Random(0)
    data, at, scores = pcm.astype("<i2").tobytes(), 0, bytearray()
    with open_board(port) as board:
        request(board, "stream_start", "stream_started", stream=9)
        while at < len(data):
            size = 2 * rng.choice((1, 2, 159, 160, 161, 320, 328))
            send_raw(board, spec.MESSAGE["audio"].type_id, data[at : at + size])
            at += size
        done = request(board, "stream_end", "stream_done", scores, stream=9)
    assert bytes(scores) == expected.scores.tobytes()
    assert done.number("samples") == len(pcm)


@pytest.mark.parametrize("port", PORTS)
def test_counters_are_the_same_in_two_runs(port: str, open_board) -> None:
    """Also with other traffic in between: emulated instruction counts do not depend on the wall."""
    seen = []
    for chatty in (False, True):
        with open_board(port) as board:
            if chatty:
                board.config_get()
            board.stats(reset=True)
            board.stream(noise(3.0, 4))
            if chatty:
                time.sleep(0.2)
            board.stream(noise(2.0, 5))
            seen.append(board.stats())
    assert seen[0] == seen[1]
    assert seen[0]["samples"] == 5 * 16_000 and seen[0]["hops"] == 250
    for stage in spec.STAGES:
        low, high, total = (seen[0][f"{stage}_{what}"] for what in ("min", "max", "total"))
        assert 0 < low <= total / 250 <= high
    assert 0 < seen[0]["stack_bytes"] < 8192


@pytest.mark.parametrize("port", PORTS)
def test_statistics_reset_and_empty(port: str, open_board) -> None:
    with open_board(port) as board:
        board.stream(noise(1.0, 4))
        assert board.stats(reset=True)["hops"] == 50
        empty = board.stats()
    assert empty["samples"] == empty["hops"] == empty["model_total"] == empty["model_min"] == 0


@pytest.mark.parametrize("port", PORTS)
def test_detector_settings_change_live_and_bad_ones_are_refused(
    port: str, open_board, model_dir: Path
) -> None:
    image, pcm = (model_dir / "model.bin").read_bytes(), noise(6.0, 8)
    with open_board(port) as board:
        wanted = core.DetectorConfig(3, 0.5, 0.25, 1000)
        assert board.config_set(wanted) == wanted
        result = board.stream(pcm)
        assert events(result.detections) == events(core.run_pipeline(image, pcm, wanted).detections)
        bad = {"word_number": 0, "smoothing": 0, "high_q15": 1, "low_q15": 2, "cooldown_ms": 0}
        answer = request(board, "config_set", "error", **bad)
        assert answer.number("code") == spec.STATUS["ERR_ARGUMENT"]
        assert board.config_get() == wanted


@pytest.mark.parametrize("port", PORTS)
def test_presets_of_the_model_are_chosen_by_name(port: str, open_board, model_dir: Path) -> None:
    image, pcm = (model_dir / "model.bin").read_bytes(), noise(6.0, 8)
    presets = core.ModelImage(image).presets
    with open_board(port) as board:
        assert board.preset() == spec.DEFAULT_PRESET
        for name, settings in presets.items():
            assert board.preset_set(name) == settings == board.config_get() and board.preset() == name
        fired = events(board.stream(pcm).detections)
        assert fired == events(core.run_pipeline(image, pcm, presets["eager"]).detections)
        answer = request(board, "preset_set", "error", word_number=0, preset=len(presets))
        assert answer.number("code") == spec.STATUS["ERR_PRESET"] and board.preset() == "eager"
        board.config_set(dataclasses.replace(presets["eager"], cooldown_ms=1))
        assert board.preset() is None


class Wiretap:
    """A transport that remembers everything the board said, in frames or in text."""

    def __init__(self, transport) -> None:
        self.inner, self.heard = transport, b""
        self.timeout, self.write_timeout = 0.0, 5.0

    def fileno(self) -> int:
        return self.inner.fileno()

    def read(self, size: int = 1, /) -> bytes:
        self.inner.timeout = self.timeout
        data = self.inner.read(size)
        self.heard += data
        return data

    def write(self, data: bytes, /) -> int:
        return self.inner.write(data)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize("port", PORTS)
def test_back_to_text_and_again_binary(port: str, model_dir: Path) -> None:
    with ports.open_port(port, model_dir) as transport:
        boot_text(transport)
        tap = Wiretap(transport)
        for _ in range(2):
            board = Board(tap, port)
            assert_same_as_host(board, model_dir, noise(1.6, 3))
            before = len(tap.heard)
            board.text_mode()  # the text may come in the same breath as the last acknowledgement
            tap.timeout = 0.1
            for _ in range(100):
                if b"switches this link" in tap.heard[before:]:
                    break
                tap.read(1000)
            assert f"Watchword 0.1.0 on {env_of(port)}\r\n".encode() in tap.heard[before:]


@pytest.mark.parametrize("port", PORTS)
def test_a_new_hello_ends_a_half_finished_stream(port: str, model_dir: Path) -> None:
    with ports.open_port(port, model_dir) as transport:
        broken_off = Board(transport, port)
        request(broken_off, "stream_start", "stream_started", stream=1)
        send_raw(broken_off, spec.MESSAGE["audio"].type_id, bytes(640))
        with Board(transport, port) as board:
            assert_same_as_host(board, model_dir, noise(2.0, 3))


@pytest.mark.parametrize("port", PORTS)
def test_restart_ends_the_emulator_with_status_0(port: str, model_dir: Path) -> None:
    with ports.open_port(port, model_dir) as transport:
        board = Board(transport, port)
        with pytest.raises(WatchwordError, match="status 0"):
            board.restart()
            transport.timeout = 10
            transport.read(1)


def send_raw(board: Board, type_id: int, payload: bytes) -> None:
    """A sequenced frame with any payload, whatever the spec says about its length."""
    link = board.link
    while core.lib.wwb_link_send(link._link, type_id, payload, len(payload)) != 0:
        link.pump(0.01)


def next_message(board: Board, limit_s: float = 20.0) -> messages.Received:
    deadline = time.monotonic() + limit_s
    while not board.link.received:
        assert time.monotonic() < deadline, "the board does not answer"
        board.link.pump(0.01)
    return board.link.received.popleft()


def request(
    board: Board, name: str, answer: str, scores: bytearray | None = None, **fields
) -> messages.Received:
    """Send one message, wait for its answer; scores that come before are collected."""
    send_raw(board, spec.MESSAGE[name].type_id, messages.encode(name, fields))
    while (message := next_message(board)).name != answer:
        assert message.name in ("scores", "detection", "word_done"), message
        if message.name == "scores" and scores is not None:
            scores += message.tail
    return message


REQUESTS = [m for m in spec.MESSAGES if m.from_host]


@pytest.mark.parametrize("port", PORTS)
def test_hostile_payloads_are_refused_by_name(port: str, open_board, model_dir: Path) -> None:
    with open_board(port) as board:
        for message in REQUESTS:
            wrong = {message.fixed_bytes - 1} if message.fixed_bytes else set()
            if message.tail is None:
                wrong |= {message.fixed_bytes + 1, 255, 656}
            for length in sorted(wrong):
                send_raw(board, message.type_id, b"\xff" * length)
                answer = next_message(board)
                assert answer.name == "error", (message.name, length)
                assert answer.tail.decode().startswith(f"{message.name}: ")
        for type_id in (0x3F, 0x20, 0x28, 0x27, 0x80, 0xFF):  # unknown, or the device's own
            send_raw(board, type_id, b"x" * 20)
            answer = next_message(board)
            assert (answer.name, answer.number("code")) == ("error", spec.STATUS["ERR_MESSAGE"])
        assert_same_as_host(board, model_dir, noise(2.0, 6))


@pytest.mark.parametrize("port", PORTS)
def test_hostile_messages_in_a_stream_cost_no_audio(port: str, open_board, model_dir: Path) -> None:
    pcm = noise(2.0, 6)
    expected = core.run_pipeline((model_dir / "model.bin").read_bytes(), pcm)
    data, rng, scores, errors = pcm.astype("<i2").tobytes(), random.Random(1), bytearray(), 0
    with open_board(port) as board:
        request(board, "stream_start", "stream_started", stream=5)
        sent = 0
        for at in range(0, len(data), 640):
            send_raw(board, spec.MESSAGE["audio"].type_id, data[at : at + 640])
            send_raw(board, spec.MESSAGE["audio"].type_id, bytes(2 * rng.randrange(300) + 1))
            send_raw(board, spec.MESSAGE["stream_end"].type_id, messages.encode("stream_end", {"stream": 6}))
            sent += 2
        send_raw(board, spec.MESSAGE["stream_end"].type_id, messages.encode("stream_end", {"stream": 5}))
        while (message := next_message(board)).name != "stream_done":
            errors += message.name == "error"
            scores += message.tail if message.name == "scores" else b""
    assert errors == sent
    assert bytes(scores) == expected.scores.tobytes()


class NoisyLine:
    """A transport that garbles, drops and doubles bytes in both directions."""

    def __init__(self, transport, seed: int, rate: float) -> None:
        self.inner, self.rng, self.rate = transport, np.random.default_rng(seed), rate
        self.timeout, self.write_timeout = 0.0, 5.0
        self.damaged = 0

    def _damage(self, data: bytes) -> bytes:
        out = bytearray(data)
        for at in np.flatnonzero(self.rng.random(len(data)) < self.rate)[::-1]:
            self.damaged += 1
            kind = self.rng.integers(3)
            out[at : at + 1] = (b"", bytes(out[at : at + 1]) * 2, bytes([self.rng.integers(256)]))[kind]
        return bytes(out)

    def fileno(self) -> int:
        return self.inner.fileno()

    def read(self, size: int = 1, /) -> bytes:
        self.inner.timeout = self.timeout
        return self._damage(self.inner.read(size))

    def write(self, data: bytes, /) -> int:
        self.inner.write(self._damage(data))
        return len(data)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize("port", PORTS)
def test_a_noisy_line_loses_no_audio(port: str, model_dir: Path) -> None:
    with ports.open_port(port, model_dir) as transport:
        line = NoisyLine(transport, seed=3, rate=1e-4)
        board = Board(line, "noisy", connect_timeout_s=30)
        assert_same_as_host(board, model_dir, noise(10.0, 2))
        stats = board.stats()
        assert line.damaged > 10
        assert board.link_counters.retransmissions > 0
        assert stats["crc_errors"] + stats["bad_frames"] > 0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stream_cost(port: str, seconds: float, model_dir: Path) -> tuple[float, float, float]:
    """Processor seconds of QEMU and of this process, and seconds by the clock, to stream `seconds`."""
    pcm = noise(seconds, 1)
    with ports.open_port(port, model_dir) as transport, Board(transport, port) as board:
        pids = (transport._process.pid, os.getpid())
        started, before = time.monotonic(), [cpu_seconds(pid) for pid in pids]
        board.stream(pcm)
        elapsed = time.monotonic() - started
        emulator, host = (cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True))
    return emulator, host, elapsed


@pytest.mark.parametrize("port", FAST)
def test_bench_keeps_ten_times_real_time_on_one_core(
    port: str, model_dir: Path, record_property, capsys
) -> None:
    """Judged by processor time, of both processes together: the wall clock belongs to the machine."""
    seconds = 30.0
    emulator, host, elapsed = stream_cost(port, seconds, model_dir)
    speed = seconds / (emulator + host)
    record_property("times_real_time", round(speed, 1))
    with capsys.disabled():
        print(f"\n{port}: {speed:.1f} x real time on one core, {seconds / elapsed:.1f} x by the clock")
    assert emulator > 0.1  # it was the emulator that was timed
    assert speed >= 10, f"{emulator:.2f} s in QEMU and {host:.2f} s here for {seconds:.0f} s of audio"


@pytest.mark.parametrize("port", LINKS)
def test_an_idle_board_leaves_the_processor_alone(port: str, model_dir: Path) -> None:
    with ports.open_port(port, model_dir) as transport:
        board = Board(transport, port)
        board.config_get()
        while board.link.pending:
            board.link.pump(0.01)
        pid = transport._process.pid
        before = cpu_seconds(pid)
        time.sleep(1.0)
        assert cpu_seconds(pid) - before < 0.3


@pytest.mark.parametrize("env", ENVS)
def test_sizes_are_those_of_the_elf(env: str, model_dir: Path) -> None:
    image = firmware.build(env, model_dir)
    header = core.ModelImage((model_dir / "model.bin").read_bytes()).header
    assert 0 <= image.model_bytes - header["image_bytes"] < 32
    assert image.ram_bytes > header["arena_bytes"]
    assert image.emulator_ram_bytes > 0 and image.emulator_code_bytes > 0
    assert image.ram_bytes < 320 * 1024
    flash = image.elf.with_suffix(".bin").stat().st_size
    parts = image.code_bytes + image.model_bytes + image.emulator_code_bytes
    assert 0 <= flash - parts < 64  # alignment
