"""A model of the shipped size with random weights, whose scores move: for tests that need no training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from tflite_builder import TfliteBuilder
from watchword import core, spec
from watchword.export import c_writer
from watchword.export.affine import esphome_normalisation
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.layers import Network
from watchword.export.settings import ModelSettings

WORD = "test word"
HOP_SAMPLES, COEFFS, WINDOW_ROWS, CHANNELS = 320, 40, 69, 64
ROW_SPREAD = 60  # int8 steps, as in training
SEED = 32  # of 40 tried, one of those whose scores vary most


def noise(seconds: float, seed: int) -> np.ndarray:
    """White noise int16 [samples] whose level changes every quarter second."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * 16_000)
    levels = np.repeat(rng.uniform(30, 9_000, samples // 4_000 + 1), 4_000)[:samples]
    return np.clip(rng.normal(0, levels), -32768, 32767).astype(np.int16)


def image_of(folder: Path) -> bytes:
    """The image in a model folder."""
    return (folder / "model.bin").read_bytes()


def crc_of(folder: Path) -> int:
    """What the firmware knows the folder's model by."""
    return int(core.ModelImage(image_of(folder)).header["crc32"])


def _network(seed: int, channels: int) -> Network:
    builder = TfliteBuilder(np.random.default_rng(seed), WINDOW_ROWS, COEFFS)
    x = builder.conv(builder.input, channels, 5, stride=2)
    for _ in range(4):
        x = builder.conv(builder.depthwise(x, 9), channels, 1)
    network = read_network(builder.build(builder.score_head(x)))
    # Random logits nearly always saturate the sigmoid, so the score is the logit itself here.
    table = network.layers[-1]
    identity = np.arange(-128, 128, dtype=np.int8).reshape(np.shape(table.weights))
    return dataclasses.replace(
        network, layers=(*network.layers[:-1], dataclasses.replace(table, weights=identity))
    )


def _settings(detector: core.DetectorConfig, kind: str, cmvn: str, word: str) -> ModelSettings:
    if kind == "micro":
        return ModelSettings(word, spec.MICRO_HOP_SAMPLES, COEFFS, esphome_normalisation(), detector, kind)
    rows = core.frontend_rows(noise(20, 0), HOP_SAMPLES, COEFFS, kind)
    one = 1 << 14
    gain = np.clip(one * ROW_SPREAD / rows.std(0), 1, 65_535).astype(np.uint16)
    mean = rows.mean(0).astype(np.int16)
    spread = None
    if cmvn == "running_mv":
        deviation = np.abs(rows - mean).mean(0)
        spread = np.clip(deviation, spec.CMVN_MIN_SPREAD, spec.CMVN_MAX_SPREAD).astype(np.uint16)
    normalisation = core.Normalisation(cmvn, 436, mean, gain, spread)
    return ModelSettings(word, HOP_SAMPLES, COEFFS, normalisation, detector, kind)


def write_model(
    folder: Path,
    seed: int = SEED,
    channels: int = CHANNELS,
    kind: str = "mfcc",
    cmvn: str = "global",
    word: str = WORD,
) -> Path:
    """model.bin, model.c and model.h; the detector fires where scores are above their usual."""
    network = _network(seed, channels)
    untuned = build_image(network, _settings(core.DetectorConfig(), kind, cmvn, word))
    scores = core.run_pipeline(untuned, noise(20, 0)).scores
    low, high = np.percentile(scores, [40, 60]) / 256
    detector = core.DetectorConfig(2, float(high), float(low), 200)
    top = core.DetectorConfig(5, spec.DETECTOR_MAX_HIGH, float(high), 2000)
    presets = dict(
        zip(spec.PRESETS, (top, detector, core.DetectorConfig(1, float(low), 0.0, 0)), strict=True)
    )
    image = build_image(network, dataclasses.replace(_settings(detector, kind, cmvn, word), presets=presets))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(image)
    (folder / "model.h").write_text(c_writer.render_header(image, network, word))
    (folder / "model.c").write_text(c_writer.render_source(image, "of no file: random weights", word))
    return folder
