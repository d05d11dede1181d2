"""The examples hear what the package hears: the PC's a wav file, those for chips a microphone of 32 bits.

For chips stand-ins of a few lines take the place of the vendor's headers: arduino/ and esp_idf/ here.
"""

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

from tools.generate.library import CORE, EXAMPLES, ROOT
from tools.generate.library import sources as library_sources

HERE = Path(__file__).parent
MODEL = ROOT / "models" / "hey_lighthouse"
INCLUDES = [f"-I{folder}" for folder in (MODEL, CORE / "include", CORE / "gen")]
OFFSET = 40_000_000  # of a microphone: 2 % of full scale
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
    told = [f"{h.time_s:.2f} s  {name}  {h.score:.2f}" for h in heard]
    assert ran.stdout.splitlines() == (told or [f"{name} was not heard"])
    return len(heard)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed: nobody says the word")
def test_the_pc_example_hears_a_spoken_word(tmp_path: Path) -> None:
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", tmp_path / "word.wav", "hey lighthouse"], check=True)
    pcm = np.concatenate([SILENCE, audio.load(tmp_path / "word.wav"), SILENCE])
    program = build("hey_lighthouse", tmp_path)
    assert agree(program, "hey_lighthouse", pcm, tmp_path) == 1
    assert agree(program, "hey_lighthouse", SILENCE, tmp_path) == 0


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
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(100, np.int16), spec.SAMPLE_RATE_HZ, subtype="PCM_16")
    no_data = tmp_path / "no_data.wav"
    no_data.write_bytes(silent.read_bytes()[:36])
    for wrong in (stereo, cut, no_data, Path(__file__)):
        ran = subprocess.run([program, wrong], capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr == "not a wav file of 16 kHz, mono, 16 bits\n"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, np.ndarray]:
    """What an I2S microphone gives of a loud word, and the 16 bits that the examples make of it."""
    if not shutil.which("espeak-ng"):
        pytest.skip("espeak-ng is not installed: nobody says the word")
    wav = tmp_path_factory.mktemp("spoken") / "word.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-w", wav, "hey lighthouse"], check=True)
    word = audio.load(wav).astype(np.int64)
    raw = (np.concatenate([SILENCE, word * 2, SILENCE]) << 12) + OFFSET
    pcm = np.array(amplified(raw.tolist(), 16))
    assert abs(pcm).max() > 32_767  # louder than 16 bits hold
    return raw.astype(np.int32).tobytes(), pcm.clip(-32_768, 32_767).astype(np.int16)


def amplified(raw: list[int], gain: int) -> list[int]:
    """Less the mean of the last 256 samples or so, `gain` times as loud, in 16 bits."""
    total, samples = 0, []
    for sample in raw:
        sound = sample - (total >> 8)
        total += sound
        samples.append((sound * gain + (1 << 15)) >> 16)
    return samples


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The library and a model, compiled."""
    folder = tmp_path_factory.mktemp("objects")
    made = []
    for number, source in enumerate([*library_sources(), MODEL / "model.c"]):
        made.append(folder / f"{number}.o")
        subprocess.run(["gcc", "-O2", "-c", *INCLUDES, source, "-o", made[-1]], check=True)
    return made


def run_example(command: list[str | Path], folder: Path, raw: bytes) -> list[str]:
    """Its lines, built by this compiler with these sources, hearing `raw`."""
    program = folder / "example"
    subprocess.run([*command, *INCLUDES, "-Wall", "-Wextra", "-Werror", "-o", program], check=True)
    return subprocess.run([program], input=raw, capture_output=True, check=True).stdout.decode().splitlines()


def test_the_sketch_lights_its_led_for_the_word(
    spoken: tuple[bytes, np.ndarray], objects: list[Path], tmp_path: Path
) -> None:
    raw, pcm = spoken
    (heard,) = watchword.load(MODEL).stream().feed(pcm)
    sketch = tmp_path / "sketch.cpp"
    text = (EXAMPLES / "WakeWordLed" / "WakeWordLed.ino").read_text()
    sketch.write_text(f'#include "Arduino.h"\n{text}')
    command = ["g++", "-std=c++20", f"-I{HERE / 'arduino'}", sketch, HERE / "arduino" / "main.cpp", *objects]
    said, word, lit, dark = run_example(command, tmp_path, raw)
    assert (said, word) == ("no error", f"hey lighthouse, score {heard.score:.2f}")
    at = round(heard.time_s * 1_000)
    assert (lit, dark) == (f"pin 2 is 1 at {at} ms", f"pin 2 is 0 at {at + 1_000} ms")


def test_the_guides_meter_fits_into_the_sketch(
    spoken: tuple[bytes, np.ndarray], objects: list[Path], tmp_path: Path
) -> None:
    raw, pcm = spoken
    page = (ROOT / "docs" / "guide" / "arduino.md").read_text()
    meter = page.split("```cpp\n")[1].split("```")[0]
    before, amplify, after = (
        (EXAMPLES / "WakeWordLed" / "WakeWordLed.ino")
        .read_text()
        .partition("  watchword_amplify(&microphone, raw, count, 16, samples);\n")
    )
    (tmp_path / "sketch.cpp").write_text(f'#include "Arduino.h"\n{before}{amplify}{meter}{after}')
    sources = [tmp_path / "sketch.cpp", HERE / "arduino" / "main.cpp"]
    lines = run_example(["g++", "-std=c++20", f"-I{HERE / 'arduino'}", *sources, *objects], tmp_path, raw)
    peaks = [int(line.split()[1].rstrip(",")) for line in lines if line.startswith("peak ")]
    assert len(peaks) == len(pcm) // 8_000
    assert max(peaks) == 32_768 and min(peaks) < 10


def test_the_esp_idf_example_logs_the_word(
    spoken: tuple[bytes, np.ndarray], objects: list[Path], tmp_path: Path
) -> None:
    raw, pcm = spoken
    (heard,) = watchword.load(MODEL).stream().feed(pcm)
    start = tmp_path / "start.c"
    start.write_text("void app_main(void);\nint main(void) {\n    app_main();\n    return 1;\n}\n")
    command = ["gcc", f"-I{HERE / 'esp_idf'}", EXAMPLES / "esp-idf" / "main" / "main.c", start, *objects]
    assert run_example(command, tmp_path, raw) == [f"wake word: hey lighthouse, score {heard.score:.2f}"]
