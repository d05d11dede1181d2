"""`watchword judge`."""

from __future__ import annotations

import functools
from pathlib import Path

import click

from watchword import spec

_PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--judge", "run", type=_PATH, required=True, help="Run folder of the judge, such as runs/teacher."
)
@click.option("--model", type=_PATH, help="Model folder of the sentry, such as models/alexa.")
@click.option("--port", help="The sentry's board: /dev/ttyUSB0, or emu:c3 [the C pipeline on this computer].")
@click.option("--push", is_flag=True, help="Send the model first if the board runs another one.")
@click.option("--positives", type=_PATH, help="Folder of clips that hold the word once each.")
@click.option("--negatives", type=_PATH, help="Folder of recordings without the word.")
@click.option("--data", type=_PATH, help="Folder with truth.csv or manifest.csv, or such a file.")
@click.option("--split", help="With a manifest: only this split (train, val or test).")
@click.option("--limit-minutes", type=float, help="Stream at most this much audio without the word.")
@click.option(
    "--sentry-high",
    type=click.FloatRange(0, spec.DETECTOR_MAX_HIGH),
    help="High threshold of a jumpy sentry [the model's own].",
)
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="The judge accepts from."
)
@click.option(
    "--after-ms",
    type=click.IntRange(0, 900),
    default=200,
    show_default=True,
    help="Sound after the detection that the judge waits for.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Without a board: processes [one per core].")
@click.option("--out", type=_PATH, help="Write the figures and every ruling to this JSON file.")
@click.option("--serve", metavar="HOST:PORT", help="Judge WAV snippets that are POSTed to this address.")
def command(
    run: Path,
    model: Path | None,
    port: str | None,
    push: bool,
    positives: Path | None,
    negatives: Path | None,
    data: Path | None,
    split: str | None,
    limit_minutes: float | None,
    sentry_high: float | None,
    threshold: float,
    after_ms: int,
    workers: int | None,
    out: Path | None,
    serve: str | None,
) -> None:
    """Let a large model judge what a small one detects: the second stage of the cascade.

    The sentry, on a board or in the C pipeline on this computer, hears the recordings; what it
    detects, the judge hears again, from before the word to a moment after the detection, and accepts
    or rejects. Prints every ruling, then misses and false alarms of the sentry alone and of the two.

    With --serve there is no sentry: a board's server sends a snippet (WAV, 16-bit mono 16 kHz) by HTTP
    POST and gets {"word", "score", "accepted"}. Beyond 127.0.0.1 the shared secret of
    WATCHWORD_JUDGE_TOKEN must be sent as a bearer token.

    \b
    Examples:
      watchword judge --judge runs/teacher --model models/alexa --data corpus/manifest.csv --split val
      watchword judge --judge runs/teacher --model models/alexa --port emu:c3 --data eve/ --sentry-high 0.4
      watchword judge --judge runs/teacher --serve 127.0.0.1:8750
    """
    from watchword.data.recordings import select
    from watchword.export.image import load_image
    from watchword.files import check_file, write_atomic
    from watchword.judge.cascade import table
    from watchword.judge.commands import CascadeSettings, judge_recordings, serve_snippets
    from watchword.typed_json import to_json

    note = functools.partial(click.echo, err=True)
    if serve is not None:
        given = [name for name, value in (("--model", model), ("--port", port), ("--data", data)) if value]
        if given:
            raise click.UsageError(f"--serve and {given[0]} exclude each other")
        return serve_snippets(run, threshold, serve, click.echo, note)
    if model is None:
        raise click.UsageError("--model (the sentry) or --serve is needed")
    if out is not None:
        check_file(out)
    image = load_image(model)
    selection = select(positives, negatives, data, split, limit_minutes)
    settings = CascadeSettings(
        run=run,
        model=model,
        port=port,
        push=push,
        sentry_high=sentry_high,
        threshold=threshold,
        after_s=after_ms / 1000.0,
        workers=workers,
    )
    results = judge_recordings(settings, image, selection, lambda ruling: click.echo(ruling.line()), note)
    click.echo(table(results))
    if out is not None:
        write_atomic(out, to_json(results))
