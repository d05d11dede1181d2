"""FRR over false alarms per hour, one panel a condition."""

from __future__ import annotations

import io

import matplotlib
from watchword.data.jobs import CONDITIONS
from watchword.evaluate.plots import BLUE, GREEN, GRID, INK, ORANGE, QUIET

from tools.accuracy.results import MOST_PER_HOUR, Results

_COLOURS = (BLUE, ORANGE, GREEN)  # of ours and the peers, in their order
_STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "axes.grid": True,
    "grid.color": GRID,
    "figure.constrained_layout.use": True,
}


def draw(results: Results) -> bytes:
    """PNG; a row for each pool of negatives."""
    from matplotlib.figure import Figure

    curves = results.figures.curves
    colours = dict(zip(results.detectors, _COLOURS, strict=False))
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(2.5 * len(CONDITIONS), 2.4 * len(curves) + 0.3))
        grid = figure.subplots(len(curves), len(CONDITIONS), sharex=True, squeeze=False)
        for line, (pool, sides) in zip(grid, curves.items(), strict=True):
            for axes, name in zip(line, CONDITIONS, strict=True):
                for side, found in sides.items():
                    curve, title = found[name], results.detectors[side].title
                    percent = [100 * share for share in curve.frr]
                    axes.step(curve.fah, percent, where="post", color=colours[side], lw=1.8, label=title)
                axes.set_xlim(0, MOST_PER_HOUR)
                axes.set_ylim(0, max(5.0, axes.get_ylim()[1]))
                axes.set_xscale("symlog", linthresh=1)
                axes.set_xticks([0, 1, 3, 10, 30], ["0", "1", "3", "10", "30"])
                axes.set_title(name, fontsize=10)
            line[0].set_ylabel(f"FRR %\nnegatives: {pool}")
        figure.supxlabel("false alarms per hour", fontsize=9)
        grid[0][0].legend(fontsize=7, loc="upper right")
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    return picture.getvalue()
