"""`watchword bench` on the emulated boards: the whole command, and what it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from board_model import WORD, noise
from boards import NAMES, PORTS, env_of
from watchword import audio

from tools.generate import results as reference

pytestmark = pytest.mark.emu

CLI = "from watchword.cli.main import main\nif __name__ == '__main__': main()"
LIMITS = """
max_frr = 1
max_fah = 1e6
latency_p95_ms = 2000
instructions_per_audio_second = 1e9
ram_bytes = 1e6
arena_bytes = 1e6
stack_bytes = 1e6
code_bytes = 1e6
model_bytes = 1e6
"""
GENEROUS = "".join(f"[{env}]{LIMITS}" for env in NAMES) + "[host]\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, a script that is the command line, and budgets that everything keeps."""
    root = tmp_path_factory.mktemp("bench")
    for i in range(3):
        audio.save(root / "yes" / f"{i}.wav", noise(2.0, i))
    for i in range(2):
        audio.save(root / "no" / f"{i}.flac", noise(20.0, 10 + i))
    (root / "cli.py").write_text(CLI)
    (root / "generous.toml").write_text(GENEROUS)
    return root


def command(
    place: Path, verb: str, model_dir: Path, out: str, *more: object, port: str = "emu:c3"
) -> list[str]:
    arguments = ("--model", model_dir, "--positives", place / "yes", "--negatives", place / "no")
    to = ("--port", port) if verb == "bench" else ()
    return [
        str(part)
        for part in (sys.executable, place / "cli.py", verb, *to, *arguments, "--out", place / out, *more)
    ]


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module", params=PORTS)
def port(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def results(port: str, place: Path, model_dir: Path) -> dict[str, Any]:
    out = place / f"good on {env_of(port)}"
    done = run(command(place, "bench", model_dir, out.name, "--budgets", place / "generous.toml", port=port))
    assert done.returncode == 0, done.stderr
    assert "PASS" in done.stdout and "FAIL" not in done.stdout
    assert {p.name for p in out.iterdir()} == {"results.json", "report.html", "log.txt"}
    content: dict[str, Any] = json.loads((out / "results.json").read_text())
    jsonschema.validate(content, reference.schema_of("results.json"))
    return content


def test_every_score_equals_the_hosts(results: dict[str, Any]) -> None:
    assert results["parity"]["checked_scores"] > 1_000
    assert results["parity"]["mismatches"] == results["parity"]["detection_mismatches"] == 0
    assert results["link"]["lost_samples"] == 0
    assert results["link"]["bytes"] > 2 * 46 * 16_000


def test_figures_equal_evaluate_on_the_host(results: dict[str, Any], place: Path, model_dir: Path) -> None:
    done = run(command(place, "evaluate", model_dir, "host", "--budgets", place / "generous.toml"))
    assert done.returncode == 0, done.stderr
    host = json.loads((place / "host" / "results.json").read_text())
    same = (
        "word",
        "frr",
        "positives",
        "fah",
        "fah_upper95",
        "false_alarms",
        "negative_hours",
        "latency_ms",
        "detector",
    )
    assert {key: results[key] for key in same} == {key: host[key] for key in same}
    assert results["false_alarms"] > 0
    assert results["details"]["curve"] == host["details"]["curve"]


def test_costs_and_memory_are_measured(results: dict[str, Any], port: str, model_dir: Path) -> None:
    stages = results["cost"]["instructions_per_audio_second"]
    assert stages["total"] == pytest.approx(stages["frontend"] + stages["model"] + stages["detector"])
    assert stages["frontend"] > 1e6 and stages["model"] > 1e6 and stages["detector"] > 50
    hop = results["cost"]["instructions_per_hop"]
    assert all(0 <= hop[s]["min"] <= hop[s]["mean"] <= hop[s]["max"] for s in hop)
    memory = results["memory"]
    assert memory["model_bytes"] == (model_dir / "model.bin").stat().st_size
    assert memory["ram_bytes"] > memory["arena_bytes"] > 0
    assert memory["stack_bytes"] > 100 and memory["code_bytes"] > 5_000
    assert results["board"] == env_of(port) and results["word"] == WORD
    assert all(results["hashes"].values())


def test_the_same_counts_again(results: dict[str, Any], port: str, place: Path, model_dir: Path) -> None:
    """Instruction counts do not depend on how busy the computer is."""
    budgets = place / "generous.toml"
    done = run(command(place, "bench", model_dir, "again", "--budgets", budgets, port=port))
    assert done.returncode == 0, done.stderr
    again = json.loads((place / "again" / "results.json").read_text())
    for part in ("instructions_per_audio_second", "instructions_per_hop", "detection_instructions"):
        assert again["cost"][part] == results["cost"][part]


# The command line, with something that happens to it after the first batch of recordings.
ACCIDENT = """
import os, signal, threading
from pathlib import Path
from watchword.cli.main import main
from watchword.evaluate.ledger import Ledger
add = Ledger.add_batch
happened = []
def add_once(self, image, batch):
    add(self, image, batch)
    if not happened:
        happened.append(True)
        {accident}
Ledger.add_batch = add_once
main()
"""
STOPS = 'print("a batch", flush=True); threading.Event().wait(120)'
BOARD_GOES = (
    'emulators = [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()'
    ' if "qemu" in Path(f"/proc/{pid}/comm").read_text()]\n'
    "        os.kill(emulators[0], signal.SIGKILL)"
)


def accident(place: Path, name: str, happens: str, model_dir: Path) -> list[str]:
    """The command with that accident, into a session folder of this name."""
    script = place / f"{name}.py"
    script.write_text(ACCIDENT.replace("{accident}", happens))
    usual = command(place, "bench", model_dir, name, "--budgets", place / "generous.toml")
    return [usual[0], str(script), *usual[2:]]


def found(folder: Path) -> dict[str, Any]:
    """All that a run found, but when, how fast, and what the link counted."""
    content = json.loads((folder / "results.json").read_text())
    for part in ("provenance", "link"):
        del content[part]
    for name in ("retransmissions", "bad_frames", "crc_errors"):
        del content["details"]["stats"][name]
    return content


@pytest.fixture(scope="module")
def whole(place: Path, model_dir: Path) -> dict[str, Any]:
    out = place / "whole"
    done = run(command(place, "bench", model_dir, out.name, "--budgets", place / "generous.toml"))
    assert done.returncode == 0, done.stderr
    return found(out)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_bench_that_was_ended_goes_on_to_the_same_results(
    place: Path, model_dir: Path, whole: dict[str, Any], number: signal.Signals
) -> None:
    name = f"ended by {number.name}"
    process = subprocess.Popen(
        accident(place, name, STOPS, model_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and "a batch" in process.stdout.readline()
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == (-9 if number == signal.SIGKILL else 143), said
    if number == signal.SIGTERM:
        partial = json.loads((place / name / "results.json").read_text())
        assert partial["partial"] and 0 < partial["recordings"] < whole["recordings"]
        assert (
            partial["parity"]["mismatches"] == 0 and "PARTIAL" in (place / name / "report.html").read_text()
        )
    budgets = place / "generous.toml"
    done = run(command(place, "bench", model_dir, name, "--budgets", budgets, "--resume"))
    assert done.returncode == 0, done.stderr
    assert found(place / name) == whole
    assert {p.name for p in (place / name).iterdir()} == {"results.json", "report.html", "log.txt"}


def test_a_board_that_goes_away_is_reached_again(place: Path, model_dir: Path, whole: dict[str, Any]) -> None:
    done = run(accident(place, "lost", BOARD_GOES, model_dir))
    assert done.returncode == 0, done.stderr
    assert "trying to reach the board again (1 of 8)" in done.stderr
    assert found(place / "lost") == whole


def test_over_budget_exits_with_2_and_still_writes(place: Path, model_dir: Path) -> None:
    strict = place / "strict.toml"
    strict.write_text(GENEROUS.replace("code_bytes = 1e6", "code_bytes = 1000"))
    done = run(command(place, "bench", model_dir, "strict", "--budgets", strict))
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "FAIL" in line]
    assert "code in flash" in line
    verdict = json.loads((place / "strict" / "results.json").read_text())["budgets"]
    assert verdict["passed"] is False
    assert "OVER BUDGET" in (place / "strict" / "report.html").read_text()


def test_ctrl_c_writes_nothing_and_ends_the_emulator(place: Path, model_dir: Path) -> None:
    audio.save(place / "long" / "a.wav", noise(600.0, 5))
    arguments = [
        str(place / "long") if part == str(place / "no") else part
        for part in command(place, "bench", model_dir, "stopped")
    ]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    while "emu-c3: firmware" not in (line := process.stderr.readline()):
        assert line, "it ended before it reached the board"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    emulators = [pid for pid in children if Path(f"/proc/{pid}/comm").read_text().startswith("qemu")]
    assert len(emulators) == 1
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "nothing was written" in said and "Traceback" not in said
    assert not (place / "stopped").exists()
    assert not Path(f"/proc/{emulators[0]}").exists()
