"""A run folder with random weights, as `watchword train` leaves one: for tests of the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from watchword import core, spec
from watchword.config import FeaturesConfig, ModelConfig, RunConfig, WordConfig, save_config
from watchword.export.settings import ModelSettings

COEFFS, HOP, SMOOTHING = 40, 320, 3
TINY_JUDGES = {
    "ds_tcn": ModelConfig("ds_tcn", channels=8, dilations=(1, 2)),
    "resnet18": ModelConfig("resnet18", channels=4),
    "conformer": ModelConfig("conformer", channels=8, blocks=1, heads=2),
}


def noise(seconds: float, seed: int) -> np.ndarray:
    """White noise int16 [samples] whose level changes every quarter second."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * 16_000)
    levels = np.repeat(rng.uniform(30, 9_000, samples // 4_000 + 1), 4_000)[:samples]
    return np.clip(rng.normal(0, levels), -32768, 32767).astype(np.int16)


def write_run(folder: Path, arch: str, word: str = "test word") -> Path:
    """What a judge reads of a finished run; scores of noise lie on both sides of a half."""
    from watchword.train.architectures import build_model
    from watchword.train.tensorflow import load_tensorflow
    from watchword.train.trainer import save_weights

    load_tensorflow().keras.utils.set_random_seed(5)
    network = build_model(TINY_JUDGES[arch], COEFFS)
    rows = core.frontend_rows(noise(20, 0), HOP, COEFFS)
    gain = np.clip((1 << 14) * 60 / rows.std(0), 1, 65_535).astype(np.uint16)
    normalisation = core.Normalisation("global", 0, rows.mean(0).astype(np.int16), gain)
    _spread(network, normalisation)
    features = FeaturesConfig(coeffs=COEFFS, cmvn="global")
    config = RunConfig(word=WordConfig(word), features=features, model=TINY_JUDGES[arch])
    save_config(config, folder / "config.toml")
    detector = core.DetectorConfig(smoothing=SMOOTHING)
    ModelSettings(word, HOP, COEFFS, normalisation, detector).save(folder / "settings.json")
    save_weights(network, folder / "weights_float.npz")
    (folder / "metrics.json").write_text("{}")
    return folder


def _spread(network: Any, normalisation: core.Normalisation) -> None:
    """Scale the head so that the highest averages over snippets of noise have mean 0 and deviation 1.5."""
    from watchword.train.architectures import LOGIT_LAYER, logits_of

    head = network.get_layer(LOGIT_LAYER)
    kernel, bias = head.get_weights()
    head.set_weights([kernel, bias * 0])
    clips = [core.normalise(core.frontend_rows(noise(3, s), HOP, COEFFS), normalisation) for s in range(20)]
    real = np.stack(clips)[:, :, None, :].astype(np.float32) * np.float32(spec.INPUT_SCALE)
    logits = logits_of(network)(real).numpy()[:, :, 0, 0]
    best = np.array([np.convolve(row, np.ones(SMOOTHING) / SMOOTHING, "valid").max() for row in logits])
    scale = 1.5 / best.std()
    head.set_weights([kernel * scale, bias * 0 - scale * best.mean()])
