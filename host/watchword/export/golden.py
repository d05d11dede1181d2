"""Golden vectors: whole windows and what TFLite Micro, the independent interpreter, makes of them."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tflite_micro import runtime

from watchword.core import ModelImage
from watchword.errors import WatchwordError
from watchword.export.layers import Network

RANDOM_WINDOWS = 32
SEED = 20_240_501


@dataclass(frozen=True)
class Golden:
    """rows int8 [n, receptive_rows, coeffs] and the score uint8 [n] of each window."""

    rows: NDArray[np.int8]
    scores: NDArray[np.uint8]

    def to_npz(self) -> bytes:
        """The same bytes for the same arrays: an .npz with fixed dates."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in (("rows", self.rows), ("scores", self.scores)):
                member = io.BytesIO()
                np.lib.format.write_array(member, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
        return buffer.getvalue()


def oracle_scores(tflite: bytes, rows: NDArray[np.int8]) -> NDArray[np.uint8]:
    """TFLite Micro's score uint8 [n] of each window rows int8 [n, receptive_rows, coeffs]."""
    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)
    shape = [int(n) for n in interpreter.get_input_details(0)["shape"]]
    scores = np.empty(len(rows), np.uint8)
    for i, window in enumerate(rows):
        interpreter.set_input(window.reshape(shape), 0)
        interpreter.invoke()
        scores[i] = int(np.asarray(interpreter.get_output(0)).reshape(-1)[0]) + 128
    return scores


def random_windows(network: Network) -> NDArray[np.int8]:
    """Half noise over the whole int8 range, half slow and small like real features."""
    rng = np.random.default_rng(SEED)
    shape = (RANDOM_WINDOWS // 2, network.receptive_rows, network.coeffs)
    noise = rng.integers(-128, 128, shape)
    walk = np.cumsum(rng.normal(0, 4, shape), axis=1) + rng.normal(0, 20, (shape[0], 1, shape[2]))
    return np.concatenate([noise, np.clip(np.round(walk), -128, 127)]).astype(np.int8)


def make_golden(tflite: bytes, network: Network, rows: NDArray[np.int8] | None = None) -> Golden:
    """Random windows, then the given ones int8 [n, receptive_rows, coeffs]."""
    windows = random_windows(network)
    if rows is not None:
        windows = np.concatenate([windows, np.asarray(rows, np.int8)])
    return Golden(windows, oracle_scores(tflite, windows))


def check_golden(image: bytes, golden: Golden) -> int:
    """How many windows the engine was compared on; an error if one score differs."""
    model = ModelImage(image)
    got = np.array([model.scores(window)[-1] for window in golden.rows], np.uint8)
    wrong = int(np.count_nonzero(got != golden.scores))
    if wrong:
        what = f"{wrong} of {len(got)} scores differ from TFLite Micro's"
        raise WatchwordError(what, "engine", "report this model: the engine must be exact")
    return len(got)
