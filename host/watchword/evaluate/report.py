"""The report: one self-contained HTML page made from results.json alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from watchword.evaluate import curves, plots
from watchword.evaluate.events import MAX_TRACES
from watchword.evaluate.excerpts import make_excerpts
from watchword.evaluate.groups import FEWEST_WORDS, too_few
from watchword.evaluate.metrics import worst_first
from watchword.evaluate.results import Results

TEMPLATE = "report.html.j2"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def render(results: Results, training: Sequence[dict[str, str]] = ()) -> str:
    """The whole page; results as read from results.json, training: rows of a run's log.csv.

    Sounds and spectrograms of the worst events come from the recordings, if they are still there.
    """
    limits = {line.key: line.budget for line in results.budgets.lines}
    pictures = {
        "curve": plots.curve_svg(results, limits.get("max_frr"), limits.get("max_fah")),
        "peaks": plots.peaks_svg(results),
        "latency": plots.latency_svg(results),
        "cost": plots.cost_svg(results.cost),
        "det": curves.det_svg(results),
        "conditions": curves.conditions_svg(results.conditions),
        "groups": curves.groups_svg(results),
        "sources": curves.sources_svg(results, limits.get("max_fah")),
        "loss": curves.loss_svg(training),
        "validation": curves.validation_svg(training),
    }
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            r=results,
            d=results.details,
            pictures={name: Markup(svg) if svg else None for name, svg in pictures.items()},
            trace=lambda event: Markup(plots.trace_svg(event.trace, results.detector.high)),
            latency_remark=latency_remark(results),
            worst_first=worst_first,
            too_few=too_few,
            fewest_words=FEWEST_WORDS,
            excerpts=make_excerpts(results),
            shown=MAX_TRACES,
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


def short_path(name: str) -> str:
    """The last parts of a path, enough to tell recordings apart."""
    return "/".join(Path(name).parts[-3:])


def latency_remark(results: Results) -> str:
    """What the latency holds of the board's own computing: all of it, or only a count beside it."""
    costs, unit = results.cost.detection_instructions, results.cost.unit
    if not costs:
        return ""
    spent = f"{costs.p50:,.0f} {unit} (at most {costs.max:,.0f})"
    if unit == "cycles":
        return f"latency holds the board's computing of the deciding hop: {spent}"
    return f"latency is in audio time; computing the deciding hop takes {spent} more"


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
        short=short_path,
        figure=format_value,
        count=lambda n: f"{n:,.0f}",
    )
    return environment
