"""Everything the benchmark found (accuracy.json); the page and the plot show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from watchword.data.corpus import NOBODY
from watchword.data.jobs import CONDITIONS
from watchword.evaluate.equal_alarms import BUDGETS, Rate, Scores, curve, rate, verdict
from watchword.evaluate.metrics import AlarmRate, alarm_rate

from tools.accuracy.by_source import SourceFigures, sources_of
from tools.accuracy.listen import OURS, ScoredTrial
from tools.accuracy.trials import ALL, AS_RECORDED, ELSEWHERE, POOLS, Plan, source_name

SCHEMA = 1
MOST_PER_HOUR = 30.0  # false alarms, at the right edge of the curves
RATES = (0.1, 0.5, 1.0, 2.0)  # false alarms per hour of the other collections, for their table
_HIGHEST = 30  # recordings listed
_SPLIT_BUDGET = 1  # false alarms, for the table by split


@dataclass(frozen=True)
class Detector:
    """One of the detectors that were compared."""

    title: str
    model: str
    threshold: float  # the least score it detects as shipped
    about: str  # what its score is
    versions: dict[str, str]  # of its packages; empty for ours


@dataclass(frozen=True)
class BoardCheck:
    """Our scores once more on a board: all equal, or there are no results."""

    port: str
    scores: int


@dataclass(frozen=True)
class Data:
    """How much of what was heard."""

    digest: str  # of the content of the manifest's recordings
    words: dict[str, int]  # by split
    speakers: dict[str, int]  # by split, as far as they are known
    synthetic_words: int
    hours: dict[str, float]  # of each pool
    rooms: int
    noises: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class Frr:
    """Missed words of one detector in one condition."""

    misses: int
    trials: int
    frr: float
    frr_upper95: float


@dataclass(frozen=True)
class AtBudget:
    """One detector at the threshold that lets a number of false alarms pass."""

    threshold: float
    false_alarms: int
    conditions: dict[str, Frr]


@dataclass(frozen=True)
class Verdict:
    """Ours against one peer."""

    word: str  # better, equal or worse
    clear: bool  # a sign test over the clips says so


@dataclass(frozen=True)
class Budget:
    """All detectors at the same number of false alarms."""

    allowed: AlarmRate
    detectors: dict[str, AtBudget]
    verdicts: dict[str, dict[str, Verdict]]  # by peer and condition


@dataclass(frozen=True)
class AsShipped:
    """One detector at its own threshold."""

    threshold: float
    conditions: dict[str, Frr]
    negatives: dict[str, AlarmRate]  # by pool


@dataclass(frozen=True)
class Curve:
    """FRR over false alarms per hour."""

    fah: tuple[float, ...]
    frr: tuple[float, ...]


@dataclass(frozen=True)
class Highest:
    """A recording without the word that comes close to it."""

    peak: float
    condition: str
    phrase: str
    source: str
    split: str
    file: str


@dataclass(frozen=True)
class Figures:
    """What was counted."""

    data: Data
    equal_alarms: dict[str, tuple[Budget, ...]]  # by pool
    as_shipped: dict[str, AsShipped]  # by detector
    by_split: dict[str, dict[str, dict[str, Frr]]]  # split, detector, condition
    by_source: tuple[SourceFigures, ...]
    highest: dict[str, tuple[Highest, ...]]  # by detector
    curves: dict[str, dict[str, dict[str, Curve]]]  # pool, detector, condition


@dataclass(frozen=True)
class Results:
    """The whole file."""

    schema: int
    word: str
    model_crc32: str
    detectors: dict[str, Detector]  # ours first
    absent: tuple[str, ...]  # peers that were not compared, and why
    splits: tuple[str, ...]
    draws: int
    seed: int
    board: BoardCheck | None
    figures: Figures

    @property
    def peers(self) -> list[str]:
        return [name for name in self.detectors if name != OURS]


def count(
    plan: Plan,
    heard: Sequence[ScoredTrial],
    sides: dict[str, Scores],
    thresholds: dict[str, float],
    uses: dict[str, str],
) -> Figures:
    """sides and thresholds (as shipped) by detector, ours first; uses: see `sources_of`."""
    pools = [pool for pool in POOLS if sides[OURS].hours[pool] > 0]
    return Figures(
        data=_describe(plan, sides[OURS].hours),
        equal_alarms={pool: _equal(sides, pool) for pool in pools},
        as_shipped={side: _as_shipped(sides[side], at, pools) for side, at in thresholds.items()},
        by_split=_by_split(sides),
        by_source=sources_of(heard, thresholds, uses, MOST_PER_HOUR),
        highest={side: _highest(heard, side) for side in sides},
        curves={
            pool: {
                side: {
                    name: Curve(*map(tuple, curve(scores, pool, name, MOST_PER_HOUR))) for name in CONDITIONS
                }
                for side, scores in sides.items()
            }
            for pool in pools
            if pool in (AS_RECORDED, ALL, ELSEWHERE)
        },
    )


def tally(budgets: Sequence[Budget], peer: str) -> dict[str, int]:
    """How many cells of a pool's table are better, equal, worse than `peer`."""
    counts = dict.fromkeys(("better", "equal", "worse"), 0)
    for budget in budgets:
        for found in budget.verdicts[peer].values():
            counts[found.word] += 1
    return counts


def _describe(plan: Plan, hours: dict[str, float]) -> Data:
    words = [t for t in plan.trials if t.recording.words and t.condition == next(iter(CONDITIONS))]
    splits = sorted({t.clip.split for t in words}, reverse=True)
    return Data(
        digest=plan.digest,
        words={s: sum(t.clip.split == s for t in words) for s in splits},
        speakers={s: len({t.clip.speaker for t in words if t.clip.split == s} - NOBODY) for s in splits},
        synthetic_words=sum(t.clip.synthetic for t in words),
        hours=hours,
        rooms=len(plan.bank.rooms),
        noises=len(plan.bank.noises),
        skipped=tuple(f"{s.path.name}: {s.reason}" for s in plan.skipped),
    )


def _highest(heard: Sequence[ScoredTrial], side: str) -> tuple[Highest, ...]:
    """Where to look for what is missing."""
    peaks = [(float(h.traces[side].levels.max(initial=0.0)), h.trial) for h in heard if h.trial.pools]
    peaks.sort(key=lambda pair: -pair[0])
    return tuple(
        Highest(
            peak,
            trial.condition,
            trial.clip.phrase,
            source_name(trial.clip.source),
            trial.clip.split,
            trial.clip.path.name,
        )
        for peak, trial in peaks[:_HIGHEST]
    )


def _equal(sides: dict[str, Scores], pool: str) -> tuple[Budget, ...]:
    hours = sides[OURS].hours[pool]
    allowed = sorted({int(at * hours) for at in RATES}) if pool == ELSEWHERE else BUDGETS
    return tuple(_budget(sides, pool, count) for count in allowed)


def _budget(sides: dict[str, Scores], pool: str, allowed: int) -> Budget:
    """Each detector's FRR in every condition when it may make `allowed` false alarms."""
    at = {side: scores.threshold(pool, allowed) for side, scores in sides.items()}
    missed = {
        side: {name: scores.misses(at[side], name) for name in CONDITIONS} for side, scores in sides.items()
    }
    return Budget(
        alarm_rate(allowed, sides[OURS].hours[pool]),
        {
            side: AtBudget(
                at[side],
                sides[side].false_alarms(pool, at[side]),
                {name: _frr(rate(misses)) for name, misses in found.items()},
            )
            for side, found in missed.items()
        },
        {
            peer: {name: Verdict(*verdict(missed[OURS][name], found[name])) for name in CONDITIONS}
            for peer, found in missed.items()
            if peer != OURS
        },
    )


def _as_shipped(scores: Scores, threshold: float, pools: Sequence[str]) -> AsShipped:
    return AsShipped(
        threshold,
        {name: _frr(rate(scores.misses(threshold, name))) for name in CONDITIONS},
        {pool: alarm_rate(scores.false_alarms(pool, threshold), scores.hours[pool]) for pool in pools},
    )


def _by_split(sides: dict[str, Scores]) -> dict[str, dict[str, dict[str, Frr]]]:
    """Each split's words, at the threshold of 1 false alarm on all splits' audio as recorded."""
    splits = sorted({word.split for word in sides[OURS].words}, reverse=True)
    return {
        split: {
            side: {
                name: _frr(rate(scores.misses(scores.threshold(AS_RECORDED, _SPLIT_BUDGET), name, split)))
                for name in CONDITIONS
            }
            for side, scores in sides.items()
        }
        for split in splits
    }


def _frr(found: Rate) -> Frr:
    return Frr(found.misses, found.trials, found.frr, found.upper95)
