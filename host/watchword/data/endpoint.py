"""Where in a recording the one spoken word is: by energy above the recording's own noise.

Method: frames of 25 ms every 10 ms; power in bands of equal width on the mel scale; each band's
noise floor is its own low percentile over the recording, so that hum, hiss and rumble cancel band by
band. A frame's loudness is the mean over bands of its dB above the floor. Runs of loud frames are
found with a high and a low threshold (hysteresis), both relative to the loudest frames; runs closer
than a pause inside a phrase are joined; the joined run with the most loudness is the word, so a click
or a cough beside it loses.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from watchword import spec

_FRAME = spec.SAMPLE_RATE_HZ * 25 // 1000
_STEP = spec.SAMPLE_RATE_HZ * 10 // 1000
_FFT = 512
_BANDS = 18
_LOW_HZ, _HIGH_HZ = 150.0, 7_200.0
_FLOOR_PERCENTILE = 15.0
_FLOOR_BELOW_PEAK_DB = 45.0  # in a clip without noise, what is further down counts as silence
_HIGH_FRACTION, _LOW_FRACTION = 0.45, 0.18  # thresholds, as fractions of the loudest frames' loudness
_LEAST_LOUD_DB = 2.5  # the low threshold never goes below this: noise wobbles that much
_JOIN_FRAMES = 25  # 250 ms: the longest pause inside a phrase
_SHORTEST_RUN_FRAMES = 4  # 40 ms: shorter is a click


def word_bounds(pcm: np.ndarray) -> tuple[int, int]:
    """Start and end sample (end exclusive) of the single spoken word in int16 [samples] at 16 kHz.

    A recording in which nothing stands out (silence, steady noise, shorter than a frame) gives its
    whole length.
    """
    if pcm.size < 2 * _FRAME:
        return 0, int(pcm.size)
    loudness = frame_loudness(pcm)
    run = _word_run(loudness)
    if run is None:
        return 0, int(pcm.size)
    first, last = run
    # A frame is one step of signal around its centre.
    start = first * _STEP + (_FRAME - _STEP) // 2
    end = last * _STEP + (_FRAME + _STEP) // 2
    return (0 if first == 0 else start), (int(pcm.size) if last == loudness.size - 1 else end)


def frame_loudness(pcm: np.ndarray) -> np.ndarray:
    """Mean dB above the recording's noise floor over the bands: float [frames], one per 10 ms."""
    frames = np.lib.stride_tricks.sliding_window_view(pcm, _FRAME)[::_STEP].astype(np.float32)
    frames = (frames - frames.mean(axis=1, keepdims=True)) * np.hanning(_FRAME).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, _FFT, axis=1)) ** 2 @ _band_matrix()
    level = 10.0 * np.log10(power + 1.0)
    peak = level.max()
    floor = np.percentile(level, _FLOOR_PERCENTILE, axis=0)
    floor = np.maximum(floor, peak - _FLOOR_BELOW_PEAK_DB)
    # Where speech fills the clip, the percentile is speech: never let it eat the word itself.
    floor = np.minimum(floor, np.maximum(level.min(axis=0) + 15.0, peak - _FLOOR_BELOW_PEAK_DB))
    above = np.maximum(level - floor, 0.0).mean(axis=1)
    return np.convolve(above, np.full(3, 1 / 3), mode="same")


@lru_cache(maxsize=1)
def _band_matrix() -> np.ndarray:
    """0/1 matrix [_FFT // 2 + 1, _BANDS] that adds FFT bins up to bands of equal mel width."""
    low, high = spec.hz_to_mel(_LOW_HZ), spec.hz_to_mel(_HIGH_HZ)
    edges_hz = [spec.mel_to_hz(low + (high - low) * i / _BANDS) for i in range(_BANDS + 1)]
    edges = np.rint(np.asarray(edges_hz) * _FFT / spec.SAMPLE_RATE_HZ).astype(int)
    edges = np.maximum.accumulate(np.maximum(edges, edges[0] + np.arange(_BANDS + 1)))
    matrix = np.zeros((_FFT // 2 + 1, _BANDS), np.float32)
    for band in range(_BANDS):
        matrix[edges[band] : edges[band + 1], band] = 1.0
    return matrix


def _word_run(loudness: np.ndarray) -> tuple[int, int] | None:
    """First and last frame of the run that holds the word, or None when nothing stands out."""
    loud = float(np.percentile(loudness, 98))
    low = max(_LOW_FRACTION * loud, _LEAST_LOUD_DB)
    high = max(_HIGH_FRACTION * loud, 1.5 * low)
    if loud < high:
        return None
    runs = [
        (first, last)
        for first, last in _runs(loudness >= low)
        if last - first + 1 >= _SHORTEST_RUN_FRAMES and loudness[first : last + 1].max() >= high
    ]
    if not runs:
        return None
    return max(_joined(runs), key=lambda run: float(loudness[run[0] : run[1] + 1].sum()))


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of every stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined = runs[:1]
    for first, last in runs[1:]:
        if first - joined[-1][1] <= _JOIN_FRAMES:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
