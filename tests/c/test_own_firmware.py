"""The program of docs/guide/own-firmware.md compiles as the page says and hears what the package hears."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import watchword
from watchword import audio, spec

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guide" / "own-firmware.md").read_text()
MODEL = ROOT / "models" / "hey_lighthouse"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the command of the page, warnings being errors."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "wake.c").write_text(block("c"))
    command = (
        block("sh").replace("\\\n", " ").splitlines()[0].replace("wake.c", shlex.quote(f"{folder}/wake.c"))
    )
    command = command.replace("-o wake", f"-Wall -Wextra -Werror -o {shlex.quote(str(folder / 'wake'))}")
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True)
    return folder / "wake"


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")
def test_it_hears_what_the_package_hears(program: Path, tmp_path: Path) -> None:
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", tmp_path / "word.wav", "hey lighthouse"], check=True)
    silence = np.zeros(2 * spec.SAMPLE_RATE_HZ, np.int16)
    pcm = np.concatenate([silence, audio.load(tmp_path / "word.wav"), silence])
    ran = subprocess.run([program], input=pcm.tobytes(), capture_output=True, check=True)
    expected = watchword.load(MODEL).stream().feed(pcm)
    assert len(expected) == 1
    told = [f"hey lighthouse at {heard.time_s:.2f} s, score {heard.score:.2f}" for heard in expected]
    assert ran.stdout.decode().splitlines() == told


def test_silence_is_no_word(program: Path) -> None:
    silence = np.zeros(5 * spec.SAMPLE_RATE_HZ, np.int16)
    assert subprocess.run([program], input=silence.tobytes(), capture_output=True, check=True).stdout == b""
