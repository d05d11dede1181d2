"""`make demo`: the whole path for one phrase, as the commands a user would type.

Each step is skipped when the same command already ran on the same inputs. Products go to
build/demo/<word>/: data, run, model, and the session with results.json and report.html.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from watchword import core, words
from watchword.errors import WatchwordError
from watchword.files import write_atomic

ROOT = Path(__file__).resolve().parents[2]
OVER_BUDGET = 2  # exit status of `watchword bench`
WATCHWORD = Path(sys.executable).with_name("watchword")


@dataclass(frozen=True)
class Step:
    """One verb: what it is for, its arguments, and the file that only a finished run leaves."""

    title: str
    arguments: tuple[str, ...]
    product: Path
    repeat: bool = False  # run again even when nothing changed: it is the measurement itself


def steps(phrase: str, folder: Path) -> list[Step]:
    data, run, model = folder / "data", folder / "run", folder / "model"
    manifest = str(data / "manifest.csv")
    return [
        Step(
            "Make speech: the phrase, near misses and other talk, in voices split three ways",
            ("synth", phrase, "--out", str(data), "--count", "1500", "--negatives-minutes", "60"),
            data / "manifest.csv",
        ),
        Step(
            "Check the recordings, and that nothing leaks between the splits",
            ("scan", manifest, "--word", phrase),
            data / "manifest.csv",
        ),
        Step(
            "Train a small model, int8 quantisation-aware",
            ("train", "--manifest", manifest, "--word", phrase, "--out", str(run), "--preset", "demo"),
            run / "model.tflite",
        ),
        Step(
            "Export the C array and the loadable image",
            ("export", str(run), "--out", str(model), "--max-flash", "48KB", "--max-ram", "16KB"),
            model / "model.bin",
        ),
        Step(
            "Build the firmware, boot the emulated board, stream the held-out voices to it",
            ("bench", "--port", "emu:c3", "--model", str(model), "--data", manifest, "--split", "test",
             "--out", str(folder / "session")),
            folder / "session" / "results.json",
            repeat=True,
        ),
    ]  # fmt: skip # the arguments of a verb in one line


def run_step(step: Step, number: int, total: int, key: str, stamps: Path) -> int:
    """Run, or skip when the stamp says the same was done; returns the exit status."""
    print(f"\n── {number}/{total} {step.title}\n   watchword {shlex.join(step.arguments)}", flush=True)
    stamp = stamps / f"{number}.done"
    if not step.repeat and stamp.exists() and stamp.read_text() == key and step.product.exists():
        print("   done before, kept", flush=True)
        return 0
    started = time.monotonic()
    status = subprocess.run([str(WATCHWORD), *step.arguments], cwd=ROOT, check=False).returncode
    if status == 0:
        write_atomic(stamp, key)
        print(f"   {time.monotonic() - started:.0f} s", flush=True)
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phrase", help='the wake word, such as "hey lighthouse"')
    phrase = words.written(parser.parse_args().phrase.lower())
    try:
        name = words.folder_name(phrase)
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    folder = Path("build") / "demo" / name
    todo = steps(phrase, folder)
    key = f"{core.spec_id():08x}"
    for number, step in enumerate(todo, 1):
        key = hashlib.sha256(f"{key} {step.arguments}".encode()).hexdigest()
        if number > 1:  # what the step before made is what this one works on
            key = hashlib.sha256(key.encode() + todo[number - 2].product.read_bytes()).hexdigest()
        try:
            status = run_step(step, number, len(todo), key, ROOT / folder / "stamps")
        except KeyboardInterrupt:
            print("\ninterrupted: run `make demo` again to go on from here", file=sys.stderr)
            return 130
        if status == OVER_BUDGET:
            print("\nMeasured, and over budget: FAIL lines above. The chain itself works.")
        elif status:
            return status
    print(f"\nReport: {folder / 'session' / 'report.html'}")
    print(f"Speech of synthetic voices only: see README.md for training on people. Model: {folder / 'model'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
