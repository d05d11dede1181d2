"""The real players of microWakeWord's models, for tests: ESPHome's detector code, and pymicro-wakeword."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from satellite import esphome_python
from watchword.errors import WatchwordError

from tools.accuracy import benchmark, peer
from tools.run import micro_wake_word
from tools.run.micro_wake_word import Heard

HERE = Path(__file__).with_name("esphome_player")


def esphome_component() -> Path:
    """The sources of ESPHome's micro_wake_word."""
    code = "import esphome.components.micro_wake_word as m; print(m.__path__[0])"
    command, clean = [str(esphome_python()), "-c", code], {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=clean, cwd="/"
    )
    return Path(done.stdout.strip())


def esphome_config(config: Path) -> str:
    """What `esphome config` says of a file that it takes."""
    command, clean = (
        [str(esphome_python()), "-m", "esphome", "config", config.name],
        {**os.environ, "PYTHONPATH": ""},
    )
    done = subprocess.run(
        command, cwd=config.parent, env=clean, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def build_esphome_player(folder: Path) -> Path:
    """ESPHome's streaming_model.cpp as a program for this computer; see esphome_player/player.cpp."""
    component, program = esphome_component(), folder / "player"
    sources = [component / "streaming_model.cpp", *component.glob("model_data.cpp")]
    for source in [*sources, *(s.with_suffix(".h") for s in sources)]:
        for header in re.findall(r'#include [<"](\w+/[^">]+)[">]', source.read_text()):
            (folder / header).parent.mkdir(parents=True, exist_ok=True)
            (folder / header).write_text('#include "stubs.h"\n')
    command = ["g++", "-std=c++20", "-DUSE_ESP32", f"-I{folder}", f"-I{HERE}", f"-I{component}"]
    done = subprocess.run(
        [*command, str(HERE / "player.cpp"), *map(str, sources), "-o", str(program)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return program


def esphome_plays(program: Path, scores: np.ndarray, level: int, window: int, stride: int) -> list[int]:
    """Indices of the scores at which ESPHome detects."""
    command = [str(program), str(level), str(window), str(stride)]
    done = subprocess.run(command, input=scores.tobytes(), capture_output=True, timeout=60, check=True)
    return [int(line) for line in done.stdout.split()]


def pymicro_hears(manifest: Path, recordings: list[np.ndarray]) -> list[Heard]:
    """What pymicro-wakeword says of each recording; skips the test where it cannot be installed."""
    try:
        peer.install(peer.PYMICRO, benchmark.CACHE)
    except WatchwordError as error:
        pytest.skip(str(error))
    return micro_wake_word.pymicro_hears(manifest, recordings)
