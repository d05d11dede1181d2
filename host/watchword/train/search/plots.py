"""Pictures of a study: how it went, which settings matter, and what accuracy costs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from watchword.config import RunConfig
from watchword.files import write_atomic

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_LEAST_TRIALS = 4  # with fewer results nothing can be said about settings
_FRR_LABEL = "FRR at the false-alarm target, %"


def draw_history(trials: Sequence[FrozenTrial], done: Sequence[FrozenTrial], path: Path) -> Path:
    """FRR of every trained trial, the best so far, and where trials ended early."""
    figure, axes = _figure(1, 7.0)
    numbers, frr = [t.number for t in done], _frr(done)
    axes.plot(numbers, frr, "o", label="trained")
    axes.step(numbers, np.minimum.accumulate(frr), where="post", label="best so far")
    marks = (("rejected before training", "x", True), ("cut short", "|", False))
    for label, mark, rejected in marks:
        ended = [
            t.number for t in trials if t.state.name == "PRUNED" and ("rejected" in t.user_attrs) == rejected
        ]
        if ended:
            heights = np.zeros(len(ended)) + 0.02
            axes.plot(
                ended, heights, mark, transform=axes.get_xaxis_transform(), color="gray", ms=9, label=label
            )
    axes.set(xlabel="trial", ylabel=_FRR_LABEL, ylim=(0, None))
    axes.legend()
    return _save(figure, path)


def draw_importance(study: Study, results: int, path: Path) -> bool:
    """Share of what makes results good that is due to each setting (PED-ANOVA); False if too few are done."""
    if results < _LEAST_TRIALS:
        return False
    from optuna.importance import get_param_importances

    found = get_param_importances(study)
    if not found or not np.isfinite(list(found.values())).all() or sum(found.values()) == 0:
        return False
    figure, axes = _figure(1, 7.0, 0.8 + 0.3 * len(found))
    names = list(reversed(found))
    axes.barh(names, [100.0 * found[name] for name in names])
    axes.set(xlabel=f"importance for the FRR, %, from {results} trained trials", xlim=(0, None))
    return _save(figure, path) is not None


def draw_pareto(done: Sequence[FrozenTrial], base: RunConfig, path: Path) -> Path:
    """FRR over the estimated instructions and over the model's size; no trial beats those on the line."""
    figure, all_axes = _figure(2, 11.0)
    columns = (
        ("instructions", 1e6, "estimated M instructions per second of audio", base.search.instructions_m),
        ("flash_bytes", 1024.0, "model image, kB", base.size.flash_kb),
    )
    for axes, (name, unit, label, limit) in zip(all_axes, columns, strict=True):
        cost, frr = np.array([t.user_attrs[name] / unit for t in done]), _frr(done)
        axes.plot(cost, frr, "o", alpha=0.5)
        front = pareto_front(cost, frr)
        axes.plot(
            cost[front], frr[front], "o-", drawstyle="steps-post", color="tab:red", label="best for its cost"
        )
        for i in front:
            axes.annotate(
                str(done[i].number), (cost[i], frr[i]), textcoords="offset points", xytext=(5, 5), fontsize=8
            )
        if limit < 1.5 * cost.max():
            axes.axvline(limit, color="gray", ls="--", label="limit")
        axes.set(xlabel=label, ylabel=_FRR_LABEL, ylim=(0, None))
        axes.legend()
    return _save(figure, path)


def pareto_front(cost: np.ndarray, frr: np.ndarray) -> list[int]:
    """Indices of the points that no other one equals or beats in both, by rising cost."""
    front: list[int] = []
    for i in np.lexsort((frr, cost)):
        if not front or frr[i] < frr[front[-1]]:
            front.append(int(i))
    return front


def _frr(done: Sequence[FrozenTrial]) -> np.ndarray:
    return 100.0 * np.array([t.value for t in done], float)


def _figure(columns: int, width: float, height: float = 4.0) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(1, columns, figsize=(width, height), constrained_layout=True)


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    pyplot.close(figure)
    return write_atomic(path, picture.getvalue())
