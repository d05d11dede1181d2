"""The pictures of a report, as inline SVG."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from watchword.evaluate.results import Cost, Results, Trace

INK, QUIET, GRID, CARD = "#1d2733", "#66727f", "#e3e8ed", "#ffffff"
BLUE, ORANGE, GREEN, RED, VIOLET = "#1f6feb", "#e07b00", "#1a7f4b", "#c62f3b", "#8250df"
# The page sets these, for light and for dark; the figures are drawn with the values for light.
_VARIABLES = {
    INK: "--ink",
    QUIET: "--quiet",
    GRID: "--line",
    CARD: "--card",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--good",
    RED: "--bad",
    VIOLET: "--violet",
}
STAGE_COLOURS = {"frontend": BLUE, "model": ORANGE, "detector": GREEN}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, sharp, selectable
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.edgecolor": "none",
    "legend.facecolor": CARD,
    "legend.framealpha": 0.85,
    "figure.constrained_layout.use": True,
}

_MOST_TICKS = 9  # with a label, on one axis
_NINE = tuple(range(1, 10))


def styled(draw: Callable[..., str | None]) -> Callable[..., str | None]:
    """Draw with the report's style, and leave matplotlib's own settings as they were."""

    @functools.wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> str | None:
        import matplotlib

        # The salt keeps the ids of several plots on one page apart, and a page the same on every run.
        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": draw.__name__}):
            return draw(*args, **kwargs)

    return drawn


@styled
def curve_svg(results: Results, max_frr: float | None, max_fah: float | None) -> str | None:
    """FRR over FAH for every threshold, the setting in force, and the area the budgets allow."""
    curve, now_fah, now_frr = results.details.curve, results.fah, results.frr
    fah = [p.fah for p in curve if p.fah is not None]
    frr = [100 * p.frr for p in curve if p.frr is not None]
    if now_fah is None or now_frr is None or not fah or len(fah) != len(frr):
        return None
    drawing, axes = figure(5.7, 3.5)
    one = 1.0 / results.negative_hours  # the smallest rate these recordings can show above 0
    axes.set_xscale("symlog", linthresh=one, linscale=0.5)
    right = max(2 * one, *fah) * 1.3
    if max_frr is not None and max_fah is not None:
        axes.fill_between([0, max_fah], 0, 100 * max_frr, color=GREEN, alpha=0.3, lw=0, label="within budget")
    axes.plot([p.fah_upper95 for p in curve], frr, color=QUIET, lw=1, ls="--", label="FAH, 95 % upper bound")
    axes.plot(
        fah,
        frr,
        color=BLUE,
        lw=2,
        marker="o",
        ms=3,
        label="measured, one dot a threshold",
    )
    now = now_fah, 100 * now_frr
    axes.plot(
        *now,
        marker="o",
        ms=9,
        color=RED,
        ls="none",
        label=f"as set: threshold {results.detector.high:.2f}",
    )
    top = min(103.0, max(20.0, 4.0 * now[1]))  # what lies above is a detector nobody would set so
    axes.set(
        xlim=(-0.12 * one, right),
        ylim=(-0.03 * top, top),
        xlabel="false alarms per hour (FAH), logarithmic",
        ylabel="missed wakes (FRR), %",
    )
    ticks = [0.0, *log_ticks(one, right)]
    if max_fah and 0.3 * one < max_fah < right and all(not 2 / 3 < tick / max_fah < 3 / 2 for tick in ticks):
        ticks.append(max_fah)  # the edge of the budget can be read
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks(log_ticks(one, right, _NINE), minor=True)
    axes.tick_params(axis="x", which="minor", length=2, labelbottom=False)
    axes.legend(loc="upper right", fontsize=9)
    return figure_svg(drawing)


@styled
def peaks_svg(results: Results) -> str | None:
    """How high the smoothed score gets in the words, and in the seconds without them."""
    peaks, high = results.details.peaks, results.detector.high
    if not sum(peaks.words) + sum(peaks.negative_seconds):
        return None
    drawing, axes = figure(5.7, 3.5)
    edges = np.linspace(0, 1, peaks.bins + 1)
    for counts, colour, label in (
        (peaks.negative_seconds, QUIET, "each second without the word"),
        (peaks.words, BLUE, "each spoken word"),
    ):
        if sum(counts):
            total = f"{sum(counts):,}"
            axes.stairs(counts, edges, fill=True, color=colour, alpha=0.7, label=f"{label} ({total})")
    axes.axvline(high, color=RED, lw=1.5, ls="--", label=f"threshold {high:.2f}")
    axes.set_yscale("log")
    axes.set(xlim=(0, 1), ylim=(0.7, None), xlabel="highest smoothed score", ylabel="count (log)")
    axes.legend(loc="upper center", fontsize=9)
    return figure_svg(drawing)


@styled
def latency_svg(results: Results) -> str | None:
    """Time from the end of the word to its detection."""
    values = results.details.latencies_ms
    if not values:
        return None
    drawing, axes = figure(5.7, 4.3)
    low, high = min(*values, 0.0), max(*values, 200.0)
    axes.hist(values, bins=list(np.arange(np.floor(low / 40) * 40, high + 41, 40)), color=BLUE, alpha=0.8)
    for key, value, style in (("p50", results.latency_ms.p50, "-"), ("p95", results.latency_ms.p95, "--")):
        axes.axvline(value, color=RED, lw=1.5, ls=style, label=f"{key} {value:.0f} ms")
    axes.axvline(0, color=QUIET, lw=1)
    axes.locator_params(axis="y", integer=True)
    axes.set(xlabel="ms from word end to detection", ylabel="words")
    axes.legend(fontsize=9)
    return figure_svg(drawing)


@styled
def cost_svg(cost: Cost) -> str | None:
    """Instructions per second of audio, by stage."""
    stages = {k: v for k, v in cost.instructions_per_audio_second.items() if k != "total" and v is not None}
    if not stages:
        return None
    drawing, axes = figure(5.7, 1.8)
    names = list(stages)[::-1]
    values = [stages[name] / 1e6 for name in names]
    bars = axes.barh(names, values, color=[STAGE_COLOURS.get(name, QUIET) for name in names], height=0.62)
    axes.bar_label(
        bars,
        [f" {value:.2f} M" if value >= 0.1 else f" {1000 * value:.3g} k" for value in values],
        color=INK,
        fontsize=10,
    )
    axes.set(xlabel="million instructions per second of audio", xlim=(0, max(values) * 1.15 or 1))
    axes.grid(visible=False, axis="y")
    return figure_svg(drawing)


def trace_svg(trace: Trace, high: float, width: int = 380, height: int = 64) -> str:
    """A small plot of the scores around an event: raw (thin), smoothed (bold), threshold, word."""
    count = len(trace.smoothed)
    first_s, span_s = trace.first_s, max(trace.step_s * (count - 1), 1e-3)

    def x(seconds: float) -> float:
        share: float = min(max((seconds - first_s) / span_s, 0.0), 1.0)
        return round(share * width, 1)

    def line(values: Sequence[float], style: str) -> str:
        points = " ".join(
            f"{x(first_s + i * trace.step_s)},{round(height - v / 100 * height, 1)}"
            for i, v in enumerate(values)
        )
        return f'<polyline points="{points}" style="fill:none;{style}"/>'

    def rule(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
        return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" style="{style}"/>'

    spans = [(x(a), max(x(b) - x(a), 1.0)) for a, b in trace.words]
    shade = f'height="{height}" style="fill:var(--blue);opacity:.14"'
    level = round(height * (1 - high), 1)
    parts = [
        *(f'<rect x="{left}" y="0" width="{wide:.1f}" {shade}/>' for left, wide in spans),
        rule(0, height, width, height, "stroke:var(--line)"),
        rule(0, level, width, level, "stroke:var(--bad);stroke-dasharray:4 3"),
        rule(x(0), 0, x(0), height, "stroke:var(--quiet);stroke-dasharray:1 3"),
        line(trace.raw, "stroke:var(--quiet);stroke-width:.8"),
        line(trace.smoothed, "stroke:var(--blue);stroke-width:1.8"),
    ]
    size = f'viewBox="0 -2 {width} {height + 4}" preserveAspectRatio="none"'
    return f'<svg class="trace" {size} role="img" aria-label="scores around the event">{"".join(parts)}</svg>'


def log_ticks(low: float, high: float, steps: Sequence[int] = ()) -> list[float]:
    """Ticks of a logarithmic axis from `low` to `high`: 1, 2, 5, 10 …; on a long axis 1, 10, 100 …

    `steps`: these multiples of every power of ten. On an axis shorter than any step, its lower end.
    """
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    for tried in [steps] if steps else [(1, 2, 5), (1, 5), (1,)]:
        ticks = [step * 10.0**e for e in range(first, last + 1) for step in tried]
        inside = [float(f"{tick:g}") for tick in ticks if low <= tick <= high]
        if len(inside) <= _MOST_TICKS:
            break
    return inside or [low]


def figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of that size in inches with its axes; with several columns an array of them."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height))
    return drawing, drawing.subplots(1, columns)


def figure_svg(drawing: Figure) -> str:
    """The figure as an <svg> element without a size of its own: the page decides."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    tag, body = text[text.index("<svg") :].split(">", 1)
    return re.sub(r' (width|height)="[^"]*"', "", tag) + ">" + body
