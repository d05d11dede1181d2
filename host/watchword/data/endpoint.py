"""Where in a recording the one spoken word is: by energy above the recording's own noise.

Method: frames of 25 ms every 10 ms; power in bands of equal width on the mel scale. Each band has
its own noise floor, a low percentile of the frames before, and another of those after, the loudest
moment: hum, hiss and rumble cancel band by band, also where a noise gate opens in between. Digital
silence is no noise and is left out. A frame's loudness is the mean dB above the floor of its loudest
third of the bands, so that a fricative, which fills few of them, counts too. Runs of frames above a
low threshold are kept when they reach a higher one, and joined across the pauses a phrase can hold;
the joined run with the most loudness is the word, so a click or a cough beside it loses.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from watchword import spec

_FRAME = spec.SAMPLE_RATE_HZ * 25 // 1000
_STEP = spec.SAMPLE_RATE_HZ * 10 // 1000
_FFT = 512
_BANDS = 18
_COUNTED_BANDS = 6  # the loudest of a frame
_LOW_HZ, _HIGH_HZ = 150.0, 7_200.0
_FLOOR_PERCENTILE = 25.0
_FLOOR_BELOW_PEAK_DB = 45.0  # in a clip without noise, what is further down counts as silence
_FLOOR_ABOVE_LOWEST_DB = 12.0  # noise wobbles less; in a clip full of speech the percentile is speech
_SILENT_RMS = 1.5  # LSB: a frame below is digital silence, not noise
_FEWEST_NOISE_FRAMES = 15  # fewer than these beside the word do not make a floor of their own
_HIGH_FRACTION, _LOW_FRACTION = 0.35, 0.2  # thresholds, as fractions of the loudest 200 ms
_LEAST_LOUD_DB = 6.0  # the low threshold never goes below this: noise wobbles that much
_LOUDEST_FRAMES = 20
_CLOSURE_FRAMES = 12  # 120 ms: silence inside a plosive, joined whatever follows
_PAUSE_FRAMES = 25  # 250 ms: the longest pause inside a phrase, joined when speech follows
_SPEECH_FRAMES = 8  # 80 ms above the low threshold: more than a click
_SHORTEST_RUN_FRAMES = 4
_FRAMES_AT_A_TIME = 4096


def word_bounds(pcm: np.ndarray) -> tuple[int, int]:
    """Start and end sample (end exclusive) of the single spoken word in int16 [samples] at 16 kHz.

    A recording in which nothing stands out (silence, steady noise, shorter than two frames) gives its
    whole length.
    """
    return find_word(pcm) or (0, int(pcm.size))


def find_word(pcm: np.ndarray) -> tuple[int, int] | None:
    """As `word_bounds`, but None for a recording in which nothing stands out."""
    if pcm.size < 2 * _FRAME:
        return None
    loudness = frame_loudness(pcm)
    # What a gate or an editor left may be speech only: then it stands out of the silence around it.
    run = _word_run(loudness) or _word_run(frame_loudness(pcm, noise=False))
    if run is None or (run == (0, loudness.size - 1) and _word_run(loudness) is None):
        return None  # all of it is alike
    first, last = run
    # A frame stands for one step of signal around its centre.
    start = 0 if first == 0 else first * _STEP + (_FRAME - _STEP) // 2
    end = pcm.size if last == loudness.size - 1 else last * _STEP + (_FRAME + _STEP) // 2
    return start, int(end)


def frame_loudness(pcm: np.ndarray, noise: bool = True) -> np.ndarray:
    """Mean dB above the recording's noise floor of the loudest bands: float [frames], one per 10 ms.

    Without `noise` the floor is where silence starts, _FLOOR_BELOW_PEAK_DB under the peak.
    """
    level, heard = _band_levels(pcm)
    if not heard.any():
        return np.zeros(level.shape[0])
    if not noise:
        return _above(level, np.full(_BANDS, level.max() - _FLOOR_BELOW_PEAK_DB))
    floor = _floor(level, heard)
    above = _above(level, floor)
    loudest = int(np.argmax(np.convolve(above, np.ones(11), mode="same")))
    for side in (slice(0, loudest), slice(loudest, None)):
        if heard[side].sum() >= _FEWEST_NOISE_FRAMES:
            side_floor = _floor(level[side], heard[side], peak=float(level.max()))
            above[side] = _above(level[side], side_floor)
    return np.convolve(above, np.full(3, 1 / 3), mode="same")


def _band_levels(pcm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dB of each band, float [frames, bands], and which frames are no digital silence, bool [frames].

    Computed some frames at a time: a recording of an hour must fit.
    """
    windows = np.lib.stride_tricks.sliding_window_view(pcm, _FRAME)[::_STEP]
    window, edges = np.hanning(_FRAME).astype(np.float32), _band_edges()
    levels, heard = [], []
    for first in range(0, len(windows), _FRAMES_AT_A_TIME):
        frames = windows[first : first + _FRAMES_AT_A_TIME].astype(np.float32)
        frames -= frames.mean(axis=1, keepdims=True)
        heard.append(frames.std(axis=1) >= _SILENT_RMS)
        spectrum = np.fft.rfft(frames * window, _FFT, axis=1)[:, : edges[-1]]
        power = spectrum.real**2 + spectrum.imag**2
        levels.append(10.0 * np.log10(np.add.reduceat(power, edges[:-1], axis=1) + 1.0))
    return np.concatenate(levels), np.concatenate(heard)


def _above(level: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Mean dB of `level` [frames, bands] above `floor` [bands] over each frame's loudest bands."""
    loudest = np.partition(level - floor, _BANDS - _COUNTED_BANDS, axis=1)[:, _BANDS - _COUNTED_BANDS :]
    mean: np.ndarray = np.maximum(loudest, 0.0).mean(axis=1)
    return mean


def _floor(level: np.ndarray, heard: np.ndarray, peak: float | None = None) -> np.ndarray:
    """Noise floor of each band in dB [bands], from the frames of `level` that are not digital silence."""
    level = level[heard]
    silence = (level.max() if peak is None else peak) - _FLOOR_BELOW_PEAK_DB
    lowest = np.percentile(level, 2, axis=0) + _FLOOR_ABOVE_LOWEST_DB
    floor = np.minimum(np.percentile(level, _FLOOR_PERCENTILE, axis=0), lowest)
    audible: np.ndarray = np.maximum(floor, silence)
    return audible


@lru_cache(maxsize=1)
def _band_edges() -> np.ndarray:
    """First FFT bin of each band, bands of equal mel width: int [_BANDS + 1]."""
    low, high = spec.hz_to_mel(_LOW_HZ), spec.hz_to_mel(_HIGH_HZ)
    edges_hz = [spec.mel_to_hz(low + (high - low) * i / _BANDS) for i in range(_BANDS + 1)]
    edges = np.rint(np.asarray(edges_hz) * _FFT / spec.SAMPLE_RATE_HZ).astype(int)
    bins: np.ndarray = np.maximum(edges, edges[0] + np.arange(_BANDS + 1))
    return bins


def utterances(pcm: np.ndarray) -> list[tuple[int, int]]:
    """Start and end sample of every utterance of int16 [samples] at 16 kHz: what pauses set apart."""
    if pcm.size < 2 * _FRAME:
        return []
    runs = _speech_runs(frame_loudness(pcm))
    return [(first * _STEP, min(pcm.size, last * _STEP + _FRAME)) for first, last in runs]


def _word_run(loudness: np.ndarray) -> tuple[int, int] | None:
    """First and last frame of the run that holds the word, or None when nothing stands out."""
    runs = _speech_runs(loudness)
    return max(runs, key=lambda run: float(loudness[run[0] : run[1] + 1].sum())) if runs else None


def _speech_runs(loudness: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of all that stands out, joined across the pauses of a phrase."""
    loud = float(np.sort(loudness)[-_LOUDEST_FRAMES:].mean())
    low = max(_LOW_FRACTION * loud, _LEAST_LOUD_DB)
    high = max(_HIGH_FRACTION * loud, 1.5 * low)
    if loud < high:
        return []
    runs = [
        (first, last)
        for first, last in _runs(loudness >= low)
        if last - first + 1 >= _SHORTEST_RUN_FRAMES and loudness[first : last + 1].max() >= high
    ]
    return _joined(runs) if runs else []


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index of every stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """`runs` with those of one phrase made one: across closures always, across pauses if both speak."""
    joined = runs[:1]
    for first, last in runs[1:]:
        before_first, before_last = joined[-1]
        both_speak = min(before_last - before_first, last - first) + 1 >= _SPEECH_FRAMES
        if first - before_last <= (_PAUSE_FRAMES if both_speak else _CLOSURE_FRAMES):
            joined[-1] = (before_first, last)
        else:
            joined.append((first, last))
    return joined
