"""Builds the C library's example for a PC with a model and lets it hear a recording (`make example`).

  python -m tools.run.library_example --model models/alexa kitchen.flac

Without a recording espeak-ng says the model's word. Any format that soundfile reads is turned into the wav
file that the example takes.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from watchword import audio, spec
from watchword.errors import WatchwordError
from watchword.export.card import read_card

from tools.generate import library

BUILD = library.ROOT / "build" / "example"
AROUND_S = 2  # silence before and after: the model wants to hear what surrounds a word


def build(model: Path) -> Path:
    """The example with this model's C array."""
    program = BUILD / "wav"
    includes = [f"-I{folder}" for folder in (model, *(library.CORE / part for part in library.PUBLIC))]
    sources = [library.EXAMPLES / "wav" / "wav.c", model / "model.c", *library.sources()]
    command = ["cc", "-O2", *includes, "-o", str(program), *map(str, sources)]
    if subprocess.run(command, check=False).returncode:
        raise WatchwordError("does not compile", shlex.join(command), "export the model again")
    return program


def spoken(word: str) -> Path:
    """The word, said by espeak-ng."""
    path = BUILD / "spoken.wav"
    try:
        subprocess.run(["espeak-ng", "-v", "en-us", "-w", path, word], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise WatchwordError("cannot speak", "espeak-ng", "make system, or name a recording") from error
    return path


def hear(program: Path, sound: Path) -> int:
    silence = np.zeros(AROUND_S * spec.SAMPLE_RATE_HZ, np.int16)
    wav = BUILD / "sound.wav"
    pcm = np.concatenate([silence, audio.load(sound), silence])
    soundfile.write(wav, pcm, spec.SAMPLE_RATE_HZ, subtype="PCM_16")
    print(f"{program} {wav}   # {sound}, {AROUND_S} s of silence before and after", flush=True)
    return subprocess.run([program, wav], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sound", nargs="?", type=Path, help="a recording; else espeak-ng says the word")
    parser.add_argument("--model", type=Path, required=True, help="an exported model's folder")
    arguments = parser.parse_args()
    try:
        BUILD.mkdir(parents=True, exist_ok=True)
        word = read_card(arguments.model).word
        program = build(arguments.model)
        return hear(program, arguments.sound or spoken(word))
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
