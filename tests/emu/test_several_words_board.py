"""Several words at once on a board: in a process under sanitizers, and on the emulated ones by `bench`."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from board_model import HOP_SAMPLES, crc_of, image_of, noise, write_model
from boards import PORTS
from native_app import compile_app, record, running
from test_board import boot_text, events, send_raw
from watchword import core, project, spec
from watchword.core import DetectorConfig
from watchword.device.capture import capture, same_as_host
from watchword.device.client import Board
from watchword.device.push import push, remove
from watchword.errors import WatchwordError
from watchword.evaluate.results import read_results

WORDS = ("first", "second", "third")
HOSTILE_MESSAGES = 6_000
EAGER = DetectorConfig(1, 0.25, 0.125, 300)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models of different words; the third hears other features."""
    kinds = ("mfcc", "mfcc", "micro")
    return [
        write_model(tmp_path_factory.mktemp(word), seed, channels=16, kind=kind, word=word)
        for word, seed, kind in zip(WORDS, (32, 33, 34), kinds, strict=True)
    ]


@pytest.fixture(scope="module")
def roomy(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application with room for all three."""
    needed = sum(int(core.ModelImage(image_of(folder)).header["arena_bytes"]) + 15 for folder in folders)
    return compile_app(
        folders[0], tmp_path_factory.mktemp("roomy") / "app", f"-DWATCHWORD_ARENA_BYTES={needed}"
    )


def assert_each_as_alone(board: Board, folders: list[Path], seconds: float = 6.0) -> None:
    pcm = noise(seconds, 21)
    result = board.stream(pcm)
    assert len(result.words) == len(folders)
    for number, (gave, folder) in enumerate(zip(result.words, folders, strict=True)):
        alone = core.run_pipeline(image_of(folder), pcm, board.config_get(number))
        np.testing.assert_array_equal(gave.scores, alone.scores)
        assert events(gave.detections) == events(alone.detections) and gave.rows == alone.rows


def test_slots_keep_their_models_and_settings_over_a_restart(
    roomy: Path, folders: list[Path], tmp_path: Path
) -> None:
    flash = tmp_path / "flash"
    with running(roomy, flash=flash) as transport:
        board = Board(transport, "native")
        board.config_set(EAGER, 0)
        board.push_model(image_of(folders[2]), slot=3)
        assert board.config_get(0) == EAGER, "another word changes nothing"
        board.push_model(image_of(folders[1]), slot=1)
        assert [info["word"] for info in board.words] == list(WORDS)
        assert [info["slot"] for info in board.words] == [0, 1, 3]
        board.config_set(EAGER, 2)
        board.settings_save()
        assert_each_as_alone(board, folders)
    with running(roomy, flash=flash) as transport:
        board = Board(transport, "native")
        assert [board.config_get(number) == EAGER for number in range(3)] == [True, False, True]
        assert_each_as_alone(board, folders)
        board.remove_model(1)
        assert [info["word"] for info in board.words] == ["first", "third"]
        assert board.config_get(1) == EAGER
        assert_each_as_alone(board, [folders[0], folders[2]])
    with running(roomy, flash=flash) as transport:
        board = Board(transport, "native")
        assert [info["slot"] for info in board.words] == [0, 3]
        board.push_model(image_of(folders[1]))
        assert remove(board, 0).endswith("runs 'first', 'third' now")
        assert board.words[0]["model_crc32"] == crc_of(folders[0]), "the linked one is back"
        assert remove(board, 0).startswith("nothing was pushed to slot 0")


def test_text_lines_name_the_word_that_was_heard(roomy: Path, folders: list[Path], tmp_path: Path) -> None:
    flash, pcm = tmp_path / "flash", noise(20.0, 11)
    with running(roomy, flash=flash) as transport:
        Board(transport, "native").push_model(image_of(folders[1]), slot=1)
    both = core.Pipeline([image_of(folder) for folder in folders[:2]]).feed(pcm)
    expected = sorted(
        (d.sample_index, word) for word, run in zip(WORDS, both, strict=False) for d in run.detections
    )
    assert {word for _, word in expected} == {"first", "second"}
    with running(roomy, flash=flash, microphone=record(pcm, tmp_path)) as transport:
        lines = boot_text(transport, 8 + len(expected))  # one is the microphone's level
    assert lines[1] == "word   first" and lines[3] == "word   second"
    said = [re.fullmatch(r"(\d+\.\d{3}) s  (\w+)  [01]\.\d\d", line) for line in lines[7:]]
    assert [(round(float(m[1]) * 16_000), m[2]) for m in said if m] == expected


def test_a_capture_hears_every_word(roomy: Path, folders: list[Path], tmp_path: Path) -> None:
    flash, pcm = tmp_path / "flash", noise(12.0, 11)
    with running(roomy, flash=flash) as transport:
        Board(transport, "native").push_model(image_of(folders[2]), slot=2)
    sound = record(pcm, tmp_path)
    with running(roomy, flash=flash, microphone=sound, microphone_waits=1) as transport:
        heard = capture(Board(transport, "native"), 8.0, everything=True)
    for number, folder in enumerate((folders[0], folders[2])):
        image = image_of(folder)
        assert same_as_host(heard, image, core.ModelImage(image).detector, number)
    assert sum(len(word.detections) for word in heard.words) > 4


def test_what_does_not_fit_is_said_in_bytes_and_changes_nothing(
    roomy: Path, folders: list[Path], tmp_path: Path
) -> None:
    big = write_model(tmp_path / "big", 35, word="big")
    with running(roomy, flash=tmp_path / "flash") as transport:
        board = Board(transport, "native")
        board.push_model(image_of(folders[1]), slot=1)
        needed = core.ModelImage(image_of(big)).header["arena_bytes"]
        with pytest.raises(WatchwordError, match=rf"'big' needs {needed} bytes.*\d+ are free beside 'first'"):
            push(board, image_of(big), 1)
        with pytest.raises(WatchwordError, match=rf"more RAM .*{needed} bytes, not \d+ \(ERR_ARENA"):
            board.push_model(image_of(big), slot=2)
        board = Board(transport, "native")
        with pytest.raises(WatchwordError, match=r"no slot 4.*0 to 3"):
            push(board, image_of(folders[1]), 4)
        with pytest.raises(WatchwordError, match="ERR_ARGUMENT"):
            board.push_model(image_of(folders[1]), slot=4)
        assert_each_as_alone(Board(transport, "native"), folders[:2], 3.0)


def test_the_sum_of_the_models_must_keep_up(roomy: Path, folders: list[Path], tmp_path: Path) -> None:
    """A clock that is enough for either model is not enough for both."""
    one, other = (core.ModelImage(image_of(folder)).instructions_per_second for folder in folders[:2])
    hz = 2 * (max(one, other) + min(one, other) // 2)
    with running(roomy, flash=tmp_path / "flash", core_hz=hz) as transport:
        board = Board(transport, "native")
        with pytest.raises(WatchwordError, match=r"too much work for this chip.*ERR_REAL_TIME"):
            board.push_model(image_of(folders[1]), slot=1)
        board = Board(transport, "native")
        board.push_model(image_of(folders[1]), slot=0)
        assert_each_as_alone(board, [folders[1]], 3.0)


def test_hostile_messages_to_a_board_of_several_words(
    roomy: Path, folders: list[Path], tmp_path: Path
) -> None:
    rng = random.Random(8)
    types = [m for m in spec.MESSAGES if m.from_host and m.name not in ("text_mode", "restart")]
    with running(roomy, flash=tmp_path / "flash") as transport:
        board = Board(transport, "native")
        for slot, folder in ((1, folders[1]), (2, folders[2])):
            board.push_model(image_of(folder), slot=slot)
        for _ in range(HOSTILE_MESSAGES):
            message = rng.choice(types)
            length = message.fixed_bytes if rng.random() < 0.7 else rng.choice((0, 1, 2, 8, 655))
            content = bytes(rng.choice((0, 0, 1, 2, 3, 4, 255)) for _ in range(length))
            send_raw(board, message.type_id, content)
            board.link.received.clear()
        board = Board(transport, "native")
        for slot, folder in enumerate(folders):  # whatever was removed meanwhile
            board.push_model(image_of(folder), slot=slot)
        for slot in board.words[3:]:
            board.remove_model(int(slot["slot"]))
        assert_each_as_alone(board, folders, 3.0)


def watchword(*arguments: object) -> str:
    code = "from watchword.cli.main import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 2), done.stderr  # 2: a limit of the board, which these models may pass
    return done.stdout


@pytest.mark.parametrize("port", PORTS)
def test_three_words_on_an_emulated_board_by_the_real_command(
    port: str, folders: list[Path], tmp_path: Path
) -> None:
    """Every score and detection of every word equals the host's; the shared front end is counted once."""
    from watchword import audio

    for number, word in enumerate((*WORDS, "none")):
        audio.save(tmp_path / word / "a.wav", noise(3.0, number))
    arguments = [a for folder in folders for a in ("--model", folder)]
    arguments += [a for word in WORDS for a in ("--positives", tmp_path / word)]
    arguments += ["--negatives", tmp_path / "none", "--out", tmp_path / "out"]
    told = watchword("bench", "--port", port, *arguments)
    assert "any of them" in told and told.count("heard as") == 1
    found = [read_results(tmp_path / "out" / word) for word in WORDS]
    for results in found:
        assert results.parity.checked_scores > 400
        assert (results.parity.mismatches, results.parity.detection_mismatches) == (0, 0)
        assert results.together == found[0].together
    spent = [results.cost.instructions_per_audio_second for results in found]
    assert all(cost["model"] for cost in spent)
    assert spent[1]["frontend"] < 0.15 * spent[0]["frontend"], "the second shares the first's front end"
    assert spent[2]["frontend"] > 0.5 * spent[0]["frontend"], "the third hears other features"
    joint = found[0].together
    assert joint is not None and joint.instructions_per_audio_second == pytest.approx(
        sum(cost["total"] for cost in spent)
    )


@pytest.mark.parametrize("port", PORTS)
def test_shipped_words_share_a_front_end_on_an_emulated_board(port: str, tmp_path: Path) -> None:
    """alexa and computer, whose rows differ in length; the second costs its model and its normaliser."""
    from watchword.device import ports

    models = [project.root() / "models" / word for word in ("alexa", "computer")]
    with ports.open_port(port, models[0]) as transport, Board(transport, port) as board:
        push(board, image_of(models[1]), 1)
        board.stats_of_words(reset=True)
        assert_each_as_alone(board, models, 4.0)
        first, second = board.stats_of_words()
    assert first["hops"] == second["hops"] == 4 * 16_000 // HOP_SAMPLES
    assert second["frontend_total"] < 0.1 * first["frontend_total"]
    assert second["model_total"] > 0.5 * first["model_total"]
