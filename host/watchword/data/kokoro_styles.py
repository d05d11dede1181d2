"""New voices for Kokoro: mixes of its own voices, in the space that their styles span.

A style is float32 [256]. Its first half makes the sound of the voice (the vocoder reads it), its second half
pace and melody (the predictor of durations and pitch reads it), so that each half is mixed by itself: one
person's sound with another's way of speaking. A mix is a weight for each voice; all add up to 1. A convex
part blends a few voices; the rest is a step in a random direction of the span, with the covariance of
the voices: weights drawn from a normal distribution do just that, with no principal components to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

SOUND = slice(0, 128)
PROSODY = slice(128, 256)
MOST_BLENDED = 4
# Standard deviation of the random step, in those of the voices: blends alone vary less than the voices that
# they are made of. Far steps break words (docs/evidence/data.md).
LARGEST_STEP = 0.9
_OWN_GROUP = 0.7  # share of the blended voices that are of the first one's language and sex
_OWN_PROSODY = 0.5  # share of the mixes whose two halves have the same weights


def draw(
    voices: Sequence[str], among: Sequence[str], rng: np.random.Generator, largest_step: float = LARGEST_STEP
) -> tuple[str, str]:
    """Recipes of both halves, sound and prosody, of one new voice near `voices`, blended with `among`."""
    sound = _draw_mix(voices, among, rng, largest_step)
    return sound, sound if rng.random() < _OWN_PROSODY else _draw_mix(voices, among, rng, largest_step)


def weights_of(recipe: str) -> dict[str, float]:
    """The weight of each voice."""
    parts = (part.rsplit(":", 1) for part in recipe.split())
    return {name: float(weight) for name, weight in parts}


def _draw_mix(voices: Sequence[str], among: Sequence[str], rng: np.random.Generator, largest: float) -> str:
    first = voices[int(rng.integers(len(voices)))]
    blended = [first, *_partners(first, among, int(rng.integers(1, MOST_BLENDED)), rng)]
    weights = dict.fromkeys([*blended, *among], 0.0)
    for name, weight in zip(blended, rng.dirichlet(np.ones(len(blended))), strict=True):
        weights[name] += float(weight)
    step = rng.normal(size=len(weights)) * rng.uniform(0.0, largest) / np.sqrt(len(weights))
    step -= step.mean()  # all weights still add up to 1
    return _written({name: weight + s for (name, weight), s in zip(weights.items(), step, strict=True)})


def _partners(first: str, among: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    own = [name for name in among if name[:2] == first[:2] and name != first]
    others = [name for name in among if name[:2] != first[:2]]
    chosen = [own if rng.random() < _OWN_GROUP else others for _ in range(count)]
    return [group[int(rng.integers(len(group)))] for group in chosen if group]


def _written(weights: Mapping[str, float]) -> str:
    return " ".join(f"{name}:{weight:.4f}" for name, weight in weights.items())


def style(sound: str, prosody: str, of_voice: Callable[[str], np.ndarray]) -> np.ndarray:
    """The style of two recipes: float32 [256]. `of_voice` gives that of one of Kokoro's voices."""
    mixed = np.empty(256, np.float32)
    for half, recipe in ((SOUND, sound), (PROSODY, prosody)):
        mixed[half] = sum(weight * of_voice(name)[half] for name, weight in weights_of(recipe).items())
    return mixed
