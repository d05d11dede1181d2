"""The installed package without a checkout: from a .tflite to figures of the emulated board.

The wheel is built from a copy of the sources and installed into an environment of its own, in another
folder; what it depends on comes from this environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from functools import partial
from pathlib import Path

import pytest
import toy_corpus
from board_model import noise
from boards import needs
from watchword import audio, project
from watchword.config import save_config

pytestmark = [pytest.mark.emu, pytest.mark.train]

SOURCES = ("host", "firmware", "pyproject.toml", "setup.py", "MANIFEST.in")
SOURCES += ("README.md", "LICENSE", "platformio.ini", "CMakeLists.txt")
BUILT = shutil.ignore_patterns("__pycache__", "*.egg-info", "_core*.so", "_core.c", "*.o")
PYTHON_API = """
import sys, watchword
model = watchword.load("models/alexa")
print(model.word, len(model.detect(sys.argv[1])), watchword.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "sources"
    for name in SOURCES:
        source, target = project.root() / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target, ignore=BUILT) if source.is_dir() else shutil.copy(source, target)
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, copy])
    return next(folder.glob("watchword-*.whl"))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment `env` that has the wheel, and no checkout above it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel])
    site = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def run(command: list[str | Path], cwd: Path | None = None, **variables: str) -> str:
    """Its output. Nothing of this process's environment leads to the checkout."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "WATCHWORD_MODEL")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=kept | variables)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def run_inside(elsewhere: Path, program: str, *arguments: str) -> str:
    """A program of the environment, with a cache of its own."""
    command = [elsewhere / "env" / "bin" / program, *arguments]
    return run(command, elsewhere, XDG_CACHE_HOME=str(elsewhere / "cache"))


@needs("emu-c3")
def test_a_word_is_trained_and_measured_without_a_checkout(elsewhere: Path) -> None:
    inside = partial(run_inside, elsewhere)
    config = toy_corpus.toy_config(toy_corpus.write_corpus(elsewhere / "corpus"), {("train", "epochs"): 2})
    save_config(config, elsewhere / "toy.toml")
    inside("watchword", "train", "--config", "toy.toml", "--out", "runs/toy", "--quiet")
    inside("watchword", "export", "runs/toy", "--out", "models/toy")
    words = str(elsewhere / "corpus" / "val")
    inside(
        "watchword",
        "bench",
        "--port",
        "emu:c3",
        "--model",
        "models/toy",
        "--negatives",
        words,
        "--out",
        "toy",
    )
    results = json.loads((elsewhere / "toy" / "results.json").read_text())
    assert results["parity"]["mismatches"] == 0 and results["parity"]["checked_scores"] > 50


@needs("emu-c3")
def test_an_exported_model_is_measured_without_a_checkout(elsewhere: Path) -> None:
    shipped = project.root() / "models" / "alexa"
    (elsewhere / "settings.json").write_text(
        json.dumps(json.loads((shipped / "card.json").read_text())["settings"])
    )
    shutil.copy(shipped / "model.tflite", elsewhere / "mine.tflite")
    audio.save(elsewhere / "talk" / "a.wav", noise(5.0, 1))

    inside = partial(run_inside, elsewhere)
    inside("watchword", "export", "mine.tflite", "--settings", "settings.json")
    assert (elsewhere / "models" / "alexa" / "model.bin").read_bytes() == (shipped / "model.bin").read_bytes()
    heard = ("--model", "models/alexa", "--negatives", "talk")
    inside("watchword", "evaluate", *heard, "--out", "host")
    inside("watchword", "bench", "--port", "emu:c3", *heard, "--out", "session")
    results = json.loads((elsewhere / "session" / "results.json").read_text())
    assert results["parity"]["mismatches"] == 0 and results["parity"]["checked_scores"] > 50
    on_host = json.loads((elsewhere / "host" / "results.json").read_text())
    assert on_host["hashes"]["spec"] == results["hashes"]["spec"]
    said = inside("python", "-c", PYTHON_API, "talk/a.wav")
    assert said.startswith("alexa ") and str(elsewhere) in said
    installed = Path(said.split()[-1]).parent
    assert (installed / "project" / "firmware" / "budgets.toml").is_file()
    assert not list(installed.rglob("*.elf")) and list((elsewhere / "cache" / "watchword").rglob("*.elf"))
