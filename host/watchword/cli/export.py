"""`watchword export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from watchword.cli.preset_option import preset_option

if TYPE_CHECKING:
    from watchword.train.run_folder import TrainedModel

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("source", type=FILE, metavar="RUN_DIR|MODEL_DIR|MODEL.tflite")
@click.option(
    "--format",
    "form",
    type=click.Choice(["image", "esphome"]),
    default="image",
    show_default=True,
    help="For our firmware, or for ESPHome's micro_wake_word.",
)
@click.option("--out", type=FILE, help="Folder to write [models/<word>, models/<word>-esphome].")
@click.option("--settings", type=FILE, help="Settings of a bare .tflite file [settings.json beside it].")
@click.option(
    "--target-fah",
    type=click.FloatRange(0, min_open=True),
    help="Choose the run's presets anew for this FAH.",
)
@click.option("--bound", type=click.Choice(["point", "upper95"]), help="With --target-fah: what keeps it.")
@click.option("--manifest", type=FILE, help="With --target-fah: other validation audio than the run's.")
@click.option("--cache", type=FILE, help="With --target-fah: folder of the feature cache [the run's].")
@click.option("--max-flash", metavar="SIZE", help="Limit of the model image, like 200KB.")
@click.option("--max-ram", metavar="SIZE", help="Limit of the arena, like 64KB.")
@click.option("--on-excess", type=click.Choice(["warn", "error"]), default="warn", show_default=True)
@preset_option("esphome: whose settings the manifest gets [the model's own].")
@click.option("--author", help="esphome: the manifest's author.")
@click.option("--website", help="esphome: the manifest's website.")
@click.option("--language", multiple=True, help="esphome: a language of its speakers, as en; repeatable.")
def command(
    source: Path,
    form: str,
    out: Path | None,
    settings: Path | None,
    target_fah: float | None,
    bound: str | None,
    manifest: Path | None,
    cache: Path | None,
    max_flash: str | None,
    max_ram: str | None,
    on_excess: str,
    preset: str | None,
    author: str | None,
    website: str | None,
    language: tuple[str, ...],
) -> None:
    """Turn a trained run into a C array, a loadable image and golden vectors; or into a streaming .tflite
    file and a manifest for microWakeWord's players (--format esphome).

    Every exported model is first compared with TFLite Micro, window by window; one differing
    score is an error. With --target-fah the detector's presets are chosen anew on validation audio, for
    a run that was not calibrated, or to hear sources that it did not have; also of an exported model.

    \b
    Examples:
      watchword export runs/hey
      watchword export runs/hey --out models/hey_lighthouse --max-flash 64KB --on-excess error
      watchword export runs/hey --target-fah 0.5 --manifest data/more.csv
      watchword export models/alexa --target-fah 0.5 --manifest mine.csv --out models/alexa_at_home
      watchword export mine.tflite --settings mine.json --out models/mine
      watchword export runs/hey_micro --format esphome --target-fah 0.5 --author "Ada" --language en
    """
    if target_fah is None and any((bound, manifest, cache)):
        raise click.UsageError("--bound, --manifest and --cache need --target-fah")
    if form == "image" and (preset or author or website or language):
        raise click.UsageError("--preset, --author, --website and --language need --format esphome")
    if form == "esphome" and (max_flash or max_ram):
        raise click.UsageError("--max-flash and --max-ram are of --format image")
    from watchword.train.run_folder import read_trained

    trained, found = read_trained(source, settings), None
    if form == "esphome":
        from watchword.export.folder import needing_tflm

        with needing_tflm("export"):
            from watchword.export.esphome import require_micro
        require_micro(trained.settings)
    if target_fah is not None:
        from watchword.train.recalibrate import calibration_config, recalibrated
        from watchword.train.report import preset_table

        config = calibration_config(source, trained, target_fah, bound, manifest, cache)
        found = recalibrated(trained, config)
        trained = found.trained
        click.echo("\n".join(preset_table(found.presets)))
    if form == "image":
        _image(trained, out, max_flash, max_ram, on_excess)
        return
    from watchword.export.esphome import About, summary
    from watchword.train.players import export_for_players

    about = About(author or "not told", website or "", language)
    click.echo(summary(export_for_players(trained, found, preset, about, out)))


def _image(
    trained: TrainedModel, out: Path | None, max_flash: str | None, max_ram: str | None, on_excess: str
) -> None:
    from watchword import words
    from watchword.export.folder import export_model, summary
    from watchword.export.size_target import SizeTarget, parse_bytes

    flash, ram = (parse_bytes(text) if text else None for text in (max_flash, max_ram))
    target = SizeTarget(flash, ram, "error" if on_excess == "error" else "warn")
    folder = out or Path("models") / words.folder_name(trained.settings.word)
    export_model(trained.tflite, trained.settings, folder, target, trained.training)
    click.echo(summary(folder))
