"""The run configuration: every mistake is named, every field is used, text survives a round trip."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
import watchword
from config_reads import settings_read
from watchword.config import (
    RunConfig,
    adjusted,
    config_to_toml,
    kind_changes,
    load_config,
    load_preset,
)
from watchword.errors import WatchwordError

PACKAGE = Path(watchword.__file__).parent
SECTIONS = {name: kind.__name__ for name, kind in get_type_hints(RunConfig).items()}


def load_text(folder: Path, text: str) -> RunConfig:
    path = folder / "run.toml"
    path.write_text(text)
    return load_config(path)


@pytest.mark.parametrize("kind", ["logmel", "micro"])
def test_a_kind_of_features_brings_what_goes_with_it(tmp_path: Path, kind: str) -> None:
    loaded = load_text(tmp_path, f"[features]\nkind = '{kind}'")
    assert loaded == adjusted(RunConfig(), kind_changes(kind))
    assert loaded.features.coeffs == 40
    again = load_text(tmp_path, config_to_toml(loaded))
    assert again == loaded
    if kind == "micro":
        assert (loaded.features.hop_samples, loaded.features.cmvn) == (160, "affine")
        assert loaded.model.stem_kernel % loaded.model.stem_stride == 0
        chosen = load_text(tmp_path, "[features]\nkind = 'micro'\n[model]\nstem_stride = 2")
        assert (chosen.model.stem_stride, chosen.model.stem_kernel) == (2, 8)
        windowed = load_text(tmp_path, "[features]\nkind = 'micro'\n[model]\narch = 'tiny_conv'")
        assert windowed.model.window_rows == 136


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[train]\nepoch = 3", "unknown key 'epoch' in [train]"),
        ("[training]\nepochs = 3", "unknown section [training]"),
        ("train = 3", "[train] must be a section"),
        ("[train]\nepochs = 0", "[train] epochs must be 1..10000, not 0"),
        ("[train]\nepochs = 2.5", "[train] epochs must be a whole number"),
        ("[train]\nepochs = true", "[train] epochs must be a whole number"),
        ("[train]\nlearning_rate = nan", "[train] learning_rate must be"),
        ("[features]\nhop_samples = 200", "[features] hop_samples must be one of 160, 320"),
        ("[features]\ncmvn = 'moving'", "[features] cmvn must be one of none, global, running, running_mv"),
        ("[features]\nkind = 'logmel'\ncoeffs = 20", "coeffs must be 40 with kind = 'logmel'"),
        ("[features]\nkind = 'plp'", "[features] kind must be one of mfcc, logmel, micro"),
        ("[features]\nkind = 'micro'\nhop_samples = 320", "hop_samples must be 160 with kind = 'micro'"),
        ("[features]\nkind = 'micro'\ncmvn = 'running'", "cmvn must be 'affine' with kind"),
        ("[features]\ncmvn = 'affine'", "cmvn 'affine' is for kind = 'micro'"),
        ("[size]\non_excess = 'stop'", "[size] on_excess must be one of warn, error"),
        ("[model]\ndilations = 2", "[model] dilations must be a list"),
        ("[model]\ndilations = []", "[model] dilations must be a list"),
        ("[model]\ndilations = [1, 99]", "[model] dilations must be 1..32, not 99"),
        ("[augment]\nsnr_db_min = 30", "snr_db_min must not exceed"),
        ("[detector]\nlow = 0.8", "0 <= low <= high"),
        ("[train]\nepochs = 4", "warmup_epochs must be below epochs"),
        ("[word]\nphrase = 'a very long phrase that nobody says'", "shorter than 32 bytes"),
        ("[train\n", "not valid TOML"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(WatchwordError, match=re.escape(named)) as caught:
        load_text(tmp_path, text)
    assert caught.value.where == str(tmp_path / "run.toml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="cannot read"):
        load_config(tmp_path / "none.toml")


def test_round_trip(tmp_path: Path) -> None:
    text = '[word]\nphrase = "schöner Tag"\n[data]\ncache = "a \\"b\\""\n[model]\ndilations = [1, 2, 4]\n'
    config = load_text(tmp_path, text)
    assert config.model.dilations == (1, 2, 4)
    assert load_text(tmp_path, config_to_toml(config)) == config


def test_manifest_is_relative_to_the_file(tmp_path: Path) -> None:
    config = load_text(tmp_path, "[data]\nmanifest = 'clips/manifest.csv'")
    assert config.data.manifest == str(tmp_path / "clips" / "manifest.csv")


def test_command_line_changes_are_checked() -> None:
    config = adjusted(RunConfig(), {("train", "seed"): 7, ("train", "epochs"): None})
    assert config.train.seed == 7 and config.train.epochs == RunConfig().train.epochs
    with pytest.raises(WatchwordError, match=r"\[train\] seed"):
        adjusted(RunConfig(), {("train", "seed"): -1})


def test_presets_are_valid() -> None:
    demo = load_preset("demo")
    assert (
        demo.train.epochs * demo.train.steps_per_epoch
        < RunConfig().train.epochs * RunConfig().train.steps_per_epoch
    )


def test_every_field_is_read() -> None:
    """No setting without effect: each is read, as a field of its own section, other than to check it."""
    sources = [p.read_text() for p in PACKAGE.rglob("*.py") if p != PACKAGE / "config.py"]
    read = settings_read(sources, SECTIONS)
    kinds = get_type_hints(RunConfig)
    unread = [
        f"[{name}] {f.name}" for name in kinds for f in fields(kinds[name]) if (name, f.name) not in read
    ]
    assert not unread


def test_a_read_counts_for_its_own_section() -> None:
    """The same name in another section, in another class, in text or as a target is no read."""
    source = """
class Stage:
    epochs: int
    config: "RunConfig | None" = None

    def run(self):
        t, q = self.config.train, self.config.qat
        q.learning_rate = self.epochs
        return t.epochs, "config.qat.epochs"

def other(train: TrainConfig, stage: Stage):
    train = stage
    return train.batch
"""
    assert settings_read([source], SECTIONS) == {("train", "epochs")}
