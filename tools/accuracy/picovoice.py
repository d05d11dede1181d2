"""Picovoice's published wake word benchmark, on its own files: what our models miss at 1 false alarm in 10 h.

    python -m tools.accuracy.picovoice --benchmark FOLDER --librispeech FOLDER --demand FOLDER

The folders: a clone of Picovoice/wake-word-benchmark (its audio/), LibriSpeech with test-clean, and DEMAND.
None of them comes with this project. Each of the six words that --models has a model of is heard in a stream
of 24 hours (picovoice_stream.py says what is in it). A word counts as heard when the smoothed score reaches
the threshold between the start of its recording and half a second after the end; everything else that
reaches it is a false alarm, at most one in a second. Writes results.json and curves.png into
build/accuracy/picovoice.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from watchword import audio, core, spec, words
from watchword.data.corpus import read_manifest
from watchword.errors import WatchwordError
from watchword.evaluate.equal_alarms import Trace, pooled, separated_peaks
from watchword.evaluate.metrics import AlarmRate, alarm_rate, binomial_upper, threshold_for
from watchword.evaluate.progress import AudioProgress
from watchword.export.card import read_card
from watchword.export.image import load_image
from watchword.files import write_atomic
from watchword.typed_json import to_json

from tools.accuracy.benchmark import OUT, ROOT
from tools.accuracy.by_source import TRAINED, uses_of_sources
from tools.accuracy.picovoice_stream import (
    Material,
    content,
    find_noises,
    find_talk,
    find_words,
    parts,
)

WORDS = ("alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass")
RATE = 0.1  # false alarms per hour, the published point
SOURCE = "Picovoice/wake-word-benchmark"
_GRACE_S = 0.5  # after a recording of the word
_MOST_PER_HOUR = 2.0  # of the curve
_SCHEMA = 1


@dataclass(frozen=True)
class Missed:
    """Words missed at one threshold."""

    threshold: float
    false_alarms: AlarmRate
    misses: int
    miss_rate: float
    miss_rate_upper95: float


@dataclass(frozen=True)
class WordFigures:
    """One word's stream."""

    word: str
    model_crc32: str
    recordings: int
    left_out: int  # recordings of the word that the model was trained or validated with
    knows_source: bool  # the model learnt from recordings of this benchmark, by its card
    hours: float
    at_rate: Missed  # at the most false alarms that RATE allows
    as_shipped: Missed
    curve: tuple[Missed, ...]  # one more false alarm each


@dataclass(frozen=True)
class PicovoiceResults:
    """The whole file."""

    schema: int
    seed: int
    words: tuple[WordFigures, ...]
    without_model: tuple[str, ...]


@dataclass(frozen=True)
class Heard:
    """How high the score got at each word, and at everything else."""

    word_peaks: np.ndarray  # [words]
    alarm_peaks: np.ndarray  # descending
    hours: float

    def at(self, threshold: float) -> Missed:
        misses, count = int(np.sum(self.word_peaks < threshold)), len(self.word_peaks)
        alarms = alarm_rate(int(np.sum(self.alarm_peaks >= threshold)), self.hours)
        return Missed(threshold, alarms, misses, misses / count, binomial_upper(misses, count))

    def allowing(self, alarms: int) -> Missed:
        return self.at(threshold_for(self.alarm_peaks, alarms))


def main() -> int:
    arguments = _parser().parse_args()
    try:
        results = run(arguments)
    except WatchwordError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is kept", file=sys.stderr)
        return 130
    folder = OUT / "picovoice"
    write_atomic(folder / "results.json", to_json(results))
    write_atomic(folder / "curves.png", _draw(results.words))
    print(table(results))
    print(f"wrote {folder / 'results.json'} and curves.png", file=sys.stderr)
    return 0


def run(arguments: argparse.Namespace) -> PicovoiceResults:
    """Every word that there is a model of."""
    noises = find_noises(arguments.demand)
    models = {word: arguments.models / words.folder_name(word) for word in WORDS}
    found = {word: folder for word, folder in models.items() if folder.is_dir()}
    if not found:
        raise WatchwordError(
            f"holds no model of {', '.join(WORDS)}", arguments.models, "export one into a folder of its name"
        )
    known = _contents(arguments.leave_out) if arguments.leave_out else frozenset()
    # All that can be wrong with the folders shows before the first hour is heard.
    materials = {
        word: (find_words(arguments.benchmark, word), find_talk(arguments.librispeech, word))
        for word in found
    }
    figures = []
    for word, (recordings, talk) in materials.items():
        kept = tuple(path for path in recordings if not known or content(audio.load(path)) not in known)
        if not kept:
            what = f"the model knows all {len(recordings)} recordings of '{word}'"
            raise WatchwordError(what, arguments.leave_out, "name the manifest it was trained with")
        material = Material(kept, talk, noises)
        left_out = len(recordings) - len(kept)
        figures.append(_word(word, found[word], material, left_out, arguments))
    return PicovoiceResults(
        _SCHEMA, arguments.seed, tuple(figures), tuple(w for w in WORDS if w not in found)
    )


def listen(image: bytes, material: Material, hours: float, seed: int, what: str) -> Heard:
    """One stream through the pipeline, gap by gap."""
    bar = AudioProgress(f"{what}, its level and then its scores", 2 * hours * 3600.0)
    pipeline, grace = core.Pipeline([image]), round(_GRACE_S * spec.SAMPLE_RATE_HZ)
    levels: list[np.ndarray] = []
    ends: list[np.ndarray] = []
    spans: list[tuple[int, int]] = []
    at, loudest = 0, 0.0
    try:
        for part in parts(material, hours, seed):
            loudest = max(loudest, float(np.abs(part.signal).max()))
            bar.add(part.signal.size / spec.SAMPLE_RATE_HZ)
        for part in parts(material, hours, seed):
            (heard,) = pipeline.feed(audio.to_int16(part.signal / loudest))
            levels.append(core.unit(heard.smoothed_q15))
            ends.append(heard.score_samples)
            if part.is_word:
                spans.append((at, at + part.signal.size + grace))
            at += part.signal.size
            bar.add(part.signal.size / spec.SAMPLE_RATE_HZ)
    finally:
        bar.close()
    return _heard(Trace(np.concatenate(levels), np.concatenate(ends)), spans, at)


def table(results: PicovoiceResults) -> str:
    """For the terminal and for a page, in Markdown."""
    head = ("word", "recordings", f"missed at {RATE:g}/h (%, ≤ 95 % bound)", "as shipped: missed, FAH")
    lines = [f"| {' | '.join(head)} |", "|---|---:|---:|---:|"]
    for row in results.words:
        at, own = row.at_rate, row.as_shipped
        lines.append(
            f"| {row.word}{' *' if row.knows_source else ''} | {row.recordings} | "
            f"{at.misses} ({100 * at.miss_rate:.1f}, ≤ {100 * at.miss_rate_upper95:.1f}) | "
            f"{own.misses}, {own.false_alarms.fah or 0.0:.2f} |"
        )
    mean = float(np.mean([row.at_rate.miss_rate for row in results.words]))
    lines.append(f"| mean of {len(results.words)} words | | {100 * mean:.1f} | |")
    if results.without_model:
        lines.append(f"\nNo model of {', '.join(results.without_model)}: the published mean is of six words.")
    if any(row.knows_source for row in results.words):
        left_out = sum(row.left_out for row in results.words)
        lines.append(
            f"\n\\* The model learnt from recordings of this benchmark, by its card; {left_out} of them were "
            "left out (--leave-out), the rest may flatter it."
        )
    return "\n".join(lines)


def _word(
    word: str, folder: Path, material: Material, left_out: int, arguments: argparse.Namespace
) -> WordFigures:
    image, card = load_image(folder), read_card(folder)
    heard = listen(image, material, arguments.hours, arguments.seed, word)
    own = core.unit(core.ModelImage(image).detector.high_q15)
    most = min(int(_MOST_PER_HOUR * heard.hours), len(heard.alarm_peaks))
    return WordFigures(
        word=word,
        model_crc32=card.crc32,
        recordings=len(material.words),
        left_out=left_out,
        knows_source=uses_of_sources(card.training).get(SOURCE) == TRAINED,
        hours=heard.hours,
        at_rate=heard.allowing(int(RATE * heard.hours)),
        as_shipped=heard.at(own),
        curve=tuple(heard.allowing(alarms) for alarms in range(most + 1)),
    )


def _heard(trace: Trace, spans: Sequence[tuple[int, int]], samples: int) -> Heard:
    """Highest score in each span, and the events of the gaps between them."""
    peaks: list[float] = []
    events: list[list[float]] = []
    at = 0
    for start, end in [*spans, (samples, samples)]:
        first, last = np.searchsorted(trace.ends, (start, end + 1))
        events.append(separated_peaks(Trace(trace.levels[at:first], trace.ends[at:first])))
        if start < samples:
            peaks.append(float(trace.levels[first:last].max(initial=0.0)))
        at = max(at, int(last))
    return Heard(np.array(peaks), pooled(events), samples / spec.SAMPLE_RATE_HZ / 3600.0)


def _contents(manifest: Path) -> frozenset[str]:
    """Of the clips that a model was trained or validated with."""
    clips = [c for c in read_manifest(manifest) if c.label == "positive" and c.split in ("train", "val")]
    return frozenset(content(audio.load(clip.path)) for clip in clips)


def _draw(rows: Sequence[WordFigures]) -> bytes:
    """PNG: miss rate over false alarms per hour."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        fah = [point.false_alarms.false_alarms / row.hours for point in row.curve]
        axes.step(fah, [100 * p.miss_rate for p in row.curve], where="post", label=row.word)
    axes.axvline(RATE, color="grey", lw=0.8, ls=":")
    axes.set(xlabel="false alarms per hour", ylabel="miss rate %", xlim=(0, _MOST_PER_HOUR), ylim=(0, None))
    axes.legend(fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    return picture.getvalue()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, what in (
        ("benchmark", "a clone of Picovoice/wake-word-benchmark"),
        ("librispeech", "LibriSpeech, with test-clean in it"),
        ("demand", "DEMAND, a folder for each environment"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    parser.add_argument(
        "--models", type=Path, default=ROOT / "models", help="a folder of exported models [models]"
    )
    parser.add_argument("--hours", type=_hours, default=24.0, help="of each word's stream [24]")
    parser.add_argument("--seed", type=int, default=1, help="of what comes when [1]")
    parser.add_argument(
        "--leave-out",
        type=Path,
        metavar="MANIFEST",
        help="leave out recordings whose samples are those of a train or val clip of this manifest",
    )
    return parser


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0.0 < hours <= 1000.0:
        raise argparse.ArgumentTypeError(f"{text} is no number of hours above 0")
    return hours


if __name__ == "__main__":
    sys.exit(main())
