"""Feature jobs: planned from a manifest, computed once, found again, never half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_corpus import write_corpus
from watchword import core
from watchword.data import cache as feature_cache
from watchword.data.features import fit_normalisation
from watchword.data.plan import Features, make_features
from watchword.errors import WatchwordError
from watchword.train.config import AugmentConfig, DataConfig, FeaturesConfig, RunConfig, TrainConfig


def config_for(folder: Path, **train: int) -> RunConfig:
    manifest = folder / "manifest.csv"
    if not manifest.exists():
        write_corpus(folder, words=4, others=6)
    data = DataConfig(str(manifest), str(folder / "cache"), 2, 3, 2, 1, 1)
    return RunConfig(data=data, train=TrainConfig(**train))


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

    def fail(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(feature_cache, "_compute_to", fail)
    assert same(first, make_features(config_for(tmp_path, seed=1), progress=False))
    changed = replace(config_for(tmp_path, seed=1), augment=AugmentConfig(rir_p=0.1))
    with pytest.raises(AssertionError, match="computed again"):
        make_features(changed, progress=False)


def test_processes_give_what_one_gives(tmp_path: Path) -> None:
    alone = make_features(config_for(tmp_path), progress=False)
    config = config_for(tmp_path)
    two = replace(config, data=replace(config.data, cache=str(tmp_path / "cache2"), workers=2))
    assert same(alone, make_features(two, progress=False))


def test_damaged_cache_file_is_computed_again(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    first = make_features(config, progress=False)
    for number, path in enumerate(sorted((tmp_path / "cache").rglob("*.npy"))):
        path.write_bytes(path.read_bytes()[: 40 if number % 2 else -10])
    assert same(first, make_features(config, progress=False))


@pytest.mark.parametrize("label", ["positive", "negative"])
def test_a_split_without_clips_is_an_error(tmp_path: Path, label: str) -> None:
    manifest = write_corpus(tmp_path, words=4, others=6)
    lines = [line for line in manifest.read_text().splitlines() if f",val,{label}" not in line]
    manifest.write_text("\n".join(lines) + "\n")
    with pytest.raises(WatchwordError, match=f"no {label} clips in split 'val'"):
        make_features(config_for(tmp_path), progress=False)


@pytest.mark.parametrize("cmvn", ["none", "global", "running"])
@pytest.mark.parametrize("power", [0.0, 0.5])
def test_spread_of_the_model_input(cmvn: str, power: float) -> None:
    """The widest coefficient has a standard deviation of 32 steps, the others as the power says."""
    rng = np.random.default_rng(0)
    scale = np.geomspace(4000, 400, 40)
    streams = [(rng.normal(0, 1, (300, 40)) * scale).astype(np.int16) for _ in range(20)]
    normalisation = fit_normalisation(streams, FeaturesConfig(cmvn=cmvn, spread_power=power))
    rows = np.concatenate([core.normalise(s, normalisation) for s in streams]).astype(float)
    assert rows.std(axis=0) == pytest.approx(32.0 * (scale / scale[0]) ** power, rel=0.06)
