"""What evaluate and bench have in common: how they are told what to stream, and what they leave behind."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from watchword.cli.preset_option import preset_option

if TYPE_CHECKING:
    from watchword.data.recordings import Selection
    from watchword.evaluate.results import Results
    from watchword.evaluate.session import Session
    from watchword.evaluate.several import WordModel

_PATH = click.Path(path_type=Path)

_OPTIONS = (
    click.option(
        "--model",
        "models",
        type=_PATH,
        required=True,
        multiple=True,
        help="Model folder, such as models/hey_lighthouse; several times: words that are heard at once.",
    ),
    preset_option("Detector settings of the model to measure with [those that it starts with]."),
    click.option(
        "--positives",
        type=_PATH,
        multiple=True,
        help="Folder of clips that hold the word once each; of several models one each, in their order.",
    ),
    click.option("--negatives", type=_PATH, help="Folder of recordings without the word."),
    click.option("--data", type=_PATH, help="Folder with truth.csv or manifest.csv, or such a file."),
    click.option("--split", help="With a manifest: only this split (train, val or test)."),
    click.option(
        "--limit-minutes",
        type=float,
        help="Stream at most this much of the recordings without the word; those with it are never cut.",
    ),
    click.option(
        "--out", type=_PATH, help="Folder for results.json, report.html, log.txt [sessions/<time>]."
    ),
    click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out."),
    click.option("--budgets", type=_PATH, help="Budgets file [firmware/budgets.toml]."),
)

# (session, selection, budgets file) -> results
Measure = Callable[["Session", "Selection", Path], "Results"]
# (session, models, selection, budgets file) -> results of each word
MeasureSeveral = Callable[["Session", "Sequence[WordModel]", "Selection", Path], "list[Results]"]


@dataclass(frozen=True)
class Request:
    """The values of the options above."""

    models: tuple[Path, ...]
    preset: str | None
    positives: tuple[Path, ...]
    negatives: Path | None
    data: Path | None
    split: str | None
    limit_minutes: float | None
    out: Path | None
    resume: bool
    budgets: Path | None

    @property
    def model(self) -> Path:
        """The one model."""
        return self.models[0]

    def run_several(self, measure: MeasureSeveral) -> list[Results]:
        """As `run`, for models that are heard at once: a folder of the session for each."""
        from watchword.data.several_words import select_words
        from watchword.evaluate import session as sessions
        from watchword.evaluate import several
        from watchword.evaluate.budgets import DEFAULT_PATH

        if self.resume:
            raise click.UsageError("--resume is for one --model")
        models = several.load_models(self.models, self.preset)
        with sessions.open_session(self.out) as session:
            names = [one.word for one in models]
            found = (self.positives, self.negatives, self.data, self.split, self.limit_minutes)
            results = measure(session, models, select_words(names, *found), self.budgets or DEFAULT_PATH)
            click.echo(several.tables(results))
            folders = several.write_several(session, results)
        for folder in folders:
            click.echo(f"report: {folder / 'report.html'}")
        return results

    def run(self, measure: Measure) -> Results:
        """Choose the recordings, measure them, write the session folder, print the verdict."""
        from watchword.data.recordings import select
        from watchword.evaluate import session as sessions
        from watchword.evaluate.budgets import DEFAULT_PATH

        with sessions.open_session(self.out, self.resume) as session:
            if len(self.positives) > 1:
                raise click.UsageError("several --positives are for as many --model")
            positives = self.positives[0] if self.positives else None
            selection = select(positives, self.negatives, self.data, self.split, self.limit_minutes)
            results = measure(session, selection, self.budgets or DEFAULT_PATH)
            click.echo(sessions.table(results))  # before the files: the disk may be full
            session.finish(results)
        click.echo(f"report: {session.folder / 'report.html'}")
        return results


def recording_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options above, in that order; the command gets their values as `request`."""

    @functools.wraps(command)
    def wrapped(**values: Any) -> Any:
        shared = {field.name: values.pop(field.name) for field in fields(Request)}
        return command(request=Request(**shared), **values)

    with_options: Callable[..., Any] = wrapped
    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    return with_options
