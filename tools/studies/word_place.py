"""How well the word of a clip is placed in household noise, against its place without noise.

    WATCHWORD_DATA=... python -m tools.studies.word_place [--seed 1] [--method energy]

Clips of the word from $WATCHWORD_DATA/manifest.csv (dev and test) lie behind and before recorded noise of
$WATCHWORD_DATA/noise, at a ratio of the word's own power to the noise's. Known is the place that the
endpointer finds in the clip as it is. The end counts most: a training window ends there. "Elsewhere" is
a place that does not touch the word at all, or none. Methods: where a voice speaks (as scan and training
place the word), or by energy alone.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from watchword import audio, spec
from watchword.data import mixing
from watchword.data.endpoint import find_word
from watchword.data.word_place import WordPlace, odd_lengths, place_word
from watchword.errors import WatchwordError

RATE = spec.SAMPLE_RATE_HZ
OFF_S = 0.2
WORDS, SPLITS = ("alexa", "computer"), ("dev", "test")
SNRS_DB = (None, 20.0, 10.0, 5.0, 0.0)  # None: the clip as it is, behind and before digital silence
LEADS_S = (1.0, 4.0)
TAIL_S = 1.0


@dataclass(frozen=True)
class Placed:
    """Errors of one setting, in seconds."""

    errors_s: np.ndarray  # [clips, 2], of start and end; infinite where nothing was found
    elsewhere: int  # clips whose place does not touch the word, or that have none
    sure: np.ndarray  # bool [clips]

    @property
    def ends_off(self) -> int:
        return int(np.sum(self.errors_s[:, 1] > OFF_S))

    @property
    def off(self) -> np.ndarray:
        """Which clips have a start or end that is off: bool [clips]."""
        wrong: np.ndarray = self.errors_s.max(axis=1) > OFF_S
        return wrong


def _by_energy(pcm: np.ndarray) -> WordPlace | None:
    found = find_word(pcm)
    return None if found is None else WordPlace(*found, sure=True)


METHODS = {"voice": place_word, "energy": _by_energy}


def clips_of_the_word(folder: Path) -> list[tuple[str, Path]]:
    """The real clips of the words in dev and test, each with what is said."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise WatchwordError(
            "holds no manifest.csv", folder, "set WATCHWORD_DATA to the folder of the recordings"
        )
    with manifest.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "keyword"]
    chosen = [row for row in rows if row["phrase"] in WORDS and row["split"] in SPLITS]
    return [(row["phrase"], folder / row["path"]) for row in chosen]


def in_noise(
    clip: np.ndarray, word: tuple[int, int], noise: np.ndarray | None, snr_db: float | None, lead_s: float
) -> np.ndarray:
    """int16 [samples]: `lead_s` before the clip and TAIL_S after it, all in `noise` (float [samples])."""
    lead, tail = round(lead_s * RATE), round(TAIL_S * RATE)
    signal = np.concatenate((np.zeros(lead), clip / 32768.0, np.zeros(tail)))
    if noise is not None and snr_db is not None:
        spoken = signal[lead + word[0] : lead + word[1]]
        power = float(np.mean(spoken**2)) / 10.0 ** (snr_db / 10.0)
        signal += noise * np.sqrt(power / float(np.mean(noise**2)))
    peak = float(np.abs(signal).max())
    pcm: np.ndarray = audio.to_int16(signal if peak < 1.0 else signal * (0.99 / peak))
    return pcm


def measure(
    clips: Sequence[tuple[str, np.ndarray]],
    noises: Sequence[Path],
    snr_db: float | None,
    lead_s: float,
    seed: int,
    method: str,
) -> Placed:
    """The method on every clip (what is said, its samples), each in an excerpt of its own."""
    rng = np.random.default_rng(seed)
    shift = round(lead_s * RATE)
    found: list[tuple[str, WordPlace | None, int, int]] = []
    for phrase, clip in clips:
        known = find_word(clip)
        if known is None:
            continue  # its place is not known, so nothing can be told
        noise = None
        if snr_db is not None:
            length = clip.size + shift + round(TAIL_S * RATE)
            noise = mixing.excerpt(noises[int(rng.integers(len(noises)))], length, rng)
        place = METHODS[method](in_noise(clip, known, noise, snr_db, lead_s))
        found.append((phrase, place, shift + known[0], shift + known[1]))
    return _compare(found, takes=method == "voice")


def _compare(found: Sequence[tuple[str, WordPlace | None, int, int]], takes: bool) -> Placed:
    """Places beside the known ones; with `takes`, one of odd length among those of its phrase is unsure."""
    errors = [
        (np.inf, np.inf) if p is None else (abs(p.start - start) / RATE, abs(p.end - end) / RATE)
        for _, p, start, end in found
    ]
    elsewhere = sum(p is None or p.end <= start or p.start >= end for _, p, start, end in found)
    sure = np.array([p is not None and p.sure for _, p, _, _ in found])
    for phrase in {phrase for phrase, *_ in found} if takes else ():
        those = [i for i, (said, p, _, _) in enumerate(found) if said == phrase and p is not None]
        lengths = [p.end - p.start for p in (found[i][1] for i in those) if p is not None]
        sure[those] &= ~np.array(odd_lengths(lengths))
    return Placed(np.array(errors), elsewhere, sure)


def table_row(placed: Placed, snr_db: float | None, lead_s: float) -> str:
    """One line of the table."""
    shown = "as it is" if snr_db is None else f"{snr_db:g} dB"
    clips = len(placed.errors_s)
    counts = (int(placed.off.sum()), placed.ends_off, placed.elsewhere)
    shares = " | ".join(f"{count / clips:.0%}" for count in counts)
    medians = " / ".join(f"{1000 * error:.0f}" for error in np.median(placed.errors_s, axis=0))
    sure = int(placed.sure.sum())
    off_of_sure = f"{(placed.off & placed.sure).sum() / sure:.0%}" if sure else "-"
    return f"| {shown} | {lead_s:g} s | {shares} | {medians} ms | {sure / clips:.0%} | {off_of_sure} |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="of the excerpts of noise [1]")
    parser.add_argument("--method", choices=METHODS, default="voice", help="[voice]")
    arguments = parser.parse_args()
    seed, method = arguments.seed, arguments.method
    folder = Path(os.environ.get("WATCHWORD_DATA", ""))
    try:
        clips = [(phrase, audio.load(path)) for phrase, path in clips_of_the_word(folder)]
        noises = sorted((folder / "noise").glob("*.flac"))
        if not noises:
            raise WatchwordError("holds no noise/*.flac", folder, "add recordings of noise")
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{len(clips)} clips, {len(noises)} noises, seed {seed}, by {method}; off: by more than {OFF_S} s\n"
    )
    print(
        "| word to noise | before the clip | start or end off | end off | elsewhere | median, start / end "
        "| sure | off among the sure |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for snr_db, lead_s in product(SNRS_DB, LEADS_S):
        print(table_row(measure(clips, noises, snr_db, lead_s, seed, method), snr_db, lead_s), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
