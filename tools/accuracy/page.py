"""docs/evidence/accuracy.md: a section for each word, written from the benchmark's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watchword.data.jobs import CONDITIONS
from watchword.evaluate.metrics import AlarmRate

from tools.accuracy.by_source import EQUAL_RATE, UNSEEN, SourceFigures
from tools.accuracy.results import Budget, Frr, Results, Verdict, tally
from tools.accuracy.trials import ALL, AS_RECORDED, ELSEWHERE, IN_SCENES

INTRODUCTION = """# Accuracy, side by side

The sections below are written by `make bench-accuracy` (tools/accuracy/benchmark.py): Watchword's int8
model through the C core, and two peers from PyPI, each through its own code (tools/accuracy/workers), on
exactly the same samples. Each recording is a stream of its own with silence around it, all detectors reset
before it. Rooms, noises and speakers are those of the named splits alone. Our models were tuned on val, so
val flatters them; what the peers were tuned on is not known.

How it is counted, for all alike: on audio without the word, the highest smoothed score is an event and
silences a second on either side, then the highest of the rest, and so on; an event that reaches the
threshold is a false alarm. A word is heard when the smoothed score reaches the threshold between its
start and one second after its end. The threshold of each detector is the lowest that lets the given
number of false alarms pass. FRR is the share of words missed. Bounds are one-sided 95 %; for FRR they
count every clip once, however often it was heard, because draws of one clip are not independent.
A **bold** verdict is clear: a sign test over the clips gives p < 0.05.
"""
_BEGIN = "<!-- begin "
_SHOWN = {
    AS_RECORDED: "the other audio as recorded",
    ALL: "that audio as recorded and in every other condition",
    ELSEWHERE: "other collections as recorded",
}


def put_section(page: str, word: str, section: str) -> str:
    """The page with the section of `word` replaced, or added at the end; the rest stays as it is.

    What stands before the first section is the introduction, which is written anew.
    """
    _, found, sections = page.partition(_BEGIN)
    page = f"{INTRODUCTION.strip()}\n\n{found}{sections}" if found else page.strip() or INTRODUCTION.strip()
    first, last = f"{_BEGIN}{word} -->", f"<!-- end {word} -->"
    block = f"{first}\n{section.strip()}\n{last}"
    before, found, rest = page.partition(first)
    if not found:
        return f"{page.rstrip()}\n\n{block}\n"
    return f"{before}{block}{rest.partition(last)[2]}".rstrip() + "\n"


def section(results: Results, plot: str) -> str:
    """Everything about one word; plot: name of the picture beside the page."""
    others = " and ".join(results.detectors[peer].title for peer in results.peers)
    title = f"## {results.word}" + (f" against {others}" if others else ", alone")
    parts = [title, _what(results), _verdicts(results)]
    for pool, text in _SHOWN.items():
        if pool in results.figures.equal_alarms:
            parts += [f"### FRR at equal false alarms on {text}", _equal(results, pool)]
    parts += ["### As shipped, each at its own threshold", _as_shipped(results)]
    parts += ["### False alarms by source, on all audio as recorded", _by_source(results)]
    parts += ["### By split, at 1 false alarm on all their other audio as recorded", _by_split(results)]
    parts.append(f"![FRR over false alarms per hour]({plot})")
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(results: Results) -> str:
    data = results.figures.data
    words = ", ".join(
        f"{split} {count} words of {data.speakers[split]} speakers" for split, count in data.words.items()
    )
    lines = [
        f"{detector.title}: model `{detector.model}`, threshold {detector.threshold:.3f}, {detector.about}."
        for detector in results.detectors.values()
    ]
    lines += [f"Not compared: {text}." for text in results.absent]
    lines += [
        f"Words: {words}; {data.synthetic_words} of them synthetic; "
        f"{results.draws} draws of each in every condition but clean, seed {results.seed}.",
        f"Audio without the word: {data.hours[AS_RECORDED]:.2f} h as recorded and "
        f"{data.hours[IN_SCENES]:.2f} h in rooms and noise, with {data.rooms} rooms and {data.noises} noise "
        "recordings"
        + (f"; {data.hours[ELSEWHERE]:.2f} h of other collections." if data.hours[ELSEWHERE] else "."),
        f"Digest of the recordings: {data.digest[:16]}.",
    ]
    if results.board:
        lines.append(
            f"Our scores were also computed on {results.board.port}: "
            f"{results.board.scores:,} scores, all equal to the host's."
        )
    if data.skipped:
        lines.append(f"Left out: {len(data.skipped)} recordings (accuracy.json names them).")
    return "\n".join(f"- {line}" for line in lines)


def _verdicts(results: Results) -> str:
    lines = []
    for peer in results.peers:
        for pool, text in _SHOWN.items():
            if budgets := results.figures.equal_alarms.get(pool):
                counts = tally(budgets, peer)
                cells = f"{counts['better']} of {sum(counts.values())} cells"
                lines.append(
                    f"- {peer}, false alarms on {text}: better in {cells}, equal in {counts['equal']}, "
                    f"worse in {counts['worse']}"
                )
    return "Ours against\n\n" + "\n".join(lines) if lines else ""


def _equal(results: Results, pool: str) -> str:
    budgets = results.figures.equal_alarms[pool]
    head = (
        f"false alarms in {budgets[0].allowed.negative_hours:.2f} h (per hour, bound)",
        "FRR %, (bound)",
        *CONDITIONS,
    )
    return _table(head, [row for budget in budgets for row in _budget_rows(budget)])


def _budget_rows(budget: Budget) -> list[tuple[str, ...]]:
    allowed = budget.allowed
    rows = [
        ("", side, *(_frr(cell) for cell in found.conditions.values()))
        for side, found in budget.detectors.items()
    ]
    rows[0] = (f"{allowed.false_alarms} ({_per_hour(allowed)})", *rows[0][1:])
    for peer, verdicts in budget.verdicts.items():
        rows.append(("", f"against {peer}", *(_mark(cell) for cell in verdicts.values())))
    return rows


def _as_shipped(results: Results) -> str:
    pools = [pool for pool in (AS_RECORDED, IN_SCENES, ELSEWHERE) if results.figures.data.hours[pool]]
    head = ("threshold", "", *CONDITIONS, *(f"false alarms, {pool}" for pool in pools))
    rows = []
    for side, found in results.figures.as_shipped.items():
        alarms = [_alarms(found.negatives[pool], "per hour, ") for pool in pools]
        rows.append((f"{found.threshold:.3f}", side, *_counts(found.conditions), *alarms))
    return _table(head, rows)


def _by_split(results: Results) -> str:
    rows = [
        (split, side, *_counts(found))
        for split, sides in results.figures.by_split.items()
        for side, found in sides.items()
    ]
    return _table(("split", "missed", *CONDITIONS), rows)


def _by_source(results: Results) -> str:
    """At each detector's own threshold, and at one false alarm rate over all of it."""
    sides = list(results.detectors)
    head = ["source", "split", "our model", "hours", *(f"{side} as shipped" for side in sides)]
    head += [f"{side} at {EQUAL_RATE:g}/h" for side in sides]
    rows = []
    for row in results.figures.by_source:
        hours = f"{row.hours:.2f}" + (
            f" ({row.synthetic_hours:.2f} synthetic)" if row.synthetic_hours else ""
        )
        cells = [_alarms(row.as_shipped[side], "") for side in sides]
        cells += [str(row.at_equal_rate[side].false_alarms) for side in sides]
        rows.append((_source(row), row.split, row.use, hours, *cells))
    how = (
        "False alarms (per hour, with one-sided 95 % bounds). The third column says what our model did "
        "with the source, by its card; `trained` and `validated` flatter it. The last columns "
        f"count at the thresholds that give {EQUAL_RATE:g} false alarms an hour over all rows."
    )
    return how + "\n\n" + _table(head, rows, left=3)


def _source(row: SourceFigures) -> str:
    if row.source:
        return row.source
    return f"**all of {row.split}**" if row.split else f"**all {UNSEEN} by our model**"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 2) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * left + "---:|" * (len(head) - left)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _counts(cells: Mapping[str, Frr]) -> list[str]:
    return [f"{cell.misses}/{cell.trials}" for cell in cells.values()]


def _frr(cell: Frr) -> str:
    return f"{100 * cell.frr:.1f} (≤ {100 * cell.frr_upper95:.1f})"


def _mark(cell: Verdict) -> str:
    return f"**{cell.word}**" if cell.clear else cell.word


def _per_hour(rate: AlarmRate) -> str:
    return f"{rate.fah or 0.0:.2g}, ≤ {rate.fah_upper95 or 0.0:.2g}"


def _alarms(rate: AlarmRate, unit: str) -> str:
    bounds = f"{rate.fah or 0.0:.2f} {unit}[{rate.fah_lower95 or 0.0:.2f}, {rate.fah_upper95 or 0.0:.2f}]"
    return f"{rate.false_alarms} ({bounds})"
