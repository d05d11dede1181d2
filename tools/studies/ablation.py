"""What each part of the recipe is worth: the same training with one thing changed, over several seeds.

    python -m tools.studies.ablation --config alexa.toml --seeds 1,2,3 --out runs/ablation \\
        --table runs/ablation/table.md

Variants are those of tools/studies/ablations.toml (--variants for others, --only for some). Runs that are
finished are kept, so the command can be repeated after Ctrl-C. FRR is of the int8 model on the
validation split, at 1, 3 and 10 false alarms on all its other audio; the float column is the same
network before quantisation, PTQ the one that was quantised without training further, both at 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from tqdm import tqdm
from watchword.config import RunConfig, adjusted, load_config, save_config
from watchword.errors import WatchwordError
from watchword.files import write_atomic

WATCHWORD = Path(sys.executable).with_name("watchword")
ALARMS = ("1", "3", "10")


@dataclass(frozen=True)
class Trial:
    """One variant with one seed."""

    variant: str
    seed: int
    config: RunConfig
    out: Path

    @property
    def metrics(self) -> Path:
        return self.out / "metrics.json"


def plan(base: RunConfig, content: dict[str, Any], seeds: Sequence[int], out: Path) -> list[Trial]:
    """Seeds in the outer loop: a table with fewer seeds is complete early."""
    shared = _changes(content.get("base", {}))
    trials = []
    for seed in seeds:
        for name, sections in content["variants"].items():
            changes = shared | _changes(sections) | {("train", "seed"): seed}
            folder = out / f"{name.replace(' ', '_')}-{seed}"
            trials.append(Trial(name, seed, adjusted(base, changes), folder))
    return trials


def _changes(sections: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(section, key): value for section, keys in sections.items() for key, value in keys.items()}


def run(trial: Trial, threads: int) -> None:
    """Train in a process of its own with `threads` threads, its output in train.log."""
    trial.out.mkdir(parents=True, exist_ok=True)
    config = save_config(trial.config, trial.out / "asked.toml")
    limits = {name: str(threads) for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")}
    with (trial.out / "train.log").open("w") as log:
        done = subprocess.run(
            [WATCHWORD, "train", "--config", config, "--out", trial.out],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **limits},
            check=False,
        )
    if done.returncode:
        raise WatchwordError(
            f"training ended with status {done.returncode}", trial.out / "train.log", "read its last lines"
        )


def table(trials: Sequence[Trial], base: str) -> str:
    """Markdown: a row per variant, means over its seeds with their range."""
    found: dict[str, list[dict[str, Any]]] = {}
    for trial in trials:
        if trial.metrics.is_file():
            found.setdefault(trial.variant, []).append(json.loads(trial.metrics.read_text()))
    if base not in found:
        raise WatchwordError(f"no run of '{base}' is finished", trials[0].out.parent, "run the command again")
    words = found[base][0]["validation"]["words"]
    hours = found[base][0]["validation"]["negative_hours"]
    head = ["variant", "seeds", *words, "mean", "range", "mean @3", "mean @10", "float mean", "PTQ mean"]
    lines = [
        f"FRR in % at 1 false alarm in {hours:.1f} h; words per condition: "
        + ", ".join(f"{name} {count}" for name, count in words.items())
        + ".",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    lines += [_row(name, runs, list(words)) for name, runs in found.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, runs: list[dict[str, Any]], conditions: list[str]) -> str:
    one, three, ten = ([_frr(r, "int8", k) for r in runs] for k in ALARMS)
    cells = [f"{100 * mean(r[c] for r in one):.1f}" for c in conditions]
    means = [100 * mean(r.values()) for r in one]
    rest = [
        f"{mean(means):.2f}",
        f"{min(means):.1f}–{max(means):.1f}",
        *(f"{100 * mean(mean(r.values()) for r in found):.2f}" for found in (three, ten)),
    ]
    for kind in ("float", "int8 PTQ"):
        rest.append(f"{100 * mean(mean(_frr(r, kind, '1').values()) for r in runs):.2f}")
    return "| " + " | ".join([name, str(len(runs)), *cells, *rest]) + " |"


def _frr(metrics: dict[str, Any], kind: str, alarms: str) -> dict[str, float]:
    return dict(metrics["validation"]["results"][kind]["frr_at_false_alarms"][alarms])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--variants", type=Path, default=Path(__file__).with_name("ablations.toml"))
    parser.add_argument("--only", nargs="+", metavar="VARIANT")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="write the table here; it is always printed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings at a time")
    arguments = parser.parse_args()
    content = tomllib.loads(arguments.variants.read_text(encoding="utf-8"))
    unknown = set(arguments.only or ()) - set(content["variants"])
    if unknown:
        raise WatchwordError(f"unknown variant '{min(unknown)}'", arguments.variants, "see --variants")
    if arguments.only:
        content["variants"] = {name: content["variants"][name] for name in arguments.only}
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    trials = plan(load_config(arguments.config), content, seeds, arguments.out)
    todo = [trial for trial in trials if not trial.metrics.is_file()]
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for _ in tqdm(pool.map(lambda trial: run(trial, threads), todo), total=len(todo), unit="run"):
            pass
    text = table(trials, next(iter(content["variants"])))
    print(text)
    if arguments.table:
        write_atomic(arguments.table, text)


if __name__ == "__main__":
    try:
        main()
    except WatchwordError as error:
        sys.exit(f"error: {error}")
