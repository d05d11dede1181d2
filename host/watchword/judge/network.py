"""The judge: a trained run's float network, asked about one snippet of sound at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from watchword import core, spec
from watchword.config import load_config
from watchword.errors import WatchwordError
from watchword.export.settings import ModelSettings
from watchword.train.architectures import build_model, logits_of, receptive_rows
from watchword.train.state import require_finished
from watchword.train.tensorflow import load_tensorflow, network_input
from watchword.train.trainer import load_weights

EARLIER_S = 1.6  # of sound before the first window: the word may have ended that long before the snippet
RUN_FILES = ("config.toml", "settings.json", "weights_float.npz")


class Judge:
    """Scores snippets of int16 sound with a run of `watchword train`, of whatever architecture."""

    def __init__(self, run: Path, threshold: float) -> None:
        missing = [name for name in RUN_FILES if not (run / name).is_file()]
        if missing:
            raise WatchwordError(
                f"no {missing[0]}: not a finished run", run, "name a run folder of `watchword train`"
            )
        require_finished(run)
        config = load_config(run / "config.toml")
        self.settings, self.threshold = ModelSettings.load(run / "settings.json"), threshold
        self.word, self.arch = self.settings.word, config.model.arch
        self._lead = core.lead_samples(self.settings.kind, self.settings.hop_samples)
        window = receptive_rows(config.model) * self.settings.hop_samples + self._lead
        self.before_samples = window + round(EARLIER_S * spec.SAMPLE_RATE_HZ)
        strides = (self.settings.detector.smoothing - 1) * config.model.stem_stride
        self._least_rows = receptive_rows(config.model) + strides
        network = build_model(config.model, self.settings.coeffs)
        try:
            load_weights(network, run / "weights_float.npz")
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise WatchwordError(
                f"its weights do not fit its configuration: {error}", run, "train again"
            ) from error
        self._run = _compiled(logits_of(network), self.settings)

    def score(self, pcm: np.ndarray) -> float:
        """How sure it is that int16 [samples] hold the word, 0..1.

        The logits of all windows are averaged as the detector averages scores; the highest average
        counts. Sound shorter than a window gets silence in front.
        """
        hop = self.settings.hop_samples
        silence = np.zeros(max(0, self._least_rows * hop + self._lead - len(pcm)), np.int16)
        rows = core.frontend_rows(
            np.concatenate([silence, pcm]), hop, self.settings.coeffs, self.settings.kind
        )
        return float(self._run(core.normalise(rows, self.settings.normalisation)[None]))

    def around(self, pcm: np.ndarray, sample: int, after_samples: int) -> np.ndarray:
        """What is to be judged of int16 [samples] when a detector fires at `sample`."""
        return pcm[max(0, sample - self.before_samples) : sample + after_samples]


def _compiled(logits: Any, settings: ModelSettings) -> Callable[[np.ndarray], Any]:
    """int8 rows [1, n, coeffs] -> the highest averaged logit as a probability."""
    tf = load_tensorflow()

    @tf.function(input_signature=[tf.TensorSpec((1, None, settings.coeffs), tf.int8)])
    def run(rows: Any) -> Any:
        found = logits(network_input(rows), training=False)[:, :, 0, :]
        averaged = tf.nn.avg_pool1d(found, settings.detector.smoothing, 1, "VALID")
        return tf.sigmoid(tf.reduce_max(averaged))

    compiled: Callable[[np.ndarray], Any] = run
    return compiled
