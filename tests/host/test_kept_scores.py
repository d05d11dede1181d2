"""Runs that end early: what was heard is kept, told, and gone on with to the same results."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_evaluate import model as model
from test_evaluate import noise, run
from watchword import audio
from watchword.data.recordings import select
from watchword.errors import WatchwordError
from watchword.evaluate import ledger
from watchword.evaluate.results import read_results
from watchword.evaluate.stream import run_host

# The command line, which after two recordings says so and waits.
STOPPING = """
import threading
from watchword.cli.main import main
from watchword.evaluate.ledger import Ledger
add = Ledger._add
def add_and_wait(self, line):
    add(self, line)
    if len(self) == 2:
        print("two recordings", flush=True)
        threading.Event().wait(120)
Ledger._add = add_and_wait
main()
"""
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("recordings")
    for i in range(3):
        audio.save(root / "yes" / f"{i}.wav", noise(2.0, i))
    for i, seconds in enumerate((30.0, 20.0, 20.0)):
        audio.save(root / "no" / f"{i}.wav", noise(seconds, 10 + i))
    return ["--positives", str(root / "yes"), "--negatives", str(root / "no")]


@pytest.fixture(scope="module")
def whole(model: Path, recordings: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("whole") / "s"
    assert run("evaluate", "--model", model, *recordings, "--out", out, "--workers", 1) == 0
    return figures(out)


def figures(session: Path) -> dict[str, Any]:
    """All that a run found, without when and how fast."""
    content = json.loads((session / "results.json").read_text())
    del content["provenance"]
    return content


def stopped_after_two(script: Path, *arguments: object) -> subprocess.Popen[str]:
    """The command, at work on its third recording."""
    script.write_text(STOPPING)
    command = [sys.executable, str(script), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and "two recordings" in process.stdout.readline()
    return process


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_evaluate_goes_on_after_any_end(
    model: Path, recordings: list[str], whole: dict[str, Any], tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "s"
    arguments = ("evaluate", "--model", model, *recordings, "--out", out, "--workers", 1)
    process = stopped_after_two(tmp_path / "cli.py", *arguments)
    os.kill(process.pid, number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), said
    assert "Traceback" not in said
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    if number != signal.SIGKILL:
        assert "go on with --resume" in said
        partial = read_results(out)
        assert partial.partial and partial.recordings == 2
        assert "after 2 of 6 recordings" in partial.notes[0]
        assert "PARTIAL" in (out / "report.html").read_text()
    assert run(*arguments) == 1, "an interrupted run is not written over"
    assert run(*arguments, "--resume") == 0
    assert figures(out) == whole
    assert sorted(path.name for path in out.iterdir()) == ["log.txt", "report.html", "results.json"]


def test_a_full_disk_keeps_what_there_was(
    model: Path, recordings: list[str], whole: dict[str, Any], tmp_path: Path
) -> None:
    """No file may grow beyond the first few scores: the next write fails, as on a full disk."""
    out = tmp_path / "s"
    arguments = ("evaluate", "--model", model, *recordings, "--out", out, "--workers", 1)

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))

    command = [sys.executable, "-m", "watchword", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=little_room, timeout=60)
    assert done.returncode == 1 and "cannot write here" in done.stderr and "Traceback" not in done.stderr
    assert (out / ledger.FILE).stat().st_size > 0
    assert run(*arguments, "--resume") == 0
    assert figures(out) == whole


def test_changed_sounds_are_heard_again_and_half_a_line_is_cut_off(model: Path, tmp_path: Path) -> None:
    sound = tmp_path / "no" / "a.wav"
    audio.save(sound, noise(3.0, 1))
    audio.save(tmp_path / "no" / "b.wav", noise(3.0, 2))
    image = (model / "model.bin").read_bytes()
    kept = ledger.Ledger(tmp_path)
    chosen = select(negatives=tmp_path / "no")
    run_host(image, chosen, 1, False, kept)
    kept.close()
    path = tmp_path / ledger.FILE
    path.write_bytes(path.read_bytes()[:-7])
    again = ledger.Ledger(tmp_path)
    assert len(again.host_streams(image, chosen.recordings)) == 1
    with pytest.raises(WatchwordError, match="another run is writing here"):
        ledger.Ledger(tmp_path)
    again.close()
    for recording in chosen.recordings:
        audio.save(recording.path, noise(3.0, 9))
    assert ledger.Ledger(tmp_path).host_streams(image, chosen.recordings) == {}


def test_mine_goes_on_after_a_kill(model: Path, tmp_path: Path) -> None:
    for i, seconds in enumerate((9.0, 7.0, 5.0)):
        audio.save(tmp_path / "no" / f"{i}.wav", noise(seconds, 20 + i))
    arguments = ["mine", model, "--data", tmp_path / "no", "--workers", 1, "--max-minutes", 0.5, "--out"]
    assert run(*arguments, tmp_path / "whole") == 0
    process = stopped_after_two(tmp_path / "cli.py", *arguments, tmp_path / "killed")
    process.kill()
    process.communicate()
    assert run(*arguments, tmp_path / "killed") == 1
    assert run(*arguments, tmp_path / "killed", "--resume") == 0
    names = [{p.name for p in (tmp_path / which / "clips").iterdir()} for which in ("whole", "killed")]
    assert names[0] == names[1] and len(names[0]) > 1
    assert not (tmp_path / "killed" / ledger.FILE).exists()


def test_another_models_scores_are_not_taken_for_done(model: Path, tmp_path: Path) -> None:
    audio.save(tmp_path / "no" / "a.wav", noise(1.0, 1))
    chosen = select(negatives=tmp_path / "no")
    with ledger.open_ledger(tmp_path, resume=False) as kept:
        run_host((model / "model.bin").read_bytes(), chosen, 1, False, kept)
    with ledger.open_ledger(tmp_path, resume=True) as kept, pytest.raises(WatchwordError, match="another"):
        kept.host_streams(b"another image", chosen.recordings)
    assert (tmp_path / ledger.FILE).stat().st_size > 0
