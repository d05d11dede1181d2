"""FRR over false alarms per hour, one panel a condition."""

from __future__ import annotations

import io

import matplotlib
from watchword.data.jobs import CONDITIONS
from watchword.evaluate.plots import BLUE, GRID, INK, ORANGE, QUIET

from tools.accuracy.results import MOST_PER_HOUR, OURS, PEER, Results
from tools.accuracy.trials import POOLS

_COLOURS = {OURS: BLUE, PEER: ORANGE}
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
    """PNG; rows: negatives as recorded, and in every condition."""
    from matplotlib.figure import Figure

    pools = (POOLS[0], POOLS[2])
    names = {OURS: "Watchword", PEER: results["peer"]["title"]}
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(2.5 * len(CONDITIONS), 2.4 * len(pools) + 0.3))
        grid = figure.subplots(len(pools), len(CONDITIONS), sharex=True, squeeze=False)
        for line, pool in zip(grid, pools, strict=True):
            for axes, name in zip(line, CONDITIONS, strict=True):
                for side, curves in results["curves"][pool].items():
                    fah, frr = curves[name]
                    percent = [100 * share for share in frr]
                    axes.step(fah, percent, where="post", color=_COLOURS[side], lw=1.8, label=names[side])
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
