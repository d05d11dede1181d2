"""wav2vec 2.0 through `transformers`, as a teacher's encoder.

Its convolutions give a frame every 320 samples (400 samples wide), its transformer relates all frames of
a stream, also to later ones: such a teacher knows what follows, and its logit is still compared at the end
of the frame it belongs to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from watchword.config import ModelConfig
from watchword.errors import WatchwordError

_EXTRA = "pip install 'watchword[wav2vec2]'"
_FRAME, _FRAME_HOP = 400, 320  # samples; the convolutions of every published wav2vec 2.0
_POOLED = 2  # frames averaged to a row: 40 ms, half the disk
_CHUNK_S = 12.0  # of audio at a time: attention grows with the square of the length
_LOCATION_SETTINGS = ("_name_or_path", "transformers_version")  # settings that change no output
_DEPTH = 2 / 3  # of the layers: what is most about sounds and words (Pasad, Chou, Livescu 2021)


@dataclass(frozen=True)
class Wav2Vec2:
    """Row j: mean of the hidden states of the two frames that end at sample (j + 1) · 640 and 320 before."""

    source: str  # a folder, or a name on the model hub
    hop_samples: int = _POOLED * _FRAME_HOP

    @property
    def head(self) -> ModelConfig:
        """29 rows, 1.2 s."""
        return ModelConfig(channels=64, stem_kernel=3, stem_stride=1, kernel=3, dilations=(1, 2, 2, 4, 4))

    @property
    def name(self) -> str:
        return f"wav2vec 2.0 {self.source}"

    @property
    def identity(self) -> str:
        return f"wav2vec2 {_fingerprint(self.source)}"

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        """pcm: int16 [samples] at 16 kHz. Returns float16 [samples // 640, width]."""
        model = _model(self.source)
        count = len(pcm) // self.hop_samples
        lead = np.zeros(_FRAME - _FRAME_HOP, np.float32)
        audio = np.concatenate([lead, pcm[: count * self.hop_samples].astype(np.float32)])
        audio = (audio - audio.mean()) / np.sqrt(audio.var() + 1e-7)  # as these models were trained
        step = round(_CHUNK_S * 16_000) // self.hop_samples * self.hop_samples
        starts = range(0, count * self.hop_samples, step)
        parts = [_hidden(model, audio[start : start + step + len(lead)]) for start in starts]
        width = model.config.hidden_size
        frames = np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
        pooled: np.ndarray = frames.reshape(count, _POOLED, width).mean(axis=1)
        return pooled.astype(np.float16)


def _hidden(model: Any, audio: np.ndarray) -> np.ndarray:
    """Hidden states two thirds up the layers, float32 [frames, width]."""
    import torch

    with torch.inference_mode():
        states = model(torch.from_numpy(audio.astype(np.float32)[None]), output_hidden_states=True)
    found: np.ndarray = states.hidden_states[round(_DEPTH * model.config.num_hidden_layers)][0].numpy()
    return found


@lru_cache(maxsize=1)
def _model(source: str) -> Any:
    """The network, on one thread: jobs run in parallel already."""
    try:
        import torch
        from transformers import Wav2Vec2Model
    except ImportError as error:
        raise WatchwordError(
            "the wav2vec2 teacher needs torch and transformers", "[distill] teacher", _EXTRA
        ) from error
    torch.set_num_threads(1)
    try:
        model = Wav2Vec2Model.from_pretrained(source).eval()
    except (OSError, ValueError) as error:
        raise WatchwordError(
            f"cannot load wav2vec2 from '{source}': {str(error).splitlines()[0]}",
            "[distill] teacher",
            "name a folder made by save_pretrained, or a model of the hub while online",
        ) from error
    kernels, strides = model.config.conv_kernel, model.config.conv_stride
    frame, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        frame, hop = frame + (kernel - 1) * hop, hop * stride
    if (frame, hop) != (_FRAME, _FRAME_HOP):
        raise WatchwordError(
            f"frames of {frame} samples every {hop}, not {_FRAME} every {_FRAME_HOP}",
            source,
            "take a wav2vec 2.0 with the usual convolutions",
        )
    return model


@lru_cache(maxsize=1)
def _fingerprint(source: str) -> str:
    """Hash of the settings and weights."""
    model = _model(source)
    settings = {k: v for k, v in model.config.to_dict().items() if k not in _LOCATION_SETTINGS}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, values in model.state_dict().items():
        digest.update(name.encode() + values.numpy().tobytes())
    return digest.hexdigest()
