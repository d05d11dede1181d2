"""`watchword evaluate` and the command line around it, with a small model of random weights."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ds_tcn import ds_tcn, settings
from watchword import audio, core
from watchword.cli import main as cli
from watchword.data import recordings
from watchword.data.recordings import LEAD_SAMPLES
from watchword.evaluate import metrics, stream
from watchword.export.graph import read_network
from watchword.export.image import build_image

RATE = 16_000


def noise(seconds: float, seed: int) -> np.ndarray:
    """White noise int16 [samples] whose level changes every quarter second."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * RATE)
    levels = np.repeat(rng.uniform(30, 9_000, samples // 4_000 + 1), 4_000)[:samples]
    return np.clip(rng.normal(0, levels), -32768, 32767).astype(np.int16)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fires where a random score is above its usual."""
    folder = tmp_path_factory.mktemp("models") / "random_word"
    folder.mkdir()
    network = read_network(ds_tcn(np.random.default_rng(7), channels=16))
    usual = core.run_pipeline(build_image(network, settings()), noise(20, 0)).scores
    low, high = np.percentile(usual, [40, 70]) / 256
    eager = dataclasses.replace(settings(), detector=core.DetectorConfig(2, float(high), float(low), 200))
    (folder / "model.bin").write_bytes(build_image(network, eager))
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("sounds")
    for i in range(4):
        audio.save(root / "yes" / f"{i}.wav", noise(2.0, i))
    for i in range(3):
        audio.save(root / "no" / f"{i}.flac", noise(60.0, 10 + i))
    (root / "no" / "broken.wav").write_bytes(b"no sound")
    return root / "yes", root / "no"


def run(*arguments: object) -> int:
    """The whole command line in this process; returns its exit status."""
    old = sys.argv
    sys.argv = ["watchword", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = old
    return 0


@pytest.fixture(scope="module")
def results(
    model: Path, sounds: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("sessions") / "run"
    yes, no = sounds
    arguments = ("--model", model, "--positives", yes, "--negatives", no, "--out", out, "--workers", 2)
    assert run("evaluate", *arguments) == 0
    assert sorted(p.name for p in out.iterdir()) == ["log.txt", "report.html", "results.json"]
    return json.loads((out / "results.json").read_text())


class TestEvaluate:
    def test_stable_keys(self, results: dict[str, Any]) -> None:
        """What other programs may rely on."""
        assert {
            "frr",
            "positives",
            "fah",
            "fah_upper95",
            "false_alarms",
            "negative_hours",
            "latency_ms",
            "cost",
            "memory",
            "budgets",
            "parity",
            "link",
            "hashes",
            "board",
        } <= results.keys()
        assert results["latency_ms"].keys() >= {"p50", "p95"}
        stages = results["cost"]["instructions_per_audio_second"]
        assert stages == {"frontend": None, "model": None, "detector": None, "total": None}
        assert results["memory"].keys() == {
            "ram_bytes",
            "arena_bytes",
            "stack_bytes",
            "code_bytes",
            "model_bytes",
        }
        assert results["parity"].keys() >= {"checked_scores", "mismatches"}
        assert results["link"].keys() >= {"bytes", "retransmissions", "lost_samples"}
        assert results["hashes"].keys() == {"firmware", "model", "spec"}
        assert isinstance(results["budgets"]["passed"], bool)
        assert results["board"] == "host" and results["word"] == "random word"

    def test_counts(self, results: dict[str, Any]) -> None:
        assert results["positives"] == 4
        assert results["negative_hours"] == pytest.approx(3 / 60)
        assert results["fah"] == pytest.approx(results["false_alarms"] / results["negative_hours"])
        assert [Path(s["path"]).name for s in results["skipped"]] == ["broken.wav"]

    def test_figures_equal_a_plain_loop_over_the_pipeline(
        self, results: dict[str, Any], model: Path, sounds: tuple[Path, Path]
    ) -> None:
        image = (model / "model.bin").read_bytes()
        alarms = 0
        for path in sorted(sounds[1].glob("*.flac")):
            pcm = np.concatenate([np.zeros(24_000, np.int16), audio.load(path), np.zeros(16_000, np.int16)])
            last = -(10**9)
            for detection in core.run_pipeline(image, pcm).detections:
                if detection.sample_index - last >= RATE:
                    alarms, last = alarms + 1, detection.sample_index
        assert results["false_alarms"] == alarms
        assert alarms > 0, "the model never fires: the test would prove nothing"

    def test_processes_do_not_change_the_result(self, model: Path, sounds: tuple[Path, Path]) -> None:
        image = (model / "model.bin").read_bytes()
        selection = recordings.select(*sounds)
        one, two = (stream.run_host(image, selection, workers, progress=False) for workers in (1, 2))
        assert [s.recording for s in one.streams] == [s.recording for s in two.streams]
        for a, b in zip(one.streams, two.streams, strict=True):
            np.testing.assert_array_equal(a.scores, b.scores)
            np.testing.assert_array_equal(a.detections, b.detections)

    def test_the_curve_passes_through_the_measured_point(self, results: dict[str, Any]) -> None:
        (point,) = [p for p in results["details"]["curve"] if p["threshold"] == results["detector"]["high"]]
        assert (point["frr"], point["fah"]) == (results["frr"], results["fah"])
        assert len({p["fah"] for p in results["details"]["curve"]}) > 2


def test_sweep_at_the_models_threshold_is_what_the_pipeline_did(
    model: Path, sounds: tuple[Path, Path]
) -> None:
    image = (model / "model.bin").read_bytes()
    scored = stream.score_recording(image, recordings.select(*sounds).negatives[0])
    assert isinstance(scored, metrics.ScoredStream)
    detector = core.ModelImage(image).detector
    fired = stream.detector_at(detector)(scored, detector.high)
    np.testing.assert_array_equal(scored.score_samples[fired], scored.detections)
    assert scored.score_samples[0] > LEAD_SAMPLES - 3 * RATE // 2


class TestErrors:
    """Every one is a single line that says what, where and what to do, and leaves no folder behind."""

    def fails(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
        capsys.readouterr()
        assert run(*arguments) == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        return lines[0]

    def test_evaluate(
        self, model: Path, sounds: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        yes, no = sounds
        out = ("--out", tmp_path / "out")
        (tmp_path / "text").write_text("x")
        (tmp_path / "junk").mkdir()
        (tmp_path / "junk" / "model.bin").write_bytes(b"junk" * 100)
        usual = ("evaluate", *out, "--model", model)
        assert "nothing to evaluate" in self.fails(capsys, *usual)
        assert "no such folder" in self.fails(capsys, *usual, "--positives", tmp_path / "nowhere")
        assert "exclude each other" in self.fails(capsys, *usual, "--positives", yes, "--data", no)
        assert "no model here" in self.fails(
            capsys, "evaluate", *out, "--model", tmp_path, "--positives", yes
        )
        junk = tmp_path / "junk"
        assert "rejected by the core" in self.fails(
            capsys, "evaluate", *out, "--model", junk, "--positives", yes
        )
        assert "above 0" in self.fails(capsys, *usual, "--negatives", no, "--limit-minutes", "-3")
        budgets = self.fails(capsys, *usual, "--positives", yes, "--budgets", tmp_path / "none.toml")
        assert "no budgets" in budgets
        taken = ("evaluate", "--model", model, "--positives", yes, "--out", tmp_path / "text")
        assert "cannot write here" in self.fails(capsys, *taken)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("arguments", [("evaluate",), ("bench", "--model", "m"), ("report",)])
    def test_missing_arguments_are_usage_errors(
        self, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(*arguments) == 2
        assert "Missing" in capsys.readouterr().err

    @pytest.mark.parametrize("port", ["emu:z80", "/dev/ttyNOWHERE"])
    def test_bench_without_a_board(
        self,
        port: str,
        model: Path,
        sounds: tuple[Path, Path],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        arguments = ("--port", port, "--model", model, "--positives", sounds[0], "--out", tmp_path / "out")
        assert port in self.fails(capsys, "bench", *arguments)
        assert not (tmp_path / "out").exists()

    def test_report(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "holds no results.json" in self.fails(capsys, "report", tmp_path)


@pytest.mark.slow
def test_ctrl_c_while_processes_work_ends_at_once(model: Path, tmp_path: Path) -> None:
    for i in range(4):
        audio.save(tmp_path / "no" / f"{i}.wav", noise(900.0, i))
    code = "from watchword.cli.main import main\nif __name__ == '__main__': main()"
    (tmp_path / "cli.py").write_text(code)
    arguments = ["--model", model, "--negatives", tmp_path / "no", "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, tmp_path / "cli.py", "evaluate", *arguments, "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(children.read_text().split()) < 2 and process.poll() is None:
        time.sleep(0.02)  # until its processes run
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert ("go on with --resume" if (tmp_path / "out").exists() else "nothing was written") in said


def test_doctor_names_what_is_missing_and_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from watchword.cli import doctor

    monkeypatch.setattr(
        doctor,
        "CHECKS",
        (
            doctor.Check("shell", "runs things", doctor.program("sh"), "never"),
            doctor.Check(
                "warp drive", "goes fast", doctor.program("no-such-program"), "apt-get install warp"
            ),
            doctor.Check(
                "icing", "looks", doctor.modules("no_such_module"), "pip install icing", needed=False
            ),
        ),
    )
    assert run("doctor") == 1
    text = capsys.readouterr().out
    assert re.search(r"ok +shell", text)
    assert re.search(r"missing +warp drive.*\n +install with: apt-get install warp", text)
    assert re.search(r"without +icing.*\n +install with: pip install icing", text)


def test_doctor_on_this_computer_checks_everything(capsys: pytest.CaptureFixture[str]) -> None:
    from watchword.cli import doctor

    run("doctor")
    text = capsys.readouterr().out
    assert all(check.name in text for check in doctor.CHECKS)
    assert re.search(r"ok +C core", text)


def test_a_dead_input_is_no_audio_without_the_word(model: Path, tmp_path: Path) -> None:
    """An hour of it would narrow the bound on false alarms, and proves nothing."""
    audio.save(tmp_path / "no" / "talk.wav", noise(4.0, 1))
    audio.save(tmp_path / "no" / "stuck.wav", np.full(4 * RATE, -300, np.int16))
    audio.save(tmp_path / "no" / "silent.wav", np.zeros(5 * RATE, np.int16))
    image = (model / "model.bin").read_bytes()
    found = stream.run_host(image, recordings.select(None, tmp_path / "no"), 1, progress=False)
    assert [s.recording.path.name for s in found.streams] == ["talk.wav"]
    assert {s.path.name: s.reason.split(":")[0] for s in found.skipped} == {
        "stuck.wav": "constant",
        "silent.wav": "silent",
    }
