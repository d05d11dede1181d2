"""Watchword from Python: load an exported model, look for its word in sound files, arrays or a stream."""

from __future__ import annotations

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
    """The word was heard: seconds from the start of the sound, and the smoothed score 0..1 there."""

    time_s: float
    score: float


@dataclass(frozen=True)
class Scores:
    """What the model said all along. All have one entry a score."""

    time_s: NDArray[np.float64]  # the end of the window that the score is of
    raw: NDArray[np.float64]  # 0..1, of the network
    smoothed: NDArray[np.float64]  # 0..1, what the detector compares with its thresholds


class Stream:
    """Sound that comes piece by piece; nothing depends on how it is cut."""

    def __init__(self, image: bytes, detector: DetectorConfig | None) -> None:
        self._pipeline = core.Pipeline(image, detector)

    def feed(self, pcm: NDArray[np.int16]) -> list[Detection]:
        """The detections in the next int16 samples, 16 kHz mono; their times count from the first."""
        return _detections(self._pipeline.feed(_samples(pcm)))


class Model:
    """A wake word's model; `detector` are the settings that it starts with, `presets` others by name."""

    def __init__(self, image: bytes) -> None:
        parsed = core.ModelImage(image)
        self._image = image
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
        return _detections(core.run_pipeline(self._image, _alone(sound), detector), LEAD_SAMPLES)

    def scores(self, sound: Path | str | NDArray[np.int16]) -> Scores:
        """Every score over a sound file or samples, with the same silence around them."""
        run = core.run_pipeline(self._image, _alone(sound))
        time_s = (run.score_samples - LEAD_SAMPLES) / spec.SAMPLE_RATE_HZ
        raw = run.scores / float(1 << spec.SCORE_FRAC_BITS)
        return Scores(time_s, raw, core.unit(run.smoothed_q15))

    def stream(self, detector: DetectorConfig | None = None) -> Stream:
        """A fresh start, to be fed as sound comes in."""
        return Stream(self._image, detector)


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


def _detections(run: core.PipelineRun, lead_samples: int = 0) -> list[Detection]:
    rate = spec.SAMPLE_RATE_HZ
    return [
        Detection((d.sample_index - lead_samples) / rate, core.unit(d.smoothed_q15)) for d in run.detections
    ]
