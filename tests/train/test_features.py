"""Feature jobs: planned from a manifest, computed once, found again, never half-written."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from toy_corpus import write_corpus
from watchword import audio, core, spec
from watchword.config import AugmentConfig, DataConfig, FeaturesConfig, RunConfig, TrainConfig
from watchword.data import cache as feature_cache
from watchword.data import job_keys, jobs, recordings, sound_files
from watchword.data.normalisation import fit_normalisation
from watchword.data.plan import Features, make_features, make_plan
from watchword.errors import WatchwordError


def config_for(folder: Path, seed: int = 1) -> RunConfig:
    manifest = folder / "manifest.csv"
    if not manifest.exists():
        write_corpus(folder, words=4, others=6)
    return RunConfig(data=DataConfig(str(manifest), str(folder / "cache"), 2, 3, 2, 1, 1, seed=seed))


def same(a: Features, b: Features) -> bool:
    pairs = [(a.positives, b.positives), *zip(a.negatives, b.negatives, strict=True)]
    pairs += [(x.rows, y.rows) for x, y in zip(a.validation, b.validation, strict=True)]
    return all(np.array_equal(x, y) for x, y in pairs)


def test_counts_and_truth(tmp_path: Path) -> None:
    features = make_features(config_for(tmp_path), progress=False)
    assert len(features.positives) == 2 * 2 + 2 * 3  # real and synthetic words, their draws
    conditions = [s.condition for s in features.validation if s.word]
    assert len(conditions) == 2 * 5 and len(set(conditions)) == 5
    for stream in features.validation:
        if stream.word:
            start, end = stream.word
            assert 24_000 < start < end < 24_000 + stream.seconds * 16_000


def test_seed_decides_everything_and_a_second_run_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_features(config_for(tmp_path, seed=1), progress=False)
    other = make_features(config_for(tmp_path, seed=2), progress=False)
    assert not same(first, other)
    retrained = replace(config_for(tmp_path, seed=1), train=TrainConfig(seed=2))

    def fail(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(feature_cache, "_compute_to", fail)
    for again in (config_for(tmp_path, seed=1), retrained):  # another training hears the same
        assert same(first, make_features(again, progress=False))
    for change in (
        {"augment": AugmentConfig(rir_p=0.1)},
        {"features": FeaturesConfig(kind="logmel", coeffs=40)},
    ):
        with pytest.raises(AssertionError, match="computed again"):
            make_features(replace(config_for(tmp_path, seed=1), **change), progress=False)


def keys_of(config: RunConfig) -> dict[str, set[str]]:
    """Keys of the cache that a run asks for, by kind of job."""
    plan = make_plan(config, progress=False)
    found: dict[str, set[str]] = {}
    for job in (*plan.positives, *plan.negatives):
        found.setdefault(str(job.identity[0]), set()).add(job_keys.job_key(job, plan.recipe))
    return found


def grown(folder: Path, count: int, taken: int, label: str) -> RunConfig:
    """A corpus of `count` short sounds of a label beside the others; the manifest lists the first `taken`."""
    folder.mkdir(exist_ok=True)
    config = config_for(folder)
    rng = np.random.default_rng(0)
    lines = Path(config.data.manifest).read_text().splitlines()
    header = lines[0].split(",")
    like = dict(
        zip(header, next(line for line in lines if ",train,negative" in line).split(","), strict=True)
    )
    for number in range(count):
        path = folder / f"{label}{number}.wav"
        audio.save(path, rng.normal(0, 2000, 16_000 + 800 * (number % 20)).astype(np.int16))
        row = {**like, "path": path.name, "label": label, "speaker": f"more {number}"}
        lines += [",".join(row[name] for name in header)] * (number < taken)
    manifest = folder / f"{label}-{taken}.csv"
    manifest.write_text("\n".join(lines) + "\n")
    augment = AugmentConfig(babble_p=0.2, coloured_p=0.2)
    data = replace(config.data, manifest=str(manifest), positive_draws=20, synthetic_draws=20)
    return replace(config, augment=augment, data=data)


def test_another_clip_leaves_most_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clip among 900 changes the streams of its neighbourhood, and what it talks into."""
    monkeypatch.setattr("watchword.data.streams._BUCKET", 4 * 20 * 16_000)
    before, after = (keys_of(grown(tmp_path, 900, taken, "negative")) for taken in (899, 900))
    assert len(after["negative"]) > 60
    assert 0 < len(after["negative"] - before["negative"]) <= 6
    assert len(after["positive"] - before["positive"]) <= 2


def test_another_word_finds_the_streams_of_other_sources(tmp_path: Path) -> None:
    """Half of the clips are of another source, and stand in one of two corpora only."""
    manifest = Path(grown(tmp_path, 600, 600, "negative").data.manifest)
    lines = manifest.read_text().splitlines()
    source = lines[0].split(",").index("source")
    for number, line in enumerate(lines):
        cells = line.split(",")
        if cells[0].startswith("negative") and int(cells[0].removeprefix("negative").split(".")[0]) % 2:
            lines[number] = ",".join(["word" if i == source else cell for i, cell in enumerate(cells)])
    config = grown(tmp_path, 0, 0, "negative")
    config = replace(config, augment=AugmentConfig(babble_p=0.0))
    found = []
    for name, kept in (("both", lines), ("one", [line for line in lines if ",word," not in line])):
        (tmp_path / f"{name}.csv").write_text("\n".join(kept) + "\n")
        data = replace(config.data, manifest=str(tmp_path / f"{name}.csv"))
        found.append(keys_of(replace(config, data=data))["negative"])
    both, one = found
    assert len(one) > 15 and len(both) > 1.8 * len(one) and one <= both


def test_a_noise_less_changes_the_jobs_that_took_it(tmp_path: Path) -> None:
    more, fewer = grown(tmp_path, 12, 12, "noise"), grown(tmp_path, 12, 11, "noise")
    plan = make_plan(more, progress=False)
    gone = tmp_path / "noise11.wav"
    recipe = plan.recipe
    jobs_with: list[bool] = []
    left = set().union(*keys_of(fewer).values())
    for job in (*plan.positives, *plan.negatives):
        scene = job.scene(recipe, job_keys.job_rng(job, recipe))
        own = [piece.path for piece in getattr(job, "pieces", None) or (job.piece,)]  # type: ignore[attr-defined]
        took = gone in (*scene.files, *own)
        assert took == (job_keys.job_key(job, recipe) not in left)
        jobs_with.append(took)
    assert any(jobs_with) and np.mean(jobs_with) < 0.3


def test_jobs_know_all_files_that_they_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a key does not name cannot change the sound."""
    plan = make_plan(grown(tmp_path, 6, 6, "noise"), progress=False)
    read: set[Path] = set()
    part = sound_files.part

    def noted(path: Path, start: int = 0, stop: int | None = None) -> np.ndarray:
        read.add(path)
        return part(path, start, stop)

    monkeypatch.setattr(sound_files, "part", noted)
    held_out = [(one.job, plan.validation.recipe) for one in plan.validation.streams]
    for job, recipe in [*((job, plan.recipe) for job in (*plan.positives, *plan.negatives)), *held_out]:
        read.clear()
        named = set(job.scene(recipe, job_keys.job_rng(job, recipe)).files)
        job.compute(recipe, job_keys.job_rng(job, recipe))
        own = {piece.path for piece in getattr(job, "pieces", None) or (job.piece,)}  # type: ignore[attr-defined]
        assert read <= named | own


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    alone = make_features(config_for(tmp_path), progress=False)
    config = config_for(tmp_path)
    two = replace(config, data=replace(config.data, cache=str(tmp_path / "cache2"), workers=2))
    assert same(alone, make_features(two, progress=False))


@pytest.mark.parametrize("damage", ["cut short", "one bit", "empty", "no checksum"])
def test_damaged_cache_file_is_computed_again(tmp_path: Path, damage: str) -> None:
    config = config_for(tmp_path)
    first = make_features(config, progress=False)
    files = sorted((tmp_path / "cache").glob("??/*.npy"))
    for path in files:
        content = bytearray(path.read_bytes())
        if damage == "one bit":
            content[len(content) // 2] ^= 4
        path.write_bytes(
            {"cut short": content[:-10], "empty": b"", "no checksum": content[:-8]}.get(damage, content)
        )
        assert feature_cache.read_cached(path) is None
    assert same(first, make_features(config, progress=False))
    assert all(feature_cache.read_cached(path) is not None for path in files)


def test_numpy_reads_a_cache_file(tmp_path: Path) -> None:
    make_features(config_for(tmp_path), progress=False)
    for path in (tmp_path / "cache").glob("??/*.npy"):
        assert np.array_equal(np.load(path), feature_cache.read_cached(path))


def test_an_interrupted_write_leaves_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the temporary file and its new name: nothing by that name, and the rest is there."""
    config = config_for(tmp_path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    rename = Path.replace
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_features(config, progress=False)
    assert not list((tmp_path / "cache").rglob("*.npy"))
    monkeypatch.setattr(Path, "replace", rename)
    make_features(config, progress=False)


def test_rebuild_computes_everything_again(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    first = make_features(config, progress=False)
    files = sorted((tmp_path / "cache").glob("??/*.npy"))
    stamps = {path: path.stat().st_ino for path in files}
    assert same(first, make_features(config, progress=False))
    assert all(path.stat().st_ino == stamps[path] for path in files)
    assert same(first, make_features(config, progress=False, rebuild=True))
    assert all(path.stat().st_ino != stamps[path] for path in files)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("watchword.files.tempfile.mkstemp", full)
    with pytest.raises(WatchwordError, match="No space left on device"):
        make_features(config_for(tmp_path), progress=False)


def test_masks_do_not_ask_for_other_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_for(tmp_path)
    first = make_features(config, progress=False)
    monkeypatch.setattr(feature_cache, "_compute_to", lambda *_: pytest.fail("computed again"))
    masked = replace(config, augment=AugmentConfig(specaugment_p=0.5, time_masks=3, band_mask_width=9))
    assert same(first, make_features(masked, progress=False))


def test_rooms_are_simulated_when_the_manifest_has_none(tmp_path: Path) -> None:
    """Training and validation are heard in rooms, and not in the same ones."""
    config = replace(config_for(tmp_path), augment=AugmentConfig(simulated_rooms=3))
    manifest = Path(config.data.manifest)
    manifest.write_text("".join(line for line in manifest.open() if "room.wav" not in line))
    plan = make_plan(config, progress=False)
    heard, held_out = set(plan.recipe.bank.rooms), set(plan.validation.recipe.bank.rooms)
    assert len(heard) == 3 and len(held_out) == 1 and not heard & held_out
    none = replace(config, augment=AugmentConfig(simulated_rooms=0))
    assert make_plan(none, progress=False).recipe.bank.rooms == ()


@pytest.mark.parametrize("label", ["positive", "negative"])
def test_a_split_without_clips_is_an_error(tmp_path: Path, label: str) -> None:
    manifest = write_corpus(tmp_path, words=4, others=6)
    lines = [line for line in manifest.read_text().splitlines() if f",val,{label}" not in line]
    manifest.write_text("\n".join(lines) + "\n")
    with pytest.raises(WatchwordError, match=f"no {label} clips in split 'val'"):
        make_features(config_for(tmp_path), progress=False)


@pytest.mark.parametrize("cmvn", [mode for mode in spec.CMVN_MODES if mode != "affine"])
@pytest.mark.parametrize("power", [0.0, 0.5])
def test_spread_of_the_model_input(cmvn: str, power: float) -> None:
    """The widest coefficient has a standard deviation of 32 steps, the others as the power says."""
    rng = np.random.default_rng(0)
    scale = np.geomspace(4000, 400, 40)
    streams = [(rng.normal(0, 1, (300, 40)) * scale).astype(np.int16) for _ in range(20)]
    normalisation = fit_normalisation(streams, FeaturesConfig(cmvn=cmvn, spread_power=power))
    rows = np.concatenate([core.normalise(s, normalisation) for s in streams]).astype(float)
    assert rows.std(axis=0) == pytest.approx(32.0 * (scale / scale[0]) ** power, rel=0.06)


def imports(module: ModuleType) -> list[tuple[str, str]]:
    """(module, name) of everything of this package that `module` imports when it is loaded."""
    body = ast.parse(Path(str(module.__file__)).read_text()).body
    nodes = [node for node in body if isinstance(node, ast.ImportFrom)]
    pairs = [(str(node.module), alias.name) for node in nodes for alias in node.names]
    split = {
        (f"{source}.{name}", "*") if f"{source}.{name}" in sys.modules else (source, name)
        for source, name in pairs
    }
    return sorted(pair for pair in split if pair[0].startswith(("watchword.data", "watchword.audio")))


def test_the_cache_knows_all_code_that_makes_sound() -> None:
    """A changed statement anywhere between clip and samples must give another key."""
    reached, waiting, others = set(), {jobs.__name__}, set()
    while waiting:
        name = waiting.pop()
        reached.add(name)
        for source, imported in imports(sys.modules[name]):
            if source == recordings.__name__:
                others.add(imported)  # constants: the key has their values
            elif source not in reached:
                waiting.add(source)
    assert {module.__name__ for module in job_keys._SOUND_MODULES} == reached
    assert others == {"LEAD_SAMPLES", "TAIL_SAMPLES"}
