"""Community models on our engine beside TFLite Micro, and beside the detections of pymicro-wakeword.

  python -m tools.accuracy.community --models COLLECTION...
  python -m tools.accuracy.community --models okay_nabu.json --manifest data/manifest.csv --hours 1

Without --manifest every model takes rows of random values. With it, recordings go through the whole chain:
--hours of them, about as much of each source. Each different file of a folder is compared once, with the
manifest beside it that names it. A file without a manifest gets a cutoff of 0.5, and pymicro-wakeword, which
runs in an environment of its own (see peer.py), is not asked about it.

Ends with 1 if a score or a detection differs from TFLite Micro's under pymicro-wakeword's rule, or if a model
could not be compared. pymicro-wakeword's own interpreter rounds otherwise: its detections are only shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from tflite_micro import runtime
from watchword import audio, core, spec
from watchword.data.clip_sources import find
from watchword.data.corpus import Clip
from watchword.errors import WatchwordError
from watchword.evaluate.players import sums
from watchword.export.importing import STEP_MS, Choices, ImportedModel, read_import
from watchword.processes import cores, spread

from tools.accuracy import benchmark, peer
from tools.accuracy.trials import split_names
from tools.run.micro_wake_word import pymicro_hears, rises

# No cooldown, as pymicro-wakeword has none: every rise is a detection. The word itself does not matter here,
# and some manifests have a longer one than an image can hold.
NAMED = Choices(word="compared", cooldown_ms=0)
BARE = replace(NAMED, cutoff=0.5)  # for a file without a manifest
BATCH_S = 600.0  # of audio, between two lines of progress
SEED = 3
_NO_WORD = "-"  # the word of no recording: their labels do not matter here


@dataclass(frozen=True)
class Task:
    """What one model is compared on."""

    source: Path  # a manifest or a .tflite file
    recordings: tuple[Clip, ...]  # none: random rows
    calls: int  # of random rows
    peer: bool  # whether pymicro-wakeword is asked


@dataclass(frozen=True)
class Counts:
    """What came of it. Detections are equal when they are at the same sample."""

    seconds: float = 0.0
    scores: int = 0
    differ: int = 0  # of them, from TFLite Micro's
    detections: int = 0
    rule: int = 0  # detections by pymicro-wakeword's rule on TFLite Micro's scores
    rule_equal: int = 0
    asked: int = 0  # recordings that pymicro-wakeword heard
    peer: int = 0  # detections by pymicro-wakeword with its own interpreter
    peer_equal: int = 0
    peer_differ: int = 0  # of its interpreter's scores, from ours

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def exact(self) -> bool:
        return self.differ == 0 and self.detections == self.rule == self.rule_equal


# ── What is compared, and on what ────────────────────────────────────────────────────────────
def find_models(places: Iterable[Path]) -> list[Path]:
    """Files as they are named; of a folder every different .tflite file below it, by its manifest if it has
    one."""
    found: dict[str, Path] = {}
    for place in places:
        if place.is_file():
            found[str(place)] = place
            continue
        files = sorted(place.rglob("*.tflite"))
        if not files:
            raise WatchwordError(
                "no .tflite file in it", place, "name a folder, a manifest or a .tflite file"
            )
        for file in files:
            content, manifest = hashlib.sha256(file.read_bytes()).hexdigest(), _manifest_of(file)
            if content not in found or (manifest and found[content].suffix.lower() == ".tflite"):
                found[content] = manifest or file
    return list(found.values())


def _manifest_of(file: Path) -> Path | None:
    return next((path for path in sorted(file.parent.glob("*.json")) if _names(path, file.name)), None)


def _names(manifest: Path, model: str) -> bool:
    """Whether a JSON file is a manifest of this wake word model; others lie about in collections."""
    try:
        content = json.loads(manifest.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("type") == "micro" and content.get("model") == model


def choose(manifests: Iterable[Path], splits: Sequence[str], hours: float) -> list[Clip]:
    """Always the next recording of the source least heard so far, until there are so many hours."""
    if not hours > 0:
        raise WatchwordError(f"{hours:g} hours of recordings", "--hours", "give more than 0")
    sources: dict[str, list[Clip]] = defaultdict(list)
    for manifest in manifests:
        for clip in find(manifest, _NO_WORD):
            if clip.split in splits and clip.label != "rir":
                seconds = clip.seconds or audio.count_samples(clip.path) / spec.SAMPLE_RATE_HZ
                sources[clip.source or str(manifest)].append(replace(clip, seconds=seconds))
    heard_s = dict.fromkeys(sources, 0.0)
    chosen: list[Clip] = []
    while (left_s := hours * 3600 - sum(heard_s.values())) > 0:
        source = min(
            (name for name in sources if sources[name]), key=lambda name: heard_s[name], default=None
        )
        if source is None:
            what = f"{hours - left_s / 3600:.2f} h of recordings in split {' or '.join(splits)}"
            raise WatchwordError(what, "--manifest", f"name more, or give fewer than {hours:g} --hours")
        chosen.append(sources[source].pop(0))
        heard_s[source] += chosen[-1].seconds
    return chosen


# ── One model ────────────────────────────────────────────────────────────────────────────────
def compare(task: Task) -> Counts | str:
    """The counts, or why there are none."""
    try:
        model = read_import(task.source, BARE if task.source.suffix.lower() == ".tflite" else NAMED)
        if not task.recordings:
            return _on_random_rows(model, task.calls)
        asked = task.peer and task.source.suffix.lower() == ".json" and model.origin.step_ms == STEP_MS
        counts, total = Counts(), sum(clip.seconds for clip in task.recordings)
        for batch in _batches(task.recordings):
            recordings = [audio.load(clip.path) for clip in batch]
            counts += _on_audio(model, recordings, task.source if asked else None)
            print(f"{task.source.stem}: {counts.seconds / 60:.0f} of {total / 60:.0f} min", file=sys.stderr)
        return counts
    except WatchwordError as error:
        return str(error)


def _batches(clips: Sequence[Clip]) -> Iterator[list[Clip]]:
    batch: list[Clip] = []
    for clip in clips:
        batch.append(clip)
        if sum(one.seconds for one in batch) >= BATCH_S:
            yield batch
            batch = []
    if batch:
        yield batch


def _on_random_rows(model: ImportedModel, calls: int) -> Counts:
    """Half over the whole range, half slow as real features are; both engines from their first state on."""
    rng, stride, coeffs = np.random.default_rng(SEED), model.network.stride_rows, model.network.coeffs
    noise = rng.integers(-128, 128, (calls // 2 * stride, coeffs))
    walk = np.cumsum(rng.normal(0, 9, ((calls - calls // 2) * stride, coeffs)), axis=0) - 60
    rows = np.clip(np.concatenate([noise, walk]), -128, 127).astype(np.int8)
    theirs = tflm_scores(model.tflite, rows)
    return Counts(scores=len(theirs), differ=_differing(core.ModelImage(model.image()).scores(rows), theirs))


def _on_audio(model: ImportedModel, recordings: list[np.ndarray], manifest: Path | None) -> Counts:
    """The whole chain; pymicro-wakeword hears the recordings too if its manifest is given."""
    image, settings, counts = model.image(), model.settings, Counts()
    runs = [core.run_pipeline(image, pcm) for pcm in recordings]
    ours = [{event.sample_index for event in run.detections} for run in runs]
    for pcm, run, heard in zip(recordings, runs, ours, strict=True):
        rows = core.frontend_rows(pcm, settings.hop_samples, settings.coeffs, settings.kind)
        theirs = tflm_scores(model.tflite, core.normalise(rows, settings.normalisation))
        differ = _differing(run.scores, theirs)
        ends = run.score_samples[detects(theirs[: len(run.scores)], model.origin.window, model.origin.cutoff)]
        counts += Counts(
            seconds=len(pcm) / spec.SAMPLE_RATE_HZ,
            scores=len(theirs),
            differ=differ,
            detections=len(heard),
            rule=len(ends),
            rule_equal=len(heard & set(ends.tolist())),
        )
    if manifest is not None:
        for run, heard, said in zip(runs, ours, pymicro_hears(manifest, recordings), strict=True):
            equal, differ = len(heard & set(said.events)), _differing(run.scores, said.scores)
            counts += Counts(asked=1, peer=len(said.events), peer_equal=equal, peer_differ=differ)
    return counts


def tflm_scores(tflite: bytes, rows: np.ndarray) -> np.ndarray:
    """TFLite Micro's score uint8 after each call of a streaming model, from its first state on."""
    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)
    shape = [int(n) for n in interpreter.get_input_details(0)["shape"]]
    calls = len(rows) // shape[1]
    scores = np.empty(calls, np.uint8)
    for i, call in enumerate(rows[: calls * shape[1]].reshape(calls, *shape)):
        interpreter.set_input(call, 0)
        interpreter.invoke()
        scores[i] = int(np.asarray(interpreter.get_output(0)).reshape(-1)[0])
    return scores


def detects(scores: np.ndarray, window: int, cutoff: float) -> np.ndarray:
    """pymicro-wakeword's rule: where the mean of the last `window` scores rises above the cutoff."""
    above = sums(scores, window) / ((1 << spec.SCORE_FRAC_BITS) * window) > cutoff
    above[: window - 1] = False  # it waits for so many scores
    return rises(above)


def _differing(ours: np.ndarray, theirs: np.ndarray) -> int:
    """A score that one of them lacks differs too."""
    both = min(len(ours), len(theirs))
    return int(np.count_nonzero(ours[:both] != theirs[:both])) + max(len(ours), len(theirs)) - both


# ── All of them ──────────────────────────────────────────────────────────────────────────────
def compare_all(tasks: Sequence[Task], workers: int) -> Iterator[tuple[int, Counts | str]]:
    if workers == 1 or len(tasks) == 1:
        yield from ((index, compare(task)) for index, task in enumerate(tasks))
    else:
        jobs = [(task,) for task in tasks]
        yield from spread(compare, jobs, workers, _nothing, (), "community", "use --workers 1")


def _nothing() -> None:
    """Workers need no preparation."""


def table(results: Sequence[tuple[Path, Counts | str]], show: Callable[[Counts], bool]) -> str:
    """A row for each model that `show` takes or that could not be compared, and their sum."""
    lines = [
        "| model | hours | scores | differ from TFLM's | detections | by the rule on TFLM's scores, equal "
        "| by pymicro-wakeword, equal | its own scores that differ |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    total, compared = Counts(), 0
    for path, counts in results:
        if isinstance(counts, str):
            lines.append(f"| {path.stem} | not compared: {counts} | | | | | | |")
            continue
        total, compared = total + counts, compared + 1
        if show(counts):
            lines.append(_row(path.stem, counts))
    return "\n".join([*lines, _row(f"{compared} of {len(results)} models", total)])


def _row(name: str, counts: Counts) -> str:
    theirs = ("not asked", "")
    if counts.asked:
        theirs = (f"{counts.peer}, {counts.peer_equal}", f"{counts.peer_differ:,}")
    cells = (f"{counts.seconds / 3600:.2f}", f"{counts.scores:,}", f"{counts.differ:,}", counts.detections)
    return f"| {' | '.join(map(str, (name, *cells, f'{counts.rule}, {counts.rule_equal}', *theirs)))} |"


def main() -> int:
    arguments = _parser().parse_args()
    try:
        results = run(arguments)
    except WatchwordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(results, lambda counts: bool(arguments.manifest) or not counts.exact))
    return 0 if all(isinstance(counts, Counts) and counts.exact for _, counts in results) else 1


def run(arguments: argparse.Namespace) -> list[tuple[Path, Counts | str]]:
    models = find_models(arguments.models)
    splits = split_names(arguments.split)
    clips = tuple(choose(arguments.manifest, splits, arguments.hours)) if arguments.manifest else ()
    if clips and not arguments.no_peer:
        peer.install(peer.PYMICRO, benchmark.CACHE)  # once, before several processes want it
    tasks = [Task(model, clips, arguments.calls, not arguments.no_peer) for model in models]
    done: dict[int, Counts | str] = {}
    for index, counts in compare_all(tasks, arguments.workers):
        done[index] = counts
        if clips or len(done) % 50 == 0:
            print(f"{len(done)} of {len(models)} models done", file=sys.stderr)
    return [(model, done[index]) for index, model in enumerate(models)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", type=Path, nargs="+", required=True, help="folders, manifests, .tflite files"
    )
    parser.add_argument("--manifest", type=Path, nargs="+", default=[], help="of recordings")
    parser.add_argument("--hours", type=float, default=1.0, help="of recordings [1]")
    parser.add_argument("--split", default="train,val", help="whose recordings are taken [train,val]")
    parser.add_argument(
        "--calls", type=benchmark.positive, default=60, help="of random rows, without --manifest [60]"
    )
    parser.add_argument("--no-peer", action="store_true", help="do not ask pymicro-wakeword")
    parser.add_argument(
        "--workers", type=benchmark.positive, default=cores(), help="models compared at once [all cores]"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
