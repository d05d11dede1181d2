"""What bench makes of a board's answers, without a board (tests/emu has one)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ds_tcn import ds_tcn, settings
from watchword import audio, core, spec
from watchword.data.recordings import ADDED_SAMPLES, Recording, from_folders
from watchword.device import bench, streaming
from watchword.device.push import check_model
from watchword.device.scored import scored_stream
from watchword.device.stream import BoardDetection, StreamResult, WordResult
from watchword.device.streaming import Streamed
from watchword.device.transport import ConnectionLost
from watchword.errors import WatchwordError
from watchword.evaluate.budgets import DEFAULT_PATH
from watchword.evaluate.metrics import ScoredStream
from watchword.evaluate.results import DetectionCost, LinkFigures, Spread, read_results
from watchword.evaluate.session import Session, open_session
from watchword.export.graph import read_network
from watchword.export.image import build_image


@pytest.fixture(scope="module")
def image() -> bytes:
    return build_image(read_network(ds_tcn(np.random.default_rng(7), channels=16)), settings())


def host_stream(scores: list[int], detections: list[int]) -> ScoredStream:
    ends = np.arange(len(scores), dtype=np.int64) * 640 + 640
    recording = Recording(Path("a.wav"), (), "negative", "a.wav")
    return ScoredStream(
        recording, 16_000, np.asarray(scores, np.uint8), ends, np.asarray(detections, np.int64)
    )


def board_result(scores: list[int], detections: list[int]) -> StreamResult:
    found = tuple(BoardDetection(sample, 20_000, 1_000 * (i + 1)) for i, sample in enumerate(detections))
    return StreamResult(1, (WordResult(np.asarray(scores, np.uint8), found, 175),), 56_000, 0)


@pytest.mark.parametrize(
    ("theirs", "mismatches"),
    [([1, 2, 3], 0), ([1, 9, 3], 1), ([1, 2], 1), ([1, 2, 3, 4], 1), ([], 3), ([9, 2, 3, 4], 2)],
)
def test_parity_counts_every_score_that_differs_or_lacks(theirs: list[int], mismatches: int) -> None:
    found = bench.parity([host_stream([1, 2, 3], [])], [board_result(theirs, [])])
    assert (found.checked_scores, found.mismatches) == (max(3, len(theirs)), mismatches)


def test_parity_compares_detections_by_sample() -> None:
    found = bench.parity([host_stream([], [640, 6400])], [board_result([], [640, 7040])])
    assert (found.checked_detections, found.detection_mismatches) == (3, 2)


def stats(**values: int) -> dict[str, int]:
    return {name: 0 for name, _ in spec.MESSAGE["stats"].fields} | values


def board_run(counters: dict[str, int], clock_hz: int = 0, **info: Any) -> bench.BoardRun:
    results = (board_result([1], [640, 1280, 1920]),)
    info = {"clock_hz": clock_hz, "board": "emu-c3", **info}
    return bench.BoardRun(info, Streamed((0,), results, counters, SILENCE, LinkFigures()))


# Two seconds of sound, and the silence around it.
COUNTED = stats(
    samples=32_000 + bench.ADDED_SAMPLES,
    hops=100,
    frontend_total=300,
    frontend_min=1,
    frontend_max=3,
    model_total=4_000_000_000_000,
    model_min=0,
    model_max=2**32 - 1,
    detector_total=30,
    detector_min=0,
    detector_max=1,
)
SILENCE = stats(samples=bench.ADDED_SAMPLES, hops=125, frontend_total=100, detector_total=10)


def test_cost_per_second_of_sound_and_per_hop() -> None:
    """Per second: without the silence that bench adds, which is cheaper than sound."""
    cost = bench.cost_of(board_run(COUNTED))
    assert cost.unit == "instructions"
    assert cost.instructions_per_audio_second == {
        "frontend": 100,
        "model": 2_000_000_000_000,
        "detector": 10,
        "total": 2_000_000_000_110,
    }
    assert cost.instructions_per_hop is not None
    assert cost.instructions_per_hop["frontend"] == Spread(1, 3.0, 3)
    assert cost.detection_instructions == DetectionCost(2_000.0, 3_000)


@pytest.mark.parametrize(("board", "mhz", "chip"), [("emu-c3", 160, "ESP32-C3"), ("emu-esp32", 240, "ESP32")])
def test_an_estimate_names_its_chips_clock_and_cpi(board: str, mhz: int, chip: str) -> None:
    estimate = bench.cost_of(board_run(COUNTED, board=board)).estimate
    assert estimate is not None and estimate.clock_hz == mhz * 1_000_000
    assert estimate.cpu_share == pytest.approx(2_000_000_000_110 * 1.5 / (mhz * 1e6))
    assert f"{mhz} MHz {chip} core" in estimate.text
    assert "1.5 cycles" in estimate.text and "assumed" in estimate.text


def test_a_board_that_stands_for_no_chip_gets_no_estimate() -> None:
    assert bench.cost_of(board_run(COUNTED, board="mine")).estimate is None


def test_a_counter_of_cycles_is_never_called_instructions() -> None:
    cost = bench.cost_of(board_run(COUNTED, clock_hz=240_000_000))
    assert cost.unit == "cycles"
    assert set(cost.instructions_per_audio_second.values()) == {None}
    assert cost.cycles_per_audio_second is not None and cost.cycles_per_audio_second["frontend"] == 100
    assert cost.estimate is None


def test_a_board_that_counts_nothing_is_an_error() -> None:
    with pytest.raises(WatchwordError, match="counted no hops"):
        bench.cost_of(board_run(stats(samples=16_000)))


class FakeBoard(SimpleNamespace):
    """Answers what `_check_board` asks."""

    def config_get(self, word: int = 0) -> core.DetectorConfig:
        return self.config

    def config_set(self, config: core.DetectorConfig, word: int = 0) -> None:
        self.config = config


def fake_board(image: bytes, **info: Any) -> FakeBoard:
    model = core.ModelImage(image)
    base = {
        "board": "emu-c3",
        "firmware": "0.1.0",
        "word": "random word",
        "model_crc32": model.header["crc32"],
    }
    return FakeBoard(info=base | info, words=[base | info], config=model.detector)


class TestCheckBoard:
    def check(self, board: FakeBoard, image: bytes) -> Session:
        session = Session(Path("unused"))
        word = check_model(board.words, image, "emu:c3")
        bench.check_board(board, word, image, DEFAULT_PATH, session)  # type: ignore[arg-type]
        return session

    def test_the_right_one(self, image: bytes) -> None:
        assert "random word" in self.check(fake_board(image), image).lines[-1]

    def test_another_model_is_named(self, image: bytes) -> None:
        with pytest.raises(WatchwordError, match=r"another model: 'alexa' \(00001234\).*watchword flash"):
            self.check(fake_board(image, word="alexa", model_crc32=0x1234), image)

    def test_a_board_without_budgets(self, image: bytes) -> None:
        with pytest.raises(WatchwordError, match="no budgets for board 'esp99'"):
            self.check(fake_board(image, board="esp99"), image)

    def test_settings_changed_live_are_put_back_and_it_is_said(self, image: bytes) -> None:
        board = fake_board(image)
        wanted = board.config
        board.config = dataclasses.replace(wanted, smoothing=wanted.smoothing + 1)
        session = self.check(board, image)
        assert board.config == wanted and "settings were changed" in session.lines[0]


def test_cycles_of_a_clock_become_time(image: bytes) -> None:
    recording = Recording(Path("a"), (), "negative")
    fired = (BoardDetection(5_120, 30_000, 1_600_000), BoardDetection(9_600, 30_000, 800_000))
    answer = StreamResult(1, (WordResult(np.zeros(0, np.uint8), fired, 0),), 0, 0)
    stream = scored_stream(recording, core.ModelImage(image).geometry, answer, clock_hz=160_000_000)
    assert stream.compute_samples is not None
    np.testing.assert_allclose(stream.compute_samples, [160.0, 80.0])  # 10 and 5 ms


def test_score_times_follow_from_the_model(image: bytes) -> None:
    """The board sends no sample index with a score: it must be what the host pipeline says."""
    run = core.run_pipeline(image, np.zeros(80_000, np.int16))
    recording = Recording(Path("a"), (), "negative")
    answer = StreamResult(1, (WordResult(run.scores, (), run.rows),), 80_000, 0)
    stream = scored_stream(recording, core.ModelImage(image).geometry, answer)
    assert stream.compute_samples is None, "instructions are no time"
    np.testing.assert_array_equal(stream.score_samples, run.score_samples)
    assert stream.audio_samples == 40_000


def test_a_board_that_stays_away_is_given_up_and_what_there_was_is_reported(
    image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first recording comes back, then the cable is pulled for good."""
    sounds = [
        audio.save(
            tmp_path / "no" / f"{i}.wav", np.random.default_rng(i).integers(-99, 99, 16_000).astype(np.int16)
        )
        for i in range(2)
    ]
    (tmp_path / "model.bin").write_bytes(image)
    reached = []

    class Board(FakeBoard):
        """Runs the host pipeline; a batch of one recording, and then nothing."""

        lost_samples = 0
        streams = 0

        def stats_of_words(self, reset: bool = False) -> list[dict[str, int]]:
            return [{**stats(samples=16_000 + ADDED_SAMPLES, hops=10, frontend_total=1000), "heap_bytes": 0}]

        def stream(self, pcm: np.ndarray) -> None:
            pass

        def stream_many(self, recordings: Any) -> Any:
            for blocks in recordings:
                pcm = np.concatenate([*blocks])
                Board.streams += 1
                if Board.streams > 1:
                    raise ConnectionLost("the connection broke: pulled", "here")
                run = core.run_pipeline(image, pcm)
                yield StreamResult(1, (WordResult(run.scores, (), run.rows),), pcm.size, 0)

    @contextmanager
    def connect(*_: object) -> Iterator[Board]:
        reached.append(True)
        counters = SimpleNamespace(
            bytes_sent=0, bytes_received=0, retransmissions=0, bad_frames=0, crc_errors=0
        )
        base = fake_board(image, clock_hz=0)
        yield Board(
            info=base.info,
            words=base.words,
            config=base.config,
            link=SimpleNamespace(),
            link_counters=counters,
        )

    monkeypatch.setattr(bench, "connect", connect)
    monkeypatch.setattr(bench, "build_firmware", lambda *_: None)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(streaming, "BATCH_S", 1.0)
    with pytest.raises(ConnectionLost), open_session(tmp_path / "s") as session:
        bench.bench("port", tmp_path, from_folders(None, sounds[0].parent), session, DEFAULT_PATH)
    assert len(reached) == 1 + bench.TRIES
    said = capsys.readouterr().err
    assert f"trying to reach the board again ({bench.TRIES} of {bench.TRIES})" in said
    assert "go on with --resume" in said
    partial = read_results(tmp_path / "s")
    assert partial.partial and partial.recordings == 1 and partial.parity.mismatches == 0
