"""`watchword train`: from a manifest to an int8 model."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from watchword import spec

EXAMPLES = """\b
Examples:
  watchword train --manifest data/manifest.csv --word "hey lighthouse"
  watchword train --preset demo --manifest data/manifest.csv --word alexa --out runs/first
  watchword train --manifest data/manifest.csv --word alexa --teacher speech-embedding
  watchword train --manifest data/manifest.csv --word alexa --features micro   # to export for ESPHome
  watchword train --config my_run.toml --seed 2 --out runs/my_run_seed2
  watchword train --config runs/first/config.toml --out runs/first --resume   # after Ctrl-C or a crash
"""


@click.command("train", epilog=EXAMPLES)
@click.option("--config", type=click.Path(path_type=Path), help="TOML with all settings of a run.")
@click.option("--preset", type=click.Choice(["full", "demo"]), help="Settings to start from [default: full].")
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="Manifest of the clips, from scan or synth."
)
@click.option("--word", help="The wake word or phrase.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder [default: runs/<word>].")
@click.option("--features", type=click.Choice(list(spec.FEATURE_KINDS)), help="Kind of features [mfcc].")
@click.option("--epochs", type=int, help="Epochs of float training.")
@click.option("--steps", type=int, help="Steps in an epoch.")
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the feature cache.")
@click.option("--target-fah", type=float, help="Calibrate the threshold for this many false alarms per hour.")
@click.option("--teacher", help="Who teaches: speech-embedding, wav2vec2:<folder or hub name>, a run folder.")
@click.option("--rebuild", is_flag=True, help="Compute all features again, whatever the cache holds.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out.")
@click.option("--quiet", is_flag=True, help="Print only the final figures.")
def command(
    config: Path | None,
    preset: str | None,
    manifest: Path | None,
    word: str | None,
    out: Path | None,
    features: str | None,
    epochs: int | None,
    steps: int | None,
    seed: int | None,
    cache: Path | None,
    target_fah: float | None,
    teacher: str | None,
    rebuild: bool,
    resume: bool,
    quiet: bool,
) -> None:
    """Train a model for a wake word and convert it to int8.

    Writes a run folder: config.toml, log.csv, curves.png, metrics.json, model.tflite, settings.json,
    the weights and TensorBoard's logs. What looks wrong is said in one line with its remedy, later by
    `watchword doctor --run` too. Features are cached, so a second run on the same clips starts at once.
    """
    from watchword import words
    from watchword.config import adjusted, kind_changes, load_config, load_preset
    from watchword.train.report import summary
    from watchword.train.run import train_run
    from watchword.train.state import resume_command

    if config is not None and preset is not None:
        raise click.UsageError("--config and --preset exclude each other")
    base = load_config(config) if config is not None else load_preset(preset or "full")
    settings = adjusted(
        base,
        {
            **(kind_changes(features, base.model.arch) if features else {}),
            ("data", "manifest"): str(manifest.resolve()) if manifest else None,
            ("data", "cache"): str(cache) if cache else None,
            ("word", "phrase"): word,
            ("train", "epochs"): epochs,
            ("train", "steps_per_epoch"): steps,
            ("train", "seed"): seed,
            ("detector", "target_fah"): target_fah,
            ("distill", "teacher"): teacher,
        },
    )
    folder = out or Path("runs") / words.folder_name(settings.word.phrase)
    try:
        metrics = train_run(settings, folder, progress=not quiet, rebuild=rebuild, resume=resume)
    except (KeyboardInterrupt, SystemExit) as end:  # Ctrl-C, SIGTERM, SIGHUP
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo(f"interrupted; go on with: {resume_command(folder)}", err=True)
        status = end.code if isinstance(end, SystemExit) else 130
        raise click.exceptions.Exit(status if isinstance(status, int) else 1) from end
    click.echo(summary(metrics, folder))
