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
RISING_WINDOWS = 16
SEARCH_STEPS = 300
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
    """TFLite Micro's score uint8 [n] after each window rows int8 [n, receptive_rows, coeffs].

    A streaming model takes a window in several calls, each window from its first state.
    """
    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)
    shape = [int(n) for n in interpreter.get_input_details(0)["shape"]]
    scores = np.empty(len(rows), np.uint8)
    for i, window in enumerate(rows):
        interpreter.reset()
        for call in window.reshape(-1, *shape):
            interpreter.set_input(call, 0)
            interpreter.invoke()
        score = np.asarray(interpreter.get_output(0)).reshape(-1)[0]
        scores[i] = int(score) + (128 if score.dtype == np.int8 else 0)
    return scores


def window_rows(network: Network) -> int:
    """Rows from the start of a stream to the first score that depends on no row before it."""
    return network.first_rows + -(-network.fill_rows // network.stride_rows) * network.stride_rows


def random_windows(network: Network) -> NDArray[np.int8]:
    """Half noise over the whole int8 range, half slow and small like real features."""
    rng = np.random.default_rng(SEED)
    shape = (RANDOM_WINDOWS // 2, window_rows(network), network.coeffs)
    noise = rng.integers(-128, 128, shape)
    walk = np.cumsum(rng.normal(0, 4, shape), axis=1) + rng.normal(0, 20, (shape[0], 1, shape[2]))
    return np.concatenate([noise, np.clip(np.round(walk), -128, 127)]).astype(np.int8)


def rising_windows(image: bytes, network: Network) -> NDArray[np.int8]:
    """Windows whose scores rise from that of silence as far as a short search brings them.

    Random windows hardly ever look like the word, so that their scores would be nearly all the same. Smooth
    bumps in time and channel are kept when the value before the last layer does not fall.
    """
    rng, model, last = np.random.default_rng(SEED), ModelImage(image), len(network.layers)
    value = last - 1 if network.layers[-1].op == "LUT" else last
    time, channel = np.mgrid[: window_rows(network), : network.coeffs]
    window, best = np.full(time.shape, float(network.input_zero)), -129
    found: dict[int, NDArray[np.int8]] = {}  # by score
    for _ in range(SEARCH_STEPS):
        across = ((time - rng.uniform(0, len(time))) / rng.uniform(2, 12)) ** 2
        bump = across + ((channel - rng.uniform(0, network.coeffs)) / rng.uniform(1, 8)) ** 2
        changed = window + rng.normal(0, 60) * np.exp(-bump)
        rows = np.clip(np.round(changed), -128, 127).astype(np.int8)
        reached = int(model.values(rows, value, 1)[-1, 0])
        if reached >= best:
            found.setdefault(int(model.scores(rows)[-1]), rows)
            window, best = changed, reached
    windows = np.stack(list(found.values()))
    chosen = np.unique(np.linspace(0, len(windows) - 1, RISING_WINDOWS).round().astype(int))
    return np.asarray(windows[chosen])


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
