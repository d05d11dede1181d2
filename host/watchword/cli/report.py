"""`watchword report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("session", type=click.Path(path_type=Path))
def command(session: Path) -> None:
    """Draw report.html of a SESSION folder again, from its results.json.

    \b
    Example:
      watchword report sessions/20260102-030405
    """
    from watchword.evaluate.session import rerender

    click.echo(rerender(session))
