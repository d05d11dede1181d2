"""`watchword search`: find better settings within the chip's limits."""

from __future__ import annotations

from pathlib import Path

import click

EXAMPLES = """\b
Examples:
  watchword search --config runs/alexa/config.toml --target-fah 0.5 --trials 30
  watchword search --config run.toml --space network --study runs/study --target-fah 0.5 --jobs 2
  watchword search --config run.toml --space my_space.toml --target-fah 0.5 --timeout-min 120
  watchword train --config runs/study/best.toml --out runs/best
"""


@click.command("search", epilog=EXAMPLES)
@click.option("--config", required=True, type=click.Path(path_type=Path), help="TOML of the run to improve.")
@click.option(
    "--space",
    "space_name",
    default="default",
    show_default=True,
    help="What varies: default, network (no new features), or a TOML file.",
)
@click.option(
    "--study",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("runs/study"),
    show_default=True,
    help="Study folder; one that exists is continued.",
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Trials that the study shall have, earlier ones and other processes' included.",
)
@click.option(
    "--timeout-min", type=click.FloatRange(0, min_open=True), help="Begin no trial after this time."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Trials at the same time.")
@click.option(
    "--storage", default="", help="URL of a database that other machines reach [default: in the study]."
)
@click.option(
    "--target-fah",
    type=float,
    help="Compare misses at this many false alarms per hour [default: the configuration's, or 0.5].",
)
@click.option("--quiet", is_flag=True, help="Print only what was found.")
def command(
    config: Path,
    space_name: str,
    folder: Path,
    trials: int,
    timeout_min: float | None,
    jobs: int,
    storage: str,
    target_fah: float | None,
    quiet: bool,
) -> None:
    """Search for settings with the fewest misses at the false-alarm target, within the chip's limits.

    Each trial is a training run with settings drawn from a search space. Models that would exceed [size]
    or [search] instructions_m are rejected before training; trials that fall behind are cut short. Ctrl-C
    keeps what was found; the same command goes on. Further processes join by naming the same study.

    Writes best.toml, trials.csv, history.png, importance.png, pareto.png and a run folder for each trial.
    """
    from watchword.config import load_config
    from watchword.train.search.results import write_results
    from watchword.train.search.space import load_space
    from watchword.train.search.study import StudyPlan, open_study, search, with_target

    base = with_target(load_config(config), target_fah)
    space = load_space(space_name)
    timeout_s = None if timeout_min is None else 60.0 * timeout_min
    plan = StudyPlan(base, space, folder, trials, storage, timeout_s, not quiet)
    study = open_study(plan)
    try:
        search(study, plan, jobs)
    finally:  # also what an interrupted search has found
        click.echo("\n".join(write_results(study, base, space, folder)))
