"""What a study leaves behind for its user: best.toml, trials.csv, the plots, and a few lines of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchword.config import RunConfig, save_config
from watchword.files import write_atomic
from watchword.train.search.plots import draw_history, draw_importance, draw_pareto
from watchword.train.search.space import Space

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_FIGURES = ("flash_bytes", "arena_bytes", "instructions", "seconds", "folder")  # user attributes


def outcome(trial: FrozenTrial) -> str:
    """What became of a trial, in one word."""
    attributes = trial.user_attrs
    if "rejected" in attributes:
        return "rejected"
    if "error" in attributes:
        return "failed"
    names = {"COMPLETE": "trained", "PRUNED": "cut short", "FAIL": "interrupted"}
    return names.get(trial.state.name, trial.state.name.lower())


def trained(study: Study) -> list[FrozenTrial]:
    """The trials that were trained to the end, in order; all of them fit the limits."""
    return [t for t in study.get_trials(deepcopy=False) if outcome(t) == "trained"]


def best_of(done: Sequence[FrozenTrial]) -> FrozenTrial:
    """The trained trial that misses fewest; of equals the one with fewer instructions, then less flash."""

    def order(trial: FrozenTrial) -> tuple[float, float, float, int]:
        found = trial.user_attrs
        missed = 1.0 if trial.value is None else trial.value
        return missed, found["instructions"], found["flash_bytes"], trial.number

    return min(done, key=order)


def write_results(study: Study, base: RunConfig, space: Space, folder: Path) -> list[str]:
    """Write the study folder's files; returns what to tell about them."""
    trials = study.get_trials(deepcopy=False)
    write_atomic(folder / "trials.csv", _csv(trials, space))
    counts = {name: sum(outcome(t) == name for t in trials) for name in sorted({outcome(t) for t in trials})}
    lines = [f"{len(trials)} trials: " + ", ".join(f"{n} {name}" for name, n in counts.items())]
    done = trained(study)
    if not done:
        return [*lines, "none was trained to the end: no best.toml"]
    draw_history(trials, done, folder / "history.png")
    draw_pareto(done, base, folder / "pareto.png")
    if not draw_importance(study, len(done), folder / "importance.png"):
        lines.append("too few results that differ to say which settings matter: no importance.png")
    best = best_of(done)
    if best.value is None or best.value >= 1.0:
        return [*lines, f"none of the {len(done)} trained ones hears a word: train longer; no best.toml"]
    path = save_config(space.apply(base, best.params), folder / "best.toml")
    return [*lines, *_describe(best), f"its settings, for watchword train --config: {path}"]


def _describe(best: FrozenTrial) -> list[str]:
    found = best.user_attrs
    per_condition = ", ".join(f"{name} {100 * frr:.1f}" for name, frr in found["frr_int8"].items())
    return [
        f"best: trial {best.number}, FRR {100 * (best.value or 0.0):.2f} % (mean; {per_condition})",
        f"  model image {found['flash_bytes']} bytes, arena {found['arena_bytes']} bytes, "
        f"about {found['instructions'] / 1e6:.2f} M instructions per second of audio (estimate)",
        *(f"  {name} = {value}" for name, value in best.params.items()),
    ]


def _csv(trials: list[FrozenTrial], space: Space) -> str:
    names = [d.name for d in space.dimensions]
    text = io.StringIO()
    columns = ["trial", "outcome", "frr", *_FIGURES, *names, "reason"]
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(trial, names) for trial in trials)
    return text.getvalue()


def _row(trial: FrozenTrial, names: list[str]) -> dict[str, Any]:
    found = trial.user_attrs
    return {
        "trial": trial.number,
        "outcome": outcome(trial),
        "frr": "" if trial.value is None or outcome(trial) != "trained" else round(trial.value, 6),
        **{name: found.get(name, "") for name in _FIGURES},
        **{name: trial.params.get(name, "") for name in names},
        "reason": found.get("rejected", found.get("error", "")),
    }
