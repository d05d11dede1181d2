"""The report's curves beside those of the threshold: DET, acoustic conditions, training."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from watchword.errors import WatchwordError
from watchword.evaluate.groups import too_few
from watchword.evaluate.metrics import worst_first
from watchword.evaluate.plots import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    QUIET,
    RED,
    VIOLET,
    figure,
    figure_svg,
    log_ticks,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from watchword.evaluate.results import Conditions, Results

LOG = "log.csv"  # of a run folder
_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
_CONDITION_COLOURS = (INK, BLUE, ORANGE, RED, VIOLET, GREEN)


@styled
def det_svg(results: Results) -> str | None:
    """Misses against false alarms over words and seconds, both on normal-deviate axes.

    Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997. A rate of
    0 has no place on such an axis: it is drawn at half a trial.
    """
    det, found = results.details.det, results.trials.seconds
    if det is None or found.eer is None or found.fpr is None or found.fnr is None:
        return None
    drawing, axes = figure(5.7, 4.3)
    least_fpr, least_fnr = 0.5 / found.others, 0.5 / found.words
    fpr, fnr = np.clip(det.fpr, least_fpr, 0.8), np.clip(det.fnr, least_fnr, 0.8)
    axes.plot(_deviate(fpr), _deviate(fnr), color=BLUE, lw=2, label="every threshold")
    low, high = _deviate(np.array([min(least_fpr, least_fnr), 0.8]))
    axes.plot(
        [low, high], [low, high], color=QUIET, lw=0.8, ls=":", label=f"equal: EER {100 * found.eer:.2g} %"
    )
    axes.plot(
        _deviate(max(found.fpr, least_fpr)),
        _deviate(max(found.fnr, least_fnr)),
        marker="o",
        ms=9,
        color=RED,
        ls="none",
        label="as set",
    )
    for axis, least in ((axes.xaxis, least_fpr), (axes.yaxis, least_fnr)):
        ticks = [t for t in _TICKS if t > 1.5 * least]
        axis.set_ticks(_deviate(np.array([least, *ticks])), ["0", *(f"{100 * t:g}" for t in ticks)])
    axes.set(
        xlim=(_deviate(least_fpr) - 0.1, high),
        ylim=(_deviate(least_fnr) - 0.1, high),
        xlabel="seconds without the word that would wake it, %",
        ylabel="words missed, %",
    )
    axes.legend(loc="upper right", fontsize=9)
    return figure_svg(drawing)


@styled
def conditions_svg(conditions: Conditions | None) -> str | None:
    """FRR in every condition over the false alarms that a threshold allows."""
    rows = [row for row in conditions.rows if row.frr_by_false_alarms] if conditions else []
    if not rows:
        return None
    drawing, axes = figure(5.7, 3.7)
    for row, colour in zip(rows, _CONDITION_COLOURS, strict=False):
        frr = [100.0 * share for share in row.frr_by_false_alarms]
        axes.step(range(len(frr)), frr, where="post", color=colour, lw=1.8, label=row.condition)
    hours = rows[0].negative_hours
    axes.set(
        xlim=(0, len(rows[0].frr_by_false_alarms) - 1),
        xlabel=f"false alarms allowed in {hours:.2f} h of other audio",
        ylabel="words missed (FRR), %",
    )
    axes.locator_params(axis="x", integer=True)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    axes.legend(loc="best", fontsize=9)
    return figure_svg(drawing)


@styled
def groups_svg(results: Results) -> str | None:
    """FRR of the words by pitch, SNR and source, each with its upper bound."""
    details = results.details
    kinds = ((details.pitches, "pitch"), (details.snrs, "SNR"), (details.sources, "source"))
    found = [
        (f"{kind}: {name}", group)
        for groups, kind in kinds
        for name, group in (groups or {}).items()
        if group.positives and len(groups or {}) > 1
    ]
    if not found:
        return None
    drawing, axes = figure(7.6, 0.9 + 0.3 * len(found))
    labels = []
    for place, (name, group) in enumerate(reversed(found)):
        frr, upper = 100 * (group.frr or 0.0), 100 * (group.frr_upper95 or 0.0)
        colour = QUIET if too_few(group) else BLUE
        plain = name.replace("$", r"\$")  # no formula
        labels.append(f"{plain} ({group.misses} of {group.positives})")
        axes.plot([frr, upper], [place, place], color=colour, lw=2, ls=":" if too_few(group) else "-")
        axes.plot(frr, place, "o", color=colour, ms=6)
    axes.set_yticks(range(len(found)), labels)
    axes.set(xlabel="missed words (FRR), %", xlim=(-1, None))
    axes.grid(visible=False, axis="y")
    return figure_svg(drawing)


@styled
def sources_svg(results: Results, max_fah: float | None) -> str | None:
    """False alarms per hour of every source between their bounds, the worst on top."""
    found = [(name, group) for name, group in worst_first(results.details.sources) if group.fah is not None]
    if len(found) < 2:
        return None
    drawing, axes = figure(7.6, 0.9 + 0.3 * len(found))
    labels = []
    for place, (name, group) in enumerate(reversed(found)):
        plain = name.replace("$", r"\$")  # no formula
        labels.append(f"{plain} ({group.negative_hours:.2g} h)")
        axes.plot([group.fah_lower95, group.fah_upper95], [place, place], color=BLUE, lw=2)
        axes.plot(group.fah, place, "o", color=BLUE, ms=6)
    least = min(1.0 / group.negative_hours for _, group in found)
    axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    right = max(group.fah_upper95 or 0.0 for _, group in found)
    ticks = [0.0, *log_ticks(least, right)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    if max_fah:
        axes.axvline(max_fah, color=RED, lw=1.2, ls="--", label=f"limit {max_fah:g}")
        axes.legend(loc="best", fontsize=9)
    axes.set_yticks(range(len(found)), labels)
    axes.set(
        xlabel="false alarms per hour, logarithmic", xlim=(0, 1.3 * right), ylim=(-0.6, len(found) - 0.4)
    )
    axes.grid(visible=False, axis="y")
    return figure_svg(drawing)


@styled
def loss_svg(log: Sequence[dict[str, str]]) -> str | None:
    """Training loss over the epochs of a run."""
    if not log:
        return None
    drawing, axes = figure(5.7, 3.2)
    axes.semilogy(range(1, len(log) + 1), [_cell(row, "loss") for row in log], color=BLUE, lw=1.8)
    axes.set(xlabel="epoch", ylabel="training loss")
    _mark_stages(axes, log)
    return figure_svg(drawing)


@styled
def validation_svg(log: Sequence[dict[str, str]]) -> str | None:
    """Misses on validation over the epochs of a run, where they were measured."""
    drawing, axes = figure(5.7, 3.2)
    epochs = np.arange(1, len(log) + 1)
    for key, colour, label in (("frr_clean", BLUE, "clean"), ("frr_mean", ORANGE, "mean of all conditions")):
        values = np.array([100.0 * _cell(row, key) for row in log])
        known = np.isfinite(values)
        if known.any():
            axes.plot(epochs[known], values[known], ".-", color=colour, lw=1.5, label=label)
    if not axes.lines:
        return None
    axes.set(xlabel="epoch", ylabel="words missed (FRR), %", ylim=(0, None))
    axes.legend(fontsize=9)
    _mark_stages(axes, log)
    return figure_svg(drawing)


def _mark_stages(axes: Axes, log: Sequence[dict[str, str]]) -> None:
    """A line where quantisation-aware training begins."""
    stages = [row.get("stage", "") for row in log]
    for number in (i for i in range(1, len(stages)) if stages[i] != stages[i - 1]):
        axes.axvline(number + 0.5, color=QUIET, lw=1, ls="--")
        place = (number + 0.5, 0.03)
        axes.annotate(f" {stages[number]}", place, xycoords=("data", "axes fraction"), color=QUIET)


def read_training(run: Path) -> list[dict[str, str]]:
    """The rows of a run folder's log.csv, one an epoch."""
    path = run / LOG
    try:
        rows = [*csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WatchwordError("holds no log of a training", path, "name a folder that train wrote") from error
    if not rows or "loss" not in rows[0]:
        raise WatchwordError("is not the log of a training", path, "name a folder that train wrote")
    return rows


def _cell(row: dict[str, str], key: str) -> float:
    try:
        return float(row.get(key) or "nan")
    except ValueError:
        return float("nan")


def _deviate(share: np.ndarray | float) -> np.ndarray:
    deviate: np.ndarray = stats.norm.ppf(share)
    return deviate
