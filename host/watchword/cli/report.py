"""`watchword report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("session", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="Folder that train wrote: adds its curves.")
def command(session: Path, run: Path | None) -> None:
    """Draw report.html of a SESSION folder again, from its results.json.

    The page is one file that needs no network. The worst false alarms and misses can be seen and heard
    on it if their recordings are still where they were.

    \b
    Examples:
      watchword report sessions/20260102-030405
      watchword report sessions/20260102-030405 --run runs/alexa
    """
    from watchword.evaluate.session import rerender

    click.echo(rerender(session, run))
