"""watchword.h: what the host library hears, from listeners that share nothing; misuse gives a status."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from watchword import audio, core, spec
from watchword.core_build import CORE, ROOT

HERE = Path(__file__).parent
MODELS = ROOT / "models"
SANITIZED = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
INCLUDE = [f"-I{CORE / part}" for part in ("include", "gen", "src")]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the two programs, built under sanitizers."""
    folder = tmp_path_factory.mktemp("library")
    compiler = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", *SANITIZED, *INCLUDE]
    sources = [*CORE.glob("src/*.c"), *CORE.glob("gen/*.c")]
    subprocess.run([*compiler, "-c", *map(str, sources)], cwd=folder, check=True)
    objects = list(map(str, folder.glob("*.o")))
    for name in ("library", "library_misuse"):
        subprocess.run([*compiler, HERE / f"{name}.c", *objects, "-o", folder / name], check=True)
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Two spoken words, full-scale noise between them."""
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed: nobody says the word")
    noise = np.random.default_rng(0).integers(-32_768, 32_768, spec.SAMPLE_RATE_HZ, dtype=np.int16)
    silence = np.zeros(2 * spec.SAMPLE_RATE_HZ, np.int16)
    wav = tmp_path_factory.mktemp("sound") / "word.wav"
    words = []
    for word in ("hey lighthouse", "computer"):
        subprocess.run(["espeak-ng", "-v", "en-us", "-w", wav, word], check=True)
        words.append(audio.load(wav))
    return np.concatenate([silence, words[0], silence, noise, silence, words[1], silence])


def said(lines: list[str], listener: int) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """What one of the two printed: the score at each number of samples, and what it heard."""
    words = [line.split() for line in lines]
    scores = {int(w[2]): int(w[3]) for w in words if w[:2] == ["s", str(listener)]}
    return scores, [(int(w[-2]), int(w[-1])) for w in words if w[:2] == ["h", str(listener)]]


def expected(word: str, preset: str | None, pcm: np.ndarray) -> core.PipelineRun:
    image = (MODELS / word / "model.bin").read_bytes()
    model = core.ModelImage(image)
    return core.run_pipeline(image, pcm, model.presets[preset] if preset else None)


def test_two_listeners_hear_what_the_host_hears_with_each_alone(programs: Path, sound: np.ndarray) -> None:
    """One takes its samples in pieces of a hop, so that each score is seen, the other in odd ones."""
    arguments = ["hey_lighthouse", "-", "320", "computer", "2", "457"]
    paths = [str(MODELS / a / "model.bin") if (MODELS / a).is_dir() else a for a in arguments]
    ran = subprocess.run(
        [programs / "library", *paths], input=sound.tobytes(), capture_output=True, check=True
    )
    lines = ran.stdout.decode().splitlines()
    hop_by_hop = expected("hey_lighthouse", None, sound)
    scores, heard = said(lines, 0)
    assert [scores[at] for at in hop_by_hop.score_samples] == hop_by_hop.smoothed_q15.tolist()
    assert heard == [(d.sample_index, d.smoothed_q15) for d in hop_by_hop.detections] and heard
    in_odd_pieces = expected("computer", "eager", sound)
    _, heard = said(lines, 1)
    assert heard == [(d.sample_index, d.smoothed_q15) for d in in_odd_pieces.detections] and heard


def test_misuse_gives_a_status_and_changes_nothing(programs: Path) -> None:
    ran = subprocess.run(
        [programs / "library_misuse", MODELS / "alexa" / "model.bin"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
