"""A slow copy of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from watchword.train.tensorflow import load_tensorflow


class Averager:
    """The exponential moving average of a network's weights: what is validated and kept."""

    def __init__(self, network: Any, decay: float) -> None:
        tf = load_tensorflow()
        live = [weight for weight in network.weights if weight.dtype.is_floating]
        slow = [tf.Variable(weight, trainable=False) for weight in live]
        self._live, self._slow, self._decay = live, slow, decay
        self.steps = 0

        @tf.function
        def blend(keep: Any) -> None:
            for target, weight in zip(slow, live, strict=True):
                target.assign(keep * target + (1.0 - keep) * weight)

        self._blend = blend

    def update(self) -> None:
        """Take in the weights after one step; the first steps weigh more."""
        self.steps += 1
        keep = min(self._decay, self.steps / (self.steps + 10.0)) if self._decay else 0.0
        self._blend(load_tensorflow().constant(keep, "float32"))

    def values(self) -> list[np.ndarray]:
        return [weight.numpy() for weight in self._slow]

    def restore(self, values: list[np.ndarray], steps: int) -> None:
        self.steps = steps
        for target, value in zip(self._slow, values, strict=True):
            target.assign(value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the network has the slow weights; afterwards its own again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for target, weight in zip(self._slow, self._live, strict=True):
            kept = weight.numpy()
            weight.assign(target)
            target.assign(kept)
