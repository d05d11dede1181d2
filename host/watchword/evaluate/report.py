"""The report: one self-contained HTML page made from results.json alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from watchword.evaluate import plots

TEMPLATE = "report.html.j2"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
SHOWN_EVENTS = 12  # with a picture each, before the rest is folded away

Results = dict[str, Any]


def render(results: Results) -> str:
    """The whole page; results as read from results.json."""
    limits = {line["key"]: line["budget"] for line in results["budgets"]["lines"]}
    pictures = {
        "curve": plots.curve_svg(results, limits.get("max_frr"), limits.get("max_fah")),
        "peaks": plots.peaks_svg(results),
        "latency": plots.latency_svg(results),
        "cost": plots.cost_svg(results["cost"]),
    }
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            r=results,
            d=results["details"],
            pictures={name: Markup(svg) if svg else None for name, svg in pictures.items()},
            trace=lambda event: Markup(plots.trace_svg(event["trace"], results["detector"]["high"])),
            shown=SHOWN_EVENTS,
        )
    )


def format_value(value: float | None, unit: str) -> str:
    """A figure of the verdict in words: '2.4 %', '0.12', '310 ms', '12.3 M', '18,432 B'."""
    if value is None:
        return "not measured"
    if unit == "share":
        return percent(value)
    if unit == "ms":
        return f"{value:,.0f} ms"
    if unit == "bytes":
        return f"{value:,.0f} B"
    if unit == "count":
        return f"{value / 1e6:.2f} M"
    return rate(value)


def percent(value: float | None) -> str:
    """Share 0..1 as a percentage, with a decimal where it matters."""
    return "–" if value is None else f"{100 * value:.3g} %"


def rate(value: float | None) -> str:
    """Events per hour."""
    if value is None:
        return "–"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def hours(value: float) -> str:
    """Hours of audio, in minutes when it is little."""
    return f"{value:.2f} h" if value >= 1 else f"{60 * value:.1f} min"


def clock(seconds: float) -> str:
    """Position in a recording: m:ss.s, or h:mm:ss.s."""
    minutes, rest = divmod(round(seconds * 10) / 10, 60)
    whole, minutes = divmod(int(minutes), 60)
    return f"{whole}:{minutes:02d}:{rest:04.1f}" if whole else f"{minutes}:{rest:04.1f}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=lambda share: percent(share).replace(" ", NO_BREAK_SPACE),
        rate=rate,
        hours=hours,
        clock=clock,
        figure=format_value,
        count=lambda n: f"{n:,.0f}",
    )
    return environment
