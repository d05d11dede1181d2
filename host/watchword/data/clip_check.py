"""Whether a recording is of use as what it is labelled, and what a user may not know about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from watchword import audio, spec
from watchword.data import leaks
from watchword.data.corpus import TIME_TOLERANCE_S, Clip, Skipped
from watchword.data.endpoint import utterances
from watchword.errors import WatchwordError

SHORTEST_S = 0.1  # of speech and noise; a room response may be shorter
LONGEST_POSITIVE_S = 60.0
CLIPPED_FRACTION = 0.05  # of all samples at full scale
QUIETEST_PEAK = 33  # LSB, -60 dBFS: a positive below holds no usable word
FEWEST_REPEATS = 4  # a phrase of three words said slowly makes three utterances


@dataclass(frozen=True)
class Checked:
    """A usable clip, what its sound is known by, and a remark for the user or an empty string."""

    clip: Clip
    fingerprint: np.ndarray  # float32 [256], alike for copies that are louder or padded
    digest: bytes  # equal for equal samples
    remark: str = ""


def check_clip(clip: Clip) -> Checked | Skipped:
    """Decode a clip and look at it."""
    try:
        pcm = audio.load(clip.path)
        cut = cut_off(clip.path, pcm.size / spec.SAMPLE_RATE_HZ)
    except WatchwordError as error:
        return Skipped(clip.path, error.reason)
    seconds = pcm.size / spec.SAMPLE_RATE_HZ
    clip = replace(clip, seconds=seconds)
    reason = fault(pcm, clip.label)
    if not reason and cut and clip.label == "positive":
        reason = f"{cut} (copy it again)"
    remark = cut
    if not reason and clip.label == "positive":
        reason, repeats = _as_positive(clip, pcm)
        remark = remark or repeats
    if reason:
        return Skipped(clip.path, reason)
    digest = hashlib.blake2b(pcm.tobytes(), digest_size=16).digest()
    return Checked(clip, leaks.fingerprint(pcm), digest, remark)


def cut_off(path: Path, seconds: float) -> str:
    """What is missing of a file of that length whose header tells of more, or an empty string."""
    missing_s = audio.probe(path).missing_s
    told = f"cut off: its header tells {seconds + missing_s:.2f} s, the file holds {seconds:.2f} s"
    return told if missing_s else ""


def dead(lowest: int, highest: int) -> str:
    """Why sound between these two samples is none, or an empty string."""
    if lowest < highest:
        return ""
    return f"constant: every sample is {lowest}, a dead input" if lowest else "silent"


def fault(pcm: np.ndarray, label: str) -> str:
    """Why int16 [samples] is of no use as `label`, or an empty string."""
    if label == "rir":
        return "" if pcm.any() else "silent"
    seconds = pcm.size / spec.SAMPLE_RATE_HZ
    if seconds < SHORTEST_S:
        return f"too short: {seconds * 1000:.0f} ms, at least {SHORTEST_S * 1000:.0f} ms is needed"
    lowest, highest = int(pcm.min()), int(pcm.max())
    if reason := dead(lowest, highest):
        return reason
    peak = max(-lowest, highest)
    if label == "positive" and peak < QUIETEST_PEAK:
        return f"almost silent: peak {20 * np.log10(peak / 32768):.0f} dBFS"
    clipped = float((np.abs(pcm.astype(np.int32)) >= 32767).mean())
    if clipped > CLIPPED_FRACTION:
        return f"clipped: {clipped:.0%} of the samples at full scale"
    return ""


def _as_positive(clip: Clip, pcm: np.ndarray) -> tuple[str, str]:
    """Why a clip cannot be a positive, and a remark on what it holds beside the word; or empty strings."""
    if clip.seconds > LONGEST_POSITIVE_S:
        what = f"lasts {clip.seconds:.0f} s, and a positive holds the word once"
        return f"{what} (cut it with: watchword record WORD --from FILE)", ""
    if clip.word_end_s is not None and clip.has_listed_times:
        late = clip.word_end_s > clip.seconds + TIME_TOLERANCE_S
        what = (
            f"the manifest ends its word at {clip.word_end_s:g} s, the recording lasts {clip.seconds:.2f} s"
        )
        return f"{what} (times are in seconds)" if late else "", ""
    count = len(utterances(pcm))
    remark = f"holds {count} utterances, of which one is taken as the word (watchword record --from cuts it)"
    return "", remark if count >= FEWEST_REPEATS else ""
