"""From a manifest to the feature jobs of a run: which clips, in which streams, mixed with what."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from watchword import audio, spec
from watchword.data.bank import Bank, hashes, pick
from watchword.data.cache import compute_rows
from watchword.data.corpus import Clip, is_mined, read_manifest
from watchword.data.job_keys import digest_file
from watchword.data.jobs import (
    CONDITIONS,
    Job,
    NegativeJob,
    NoiseJob,
    Piece,
    PositiveJob,
    Recipe,
    ValidationJob,
)
from watchword.data.recordings import ADDED_SAMPLES, LEAD_SAMPLES
from watchword.data.rooms import simulate
from watchword.data.streams import companies, cuts, packed, streams
from watchword.data.word_places import place_words, unsure_places
from watchword.errors import WatchwordError
from watchword.progress import track

if TYPE_CHECKING:
    from watchword.config import DataConfig, RunConfig

RATE = spec.SAMPLE_RATE_HZ
_NOISE_SHARE = 0.2  # streams of noise alone, for each stream of speech
_HELD_OUT_ROOM = 1000  # number of the first simulated room of validation
_HARD_CONDITION = "reverb + 10 dB"


@dataclass(frozen=True)
class ValidationStream:
    """One validation recording under one condition."""

    rows: np.ndarray  # int16 [rows, coeffs]
    word: tuple[int, int] | None  # samples of the stream; None = a negative
    condition: str
    seconds: float  # of the recording, without the silence around it
    source: str = ""  # the collection that the recording is from
    # Set where the word's times are not listed: `word` is the whole clip, and this is where the word seems
    # to end, as a sample of the stream. It tells which settings answer sooner, never what is a hit.
    likely_end: int | None = None


@dataclass(frozen=True)
class PlannedStream:
    """A validation recording to be computed; the rest as in ValidationStream."""

    job: ValidationJob
    source: str
    word: tuple[int, int] | None = None
    likely_end: int | None = None


@dataclass(frozen=True)
class ValidationPlan:
    """What a model is judged by."""

    recipe: Recipe
    streams: list[PlannedStream]
    provenance: dict[str, Any]  # which sources, how long, synthetic or not; a digest of all their sounds


@dataclass(frozen=True)
class JobPlan:
    """What is to be computed for a run: any of it can be heard again from its job and recipe."""

    recipe: Recipe
    positives: list[Job]
    negatives: list[Job]
    validation: ValidationPlan
    clips: dict[str, int]  # of each kind, for the record
    provenance: dict[str, Any]  # as of validation, of all that the run hears
    unsure: str = ""  # in which clips the word's place is in doubt, for the user


@dataclass(frozen=True)
class Features:
    """Everything a run learns from and is judged by, as rows of features."""

    positives: np.ndarray  # int16 [draws, rows, coeffs]; the word ends at augment.BEFORE_END_S
    negatives: list[np.ndarray]  # streams, int16 [rows, coeffs]
    validation: list[ValidationStream]
    plan: JobPlan  # positives and negatives come in the order of its jobs


@dataclass(frozen=True)
class _Split:
    """Clips of one split by label, in an order that does not depend on the manifest's."""

    clips: dict[str, list[Clip]]
    digests: dict[Path, str]

    def pieces(self, label: str) -> list[Piece]:
        return [Piece(clip.path, self.digests[clip.path]) for clip in self.clips[label]]

    def negatives(self, mined: bool) -> list[Piece]:
        """The negatives that `watchword mine` cut out, or all others."""
        return [
            piece
            for clip, piece in zip(self.clips["negative"], self.pieces("negative"), strict=True)
            if is_mined(clip) == mined
        ]

    def paths(self, label: str) -> list[Path]:
        return [clip.path for clip in self.clips[label]]


def make_features(config: RunConfig, progress: bool = True, rebuild: bool = False) -> Features:
    """Plan and compute (or fetch from the cache, unless `rebuild`) the features of a run."""
    plan = make_plan(config, progress)
    cache, workers = Path(config.data.cache), config.data.workers
    positives = compute_rows(plan.positives, plan.recipe, cache, workers, "positives", progress, rebuild)
    negatives = compute_rows(plan.negatives, plan.recipe, cache, workers, "negatives", progress, rebuild)
    validation = validation_streams(config, plan.validation, progress, rebuild)
    return Features(np.stack(positives), negatives, validation, plan)


def validation_streams(
    config: RunConfig, plan: ValidationPlan, progress: bool = True, rebuild: bool = False
) -> list[ValidationStream]:
    """Compute (or fetch from the cache, unless `rebuild`) what validation hears."""
    cache, workers = Path(config.data.cache), config.data.workers
    held_out = [planned.job for planned in plan.streams]
    rows = compute_rows(held_out, plan.recipe, cache, workers, "validation", progress, rebuild)
    return [
        ValidationStream(
            r,
            one.word,
            one.job.condition,
            _seconds(r, config.features.hop_samples),
            one.source,
            one.likely_end,
        )
        for one, r in zip(plan.streams, rows, strict=True)
    ]


def make_plan(config: RunConfig, progress: bool = True) -> JobPlan:
    """Which clips are heard, in which streams, mixed with what."""
    manifest = Path(config.data.manifest)
    train, validation = _split_clips(_clips_of(manifest), progress)
    for name, part in (("train", train), ("val", validation)):
        _require_both_labels(part, name, manifest)
    counts = {
        f"{name} {label}": len(part.clips[label])
        for name, part in (("train", train), ("val", validation))
        for label in sorted(part.clips)
    }
    return JobPlan(
        _recipe(config, train, train, progress),
        _positive_jobs(train, config.data),
        _negative_jobs(train, config.data),
        _validation_plan(config, validation, train, progress),
        counts,
        _provenance(train, validation),
        unsure_places([clip for part in (train, validation) for clip in part.clips["positive"]]),
    )


def plan_validation(config: RunConfig, progress: bool = True) -> ValidationPlan:
    """What a model is judged by, where nothing is trained: the manifest may hold split 'val' alone.

    Noises and rooms that validation lacks are those of training, as in `make_plan`.
    """
    manifest = Path(config.data.manifest)
    lent = ("noise", "rir")
    clips = [clip for clip in _clips_of(manifest) if clip.split == "val" or clip.label in lent]
    train, validation = _split_clips(clips, progress)
    _require_both_labels(validation, "val", manifest)
    return _validation_plan(config, validation, train, progress)


def _validation_plan(config: RunConfig, split: _Split, fallback: _Split, progress: bool) -> ValidationPlan:
    recipe = _recipe(config, split, fallback, progress)
    return ValidationPlan(recipe, _validation_jobs(split, config.data), _provenance(split))


def _provenance(*parts: _Split) -> dict[str, Any]:
    """Hours of each source and licence by split and label, real and synthetic; a digest of all sounds."""
    hours: dict[tuple[str, str, str, bool, str], list[float]] = defaultdict(list)
    for part in parts:
        for clip in (clip for label in sorted(part.clips) for clip in part.clips[label]):
            kind = (clip.split, clip.label, clip.source, clip.synthetic, clip.licence)
            hours[kind].append(clip.seconds / 3600.0)
    digests = sorted(digest for part in parts for digest in part.digests.values())
    return {
        "digest": hashlib.sha256(repr(digests).encode()).hexdigest(),
        "sources": [
            {
                "split": split,
                "label": label,
                "source": source,
                "licence": licence,
                "synthetic": synthetic,
                "clips": len(found),
                "hours": round(sum(found), 4),
            }
            for (split, label, source, synthetic, licence), found in sorted(hours.items())
        ],
    }


def _seconds(rows: np.ndarray, hop_samples: int) -> float:
    """Length of the recording behind a validation stream, without the silence around it."""
    return max(0.0, (len(rows) * hop_samples - ADDED_SAMPLES) / RATE)


def _clips_of(manifest: Path) -> list[Clip]:
    return [clip for clip in read_manifest(manifest) if clip.split in ("train", "val")]


def _split_clips(clips: Sequence[Clip], progress: bool) -> tuple[_Split, _Split]:
    """Those for training and those for validation."""
    placed = place_words(clips, progress)
    return _split(placed, "train", progress), _split(placed, "val", progress)


def _split(clips: Sequence[Clip], name: str, progress: bool) -> _Split:
    chosen = [clip for clip in clips if clip.split == name]
    listed = track(chosen, f"{name} files", len(chosen), "files", progress)
    digests = {clip.path: digest_file(clip.path) for clip in listed}
    by_label: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(chosen, key=lambda clip: digests[clip.path]):
        by_label[clip.label].append(clip)
    return _Split(by_label, digests)


def _require_both_labels(split: _Split, name: str, manifest: Path) -> None:
    for label in ("positive", "negative"):
        if all(is_mined(clip) for clip in split.clips[label]):
            raise WatchwordError(f"no {label} clips in split '{name}'", manifest, "scan or synthesise more")


def _recipe(config: RunConfig, split: _Split, fallback: _Split, progress: bool) -> Recipe:
    """The recipe with `split`'s noises and rooms, or those of `fallback`, or at last simulated rooms."""
    noises = split.paths("noise") or fallback.paths("noise")
    rooms = split.paths("rir") or fallback.paths("rir")
    simulated = [] if rooms else _simulated_rooms(config, split is not fallback, progress)
    speech = [piece.path for piece in split.negatives(mined=False)]
    digests = {**fallback.digests, **split.digests, **{path: digest_file(path) for path in simulated}}
    bank = Bank(tuple(noises), tuple(rooms or simulated), tuple(speech), digests)
    return Recipe(config.features, config.augment, bank, config.data.seed)


def _simulated_rooms(config: RunConfig, held_out: bool, progress: bool) -> list[Path]:
    """Rooms for training, and a third as many others for validation."""
    count = config.augment.simulated_rooms
    numbers = range(_HELD_OUT_ROOM, _HELD_OUT_ROOM + -(-count // 3)) if held_out else range(count)
    return simulate(Path(config.data.cache) / "rooms", numbers, config.data.seed, progress) if count else []


def _word(clip: Clip) -> tuple[int, int]:
    """Start and end sample of the word in a positive clip: all of it where nothing stands out."""
    if clip.word_start_s is not None and clip.word_end_s is not None:
        return round(clip.word_start_s * RATE), round(clip.word_end_s * RATE)
    return 0, audio.count_samples(clip.path)


def _positive_jobs(split: _Split, data: DataConfig) -> list[Job]:
    return [
        PositiveJob(piece, word, draw)
        for clip, piece in zip(split.clips["positive"], split.pieces("positive"), strict=True)
        for word in (_word(clip),)
        for draw in range(data.synthetic_draws if clip.synthetic else data.positive_draws)
    ]


def _negative_jobs(split: _Split, data: DataConfig) -> list[Job]:
    """Streams of shuffled clips, in other company at every draw; some of noise alone; the mined ones."""
    clips = zip(split.clips["negative"], split.pieces("negative"), strict=True)
    groups = companies([(clip, piece) for clip, piece in clips if not is_mined(clip)])
    jobs: list[Job] = []
    for draw, pieces in product(range(data.negative_draws), groups):
        places = hashes([repr((data.seed, draw, piece.content)) for piece in pieces]).tolist()
        shuffled = sorted(zip(places, pieces, strict=True), key=itemgetter(0))
        jobs += [NegativeJob(group, draw) for group in streams(shuffled)]
    noises = split.pieces("noise")
    if noises:
        contents = hashes([noise.digest for noise in noises])
        for draw in range(max(1, round(_NOISE_SHARE * len(jobs)))):
            rng = np.random.default_rng([data.seed, data.negative_draws, draw])
            jobs.append(NoiseJob(noises[pick(contents, rng)], draw))
    return jobs + _mined_jobs(split, data.mined_draws, data.seed)


def _mined_jobs(split: _Split, draws: int, seed: int) -> list[Job]:
    """Streams of mined clips alone, so that mining leaves the other jobs, and their cache, as they are.

    All draws follow each other: a few short clips must still fill a stream that segments fit in.
    """
    pieces = [cut for piece in split.negatives(mined=True) for cut in cuts(piece)]
    if not pieces:
        return []
    rng = np.random.default_rng([seed, draws, 1])
    order = [pieces[i] for _ in range(draws) for i in rng.permutation(len(pieces))]
    return [NegativeJob(group, draw) for draw, group in enumerate(packed(order))]


def _validation_jobs(split: _Split, data: DataConfig) -> list[PlannedStream]:
    """Words in every condition; negatives as they are and in the hardest one; noise as it is."""
    jobs: list[PlannedStream] = []
    for clip, piece in zip(split.clips["positive"], split.pieces("positive"), strict=True):
        word, likely_end = _counted_word(clip)
        for condition in CONDITIONS:
            draws = 1 if condition == "clean" else data.validation_draws
            jobs += [
                PlannedStream(ValidationJob(piece, condition, draw), clip.source, word, likely_end)
                for draw in range(draws)
            ]
    for label, conditions in (("negative", ("clean", _HARD_CONDITION)), ("noise", ("clean",))):
        for clip, piece in zip(split.clips[label], split.pieces(label), strict=True):
            jobs += [PlannedStream(ValidationJob(piece, condition), clip.source) for condition in conditions]
    return jobs


def _counted_word(clip: Clip) -> tuple[tuple[int, int], int | None]:
    """Where a detection counts as the word, and the word's likely end where no times are listed.

    As in evaluation (data/recordings.py): without listed times the whole clip is the word.
    """
    start, end = (LEAD_SAMPLES + sample for sample in _word(clip))
    if clip.has_listed_times:
        return (start, end), None
    return (LEAD_SAMPLES, LEAD_SAMPLES + audio.count_samples(clip.path)), end
