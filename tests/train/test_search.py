"""The search: it finds better settings, keeps to the limits, survives, and names mistakes in a space."""

from __future__ import annotations

import csv
import json
import multiprocessing
import re
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any

import pytest
import search_stub
from click.testing import CliRunner
from toy_corpus import write_corpus
from watchword.config import (
    DataConfig,
    DetectorSettings,
    ModelConfig,
    RunConfig,
    SearchConfig,
    SizeConfig,
    TrainConfig,
    WordConfig,
    load_config,
    load_preset,
    save_config,
)
from watchword.errors import WatchwordError
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.settings import ModelSettings
from watchword.train.search.results import best_of, outcome, trained, write_results
from watchword.train.search.space import Space, load_space
from watchword.train.search.study import StudyPlan, finished, open_study, search, with_target

pytest.importorskip("optuna")

SPACE = """
[model]
channels = { low = 16, high = 64, step = 16 }
dilations = [[1, 2], [1, 2, 4]]
[train]
learning_rate = { low = 1e-5, high = 1e-1, log = true }
"""
BASE = RunConfig(
    word=WordConfig("toy"),
    model=ModelConfig(channels=32, dilations=(1, 2)),
    train=TrainConfig(learning_rate=1e-4),
    detector=DetectorSettings(target_fah=1.0),
    size=SizeConfig(flash_kb=48.0),
    search=SearchConfig(random_trials=4, prune_after=1),
)


@pytest.fixture
def space(tmp_path: Path) -> Space:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return load_space(str(path))


def plan(space: Space, folder: Path, trials: int, **changes: Any) -> StudyPlan:
    stubs = {"train": search_stub.train, "measure": search_stub.footprint, "heartbeat_s": 1}
    return StudyPlan(BASE, space, folder, trials, progress=False, **(stubs | changes))


def run(made: StudyPlan, jobs: int = 1) -> Any:
    study = open_study(made)
    search(study, made, jobs)
    return study


def test_it_finds_better_settings_and_writes_them(space: Space, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    study = run(plan(space, folder, 20))
    told = "\n".join(write_results(study, BASE, space, folder))
    done = trained(study)
    first = study.get_trials()[0]
    assert first.params == {"model.channels": 32, "model.dilations": "[1, 2]", "train.learning_rate": 1e-4}
    assert first.value == pytest.approx(search_stub.frr_of(BASE))
    best = load_config(folder / "best.toml")
    assert search_stub.frr_of(best) == pytest.approx(study.best_trial.value) == min(t.value for t in done)
    assert search_stub.frr_of(best) < 0.5 * search_stub.frr_of(BASE)
    assert replace(best, model=BASE.model, train=BASE.train) == BASE  # nothing but the space varied
    assert best.model.dilations in ((1, 2), (1, 2, 4))
    assert f"best: trial {best_of(done).number}" in told and "best.toml" in told
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    assert len(rows) == len(study.get_trials())
    assert sum(row["outcome"] in ("trained", "cut short") for row in rows) == 20
    assert {row["model.channels"] for row in rows} <= {"16", "32", "48", "64"}
    for name in ("history", "importance", "pareto"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_models_that_do_not_fit_are_never_trained(space: Space, tmp_path: Path) -> None:
    """64 channels need 64 kB of the 48 allowed; 48 channels more instructions than allowed."""
    base = replace(BASE, search=replace(BASE.search, instructions_m=4.0))
    study = run(replace(plan(space, tmp_path / "study", 12), base=base))
    trials = study.get_trials()
    for trial in trials:
        too_big = trial.params["model.channels"] > 32
        assert too_big == (outcome(trial) == "rejected") == ("folder" not in trial.user_attrs)
    reasons = {t.user_attrs["rejected"] for t in trials if t.params["model.channels"] == 64}
    assert reasons == {"33 % over the flash limit, 60 % over the instructions limit"}
    assert finished(study) == 12 < len(trials)
    assert study.best_trial.params["model.channels"] <= 32


def test_a_trial_that_is_behind_is_cut_short(space: Space, tmp_path: Path) -> None:
    study = run(plan(space, tmp_path / "study", 20))
    cut = [t for t in study.get_trials() if outcome(t) == "cut short"]
    best = min(t.value for t in trained(study))
    assert cut
    for trial in cut:
        assert max(trial.intermediate_values) < search_stub.EPOCHS
        last = trial.intermediate_values[max(trial.intermediate_values)]
        assert last > best + (search_stub.EPOCHS - max(trial.intermediate_values)) / 10


def test_a_study_goes_on_where_it_stopped(space: Space, tmp_path: Path) -> None:
    """In two calls it draws just what it draws in one; enough trials are enough."""
    whole = run(plan(space, tmp_path / "whole", 8))
    run(plan(space, tmp_path / "parts", 3))
    parts = run(plan(space, tmp_path / "parts", 8))
    assert [t.params for t in parts.get_trials()] == [t.params for t in whole.get_trials()]
    again = run(plan(space, tmp_path / "parts", 8))
    assert len(again.get_trials()) == len(parts.get_trials())


def test_two_processes_share_a_study(space: Space, tmp_path: Path) -> None:
    study = run(plan(space, tmp_path / "study", 12, train=search_stub.slow), jobs=2)
    trials = [t for t in study.get_trials() if "folder" in t.user_attrs]
    processes = {(Path(t.user_attrs["folder"]) / "pid").read_text() for t in trials}
    assert len(processes) == 2 and finished(study) == 12
    drawn = [t.params["train.learning_rate"] for t in trials]
    assert len(set(drawn)) == len(drawn)  # no two the same


def test_a_killed_trial_is_drawn_again(space: Space, tmp_path: Path) -> None:
    made = plan(space, tmp_path / "study", 2, train=search_stub.endless)
    process = multiprocessing.get_context("spawn").Process(target=run, args=(made,))
    process.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "study" / "trials" / "0000").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.join()
    study = run(replace(made, train=search_stub.train))
    states = [outcome(t) for t in study.get_trials()]
    assert states[0] == "interrupted" and states.count("trained") == 2
    retried = [t for t in study.get_trials()[1:] if t.params == study.get_trials()[0].params]
    assert len(retried) == 1 and outcome(retried[0]) == "trained"


def test_ctrl_c_keeps_what_is_done_and_draws_the_rest_again(space: Space, tmp_path: Path) -> None:
    def interrupted(config: RunConfig, out: Path, progress: bool, on_validation: Any) -> dict[str, Any]:
        if out.name == "0002":
            raise KeyboardInterrupt
        return search_stub.train(config, out, progress, on_validation)

    with pytest.raises(KeyboardInterrupt):
        run(plan(space, tmp_path / "study", 4, train=interrupted))
    before = [outcome(t) for t in open_study(plan(space, tmp_path / "study", 4)).get_trials()]
    assert before == ["trained", "trained", "interrupted", "waiting"]
    after = run(plan(space, tmp_path / "study", 4)).get_trials()
    assert after[3].params == after[2].params and outcome(after[3]) in ("trained", "cut short")
    assert sum(outcome(t) in ("trained", "cut short") for t in after) == 4


def test_a_search_in_which_everything_fails_stops(space: Space, tmp_path: Path) -> None:
    made = plan(space, tmp_path / "study", 30, train=search_stub.broken)
    study = open_study(made)
    with pytest.raises(WatchwordError, match=r"3 trials in a row failed: .*the loss became nan"):
        search(study, made)
    assert [outcome(t) for t in study.get_trials()] == ["failed"] * 3
    assert "no best.toml" in "\n".join(write_results(study, BASE, space, made.folder))


def test_no_model_that_fits_is_an_error(space: Space, tmp_path: Path) -> None:
    made = plan(space, tmp_path / "study", 5)
    tiny = replace(BASE, size=replace(BASE.size, flash_kb=1.0))
    with pytest.raises(WatchwordError, match=r"in a row were rejected: .* over the flash limit"):
        run(replace(made, base=tiny))


def test_a_study_does_not_mix_settings(space: Space, tmp_path: Path) -> None:
    run(plan(space, tmp_path / "study", 1))
    other = replace(BASE, train=replace(BASE.train, epochs=7))
    with pytest.raises(WatchwordError, match="begun with other settings"):
        run(replace(plan(space, tmp_path / "study", 2), base=other))
    moved = replace(BASE, data=DataConfig(manifest="elsewhere.csv", workers=1))
    run(replace(plan(space, tmp_path / "study", 2), base=moved))


def test_time_limit(space: Space, tmp_path: Path) -> None:
    study = run(plan(space, tmp_path / "study", 1000, train=search_stub.slow, timeout_s=1.0))
    assert 1 <= len(trained(study)) <= 4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[train]\nrate = [1, 2]", "unknown key 'rate' in [train]"),
        ("[training]\nepochs = [1, 2]", "unknown section [training]"),
        ("train = 3", "[train] must be a section"),
        ("[train]\nepochs = 3", "[train] epochs must be a list of choices or { low, high }"),
        ("[train]\nepochs = { low = 0, high = 5 }", "[train] epochs must be 1..10000, not 0"),
        ("[train]\nepochs = { low = 1.5, high = 5 }", "[train] epochs must be a whole number"),
        ("[train]\nepochs = { low = 5, high = 5 }", "[train] epochs: low must be below high"),
        ("[train]\nepochs = { low = 1 }", "[train] epochs: missing or unknown 'high'"),
        ("[train]\nepochs = { low = 1, high = 9, by = 2 }", "[train] epochs: missing or unknown 'by'"),
        ("[train]\nepochs = { low = 1, high = 9, step = 0.5 }", "[train] epochs: step 0.5 does not fit"),
        ("[train]\nepochs = { low = 1, high = 9, step = 9 }", "[train] epochs: step must be above 0"),
        ("[train]\nlabel_smoothing = { low = 0, high = 0.1, log = true }", "must begin above 0"),
        (
            "[train]\nlearning_rate = { low = 1e-4, high = 1e-2, log = true, step = 1e-4 }",
            "exclude each other",
        ),
        ("[train]\nlearning_rate = []", "[train] learning_rate needs choices"),
        ("[train]\nlearning_rate = [1e-3, 1e-3]", "[train] learning_rate needs choices that differ"),
        ("[features]\ncmvn = ['running', 'moving']", "[features] cmvn must be one of"),
        ("[features]\ncmvn = { low = 'a', high = 'b' }", "[features] cmvn must be one of"),
        ("[model]\narch = { low = 'ds_tcn', high = 'tiny_conv' }", "[model] arch is no number"),
        ("[model]\ndilations = [1, 2]", "[model] dilations must be a list"),
        ("[word]\nphrase = ['a', 'b']", "[word] phrase cannot be searched"),
        ("[size]\nflash_kb = [10, 20]", "[size] flash_kb cannot be searched"),
        ("[train]\nseed = [1, 2]", "[train] seed cannot be searched"),
        ("", "the search space is empty"),
        ("[train\n", "not valid TOML"),
    ],
)
def test_mistakes_in_a_space_name_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(WatchwordError, match=re.escape(named)) as caught:
        load_space(str(path))
    assert caught.value.where == str(path)


def test_missing_space_lists_those_that_come_along() -> None:
    with pytest.raises(WatchwordError, match="one of: default, network"):
        load_space("nothing")


@pytest.mark.parametrize("name", ["default", "network"])
@pytest.mark.parametrize("preset", ["full", "demo"])
def test_spaces_that_come_along_hold_the_presets(name: str, preset: str) -> None:
    """The search begins from what the preset has; the network's space leaves features alone."""
    space = load_space(name)
    base = load_preset(preset)
    held = space.values_of(base)
    assert {"model.channels", "model.dilations", "train.learning_rate"} <= set(held)
    assert space.apply(base, {d.name: held.get(d.name, (d.choices or (d.low,))[0]) for d in space.dimensions})
    if name == "network":
        assert {d.section for d in space.dimensions} == {"model", "train"}


@pytest.mark.parametrize(
    ("section", "named"),
    [
        (
            "[word]\nphrase = 'toy'\n[data]\nmanifest = 'no.csv'\n[detector]\ntarget_fah = 1",
            "no manifest there",
        ),
        ("[detector]\ntarget_fah = 1", "no wake word given"),
        ("[word]\nphrase = 'toy'", "no manifest there"),
    ],
)
def test_what_a_search_needs_to_know(tmp_path: Path, section: str, named: str) -> None:
    from watchword.cli.search import command

    config = tmp_path / "run.toml"
    config.write_text(section)
    arguments = ["--config", str(config), "--study", str(tmp_path / "study"), "--trials", "1"]
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, WatchwordError) and named in str(result.exception)
    assert not (tmp_path / "study").exists()


@pytest.mark.train
def test_a_real_search(tmp_path: Path) -> None:
    """Two trials that differ in the network only: features are computed once, sizes known before training."""
    from watchword.cli.search import command

    manifest = write_corpus(tmp_path, words=8, others=12)
    base = RunConfig(
        word=WordConfig("toy"),
        data=DataConfig(str(manifest), str(tmp_path / "cache"), 3, 3, 2, 1, 1),
        model=ModelConfig(channels=16, dilations=(1, 2)),
        train=TrainConfig(
            epochs=4,
            steps_per_epoch=20,
            warmup_epochs=0,
            batch=24,
            segment_s=1.4,
            learning_rate=4e-3,
            ema_decay=0.9,
            validate_every=1,
        ),
        detector=DetectorSettings(target_fah=60.0),
    )
    config = save_config(replace(base, qat=replace(base.qat, epochs=1)), tmp_path / "run.toml")
    space = tmp_path / "space.toml"
    space.write_text("[model]\nchannels = [8, 16]\n")  # the first trial has the run's own 16
    study = tmp_path / "study"
    arguments = ["--config", str(config), "--space", str(space), "--study", str(study), "--quiet"]
    assert CliRunner().invoke(command, [*arguments, "--trials", "1"]).exit_code == 0
    cached = set((tmp_path / "cache").rglob("*.npy"))
    result = CliRunner().invoke(command, [*arguments, "--trials", "2"], catch_exceptions=False)
    assert result.exit_code == 0 and "best: trial" in result.output
    assert cached and set((tmp_path / "cache").rglob("*.npy")) == cached
    rows = list(csv.DictReader((study / "trials.csv").open()))
    assert [row["outcome"] for row in rows] == ["trained", "trained"]
    for row in rows:
        run_folder = Path(row["folder"])
        network = read_network((run_folder / "model.tflite").read_bytes())
        image = build_image(network, ModelSettings.load(run_folder / "settings.json"))
        assert (len(image), network.arena_bytes) == (int(row["flash_bytes"]), int(row["arena_bytes"]))
        results = json.loads((run_folder / "metrics.json").read_text())["validation"]["results"]
        assert float(row["frr"]) == pytest.approx(mean(results["int8"]["frr_at_high"].values()), abs=1e-6)
    assert int(rows[0]["flash_bytes"]) > int(rows[1]["flash_bytes"])  # 16 channels, then 8


def trial(number: int, frr: float, instructions: float, flash: int = 1000) -> Any:
    found = {"instructions": instructions, "flash_bytes": flash}
    return SimpleNamespace(number=number, value=frr, user_attrs=found)


def test_of_equal_trials_the_cheaper_is_best() -> None:
    done = [trial(0, 0.2, 3e6), trial(1, 0.1, 3e6), trial(2, 0.1, 2e6, 900), trial(3, 0.1, 2e6, 800)]
    assert best_of(done).number == 3


def test_a_study_that_hears_no_word_names_no_best(
    space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_stub, "frr_of", lambda config: 2.0)  # clean 1.0, reverb 3.0: over the whole
    study = run(plan(space, tmp_path / "study", 2))
    told = "\n".join(write_results(study, BASE, space, tmp_path / "study"))
    assert "of the 2 trained ones hears a word" in told
    assert not (tmp_path / "study" / "best.toml").exists()


def test_a_configuration_that_train_wrote_has_a_target_to_search_for() -> None:
    assert with_target(RunConfig(), None).detector.target_fah == 0.5
    assert with_target(BASE, None).detector.target_fah == 1.0
    assert with_target(BASE, 2.0).detector.target_fah == 2.0
