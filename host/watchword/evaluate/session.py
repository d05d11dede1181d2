"""A session folder: results.json, report.html and log.txt, and the table on the terminal."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from watchword.errors import WatchwordError
from watchword.evaluate.curves import read_training
from watchword.evaluate.groups import FEWEST_WORDS, too_few
from watchword.evaluate.ledger import FILE as SCORES
from watchword.evaluate.ledger import Ledger, open_ledger
from watchword.evaluate.metrics import GroupFigures, worst_first
from watchword.evaluate.report import format_value, hours, latency_remark, percent, rate, render
from watchword.evaluate.results import FILE, BudgetLine, Conditions, Results, read_results, to_json
from watchword.files import check_folder, new_folder, with_suffixes, write_atomic

LOG = "log.txt"
EXIT_OVER_BUDGET = 2
EXIT_NOT_EQUAL = 3
EXIT_INTERRUPTED = 130


def _default_folder() -> Path:
    """A new sessions/<time>, named so that a listing is in order of time."""
    time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return new_folder(with_suffixes(Path("sessions") / time))


@dataclass
class Session:
    """Collects the log and the scores of a run; only scores are written before `finish`."""

    folder: Path
    lines: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def log(self, text: str, show: bool = True) -> None:
        """Add a line to log.txt, and show it (on stderr: stdout is for the result)."""
        self.lines.append(f"{datetime.datetime.now().strftime('%H:%M:%S.%f')[:-3]} {text}")
        if show:
            print(text, file=sys.stderr, flush=True)

    def finish(self, results: Results) -> None:
        """Write all three files, results.json last: where it is, the others are."""
        files = {
            LOG: "\n".join(self.lines) + "\n",
            "report.html": render(results),
            FILE: to_json(results),
        }
        for name, content in files.items():
            write_atomic(self.folder / name, content)
        if not results.partial:
            self.ledger.remove()

    @contextmanager
    def keeping(self, partial: Callable[[], Results | None]) -> Iterator[None]:
        """Work that may end early: what `partial` makes of the scores so far is written then."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit, WatchwordError):
            if len(self.ledger):
                self._finish_early(partial)
            raise

    def _finish_early(self, partial: Callable[[], Results | None]) -> None:
        """The scores are on disk already: whatever goes wrong here is no reason to hide why the run ended."""
        try:
            results = partial()
            if results is not None:
                self.log(results.notes[0])
                self.finish(results)
        except WatchwordError as error:
            print(f"no partial results: {error}", file=sys.stderr, flush=True)
        print(f"what was heard is kept in {self.folder}: go on with --resume", file=sys.stderr, flush=True)


@contextmanager
def open_session(folder: Path | None, resume: bool = False) -> Iterator[Session]:
    """A folder that can be written to, known before the long work; without scores nothing is left behind.

    None: a new one, named by the time. `resume`: go on with the interrupted run that is in it.
    """
    if folder is None and resume:
        raise WatchwordError("--resume needs the session's folder", "", "name it with --out")
    created = folder is None
    folder = folder or _default_folder()
    created |= check_folder(folder)
    try:
        with open_ledger(folder, resume) as ledger:
            yield Session(folder, _earlier_log(folder) if len(ledger) else [], ledger)
    except KeyboardInterrupt:
        if not (folder / SCORES).is_file():
            print(f"\ninterrupted: nothing was written to {folder}", file=sys.stderr)
        raise SystemExit(EXIT_INTERRUPTED) from None
    finally:
        if created and not any(folder.iterdir()):
            folder.rmdir()


def _earlier_log(folder: Path) -> list[str]:
    """Of the run that is gone on with."""
    try:
        return (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def rerender(folder: Path, run: Path | None = None) -> Path:
    """report.html again, from results.json; with the curves of a training's folder `run`."""
    results = read_results(folder)
    training = read_training(run) if run else ()
    return write_atomic(folder / "report.html", render(results, training))


def exit_status(results: Results) -> int:
    """0, or what went wrong with the board. A board that differs from the host comes first."""
    parity = results.parity
    if parity.mismatches or parity.detection_mismatches or results.link.lost_samples:
        return EXIT_NOT_EQUAL
    return 0 if results.budgets.passed else EXIT_OVER_BUDGET


def table(results: Results) -> str:
    """The verdict for the terminal: value, budget and PASS/FAIL a line."""
    rows = [
        (line.label, format_value(line.value, line.unit), _budget(line), _verdict(line.passed))
        for line in results.budgets.lines
        if line.value is not None or line.budget is not None
    ]
    heading = (f"{results.word} on {results.board}", "value", "budget", "")
    lines = aligned([heading, *rows])
    text = [lines[0], "-" * max(map(len, lines)), *lines[1:], *_remarks(results)]
    return "\n".join(line.rstrip() for line in text)


def _remarks(results: Results) -> list[str]:
    """What qualifies the figures: counts, bounds, parity, limits."""
    lines = []
    if results.positives:
        bound = percent(results.frr_upper95)
        lines.append(f"missed {results.misses} of {results.positives} words; FRR at 95 %: at most {bound}")
    if results.fah is not None:
        lines.append(
            f"{results.false_alarms} false alarms in {hours(results.negative_hours)}; "
            f"FAH at 95 %: at most {rate(results.fah_upper95)}"
        )
    parity = results.parity
    if parity.checked_scores:
        differ = parity.mismatches + parity.detection_mismatches
        verdict = "all equal" if not differ else f"{differ:,} DIFFER"
        lines.append(f"board against host: {parity.checked_scores:,} scores, {verdict}")
    computing = latency_remark(results)
    if computing:
        lines.append(computing)
    if results.cost.estimate:
        lines.append(results.cost.estimate.text)
    if results.skipped:
        count = len(results.skipped)
        files = "1 file was" if count == 1 else f"{count} files were"
        lines.append(f"{files} not usable (see log.txt or the report)")
    tables = [
        *_source_table(results.details.sources),
        *_voice_table("pitch", results.details.pitches),
        *_voice_table("SNR", results.details.snrs),
        *_condition_table(results.conditions),
    ]
    return [*lines, *results.notes, *tables]


def _source_table(sources: dict[str, GroupFigures]) -> list[str]:
    """Misses and false alarms of every source, the most false alarms per hour first."""
    if len(sources) < 2:  # the figures of all are those of the one
        return []
    heading = ["source", "words", "FRR", "at most", "false alarms", "in", "FAH", "at least", "at most"]
    rows = [
        [
            name,
            str(found.positives or "–"),
            percent(found.frr),
            percent(found.frr_upper95),
            str(found.false_alarms) if found.negative_hours else "–",
            hours(found.negative_hours) if found.negative_hours else "–",
            *(rate(value) for value in (found.fah, found.fah_lower95, found.fah_upper95)),
        ]
        for name, found in worst_first(sources)
    ]
    return ["", *aligned([heading, *rows]), '"at least", "at most": one-sided bounds at 95 %']


def _voice_table(kind: str, groups: dict[str, GroupFigures] | None) -> list[str]:
    """Misses by what was estimated of the voice."""
    if not groups or len(groups) < 2:
        return []
    heading = [f"estimated {kind}", "words", "missed", "FRR", "at most", ""]
    rows = [
        [
            name,
            str(found.positives),
            str(found.misses),
            percent(found.frr),
            percent(found.frr_upper95),
            f"under {FEWEST_WORDS} words: too few to say" if too_few(found) else "",
        ]
        for name, found in groups.items()
    ]
    return ["", *aligned([heading, *rows])]


def _condition_table(conditions: Conditions | None) -> list[str]:
    """FRR and false alarms in every acoustic condition."""
    if not conditions:
        return []
    allowed = list(conditions.thresholds)
    heading = [
        "condition",
        "words",
        "FRR",
        *(f"at {k} f.a." for k in allowed),
        "at most",
        "false alarms",
        "in",
    ]
    rows = [
        [
            row.condition,
            str(row.positives),
            percent(row.frr),
            *(percent(row.frr_at_false_alarms[k]) for k in allowed),
            percent(row.frr_upper95),
            str(row.false_alarms),
            hours(row.negative_hours),
        ]
        for row in conditions.rows
    ]
    return [
        "",
        *aligned([heading, *rows]),
        f"draws of a word: {conditions.draws}, seed {conditions.seed}; {conditions.rooms} rooms and "
        f"{conditions.noises} noises of the split;",
        '"at k f.a.": at the threshold that allows k false alarms in all other audio as it is',
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [f"{row[0]:<{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _budget(line: BudgetLine) -> str:
    return "" if line.budget is None else "<= " + format_value(line.budget, line.unit)


def _verdict(passed: bool | None) -> str:
    return {True: "PASS", False: "FAIL", None: ""}[passed]
