"""The examples: the PC's hears what the package hears; those for chips fit the vendors' headers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import watchword
from watchword import audio, spec

from tools.generate.library import EXAMPLES, ROOT

SILENCE = np.zeros(2 * spec.SAMPLE_RATE_HZ, np.int16)


def build(word: str, folder: Path) -> Path:
    """By the command in its own comment, of this word's model."""
    text = (EXAMPLES / "wav" / "wav.c").read_text()
    command = "\n".join(re.findall(r"^//   (folders=.*|gcc .*)", text, re.MULTILINE))
    command = command.replace("models/alexa", f"models/{word}")
    program = folder / "wav"
    command = command.replace("-o wav ", f"-Wall -Wextra -Werror -o '{program}' ")
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True)
    return program


def agree(program: Path, word: str, pcm: np.ndarray, folder: Path) -> int:
    """How many words both heard, at the same times with the same scores."""
    soundfile.write(folder / "sound.wav", pcm, spec.SAMPLE_RATE_HZ, subtype="PCM_16")
    ran = subprocess.run([program, folder / "sound.wav"], capture_output=True, text=True, check=True)
    heard = watchword.load(ROOT / "models" / word).stream().feed(pcm)
    name = word.replace("_", " ")
    assert ran.stdout.splitlines() == [f"{h.time_s:.2f} s  {name}  {h.score:.2f}" for h in heard]
    return len(heard)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed: nobody says the word")
def test_the_pc_example_hears_a_spoken_word(tmp_path: Path) -> None:
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", tmp_path / "word.wav", "hey lighthouse"], check=True)
    pcm = np.concatenate([SILENCE, audio.load(tmp_path / "word.wav"), SILENCE])
    assert agree(build("hey_lighthouse", tmp_path), "hey_lighthouse", pcm, tmp_path) == 1


@pytest.mark.real
def test_the_pc_example_hears_people(real_data: Path, tmp_path: Path) -> None:
    clips = sorted((real_data / "clips" / "train" / "alexa").glob("*.flac"))[:10]
    pcm = np.concatenate([np.concatenate([SILENCE, audio.load(clip)]) for clip in clips])
    assert agree(build("alexa", tmp_path), "alexa", pcm, tmp_path) > len(clips) // 2


def test_the_pc_example_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    program = build("hey_lighthouse", tmp_path)
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.zeros((100, 2), np.int16), spec.SAMPLE_RATE_HZ, subtype="PCM_16")
    cut = tmp_path / "cut.wav"
    cut.write_bytes(stereo.read_bytes()[:30])
    for wrong in (stereo, cut, Path(__file__)):
        ran = subprocess.run([program, wrong], capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr == "not a wav file of 16 kHz, mono, 16 bits\n"
