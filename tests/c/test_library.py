"""watchword.h: what the host library hears, from listeners that share nothing; misuse gives a status."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from watchword import audio, core, spec
from watchword.core_build import CORE, ROOT
from watchword.export.importing import import_image

HERE = Path(__file__).parent
MODELS = ROOT / "models"
SANITIZED = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
INCLUDE = [f"-I{CORE / part}" for part in ("include", "gen", "src")]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs, built under sanitizers."""
    folder = tmp_path_factory.mktemp("library")
    compiler = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", *SANITIZED, *INCLUDE]
    sources = [*CORE.glob("src/*.c"), *CORE.glob("gen/*.c")]
    subprocess.run([*compiler, "-c", *map(str, sources)], cwd=folder, check=True)
    objects = list(map(str, folder.glob("*.o")))
    for name in ("library", "library_misuse", "fuzz_library"):
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


def said(lines: list[str], listener: int, word: int) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """Of one word of one of the two: the score at each number of samples, and what was heard."""
    numbers = [(line[0], *map(int, line.split()[1:])) for line in lines]
    scores = {at: score for kind, *whose, at, score in numbers if (kind, *whose) == ("s", listener, word)}
    heard = [(at, score) for kind, *whose, at, score in numbers if (kind, *whose) == ("h", listener, word)]
    return scores, heard


def expected(word: str, preset: str | None, pcm: np.ndarray) -> core.PipelineRun:
    image = (MODELS / word / "model.bin").read_bytes()
    model = core.ModelImage(image)
    return core.run_pipeline(image, pcm, model.presets[preset] if preset else None)


def listen(programs: Path, sound: np.ndarray, *listeners: tuple[list[str], str, int]) -> list[str]:
    """What the program prints for listeners of (words or images, preset, samples at a time)."""
    arguments = []
    for names, preset, chunk in listeners:
        images = [name if name.endswith(".bin") else str(MODELS / name / "model.bin") for name in names]
        arguments += [",".join(images), preset, str(chunk)]
    ran = subprocess.run([programs / "library", *arguments], input=sound.tobytes(), capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.decode().splitlines()


def detections(run: core.PipelineRun) -> list[tuple[int, int]]:
    return [(d.sample_index, d.smoothed_q15) for d in run.detections]


def test_two_listeners_hear_what_the_host_hears_with_each_alone(programs: Path, sound: np.ndarray) -> None:
    """One takes its samples in pieces of a hop, so that each score is seen, the other in odd ones."""
    lines = listen(programs, sound, (["hey_lighthouse"], "-", 320), (["computer"], "2", 457))
    hop_by_hop = expected("hey_lighthouse", None, sound)
    scores, heard = said(lines, 0, 0)
    assert [scores[at] for at in hop_by_hop.score_samples] == hop_by_hop.smoothed_q15.tolist()
    assert heard == detections(hop_by_hop) != []
    assert said(lines, 1, 0)[1] == detections(expected("computer", "eager", sound)) != []


def test_two_words_of_a_listener_are_heard_as_each_alone(programs: Path, sound: np.ndarray) -> None:
    words = ["hey_lighthouse", "computer"]
    lines = listen(programs, sound, (words, "-", 320), (words[::-1], "-", 4_000))
    for number, word in enumerate(words):
        alone = expected(word, None, sound)
        scores, heard = said(lines, 0, number)
        assert [scores[at] for at in alone.score_samples] == alone.smoothed_q15.tolist()
        assert heard == said(lines, 1, 1 - number)[1] == detections(alone) != []


def test_a_community_model_listens_beside_our_own(programs: Path, sound: np.ndarray, tmp_path: Path) -> None:
    """On other features, each with its own hop."""
    peer = pytest.importorskip("pymicro_wakeword", reason="the package pymicro-wakeword is not installed")
    image = import_image(Path(peer.__file__).parent / "models" / "hey_mycroft.json")
    (tmp_path / "hey_mycroft.bin").write_bytes(image)
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", tmp_path / "word.wav", "hey mycroft"], check=True)
    sound = np.concatenate([sound, audio.load(tmp_path / "word.wav"), np.zeros(16_000, np.int16)])
    lines = listen(
        programs,
        sound,
        (["hey_lighthouse", str(tmp_path / "hey_mycroft.bin")], "-", 160),
        (["alexa"], "-", 999),
    )
    for number, alone in enumerate(
        (expected("hey_lighthouse", None, sound), core.run_pipeline(image, sound))
    ):
        scores, heard = said(lines, 0, number)
        assert [scores[at] for at in alone.score_samples] == alone.smoothed_q15.tolist()
        assert heard == detections(alone) != []


def test_misuse_gives_a_status_and_changes_nothing(programs: Path) -> None:
    ran = subprocess.run(
        [programs / "library_misuse", MODELS / "alexa" / "model.bin"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_order_of_calls_breaks_it(programs: Path, sound: np.ndarray, tmp_path: Path) -> None:
    """Right and wrong calls at random, half of the images damaged: fuzz_library.c says what must hold."""
    sound.tofile(tmp_path / "sound.raw")
    command = [programs / "fuzz_library", "60000", "1", tmp_path / "sound.raw", *MODELS.glob("*/model.bin")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3_000:]
    counts = {key: int(value) for key, value in (pair.split(":") for pair in ran.stdout.split())}
    for name in (
        "OK",
        "ERR_ARGUMENT",
        "ERR_CRC",
        "ERR_LAYER",
        "ERR_ARENA",
        "ERR_BUSY",
        "ERR_PRESET",
        "ERR_WORDS",
    ):
        assert counts[str(spec.STATUS[name])] > 50, f"{name} hardly exercised: {counts}"
    assert counts["events"] > 5
