"""tools.accuracy.community: models of a folder beside TFLite Micro, on random rows and on recordings."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from watchword import audio
from watchword.errors import WatchwordError

pytest.importorskip("tflite_micro", reason="compares with it: pip install -e .[train]")

from test_importing import MANIFEST, MICRO
from test_streaming import Graph, mix_conv

from tools.accuracy import benchmark, community, peer

SENSITIVE = {**MICRO, "probability_cutoff": 0.1, "sliding_window_size": 2}  # random weights score low


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two different models, one of them with a manifest and in two places, the other bare."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "okay_house.tflite").write_bytes(mix_conv(Graph(1, coeffs=40)))
    (folder / "okay_house.json").write_text(json.dumps({**MANIFEST, "micro": SENSITIVE}))
    (folder / "package.json").write_text("[1]")
    (folder / "new").mkdir()
    shutil.copy(folder / "okay_house.tflite", folder / "new" / "same.tflite")
    (folder / "new" / "other.tflite").write_bytes(mix_conv(Graph(2, coeffs=40)))
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """4 s of noise of source a, 8 s of source b, and a test recording that may not be taken."""
    rng, lines = np.random.default_rng(1), ["path,split,label,source"]
    for name, split, source, seconds in (
        ("a1", "train", "a", 2), ("a2", "train", "a", 2), ("b1", "train", "b", 4), ("b2", "val", "b", 4),
        ("t", "test", "t", 4),
    ):  # fmt: skip # a table
        loud = np.geomspace(30, 9000, seconds * 16_000)
        audio.save(tmp_path / f"{name}.wav", (rng.normal(0, 1, len(loud)) * loud).astype(np.int16))
        lines.append(f"{name}.wav,{split},noise,{source}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "manifest.csv"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["community.py", *map(str, arguments), "--no-peer", "--workers", "1"])
    return community.main()


def test_each_different_model_takes_random_rows(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert community.find_models([models]) == [models / "new" / "other.tflite", models / "okay_house.json"]
    assert run(monkeypatch, "--models", models, "--calls", 30) == 0
    assert "| 2 of 2 models | 0.00 | 60 | 0 |" in capsys.readouterr().out


def test_recordings_go_through_the_whole_chain(models: Path, manifest: Path) -> None:
    clips = tuple(community.choose([manifest], ("train", "val"), 10 / 3600))
    assert [clip.path.stem for clip in clips] == ["a1", "b1", "a2", "b2"]
    counts = community.compare(community.Task(models / "okay_house.json", clips, 0, False))
    assert isinstance(counts, community.Counts) and counts.exact
    assert counts.scores > 300 and counts.detections > 0, "nothing was compared"


def test_pymicro_wakeword_hears_the_same_recordings(models: Path, manifest: Path) -> None:
    try:
        peer.install(peer.PYMICRO, benchmark.CACHE)
    except WatchwordError as error:
        pytest.skip(str(error))
    clips = tuple(community.choose([manifest], ("train", "val"), 10 / 3600))
    counts = community.compare(community.Task(models / "okay_house.json", clips, 0, True))
    assert isinstance(counts, community.Counts) and counts.asked == 4
    assert counts.peer_differ < counts.scores / 2 and counts.peer > 0  # its interpreter rounds otherwise


def test_a_difference_and_an_unreadable_model_end_with_1(
    models: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--models", models / "okay_house.json", "--manifest", manifest, "--hours", 4 / 3600)
    assert run(monkeypatch, *arguments) == 0
    right = community.tflm_scores
    monkeypatch.setattr(community, "tflm_scores", lambda tflite, rows: right(tflite, rows) ^ 1)
    assert run(monkeypatch, *arguments) == 1
    (manifest.parent / "broken.tflite").write_bytes(b"no model")
    capsys.readouterr()
    assert run(monkeypatch, "--models", manifest.parent) == 1
    assert "| broken | not compared: " in capsys.readouterr().out


def test_too_few_recordings_are_an_error(manifest: Path) -> None:
    with pytest.raises(WatchwordError, match="fewer than 1 --hours"):
        community.choose([manifest], ("train", "val"), 1.0)
    with pytest.raises(WatchwordError, match="more than 0"):
        community.choose([manifest], ("train", "val"), 0.0)


def test_the_rule_waits_for_its_window_and_wants_more_than_the_cutoff() -> None:
    scores = np.array([255, 255, 128, 128, 129, 0, 0, 255, 255], np.uint8)
    assert community.detects(scores, 2, 0.5).tolist() == [1, 4, 8]
