"""The board's microphone over the link, from the application compiled for this computer."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from board_model import noise
from click.testing import CliRunner
from native_app import HEARD_SAMPLES, SocketTransport, record, running
from test_board import assert_same_as_host, events, next_message, request, send_raw
from watchword import audio, core, spec
from watchword.cli.capture import command
from watchword.device import deadline, ports
from watchword.device.capture import (
    BoardMicrophone,
    Capture,
    Snippet,
    capture,
    same_as_host,
    save_everything,
)
from watchword.device.client import Board
from watchword.device.stream import WordResult
from watchword.errors import WatchwordError

SECONDS = 20.0
HOSTILE_MESSAGES = 3_000


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    return noise(SECONDS, 11)


def hearing(program: Path, pcm: np.ndarray, folder: Path) -> AbstractContextManager[SocketTransport]:
    """The application with this sound at its microphone from when a host is connected."""
    return running(program, microphone=record(pcm, folder), microphone_waits=1)


@contextmanager
def board_hearing(program: Path, pcm: np.ndarray, folder: Path) -> Iterator[Board]:
    with hearing(program, pcm, folder) as transport, Board(transport, "native") as board:
        yield board


def assert_as_the_host_hears(heard: Capture, pcm: np.ndarray, model_dir: Path) -> None:
    expected = core.run_pipeline((model_dir / "model.bin").read_bytes(), pcm[: heard.samples])
    np.testing.assert_array_equal(heard.words[0].scores, expected.scores)
    assert events(heard.words[0].detections) == events(expected.detections)
    assert (heard.lost, heard.clipped) == (0, 0)


def test_all_audio_comes_with_its_scores(
    program: Path, sound: np.ndarray, model_dir: Path, tmp_path: Path
) -> None:
    levels: list[int] = []
    with board_hearing(program, sound, tmp_path) as board:
        heard = capture(board, 5.0, everything=True, on_audio=lambda pcm: levels.append(len(pcm)))
        assert_same_as_host(board, model_dir, noise(2.0, 3))  # a stream works again
    assert 5 * spec.SAMPLE_RATE_HZ <= heard.samples <= len(sound)
    np.testing.assert_array_equal(heard.pcm, sound[: heard.samples])
    assert_as_the_host_hears(heard, sound, model_dir)
    assert sum(levels) >= 5 * spec.SAMPLE_RATE_HZ


def test_every_detection_comes_with_the_audio_before_it(
    program: Path, sound: np.ndarray, model_dir: Path, tmp_path: Path
) -> None:
    snippets: list[Snippet] = []
    with board_hearing(program, sound, tmp_path) as board:
        heard = capture(board, 4.0, on_snippet=snippets.append)
    assert heard.samples == len(sound) and heard.pcm.size == 0
    assert_as_the_host_hears(heard, sound, model_dir)
    assert [s.detection for s in snippets] == list(heard.words[0].detections) and len(snippets) >= 5
    for snippet in snippets:
        end = snippet.detection.sample_index
        np.testing.assert_array_equal(snippet.pcm, sound[max(0, end - HEARD_SAMPLES) : end])


def test_two_listenings_are_alike_and_other_requests_are_served_meanwhile(
    program: Path, sound: np.ndarray, tmp_path: Path
) -> None:
    with board_hearing(program, sound, tmp_path) as board:
        first = capture(board, 3.0, everything=True)
        second = capture(board, 3.0, everything=True)
        np.testing.assert_array_equal(
            np.concatenate([first.pcm, second.pcm]), sound[: first.samples + second.samples]
        )
        request(board, "listen", "listening", send=spec.LISTEN["DETECTIONS"])
        for name in ("stream_start", "model_begin", "listen"):
            fields = {field: 1 for field, _ in spec.MESSAGE[name].fields}
            assert refused(board, name, **fields) == spec.STATUS["ERR_BUSY"]
        assert board.stats()["hops"] > 0


def refused(board: Board, name: str, **fields: int) -> int:
    """The code of the error that answers; what the microphone gave meanwhile is passed over."""
    assert board.link.try_send(name, **fields)
    while (message := next_message(board)).name != "error":
        assert message.name in ("scores", "detection", "heard")
    return message.number("code")


def test_what_makes_no_sense_is_refused(program: Path, sound: np.ndarray, tmp_path: Path) -> None:
    with board_hearing(program, sound, tmp_path) as board:
        assert refused(board, "listen", send=spec.LISTEN["STOP"]) == spec.STATUS["ERR_ARGUMENT"]
        assert refused(board, "listen", send=3) == spec.STATUS["ERR_ARGUMENT"]
        assert refused(board, "listen", send=255) == spec.STATUS["ERR_ARGUMENT"]


def test_a_board_without_microphone_says_so(program: Path) -> None:
    with (
        running(program) as transport,
        Board(transport, "native") as board,
        pytest.raises(WatchwordError, match="no microphone"),
    ):
        capture(board, 1.0)


def test_leaving_or_a_new_session_ends_the_listening(
    program: Path, sound: np.ndarray, model_dir: Path, tmp_path: Path
) -> None:
    with board_hearing(program, sound, tmp_path) as board:
        request(board, "listen", "listening", send=spec.LISTEN["EVERYTHING"])
        again = Board(board.link.transport, "native")
        assert_same_as_host(again, model_dir, noise(2.0, 3))


def test_hostile_messages_while_it_listens(
    program: Path, sound: np.ndarray, model_dir: Path, tmp_path: Path
) -> None:
    """Any request, any bytes: the microphone's board answers or ignores, under sanitizers."""
    rng = random.Random(21)
    left = {"text_mode", "restart", "config_set", "preset_set"}  # these are meant to change what follows
    types = [m.type_id for m in spec.MESSAGES if m.from_host and m.name not in left]
    with board_hearing(program, sound, tmp_path) as board:
        for _ in range(HOSTILE_MESSAGES):
            kind = spec.MESSAGE["listen"].type_id if rng.random() < 0.3 else rng.choice(types)
            size = 1 if kind == spec.MESSAGE["listen"].type_id else rng.choice((0, 1, 4, 8, 640))
            send_raw(board, kind, bytes(rng.choice((0, 1, 2, 3, 255)) for _ in range(size)))
            board.link.received.clear()
        again = Board(board.link.transport, "native")
        assert_same_as_host(again, model_dir, noise(2.0, 6))


def test_a_slow_host_gets_every_sample(
    program: Path, sound: np.ndarray, model_dir: Path, tmp_path: Path
) -> None:
    """The microphone waits for the link (and counts what it loses); nothing is sent with a hole."""
    with board_hearing(program, sound, tmp_path) as board:
        heard = capture(board, 2.0, everything=True, on_audio=lambda pcm: time.sleep(0.01))
    np.testing.assert_array_equal(heard.pcm, sound[: heard.samples])
    assert_as_the_host_hears(heard, sound, model_dir)


# ── What users do with it ────────────────────────────────────────────────────────────────────


@contextmanager
def port_of(program: Path, pcm: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A port name behind which the board is."""
    with hearing(program, pcm, folder) as transport:
        monkeypatch.setattr(ports, "open_serial", lambda port, control_lines: transport)
        yield "/dev/board"


def test_detections_become_files_that_can_be_mined(
    program: Path, sound: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "alarms"
    with port_of(program, sound, tmp_path, monkeypatch) as port:
        done = CliRunner().invoke(command, ["--port", port, "--out", str(out), "--seconds", "3"])
    assert done.exit_code == 0, done.output
    files = sorted(out.iterdir())
    assert len(files) >= 5 and f"{len(files)} detections, 0 samples lost" in done.output
    assert all(str(file) in done.output for file in files)
    later = audio.load(files[-1])
    assert len(later) == HEARD_SAMPLES
    assert any(np.array_equal(later, sound[at : at + len(later)]) for at in range(0, len(sound), 320))


def test_all_audio_becomes_one_file_and_its_scores_are_checked(
    program: Path, sound: np.ndarray, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "heard.wav"
    arguments = ["--out", str(out), "--all", "--seconds", "4", "--model", str(model_dir)]
    with port_of(program, sound, tmp_path, monkeypatch) as port:
        done = CliRunner().invoke(command, ["--port", port, *arguments])
    assert done.exit_code == 0, done.output
    assert "scores and detections as on the host" in done.output
    kept = audio.load(out)
    np.testing.assert_array_equal(kept, sound[: len(kept)])


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143), OSError("no such device")])
def test_what_was_heard_stays_however_the_listening_ends(
    program: Path, sound: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    """Ctrl-C before the seconds are over, SIGTERM or SIGHUP, a pulled cable."""
    out, said = tmp_path / "heard.wav", list[str]()
    with hearing(program, sound, tmp_path) as transport, Board(transport, "native") as board:
        read = transport.read

        def pulled(size: int = 1, /) -> bytes:
            if out.is_file() and out.stat().st_size > 32_000:
                monkeypatch.setattr(transport, "read", read)
                raise end
            return read(size)

        monkeypatch.setattr(transport, "read", pulled)
        with pytest.raises((KeyboardInterrupt, SystemExit, WatchwordError)):
            save_everything(board, out, 3600.0, say=said.append)
    kept = audio.load(out)
    assert len(kept) > 15_000
    np.testing.assert_array_equal(kept, sound[: len(kept)])
    assert said == [f"{len(kept) / spec.SAMPLE_RATE_HZ:.1f} s kept in {out}"]


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("evening", ["--all"], "use .wav or .flac"),
        ("folder.wav", ["--all"], "is a folder"),
        ("kept.wav", ["--all"], "is there already"),
        ("kept.wav/clips.wav", ["--all"], "cannot write here"),
        ("kept.wav", [], "cannot write here"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_listening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, more: list[str], says: str
) -> None:
    (tmp_path / "folder.wav").mkdir()
    kept = audio.save(tmp_path / "kept.wav", noise(0.1, 1)).read_bytes()
    monkeypatch.setattr(ports, "open_serial", lambda port, control_lines: pytest.fail("the port was opened"))
    done = CliRunner().invoke(command, ["--port", "/dev/board", "--out", str(tmp_path / name), *more])
    assert done.exit_code and isinstance(done.exception, WatchwordError) and says in str(done.exception)
    assert (tmp_path / "kept.wav").read_bytes() == kept


def test_a_microphone_that_hears_nothing_is_named(
    program: Path, sound: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        board_hearing(program, np.zeros_like(sound), tmp_path) as board,
        pytest.raises(WatchwordError, match=r"every sample is the same.*wiring"),
    ):
        save_everything(board, tmp_path / "dead.wav", 1.0)
    monkeypatch.setattr(deadline, "ANSWER_TIMEOUT_S", 0.5)
    with (
        board_hearing(program, sound[:16_000], tmp_path) as board,
        pytest.raises(WatchwordError, match=r"microphone gave no sample within 0\.5 s.*wiring"),
    ):
        save_everything(board, tmp_path / "short.wav", 2.0)


def test_another_model_than_the_boards_is_refused(
    program: Path, sound: np.ndarray, other_dir: Path, tmp_path: Path
) -> None:
    with (
        board_hearing(program, sound, tmp_path) as board,
        pytest.raises(WatchwordError, match="another model"),
    ):
        save_everything(board, tmp_path / "heard.wav", 1.0, other_dir)


def test_a_difference_from_the_host_is_found(sound: np.ndarray, model_dir: Path) -> None:
    image = (model_dir / "model.bin").read_bytes()
    host = core.run_pipeline(image, sound)
    word = WordResult(host.scores.copy(), tuple(host.detections), host.rows)
    heard = Capture(sound, (word,), len(sound), 0, 0)
    detector = core.ModelImage(image).detector
    assert same_as_host(heard, image, detector)
    word.scores[5] ^= 1
    assert not same_as_host(heard, image, detector)


def test_a_board_is_a_microphone_for_record(program: Path, sound: np.ndarray, tmp_path: Path) -> None:
    levels: list[float] = []
    with board_hearing(program, sound, tmp_path) as board:
        microphone = BoardMicrophone(board)
        takes = [microphone.take(2.0, levels.append) for _ in range(2)]
    for take in takes:
        assert len(take.pcm) == 2 * spec.SAMPLE_RATE_HZ and not take.lost
        assert any(
            np.array_equal(take.pcm, sound[at : at + len(take.pcm)]) for at in range(0, len(sound), 80)
        )
    assert max(levels) > -40 and "a board with a name" in microphone.name
