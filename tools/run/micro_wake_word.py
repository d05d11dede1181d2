"""Lets PyPI's pymicro-wakeword, in an environment of its own, hear a recording with an exported model, beside
our engine with the same two files (`make micro-wake-word`).

  python -m tools.run.micro_wake_word --manifest models/alexa-esphome/alexa.json kitchen.flac

Without a recording espeak-ng says the word.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from watchword import audio, core, spec
from watchword.errors import WatchwordError
from watchword.export.importing import read_import

from tools.accuracy import benchmark, peer
from tools.run.library_example import AROUND_S, BUILD, spoken

WORKER = Path(__file__).with_name("pymicro_player.py")


@dataclass(frozen=True)
class Heard:
    """What a player made of a recording: one entry a call."""

    ends: list[int]  # samples of audio at its end
    scores: np.ndarray  # uint8
    events: list[int]  # `ends` of those at which it began to say "detected"


def pymicro_hears(manifest: Path, recordings: list[np.ndarray]) -> list[Heard]:
    """int16 [samples] each."""
    python = peer.install(peer.PYMICRO, benchmark.CACHE)
    sound = b"".join(
        struct.pack("<I", 2 * len(pcm)) + np.ascontiguousarray(pcm, "<i2").tobytes() for pcm in recordings
    )
    command = [str(python), str(WORKER), str(manifest)]
    done = subprocess.run(command, input=sound, capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise WatchwordError(
            f"pymicro-wakeword stopped: {' '.join(last)}", manifest, "export the model again"
        )
    return [_heard(**json.loads(line)) for line in done.stdout.splitlines()]


def _heard(ends: list[int], scores: list[int], detected: list[bool]) -> Heard:
    return Heard(ends, np.array(scores, np.uint8), [ends[i] for i in rises(np.array(detected, bool))])


def rises(said: np.ndarray) -> np.ndarray:
    """Indices at which bool [n] becomes true."""
    return np.flatnonzero(said & ~np.concatenate([[False], said])[:-1])


def we_hear(manifest: Path, pcm: np.ndarray) -> Heard:
    """Our engine with the same files, and a detection at every rise of the mean above the cutoff."""
    model = read_import(manifest)
    run = core.run_pipeline(model.image(), pcm, replace(model.settings.detector, cooldown_ms=0))
    return Heard(run.score_samples.tolist(), run.scores, [event.sample_index for event in run.detections])


def told(name: str, heard: Heard) -> str:
    times = ", ".join(f"{at / spec.SAMPLE_RATE_HZ:.2f} s" for at in heard.events) or "nothing"
    return f"{name:<24} {times}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sound", nargs="?", type=Path, help="a recording; else espeak-ng says the word")
    parser.add_argument("--manifest", type=Path, required=True, help="of an exported model")
    arguments = parser.parse_args()
    try:
        BUILD.mkdir(parents=True, exist_ok=True)
        sound = arguments.sound or spoken(read_import(arguments.manifest).settings.word)
        pcm = np.pad(audio.load(sound), AROUND_S * spec.SAMPLE_RATE_HZ)
        ours, theirs = we_hear(arguments.manifest, pcm), pymicro_hears(arguments.manifest, [pcm])[0]
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    apart = np.abs(ours.scores.astype(int) - theirs.scores)
    print(f"{sound}, {AROUND_S} s of silence before and after; heard at")
    print(told(f"pymicro-wakeword {peer.PYMICRO.requirements[0].split('==')[1]}", theirs))
    print(told("our engine", ours))
    print(f"{len(apart)} scores, {np.mean(apart == 0):.1%} of them equal, at most {apart.max()}/256 apart")
    return 0


if __name__ == "__main__":
    sys.exit(main())
