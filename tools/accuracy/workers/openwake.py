"""PyPI's openwakeword with the ONNX models in its package, as its documentation uses it.

80 ms of audio at a time, without its optional noise suppression and voice activity detection. Its scores
are not averaged. A new model for every recording, because its reset() keeps the audio before.

Its embedding network has no padding in time, so overlapping windows share most of their products: it is
run over seconds of spectrogram at once. Each worker checks at its start that this gives the scores of the
package's own predict(), bit for bit.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openwakeword

from tools.accuracy.workers import protocol

CHUNK = 1280  # samples, 80 ms: its step
CUTOFF = 0.5  # what its documentation and examples detect above
PACKAGES = ("openwakeword", "onnxruntime", "numpy")
_READ_BACK = 480  # samples before a chunk that its spectrogram looks at
_WINDOW, _STEP = 76, 8  # rows of spectrogram that an embedding is made from, and rows a chunk adds
_UNHEARD = 5  # first scores, which it sets to 0
_PIECE = 64  # embeddings computed at once


class Listener:
    """The model of one word."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._embed = _wide_embedding(path.with_name("embedding_model.onnx"))
        self._classify = onnxruntime.InferenceSession(str(path), _one_thread())
        (given,) = self._classify.get_inputs()
        self._input, self._features = given.name, given.shape[1]

    def trace(self, pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sample index at which each chunk ends, and the score the package then gives."""
        model = _new_model(self.path)
        started = model.preprocessor.feature_buffer
        features = np.concatenate([started, self._embeddings(_spectrogram(model, pcm))])
        ends = np.arange(CHUNK, len(pcm) + 1, CHUNK)
        levels = np.zeros(len(ends))
        for k in range(_UNHEARD, len(ends)):
            last = len(started) + k + 1
            window = features[None, last - self._features : last].astype(np.float32)
            levels[k] = self._classify.run(None, {self._input: window})[0][0, 0]
        return ends.astype("<i8"), levels.astype("<f8")

    def check(self) -> None:
        """Raise unless the scores equal those of the package's predict()."""
        pcm = np.random.default_rng(1).integers(-9000, 9000, (2 * _PIECE + 3) * CHUNK // 2).astype(np.int16)
        model = _new_model(self.path)
        ends, levels = self.trace(pcm)
        own = [float(model.predict(pcm[end - CHUNK : end])[self.path.stem]) for end in ends]
        if not np.array_equal(own, levels) or not any(own):
            raise SystemExit("the wide embedding network gives other scores than the package")

    def _embeddings(self, rows: np.ndarray) -> np.ndarray:
        """float32 [chunks, 96]"""
        count = max(0, (len(rows) - _WINDOW) // _STEP + 1)
        parts = [np.empty((0, 96), np.float32)]
        for first in range(0, count, _PIECE):
            last = min(first + _PIECE, count) - 1
            piece = rows[None, first * _STEP : last * _STEP + _WINDOW, :, None].astype(np.float32)
            parts.append(self._embed.run(None, {"input_1": piece})[0][0, :, :, 0].T)
        return np.concatenate(parts)


def find(word: str) -> tuple[protocol.Found | None, list[str]]:
    paths = {
        name.replace("_", " "): Path(path)
        for name, path in zip(
            openwakeword.models, openwakeword.get_pretrained_model_paths("onnx"), strict=True
        )
    }
    if word not in paths:
        return None, list(paths)
    listener = Listener(paths[word])
    listener.check()
    return protocol.Found(paths[word].stem, CUTOFF, 1, listener.trace), list(paths)


def _new_model(path: Path) -> openwakeword.Model:
    np.random.seed(0)  # it starts with features of random noise
    model = openwakeword.Model(wakeword_models=[str(path)], inference_framework="onnx")
    # It copies its whole buffer for each chunk and reads only the end: a short one gives equal scores sooner.
    model.preprocessor.raw_data_buffer = deque(maxlen=CHUNK + _READ_BACK)
    return model


def _spectrogram(model: openwakeword.Model, pcm: np.ndarray) -> np.ndarray:
    """Rows of the package's own spectrogram: window k, of which chunk k is made, starts at row 8 k."""
    parts: list[np.ndarray] = []

    def keep(window: np.ndarray) -> np.ndarray:
        rows = window[0, :, :, 0]
        parts.append(rows[-_STEP:].copy() if parts else rows.copy())
        return np.zeros(96, np.float32)

    model.preprocessor.embedding_model_predict = keep
    for first in range(0, len(pcm) - CHUNK + 1, CHUNK):
        model.preprocessor(pcm[first : first + CHUNK])
    return np.concatenate(parts) if parts else np.empty((0, 32), np.float32)


def _wide_embedding(path: Path) -> onnxruntime.InferenceSession:
    """The embedding network for any number of rows; its two reshapes were for one window of 76."""
    model = onnx.load(str(path))
    graph = model.graph
    first, last = graph.node[0], graph.node[-1]
    assert first.op_type == last.op_type == "Reshape"
    unused = {first.input[1], last.input[1]}
    kept = [tensor for tensor in graph.initializer if tensor.name not in unused]
    kept.append(onnx.numpy_helper.from_array(np.array([1, 1, -1, 32], np.int64), first.input[1]))
    del graph.initializer[:], graph.output[:], graph.value_info[:]
    graph.initializer.extend(kept)
    graph.node.remove(last)
    graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, None))
    graph.input[0].type.tensor_type.shape.dim[1].dim_param = "rows"
    return onnxruntime.InferenceSession(model.SerializeToString(), _one_thread())


def _one_thread() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    return options


if __name__ == "__main__":
    protocol.run(find, PACKAGES)
