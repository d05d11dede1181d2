r"""Does a calibrated threshold keep its promise on sources of sound that it was not chosen on?

    python -m tools.studies.calibration models/alexa models/computer --data more/alexa.csv --split val \
        --peaks peaks.json

Every model hears the sound without its word of all sources that it was neither trained nor validated on
(the model's card names those). Then, many times over: half of the sources, drawn at random, choose a
threshold as `watchword train` does, and the other half tells how many false alarms it really gives.
The peaks that `--peaks` keeps are all that the splits need.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from watchword import core, spec
from watchword.data.recordings import Selection, select
from watchword.evaluate.metrics import stretch_peaks
from watchword.evaluate.stream import run_host
from watchword.evaluate.tail import SourceAlarms, fit_alarms
from watchword.export.card import read_card
from watchword.export.image import load_image

TARGETS = (0.1, 0.5, 2.0)
LEAST_HOURS = 0.3  # of a source
_KEPT_FROM = 1 << 14  # Q15: lower peaks decide nothing and would make the file large


@dataclass(frozen=True)
class Kept:
    """Realised over wanted rate in each split, and in how many the target could not be reached."""

    ratios: np.ndarray
    unreached: int

    @property
    def factors(self) -> np.ndarray:
        """How far off, whichever way; no false alarm at all is infinitely far."""
        with np.errstate(divide="ignore"):
            off: np.ndarray = np.maximum(self.ratios, 1.0 / self.ratios)
        return off

    def row(self) -> str:
        median, ninth = np.quantile(self.factors, (0.5, 0.9), method="higher")  # some are infinite
        above = [np.mean(self.ratios > times) for times in (2.0, 4.0)]
        return (
            f"{np.mean(self.ratios):.2f} | {np.median(self.ratios):.2f} | {median:.2f} | {ninth:.2f} | "
            f"{100 * above[0]:.0f} % | {100 * above[1]:.0f} % | {self.unreached}"
        )


def count_splits(
    sources: Sequence[SourceAlarms], target_fah: float, bound: str = "point", splits: int = 100, seed: int = 0
) -> Kept:
    """Half of the sources choose, the others are counted."""
    rng, ratios, unreached = np.random.default_rng(seed), [], 0
    for _ in range(splits):
        order = [sources[i] for i in rng.permutation(len(sources))]
        half = -(-len(order) // 2)
        found = fit_alarms(order[:half]).threshold(target_fah, bound)
        rates = [source.rate_at(found.high) for source in order[half:]]
        realised = sum(rate.false_alarms for rate in rates) / sum(rate.negative_hours for rate in rates)
        ratios.append(realised / target_fah)
        unreached += not found.reached
    return Kept(np.array(ratios), unreached)


def hear(model: Path, data: Path, splits: Sequence[str]) -> list[SourceAlarms]:
    """The events of every source that the model does not know."""
    image, known = load_image(model), {entry.source for entry in read_card(model).attribution}
    detector = core.ModelImage(image).detector
    peaks, hours = defaultdict[str, list[int]](list), defaultdict[str, float](float)
    for split in splits:
        chosen = select(data=data, split=split)
        pairs = [
            (recording, seconds)
            for recording, seconds in zip(chosen.recordings, chosen.seconds, strict=True)
            if not recording.words and recording.source.removeprefix("debian:") not in known
        ]
        recordings, seconds = zip(*pairs, strict=True) if pairs else ((), ())
        for stream in run_host(image, Selection(recordings, seconds)).streams:
            smoothed = core.detect(stream.scores, stream.score_samples, detector)[0]
            peaks[stream.recording.source] += stretch_peaks(smoothed, detector.low_q15)
            hours[stream.recording.source] += stream.audio_samples / spec.SAMPLE_RATE_HZ / 3600.0
    heard = [name for name in sorted(hours) if hours[name] >= LEAST_HOURS]
    return [SourceAlarms(name, np.sort(peaks[name])[::-1].astype(int), hours[name]) for name in heard]


def read_peaks(path: Path) -> dict[str, list[SourceAlarms]]:
    """What `--peaks` kept, by model."""
    content = json.loads(path.read_text())
    return {
        model: [SourceAlarms(name, np.array(s["peaks_q15"]), s["hours"]) for name, s in sources.items()]
        for model, sources in content.items()
    }


def _write_peaks(path: Path, found: dict[str, list[SourceAlarms]]) -> None:
    content = {
        model: {
            source.name: {
                "hours": round(source.hours, 3),
                "peaks_q15": [int(peak) for peak in source.peaks if peak >= _KEPT_FROM],
            }
            for source in sources
        }
        for model, sources in found.items()
    }
    lines = json.dumps(content, indent=1).replace(",\n    ", ", ").replace("[\n    ", "[")
    path.write_text(lines.replace("\n   ]", "]") + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--data", type=Path, help="manifest")
    parser.add_argument("--split", action="append", default=[])
    parser.add_argument("--peaks", required=True, type=Path, help="kept here, or read if no model is given")
    given = parser.parse_args()
    if given.models:
        _write_peaks(given.peaks, {m.name: hear(m, given.data, given.split) for m in given.models})
    for model, sources in read_peaks(given.peaks).items():
        _show(model, sources)


def _show(model: str, sources: Sequence[SourceAlarms]) -> None:
    fitted, hours = fit_alarms(sources), sum(source.hours for source in sources)
    tail = fitted.tail
    print(
        f"\n{model}: {len(sources)} sources, {hours:.1f} h; shape of the rates {fitted.rate_shape:.2f}, "
        f"of the tail, from {core.unit(fitted.counted_to):.3f} on, {tail.weights @ tail.shapes:.2f}\n"
    )
    print("| target | bound | mean | median | off by: median | 9 of 10 | > 2 x | > 4 x | unreached |")
    print("|---|---|---|---|---|---|---|---|---|")
    for bound in ("point", "upper95"):
        for target in TARGETS:
            print(f"| {target:g} | {bound} | {count_splits(sources, target, bound).row()} |", flush=True)


if __name__ == "__main__":
    main()
