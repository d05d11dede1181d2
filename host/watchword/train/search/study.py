"""The search itself: an Optuna study on disk that any number of processes can join and leave.

A trial draws settings from the space, is rejected at once if its model would not fit the chip, and is
else trained, unless validation shows it behind the others early. Its value is the int8 model's FRR on
validation, mean over the conditions, with the threshold calibrated for `[detector] target_fah`. Trials
that were interrupted or killed are drawn again with the same settings.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from watchword.config import RunConfig, adjusted
from watchword.errors import WatchwordError
from watchword.files import check_folder
from watchword.processes import end_with_parent
from watchword.progress import Progress
from watchword.train.metrics import Metrics
from watchword.train.run import train_run
from watchword.train.search.footprint import Footprint, measure_footprint
from watchword.train.search.space import Space
from watchword.train.stage import OnValidation, ValidationResult

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

TrainFunction = Callable[..., Metrics]  # as train_run
_SETTINGS = "settings"  # study attribute: what every process that joins must agree on
_MOST_FAILURES = 3  # in a row: then it is not the trial's settings
_MOST_REJECTIONS = 100  # in a row: then hardly anything in the space fits
_RETRIES = 2  # of a trial whose process was killed
DEFAULT_TARGET_FAH = 0.5
_OPENING_TRIES = 5  # two processes that create the same tables at the same moment


@dataclass(frozen=True)
class StudyPlan:
    """One call of `watchword search`."""

    base: RunConfig
    space: Space
    folder: Path
    trials: int  # of the whole study, all processes and earlier calls together
    storage: str = ""  # URL of a database; empty = study.db in the folder
    timeout_s: float | None = None
    progress: bool = True
    train: TrainFunction = train_run
    measure: Callable[[RunConfig], Footprint] = measure_footprint
    heartbeat_s: int = 20  # a running trial that misses three is taken for killed

    @property
    def url(self) -> str:
        return self.storage or f"sqlite:///{(self.folder / 'study.db').resolve()}"


def load_optuna() -> ModuleType:
    """The `optuna` module, quiet; a clear error when it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise WatchwordError(
            "Optuna is not installed", "search", "pip install 'watchword[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def search(study: Study, plan: StudyPlan, jobs: int = 1) -> None:
    """Work on the study, in `jobs` processes, until it has its trials."""
    context = multiprocessing.get_context("spawn")
    helper = replace(plan, progress=False)
    helpers = [context.Process(target=_run_helper, args=(helper, number)) for number in range(1, jobs)]
    for process in helpers:
        process.start()
    try:
        _work(study, plan, 0)
        for process in helpers:
            process.join()
    except SystemExit:  # told to end; unlike Ctrl-C, that reached this process alone
        for process in helpers:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        raise
    finally:
        for process in helpers:
            process.join(timeout=10.0)
            process.kill()


def open_study(plan: StudyPlan) -> Study:
    """Create the study or join it; an error when it searches something else."""
    _check(plan)
    optuna = load_optuna()
    check_folder(plan.folder)
    for attempt in range(1, _OPENING_TRIES + 1):
        try:
            study: Study = optuna.create_study(
                storage=_storage(optuna, plan),
                study_name=plan.folder.resolve().name,
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(
                    plan.base.search.random_trials, plan.base.search.prune_after
                ),
            )
            break
        except Exception as error:  # the database's own driver decides what it raises
            if attempt == _OPENING_TRIES:
                raise WatchwordError(
                    f"cannot open the study: {error}", plan.url, "check --study and --storage"
                ) from error
            time.sleep(0.2 * attempt)
    _agree(study, plan)
    return study


def finished(study: Study) -> int:
    """Trials that were trained to the end, cut short, or failed by their own settings."""
    from optuna.trial import TrialState

    counted = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    trials = study.get_trials(deepcopy=False, states=counted)
    return sum(
        "rejected" not in t.user_attrs and (t.state != TrialState.FAIL or "error" in t.user_attrs)
        for t in trials
    )


def with_target(config: RunConfig, target_fah: float | None) -> RunConfig:
    """The configuration with a false-alarm target: the given one, its own, or DEFAULT_TARGET_FAH."""
    if target_fah is None and config.detector.target_fah == 0:
        target_fah = DEFAULT_TARGET_FAH
    return adjusted(config, {("detector", "target_fah"): target_fah})


def _check(plan: StudyPlan) -> None:
    if plan.base.detector.target_fah == 0:
        raise WatchwordError(
            "no false-alarm target to search for",
            "[detector] target_fah",
            "set it in --config or with --target-fah",
        )
    if not plan.base.word.phrase:
        raise WatchwordError("no wake word given", "[word] phrase", "name it in the TOML")
    if plan.train is train_run and not Path(plan.base.data.manifest).is_file():
        raise WatchwordError("no manifest there", "[data] manifest", "name it in the TOML")


def _storage(optuna: ModuleType, plan: StudyPlan) -> Any:
    file = plan.folder / "study.db"
    own = {} if plan.storage else {"creator": partial(_connect, file)}
    return optuna.storages.RDBStorage(
        plan.url,
        engine_kwargs=own,
        heartbeat_interval=plan.heartbeat_s,
        grace_period=3 * plan.heartbeat_s,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(_RETRIES),
    )


def _connect(path: Path) -> sqlite3.Connection:
    """The study's own file; write-ahead logging lets processes read while one writes, and is quick."""
    connection = sqlite3.connect(path, timeout=60.0, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _agree(study: Study, plan: StudyPlan) -> None:
    """Processes of one study share its space and its other settings; paths may differ."""
    base = asdict(plan.base)
    for key in ("manifest", "cache", "workers"):
        base["data"].pop(key)
    mine = json.dumps([base, json.loads(plan.space.to_json())], sort_keys=True)
    theirs = study.user_attrs.get(_SETTINGS)
    if theirs is None:
        study.set_user_attr(_SETTINGS, mine)
        known = plan.space.values_of(plan.base)
        if known:  # what is to be beaten
            study.enqueue_trial(known, skip_if_exists=True)
    elif theirs != mine:
        raise WatchwordError(
            "this study was begun with other settings or another space", plan.folder, "name another --study"
        )


def _run_helper(plan: StudyPlan, number: int) -> None:
    """Main function of a further process."""
    end_with_parent()
    try:
        _work(open_study(plan), plan, number)
    except (WatchwordError, KeyboardInterrupt) as error:
        raise SystemExit(f"search process {number}: {error or 'interrupted'}") from None


def _work(study: Study, plan: StudyPlan, worker: int) -> None:
    """Run trials until the study has enough, or the time is over."""
    optuna = load_optuna()
    ends = time.monotonic() + (plan.timeout_s if plan.timeout_s is not None else float("inf"))
    with Progress("search", plan.trials, "trials", plan.progress) as bar:
        objective = _Objective(plan, study, bar)
        while time.monotonic() < ends:
            optuna.storages.fail_stale_trials(study)
            done = finished(study)
            bar.reach(done)
            states = [t.state for t in study.get_trials(deepcopy=False)]
            if done >= plan.trials:
                return
            if done + states.count(optuna.trial.TrialState.RUNNING) >= plan.trials:
                time.sleep(min(2.0, plan.heartbeat_s / 2))  # others train the last: one may yet be killed
                continue
            study.sampler = _sampler(optuna, plan, len(states), worker)
            study.optimize(objective, n_trials=1, catch=(WatchwordError,))
            objective.check_failures()


def _sampler(optuna: ModuleType, plan: StudyPlan, number: int, worker: int) -> Any:
    """TPE that draws the same again only for the same seed, trial and process."""
    seed = int(np.random.SeedSequence([plan.base.train.seed, number, worker]).generate_state(1)[0])
    return optuna.samplers.TPESampler(
        n_startup_trials=plan.base.search.random_trials, constant_liar=True, seed=seed
    )


@dataclass
class _Objective:
    """One trial: draw settings, reject or train them, return their FRR."""

    plan: StudyPlan
    study: Study
    bar: Progress
    failures: int = 0  # in a row
    rejections: int = 0  # in a row
    reason: str = ""  # of the last of them

    def __call__(self, trial: Trial) -> float:
        started = time.monotonic()
        try:
            return self._value(trial)
        except WatchwordError as error:
            self.failures, self.reason = self.failures + 1, str(error)
            trial.set_user_attr("error", self.reason)
            self._say(f"trial {trial.number} failed: {error}")
            raise
        except KeyboardInterrupt:
            self._requeue(trial)
            raise
        finally:
            trial.set_user_attr("seconds", round(time.monotonic() - started, 1))

    def _value(self, trial: Trial) -> float:
        config = self._fitting(trial)
        self.rejections = 0
        folder = self.plan.folder / "trials" / f"{trial.number:04d}"
        trial.set_user_attr("folder", str(folder))
        metrics = self.plan.train(config, folder, progress=False, on_validation=self._observer(trial))
        self.failures = 0
        results = metrics.validation.results
        for name in ("float", "int8"):
            trial.set_user_attr(f"frr_{name}", results[name].frr_at_high)
        value = float(np.mean(list(results["int8"].frr_at_high.values())))
        self._say(f"trial {trial.number}: FRR {100 * value:.2f} %")
        return value

    def _fitting(self, trial: Trial) -> RunConfig:
        """The drawn settings, if they go together and their model fits the chip; else the trial ends."""
        try:
            config = self.plan.space.draw(self.plan.base, trial)
            footprint = self.plan.measure(config)
        except WatchwordError as error:
            trial.set_constraint("settings", 1.0)
            self._reject(trial, str(error))
        for name, value in asdict(footprint).items():
            trial.set_user_attr(name, value)
        excesses = footprint.excesses(config)
        for name in excesses.keys() - trial.constraints:  # a trial drawn again has them
            trial.set_constraint(name, excesses[name])
        over = [
            f"{100 * excess:.0f} % over the {name} limit" for name, excess in excesses.items() if excess > 0
        ]
        if over:
            self._reject(trial, ", ".join(over))
        return config

    def _reject(self, trial: Trial, reason: str) -> None:
        self.rejections, self.reason = self.rejections + 1, reason
        trial.set_user_attr("rejected", reason)
        self._say(f"trial {trial.number} rejected before training: {reason}")
        raise load_optuna().TrialPruned(reason)

    def _observer(self, trial: Trial) -> OnValidation:
        """Reports every float validation to the study and prunes a trial that is behind."""

        def observe(stage: str, epoch: int, found: ValidationResult) -> None:
            if stage != "float":  # QAT is short and starts from the network that was compared
                return
            trial.report(found.decisive, epoch)
            self.bar.add(0, f"trial {trial.number}, epoch {epoch}: {found.decisive:.4f}")
            if trial.should_prune():
                self._say(
                    f"trial {trial.number} cut short after epoch {epoch}: validation {found.decisive:.4f}"
                )
                raise load_optuna().TrialPruned(f"behind after epoch {epoch}")

        return observe

    def _requeue(self, trial: Trial) -> None:
        """Ctrl-C: the trial counts as failed; the next process to come draws it again."""
        optuna = load_optuna()
        stored = next(t for t in self.study.get_trials() if t.number == trial.number)
        optuna.storages.RetryHeartbeatStaleTrialCallback()(self.study, stored)

    def check_failures(self) -> None:
        """End a search in which trial after trial fails or is rejected."""
        if self.failures >= _MOST_FAILURES:
            what = f"{self.failures} trials in a row failed: {self.reason}"
            raise WatchwordError(what, "search", "correct the settings")
        if self.rejections >= _MOST_REJECTIONS:
            what = f"{self.rejections} trials in a row were rejected: {self.reason}"
            raise WatchwordError(what, self.plan.space.where, "raise the limits or offer smaller models")

    def _say(self, text: str) -> None:
        if self.plan.progress:
            tqdm.write(text)
