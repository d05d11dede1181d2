"""Watchword from Python: load exported models, look for their words in sound files, arrays or a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watchword import audio, core, spec
from watchword.core import DetectorConfig
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES
from watchword.errors import WatchwordError
from watchword.export.image import load_image


@dataclass(frozen=True)
class Detection:
    """A word was heard: seconds from the start of the sound, the smoothed score 0..1 there, and which."""

    time_s: float
    score: float
    word: str


@dataclass(frozen=True)
class Scores:
    """What the model said all along. All have one entry a score."""

    time_s: NDArray[np.float64]  # the end of the window that the score is of
    raw: NDArray[np.float64]  # 0..1, of the network
    smoothed: NDArray[np.float64]  # 0..1, what the detector compares with its thresholds


class Stream:
    """Sound that comes piece by piece; nothing depends on how it is cut."""

    def __init__(self, models: Sequence[Model], detectors: Sequence[DetectorConfig | None]) -> None:
        self._words = [model.word for model in models]
        self._pipeline = core.Pipeline([model.image for model in models], detectors)

    def feed(self, pcm: NDArray[np.int16]) -> list[Detection]:
        """The detections in the next int16 samples, 16 kHz mono; their times count from the first."""
        return _detections(self._words, self._pipeline.feed(_samples(pcm)))


class Model:
    """A wake word's model; `detector` are the settings that it starts with, `presets` others by name."""

    def __init__(self, image: bytes) -> None:
        parsed = core.ModelImage(image)
        self.image = image
        self.word = str(parsed.header["word"])
        self.detector = parsed.detector
        self.presets = parsed.presets

    def detect(
        self, sound: Path | str | NDArray[np.int16], detector: DetectorConfig | None = None
    ) -> list[Detection]:
        """Where the word is in a sound file, or in int16 samples at 16 kHz mono.

        With silence before and after, as `watchword evaluate` and `bench` have it: a word that fills the
        file is heard, and one at its end is detected up to a second after it. `detector` replaces the
        model's own settings.
        """
        return Words(self).detect(sound, [detector])

    def scores(self, sound: Path | str | NDArray[np.int16]) -> Scores:
        """Every score over a sound file or samples, with the same silence around them."""
        run = core.run_pipeline(self.image, _alone(sound))
        time_s = (run.score_samples - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ
        raw = run.scores / float(1 << spec.SCORE_FRAC_BITS)
        return Scores(time_s, raw, core.unit(run.smoothed_q15))

    def stream(self, detector: DetectorConfig | None = None) -> Stream:
        """A fresh start, to be fed as sound comes in."""
        return Words(self).stream([detector])


class Words:
    """Several models that hear the same sound at once; what their features share is computed once.

    `detectors` of the methods replace the models' own settings, in their order; None leaves one as it is.
    """

    def __init__(self, *models: Model) -> None:
        self.models = models

    def detect(
        self, sound: Path | str | NDArray[np.int16], detectors: Sequence[DetectorConfig | None] = ()
    ) -> list[Detection]:
        """Where the words are in a sound file or samples, in order of time; as `Model.detect`."""
        images = [model.image for model in self.models]
        runs = core.Pipeline(images, detectors).feed(_alone(sound))
        return _detections([model.word for model in self.models], runs, LEAD_SAMPLES)

    def stream(self, detectors: Sequence[DetectorConfig | None] = ()) -> Stream:
        """A fresh start, to be fed as sound comes in."""
        return Stream(self.models, detectors)


def load(folder: Path | str) -> Model:
    """The model of a folder that `watchword export` wrote."""
    return Model(load_image(Path(folder)))


def _samples(sound: Path | str | NDArray[np.int16]) -> NDArray[np.int16]:
    if isinstance(sound, str | Path):
        return audio.load(sound)
    if sound.dtype != np.int16 or sound.ndim != 1:
        shape = " x ".join(map(str, sound.shape))
        raise WatchwordError(
            f"{sound.dtype} [{shape}] is no sound", "samples", "give int16 [samples], 16 kHz"
        )
    return sound


def _alone(sound: Path | str | NDArray[np.int16]) -> NDArray[np.int16]:
    """A stream of its own: silence, the sound, silence."""
    return np.pad(_samples(sound), (LEAD_SAMPLES, TAIL_SAMPLES))


def _detections(
    words: Sequence[str], runs: Sequence[core.PipelineRun], lead_samples: int = 0
) -> list[Detection]:
    rate = spec.SAMPLE_RATE_HZ
    found = [
        Detection((d.sample_index - lead_samples) / rate, core.unit(d.smoothed_q15), word)
        for word, run in zip(words, runs, strict=True)
        for d in run.detections
    ]
    return sorted(found, key=lambda detection: detection.time_s)
