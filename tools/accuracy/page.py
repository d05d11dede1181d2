"""docs/evidence/accuracy.md: a section for each word, written from the benchmark's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from watchword.data.jobs import CONDITIONS

from tools.accuracy.results import OURS, PEER, Results
from tools.accuracy.trials import POOLS

INTRODUCTION = """# Accuracy, side by side

The sections below are written by `make bench-accuracy` (tools/accuracy/benchmark.py): Watchword's int8 model
through the C core, and the peer from PyPI through its own code, on exactly the same samples. Each
recording is a stream of its own with silence around it, both detectors reset before it. Rooms, noises
and speakers are those of the named splits alone. Our models were tuned on val, so val flatters them; what
the peer was tuned on is not known.

How it is counted, for both alike: on audio without the word, the highest smoothed score is an event and
silences a second on either side, then the highest of the rest, and so on; an event that reaches the
threshold is a false alarm. A word is heard when the smoothed score reaches the threshold between its
start and one second after its end. The threshold of each detector is the lowest that lets the given
number of false alarms pass. FRR is the share of words missed. Bounds are one-sided 95 %; for FRR they
count every clip once, however often it was heard, because draws of one clip are not independent.
A **bold** verdict is clear: a sign test over the clips gives p < 0.05.
"""
_SHOWN = {
    POOLS[0]: "the other audio as recorded",
    POOLS[2]: "that audio as recorded and in every other condition",
}


def put_section(page: str, word: str, section: str) -> str:
    """The page with the section of `word` replaced, or added at the end; the rest stays as it is."""
    first, last = f"<!-- begin {word} -->", f"<!-- end {word} -->"
    block = f"{first}\n{section.strip()}\n{last}"
    page = page.strip() or INTRODUCTION.strip()
    before, found, rest = page.partition(first)
    if not found:
        return f"{page}\n\n{block}\n"
    return f"{before}{block}{rest.partition(last)[2]}".rstrip() + "\n"


def section(results: Results, plot: str) -> str:
    """Everything about one word; plot: name of the picture beside the page."""
    peer = results["peer"]
    title = f"## {results['word']}" + (f" against {peer['title']}" if peer["title"] else ", alone")
    parts = [title, _what(results), _verdict(results)]
    for pool, text in _SHOWN.items():
        parts += [f"### FRR at equal false alarms on {text}", _equal(results, pool)]
    parts += ["### As shipped, each at its own threshold", _as_shipped(results)]
    parts += ["### By split, at 1 false alarm on all their other audio as recorded", _by_split(results)]
    parts.append(f"![FRR over false alarms per hour]({plot})")
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(results: Results) -> str:
    data, peer = results["data"], results["peer"]
    words = ", ".join(
        f"{split} {count} words of {data['speakers'][split]} speakers"
        for split, count in data["words"].items()
    )
    hours = data["hours"]
    sources = "; ".join(
        f"{name} {_minutes(part['hours'] + part['synthetic_hours'])}"
        + (f" (synthetic: {_minutes(part['synthetic_hours'])})" if part["synthetic_hours"] else "")
        for name, part in data["sources"].items()
    )
    lines = [
        f"Model `{results['model']['name']}` ({results['model']['crc32']}), {results['detector']}.",
        f"Peer: {peer['title']}, cutoff {peer['cutoff']:g}, mean of {peer['window']} inferences."
        if peer["title"]
        else f"Peer: none; {peer['reason']}.",
        f"Words: {words}; {data['synthetic_words']} of them synthetic; "
        f"{results['draws']} draws of each in every condition but clean, seed {results['seed']}.",
        f"Negatives: {hours[POOLS[0]]:.2f} h as recorded and {hours[POOLS[1]]:.2f} h in rooms and noise, "
        f"with {data['rooms']} rooms and {data['noises']} noise recordings. As recorded: {sources}.",
        f"Digest of the recordings: {data['digest'][:16]}.",
    ]
    if results["board"]:
        lines.append(
            f"Our scores were also computed on {results['board']['port']}: "
            f"{results['board']['scores']:,} scores, all equal to the host's."
        )
    if data["skipped"]:
        lines.append(f"Not readable and left out: {len(data['skipped'])} recordings.")
    return "\n".join(f"- {line}" for line in lines)


def _verdict(results: Results) -> str:
    if not results["peer"]["title"]:
        return ""
    lines = []
    for pool, text in _SHOWN.items():
        tally = results["verdicts"][pool]
        total = sum(tally.values())
        counts = f"better in {tally['better']} of {total} cells, equal in {tally['equal']}"
        lines.append(f"- false alarms on {text}: {counts}, worse in {tally['worse']}")
    return "Ours against the peer:\n\n" + "\n".join(lines)


def _equal(results: Results, pool: str) -> str:
    hours = results["data"]["hours"][pool]
    head = (f"false alarms in {hours:.2f} h (per hour, bound)", "FRR %, (bound)", *CONDITIONS)
    rows: list[tuple[str, ...]] = []
    for row in results["equal_alarms"][pool]:
        label = f"{row['allowed']} ({row['fah']:.1f}, ≤ {row['fah_upper95']:.1f})"
        cells = row["conditions"].values()
        rows.append((label, "Watchword", *(_frr(cell[OURS]) for cell in cells)))
        if all(PEER in cell for cell in cells):
            rows.append(("", "peer", *(_frr(cell[PEER]) for cell in cells)))
            rows.append(("", "verdict", *(_mark(cell) for cell in cells)))
    return _table(head, rows)


def _as_shipped(results: Results) -> str:
    head = ("threshold", "", *CONDITIONS, *(f"false alarms, {pool}" for pool in POOLS[:2]))
    rows = []
    for side, found in results["as_shipped"].items():
        alarms = [
            f"{a['false_alarms']} ({a['fah']:.1f} per hour, ≤ {a['fah_upper95']:.1f})"
            for a in (found["negatives"][pool] for pool in POOLS[:2])
        ]
        cells = [f"{c['misses']}/{c['trials']}" for c in found["conditions"].values()]
        rows.append((f"{found['threshold']:.3f}", _side(side), *cells, *alarms))
    return _table(head, rows)


def _by_split(results: Results) -> str:
    rows = [
        (split, _side(side), *(f"{c['misses']}/{c['trials']}" for c in found.values()))
        for split, sides in results["by_split"].items()
        for side, found in sides.items()
    ]
    return _table(("split", "missed", *CONDITIONS), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|---" + "|---:" * (len(head) - 2) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _frr(figures: dict[str, Any]) -> str:
    return f"{100 * figures['frr']:.1f} (≤ {100 * figures['frr_upper95']:.1f})"


def _mark(cell: dict[str, Any]) -> str:
    return f"**{cell['verdict']}**" if cell["clear"] else cell["verdict"]


def _minutes(hours: float) -> str:
    return f"{60 * hours:.1f} min"


def _side(side: str) -> str:
    return {OURS: "Watchword", PEER: "peer"}[side]
