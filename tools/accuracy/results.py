"""Everything the benchmark found, as one dictionary (accuracy.json); the page and the plot show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from watchword.data.corpus import NOBODY
from watchword.data.jobs import CONDITIONS
from watchword.evaluate.equal_alarms import BUDGETS, Rate, Scores, Trace, alarm_rate, curve, rate, verdict

from tools.accuracy.listen import ScoredTrial
from tools.accuracy.trials import POOLS, Plan, Trial, source_name

MOST_PER_HOUR = 30.0  # false alarms, at the right edge of the curves
OURS, PEER = "ours", "peer"
_HIGHEST = 30  # recordings listed
_SPLIT_BUDGET = 1  # false alarms, for the table by split

Results = dict[str, Any]


def summarise(
    plan: Plan, heard: Sequence[ScoredTrial], sides: dict[str, Scores], thresholds: dict[str, float]
) -> Results:
    """sides: ours and, if there is one, the peer; thresholds: what each detects from as shipped."""
    return {
        "data": describe(plan, [h.trial for h in heard]),
        "equal_alarms": {pool: [_row(sides, pool, allowed) for allowed in BUDGETS] for pool in POOLS},
        "verdicts": {pool: _tally(sides, pool) for pool in POOLS},
        "as_shipped": {side: _as_shipped(sides[side], at) for side, at in thresholds.items()},
        "by_split": _by_split(sides),
        "highest_events": {
            OURS: _highest([(h.trial, h.ours) for h in heard]),
            PEER: _highest([(h.trial, h.peer) for h in heard if h.peer]),
        },
        "curves": {
            pool: {
                side: {name: curve(scores, pool, name, MOST_PER_HOUR) for name in CONDITIONS}
                for side, scores in sides.items()
            }
            for pool in POOLS
        },
    }


def describe(plan: Plan, trials: Sequence[Trial]) -> Results:
    """How much of what was heard."""
    words = [t for t in trials if t.recording.words and t.condition == next(iter(CONDITIONS))]
    sources: dict[str, dict[str, Any]] = defaultdict(lambda: {"hours": 0.0, "synthetic_hours": 0.0})
    hours = dict.fromkeys(POOLS, 0.0)
    for trial in trials:
        for pool in trial.pools:
            hours[pool] += trial.seconds / 3600.0
        if POOLS[0] in trial.pools:
            entry = sources[source_name(trial.clip)]
            entry["synthetic_hours" if trial.clip.synthetic else "hours"] += trial.seconds / 3600.0
    splits = sorted({t.clip.split for t in words}, reverse=True)
    return {
        "digest": plan.digest,
        "words": {s: sum(t.clip.split == s for t in words) for s in splits},
        "speakers": {s: len({t.clip.speaker for t in words if t.clip.split == s} - NOBODY) for s in splits},
        "synthetic_words": sum(t.clip.synthetic for t in words),
        "hours": hours,
        "sources": dict(sorted(sources.items())),
        "rooms": len(plan.bank.rooms),
        "noises": len(plan.bank.noises),
        "skipped": [f"{s.path.name}: {s.reason}" for s in plan.skipped],
    }


def _highest(found: Sequence[tuple[Trial, Trace]]) -> list[Results]:
    """The recordings without the word that come closest to it: where to look for what is missing."""
    peaks = [(float(trace.levels.max(initial=0.0)), trial) for trial, trace in found if trial.pools]
    peaks.sort(key=lambda pair: -pair[0])
    return [
        {
            "peak": peak,
            "condition": trial.condition,
            "phrase": trial.clip.phrase,
            "source": source_name(trial.clip),
            "split": trial.clip.split,
            "file": trial.clip.path.name,
        }
        for peak, trial in peaks[:_HIGHEST]
    ]


def _row(sides: dict[str, Scores], pool: str, allowed: int) -> Results:
    """Each side's FRR in every condition when it may make `allowed` false alarms."""
    fah, upper = alarm_rate(allowed, sides[OURS].hours[pool])
    row: Results = {"allowed": allowed, "fah": fah, "fah_upper95": upper, "conditions": {}}
    at = {side: scores.threshold(pool, allowed) for side, scores in sides.items()}
    row["thresholds"] = at
    row["false_alarms"] = {side: scores.false_alarms(pool, at[side]) for side, scores in sides.items()}
    for name in CONDITIONS:
        found = {side: scores.misses(at[side], name) for side, scores in sides.items()}
        cell: Results = {side: _figures(rate(misses)) for side, misses in found.items()}
        if PEER in sides:
            cell["verdict"], cell["clear"] = verdict(found[OURS], found[PEER])
        row["conditions"][name] = cell
    return row


def _tally(sides: dict[str, Scores], pool: str) -> dict[str, int]:
    """How many cells of the pool's table are better, equal, worse."""
    counts = dict.fromkeys(("better", "equal", "worse"), 0)
    if PEER in sides:
        for allowed in BUDGETS:
            for cell in _row(sides, pool, allowed)["conditions"].values():
                counts[cell["verdict"]] += 1
    return counts


def _as_shipped(scores: Scores, threshold: float) -> Results:
    """One detector at its own threshold."""
    alarms = {}
    for pool in POOLS:
        count = scores.false_alarms(pool, threshold)
        fah, upper = alarm_rate(count, scores.hours[pool])
        alarms[pool] = {"false_alarms": count, "fah": fah, "fah_upper95": upper}
    conditions = {name: _figures(rate(scores.misses(threshold, name))) for name in CONDITIONS}
    return {"threshold": threshold, "conditions": conditions, "negatives": alarms}


def _by_split(sides: dict[str, Scores]) -> Results:
    """Each split's words, at the threshold of 1 false alarm on all splits' audio as recorded."""
    splits = sorted({word.split for word in sides[OURS].words}, reverse=True)
    return {
        split: {
            side: {
                name: _figures(rate(scores.misses(scores.threshold(POOLS[0], _SPLIT_BUDGET), name, split)))
                for name in CONDITIONS
            }
            for side, scores in sides.items()
        }
        for split in splits
    }


def _figures(found: Rate) -> Results:
    return {"misses": found.misses, "trials": found.trials, "frr": found.frr, "frr_upper95": found.upper95}
