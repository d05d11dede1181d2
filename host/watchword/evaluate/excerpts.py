"""What an event sounds and looks like: a few seconds of a recording as data URIs for the report."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import soundfile

from watchword import spec
from watchword.data.spectrogram import HOP_SAMPLES, log_mel
from watchword.errors import WatchwordError
from watchword.evaluate.conditions import hear_again
from watchword.evaluate.results import EventRecord, Results

MOST_BYTES = 3_500_000  # of all excerpts of a page, as base64
_SHOWN_DB = 60.0  # from the loudest band down; what is below is black


@dataclass(frozen=True)
class Excerpt:
    """Data URIs of one event."""

    sound: str
    picture: str


def make_excerpts(results: Results, budget_bytes: int = MOST_BYTES) -> dict[EventRecord, Excerpt]:
    """What every event of the results that has a trace sounds like, in turns over their lists.

    Events whose recording is gone are left without, and so are those beyond the budget.
    """
    details, elsewhere = results.details, results.conditions
    lists = [details.false_alarms, details.misses]
    lists += [elsewhere.false_alarms, elsewhere.misses] if elsewhere else []
    found: dict[EventRecord, Excerpt] = {}
    for event in (e for turn in zip_longest(*lists) for e in turn if e and e.trace):
        made = _excerpt(results, event)
        if made is None:
            continue
        budget_bytes -= len(made.sound) + len(made.picture)
        if budget_bytes < 0:
            break
        found[event] = made
    return found


def _excerpt(results: Results, event: EventRecord) -> Excerpt | None:
    trace = event.trace
    assert trace is not None
    first = round((event.time_s + trace.first_s) * spec.SAMPLE_RATE_HZ)
    count = round(trace.step_s * (len(trace.smoothed) - 1) * spec.SAMPLE_RATE_HZ)
    try:
        inside = hear_again(results, event, first, first + count)
    except (WatchwordError, ValueError):
        return None
    window = np.zeros(max(0, count), np.int16)  # silence around the recording, as the pipeline heard it
    at = max(0, -first)
    window[at : at + inside.size] = inside
    return Excerpt(_flac(window), _mel_png(window)) if inside.size >= 2 * HOP_SAMPLES else None


def _flac(pcm: np.ndarray) -> str:
    """Lossless, and played by every browser."""
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, spec.SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return _data_uri("audio/flac", buffer)


def _mel_png(pcm: np.ndarray) -> str:
    """One pixel a hop and band, low bands at the bottom."""
    from matplotlib import image

    levels = log_mel(pcm).T
    top = max(float(levels.max()), 1.0)
    buffer = io.BytesIO()
    image.imsave(
        buffer, levels, origin="lower", cmap="magma", vmin=max(0.0, top - _SHOWN_DB), vmax=top, format="png"
    )
    return _data_uri("image/png", buffer)


def _data_uri(kind: str, content: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
