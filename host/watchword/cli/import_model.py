"""`watchword import`."""

from __future__ import annotations

from pathlib import Path

import click

from watchword import spec
from watchword.errors import WatchwordError


@click.command("import")
@click.argument("source", metavar="MANIFEST.json|MODEL.tflite|FOLDER")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Model folder to write [models/<word>]; of a FOLDER, all."
)
@click.option("--word", help="The wake word, where a bare .tflite file has no manifest that tells it.")
@click.option("--cutoff", type=float, help="Detect above this mean score, 0..1 [the manifest's].")
@click.option(
    "--window", type=int, help=f"Scores in that mean [the manifest's, or {spec.DETECTOR_SMOOTHING}]."
)
@click.option("--step-ms", type=int, help="From one row of features to the next [the manifest's, or 10].")
@click.option("--cooldown-ms", type=int, default=spec.DETECTOR_COOLDOWN_MS, show_default=True,
              help="No second detection sooner than this.")  # fmt: skip # one option
@click.option("--licence", help="The model's licence, for its card [unknown].")
def command(
    source: str,
    out: Path | None,
    word: str | None,
    cutoff: float | None,
    window: int | None,
    step_ms: int | None,
    cooldown_ms: int,
    licence: str | None,
) -> None:
    """Take over a microWakeWord model: manifest version 1 or 2, or its bare streaming .tflite file.

    The result is a folder as `watchword export` makes one. The model is first compared with TFLite Micro;
    one differing score is an error. A detection is where pymicro-wakeword has its average rise above
    the cutoff, or the cooldown has ended since the last one. Of a FOLDER every manifest is imported.

    \b
    Examples:
      watchword import okay_nabu.json
      watchword import okay_nabu.json --out models/okay_nabu --cutoff 0.9 --licence Apache-2.0
      watchword import hey_house.tflite --word "hey house" --cutoff 0.97 --window 5
      watchword import community/ --out models/community
    """
    from watchword.export.importing import Choices
    from watchword.export.take_over import import_models

    if "://" in source:
        raise WatchwordError("import reads files of this computer only", source, "download it first")
    choices = Choices(word, cutoff, window, step_ms, licence, cooldown_ms)
    import_models(
        Path(source), out, choices, click.echo, lambda error: click.echo(f"error: {error}", err=True)
    )
