"""What a trial's model will take of the chip, known before it is trained.

The size of a model does not depend on its weights: the untrained network is converted and laid out as
the exporter would, so flash and RAM are exact; instructions are estimated (see cost.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from watchword import core, spec
from watchword.config import FeaturesConfig, RunConfig
from watchword.export.settings import ModelSettings
from watchword.train.search.cost import load_instruction_model

_WINDOWS = 8  # of noise, which give the untrained network's activations some range


@dataclass(frozen=True)
class Footprint:
    """Bytes of the model image and of the arena; estimated instructions per second of audio."""

    flash_bytes: int
    arena_bytes: int
    instructions: float

    def excesses(self, config: RunConfig) -> dict[str, float]:
        """By limit: used / allowed - 1, so that anything above 0 is too much."""
        size = config.size
        return {
            "flash": self.flash_bytes / (size.flash_kb * 1024.0) - 1.0,
            "RAM": self.arena_bytes / (size.ram_kb * 1024.0) - 1.0,
            "instructions": self.instructions / (config.search.instructions_m * 1e6) - 1.0,
        }


def measure_footprint(config: RunConfig) -> Footprint:
    """Build, convert and lay out the network of these settings; a few seconds."""
    from watchword.export.graph import read_network
    from watchword.export.image import build_image
    from watchword.train import architectures, qat
    from watchword.train.convert import to_tflite
    from watchword.train.tensorflow import load_tensorflow

    tf = load_tensorflow()
    coeffs, hop = config.features.coeffs, config.features.hop_samples
    rows = architectures.receptive_rows(config.model)
    untrained = architectures.build_model(config.model, coeffs)
    folded = qat.fold_batch_norm(untrained, config.model, coeffs)
    noise = np.random.default_rng(0).integers(-128, 128, (_WINDOWS, rows, coeffs)).astype(np.int8)
    network = read_network(to_tflite(folded, rows, coeffs, list(noise), config.features.kind))
    tf.keras.backend.clear_session()
    plain = _some_normalisation(config.features)
    detector = core.DetectorConfig(spec.DETECTOR_SMOOTHING, spec.DETECTOR_HIGH, spec.DETECTOR_LOW, 0)
    presets = dict.fromkeys(spec.PRESETS, detector) if config.detector.target_fah > 0 else {}
    settings = ModelSettings("any", hop, coeffs, plain, detector, config.features.kind, presets)
    image = build_image(network, settings)
    instructions = load_instruction_model().per_second(network, hop, config.features.kind)
    return Footprint(len(image), network.arena_bytes, instructions)


def _some_normalisation(features: FeaturesConfig) -> core.Normalisation:
    """Of that mode, for what does not depend on its numbers."""
    mode, coeffs = features.cmvn, features.coeffs
    spread = np.full(coeffs, spec.CMVN_MIN_SPREAD, np.uint16) if mode == "running_mv" else None
    return core.Normalisation(
        mode, 1, np.zeros(coeffs, np.int16), np.full(coeffs, 1, core.gain_type(mode)), spread
    )
