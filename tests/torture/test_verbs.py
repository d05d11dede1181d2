"""Verbs that are killed, or whose disk is full: what was there stays whole, and nobody is left behind."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from amount import tries
from watchword import audio, spec

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "hey_lighthouse"
Holds = Callable[..., None]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders wakes/ (six short clips) and talk/ (six of 20 s) of bursts of noise."""
    folder, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(5)
    for kind, seconds in (("wakes", 2), ("talk", 20)):
        (folder / kind).mkdir()
        for number in range(6):
            levels = np.repeat(10 ** rng.uniform(0.5, 4.0, seconds * 4), spec.SAMPLE_RATE_HZ // 4)
            pcm = np.clip(rng.normal(0, levels), -32768, 32767).astype(np.int16)
            audio.save(folder / kind / f"{number}.wav", pcm)
    return folder


def verb(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "watchword", *map(str, arguments)]


def evaluate(sounds: Path, out: Path, *more: str) -> list[str]:
    data = "--positives", sounds / "wakes", "--negatives", sounds / "talk"
    return verb("evaluate", "--model", MODEL, *data, "--out", out, "--workers", 2, *more)


def figures(out: Path) -> dict[str, object]:
    """The results, less when, how fast and by which command they came about."""
    results: dict[str, object] = json.loads((out / "results.json").read_text())
    del results["provenance"]
    return results


def group_is_gone(group: int, seconds: float = 10.0) -> bool:
    """Whether every process of the group ends, given that long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        threading.Event().wait(0.05)
    return False


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"])
def test_a_killed_evaluation_goes_on_where_it_was(
    sounds: Path, tmp_path: Path, name: str, holds: Holds
) -> None:
    subprocess.run(evaluate(sounds, tmp_path / "whole"), check=True, capture_output=True)
    wanted, rng, rounds = figures(tmp_path / "whole"), random.Random(name), tries(1)
    for number in range(rounds):
        out = tmp_path / str(number)
        process = subprocess.Popen(
            evaluate(sounds, out), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            process.wait(rng.uniform(0.3, 3.0))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, getattr(signal, name))
        said = process.communicate(timeout=60)[1].decode()
        assert "Traceback" not in said, said
        assert group_is_gone(process.pid), f"{name} left processes behind"
        subprocess.run(evaluate(sounds, out, "--resume"), check=True, capture_output=True)
        assert figures(out) == wanted
        assert not list(out.rglob("*.tmp*"))
    holds(
        f"An evaluation ended by {name} leaves no process, and --resume ends with the same figures",
        "`watchword evaluate` on two workers, killed at random moments",
        f"{rounds} kills",
        f"{rounds} of {rounds} resumed to equal results",
    )


def limited(command: list[str], limit_bytes: int) -> subprocess.CompletedProcess[str]:
    """Run with no file allowed beyond that size: writing more fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "MPLCONFIGDIR": "/tmp"}
    return subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("what", ["evaluate", "scan", "mine"])
def test_a_full_disk_is_one_clear_line(what: str, sounds: Path, tmp_path: Path, holds: Holds) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "positive").symlink_to(sounds / "wakes")
    (tmp_path / "corpus" / "negative").symlink_to(sounds / "talk")
    limits = [round(10 ** (exponent / 8)) for exponent in range(16, 36, max(1, 10 // tries(1)))]
    failed = 0
    for limit in limits:
        out = tmp_path / f"out{limit}"
        command = {
            "evaluate": evaluate(sounds, out),
            "scan": verb(
                "scan", tmp_path / "corpus", "--word", "hey lighthouse", "--out", out / "manifest.csv"
            ),
            "mine": verb("mine", MODEL, "--data", sounds / "talk", "--out", out, "--threshold", 0.01),
        }[what]
        out.mkdir()
        done = limited(command, limit)
        assert "Traceback" not in done.stderr, f"limit {limit}: {done.stderr}"
        if done.returncode:
            failed += 1
            assert "error:" in done.stderr, f"limit {limit}: {done.stderr}"
        left = [path for path in out.rglob("*") if ".tmp" in path.name]
        assert not left, f"limit {limit}: {left}"
        whole = [path for path in out.rglob("*.json")]
        assert all(json.loads(path.read_text()) is not None for path in whole), "half a JSON file"
    assert failed, "no limit was tight enough to be noticed"
    holds(
        f"`watchword {what}` on a full disk says so in one line and leaves no half-written file",
        "No file allowed beyond a size, from 100 bytes to 20 MB",
        f"{len(limits)} sizes",
        f"{failed} refused with an error, {len(limits) - failed} finished; 0 tracebacks, 0 damaged files",
    )
