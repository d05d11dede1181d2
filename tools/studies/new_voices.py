"""How far new Kokoro voices, and people made of them, may be from what there is: is the word still heard?

    python -m tools.studies.new_voices [--clips 80] [--seed 1]

"alexa" and "computer", `--clips` each, by mixes with steps of up to STEP and at paces from PACES, wider than
`synth` draws them; each as spoken and as another person (revoice.py). A clip counts as heard when the shipped
model of the word scores 0.5 or more. Those models learnt from people and from Kokoro's own voices; they stand
in for listeners, which they are not: a clip that they miss may be a good one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soxr
from watchword import audio, spec
from watchword.api import Model
from watchword.data import kokoro_styles, revoice
from watchword.data.neural import Kokoro
from watchword.data.revoice import Revoicing

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("alexa", "computer")
STEP, PACES = 2.0, (0.55, 1.8)
LEVEL = 0.05  # RMS
HEARD = 0.5


@dataclass(frozen=True)
class Take:
    step: float  # of the farther half of the style, as it was drawn
    pace: float
    pitch_hz: float  # asked for; 0: as spoken
    heard: bool


def takes(word: str, clips: int, seed: int) -> Iterator[Take]:
    engine, rng = Kokoro(), np.random.default_rng(seed)
    model = Model((ROOT / "models" / word / "model.bin").read_bytes())
    speakers = [name for name in engine.speakers if name[0] in "ab"]
    voices = [voice for speaker in speakers for voice in speaker.split("-")]
    for n in range(clips):
        speaker = speakers[n % len(speakers)]
        sound, prosody = kokoro_styles.draw(speaker.split("-"), voices, rng, STEP)
        pace = float(np.exp(rng.uniform(*np.log(PACES))))
        delivery = {**engine.draw(speaker, rng), "sound": sound, "prosody": prosody, "speed": pace}
        signal, rate_hz = engine.speak(word, speaker, delivery)
        signal = soxr.resample(signal.astype(np.float64), rate_hz, spec.SAMPLE_RATE_HZ)
        step = max(_step(sound), _step(prosody))
        yield Take(step, pace, 0.0, _heard(model, signal))
        person: Revoicing = revoice.draw(rng)
        changed = revoice.revoice(signal, spec.SAMPLE_RATE_HZ, person)
        yield Take(step, pace, person.pitch_hz, _heard(model, changed))


def _step(recipe: str) -> float:
    """The random part of a mix: its least weights are of voices that are not blended in."""
    weights = np.sort(list(kokoro_styles.weights_of(recipe).values()))[: -kokoro_styles.MOST_BLENDED]
    return float(np.std(weights) * np.sqrt(len(weights)))


def _heard(model: Model, signal: np.ndarray) -> bool:
    pcm = audio.to_int16(signal * LEVEL / np.sqrt(np.mean(signal**2)))
    return bool(model.scores(pcm).smoothed.max() >= HEARD)


def table(
    found: list[Take], what: str, of: Callable[[Take], float], edges: tuple[float, ...]
) -> Iterator[str]:
    yield f"\n| {what} | clips | heard |\n|---|---|---|"
    for low, high in pairwise(edges):
        inside = [take.heard for take in found if low <= of(take) < high]
        if inside:
            yield f"| {low:g} to {high:g} | {len(inside)} | {100 * np.mean(inside):.0f}% |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    found = [take for word in WORDS for take in takes(word, arguments.clips, arguments.seed)]
    usual = [take for take in found if 0.75 <= take.pace < 1.35]
    near = [take for take in found if take.step < 1.0]
    both = [take for take in near if 0.75 <= take.pace < 1.35]
    for line in (
        *table(usual, "step, paces 0.75 to 1.35", lambda take: take.step, (0.0, 0.5, 1.0, 1.5, 2.5)),
        *table(near, "pace, steps below 1", lambda take: take.pace, (0.55, 0.7, 0.9, 1.1, 1.4, 1.8)),
        *table(
            both, "pitch, Hz (0: as spoken)", lambda take: take.pitch_hz, (0.0, 80.0, 140.0, 240.0, 381.0)
        ),
    ):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
