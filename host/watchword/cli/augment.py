"""`watchword augment`: hear and see what training makes of a clip."""

from __future__ import annotations

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("clips", nargs=-1, required=True, type=_PATH, metavar="CLIP...")
@click.option("--config", type=_PATH, help="TOML of a run: its [augment], and what its manifest mixes in.")
@click.option("--preset", type=click.Choice(["full", "demo"]), help="Settings instead [default: full].")
@click.option("--manifest", type=_PATH, help="Manifest whose noises, rooms and speech are mixed in.")
@click.option("--out", type=_PATH, required=True, help="Folder for the wav files, the list and the picture.")
@click.option("--count", default=8, show_default=True, type=click.IntRange(1, 1000), help="Of each clip.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed, same samples.")
@click.option("--negative", is_flag=True, help="Treat the clips as other speech, not as the wake word.")
def command(
    clips: tuple[Path, ...],
    config: Path | None,
    preset: str | None,
    manifest: Path | None,
    out: Path,
    count: int,
    seed: int,
    negative: bool,
) -> None:
    """Write augmented versions of each CLIP, as training would hear them.

    previews.txt says what was drawn for each file: room, noise and its level, pitch, microphone.
    previews.png shows their mel spectrograms. Without a manifest there is made-up noise only.

    \b
    Examples:
      watchword augment alexa.wav --out previews/
      watchword augment a.wav b.wav --config my_run.toml --out previews/ --count 3 --seed 7
      watchword augment talk.wav --preset demo --manifest data/manifest.csv --out previews/ --negative
    """
    from watchword.config import adjusted, load_config, load_preset
    from watchword.data.previews import SHEET, make_previews

    if config is not None and preset is not None:
        raise click.UsageError("--config and --preset exclude each other")
    base = load_config(config) if config is not None else load_preset(preset or "full")
    settings = adjusted(base, {("data", "manifest"): str(manifest.resolve()) if manifest else None})
    for preview in make_previews(clips, settings, out, count, seed, negative):
        click.echo(preview.line)
    click.echo(f"{len(clips) * count} files and {SHEET} in {out}")
