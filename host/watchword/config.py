"""One training run = one TOML file: every setting, its range, and nothing that is not read.

A section of the file is a frozen dataclass in config_sections.py; an unknown key, a wrong type or a value
out of range is an error that names the file and the key. Times are in seconds unless the name says else.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from watchword import spec, words
from watchword.config_sections import (
    KIND_DEFAULTS,
    MODEL_KEYS,
    AugmentConfig,
    DataConfig,
    DetectorSettings,
    DistillConfig,
    FeaturesConfig,
    ModelConfig,
    QatConfig,
    RunConfig,
    SearchConfig,
    SizeConfig,
    TrainConfig,
    WordConfig,
)
from watchword.errors import WatchwordError
from watchword.files import read_text, write_atomic

__all__ = [
    "MODEL_KEYS",
    "AugmentConfig",
    "DataConfig",
    "DetectorSettings",
    "DistillConfig",
    "FeaturesConfig",
    "ModelConfig",
    "QatConfig",
    "RunConfig",
    "SearchConfig",
    "SizeConfig",
    "TrainConfig",
    "WordConfig",
    "adjusted",
    "check_value",
    "config_from_dict",
    "config_to_toml",
    "kind_changes",
    "load_config",
    "load_preset",
    "save_config",
    "toml_value",
]

Section = TypeVar("Section")
_KINDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def load_config(path: Path) -> RunConfig:
    """Read and check one TOML file; `[data] manifest` becomes an absolute path."""
    try:
        content = tomllib.loads(read_text(path, "surrogateescape"))
    except OSError as error:
        raise WatchwordError(f"cannot read the configuration: {error}", path, "check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise WatchwordError(f"not valid TOML: {error}", path, "correct the file") from error
    manifest = content.get("data", {}).get("manifest") if isinstance(content.get("data"), dict) else None
    if isinstance(manifest, str) and manifest:
        content["data"]["manifest"] = str((path.parent / manifest).resolve())
    _check_model_keys(content.get("model"), path)
    return config_from_dict(content, path)


def config_from_dict(content: dict[str, Any], where: str | Path = "configuration") -> RunConfig:
    """Build a RunConfig from nested dicts, checking every key and value; `where` is for messages."""
    sections = get_type_hints(RunConfig)
    unknown = sorted(set(content) - set(sections))
    if unknown:
        raise WatchwordError(f"unknown section [{unknown[0]}]", where, f"known: {', '.join(sections)}")
    content = _with_kind_defaults(content)
    built = {
        name: _section(section, content.get(name, {}), name, where) for name, section in sections.items()
    }
    config = RunConfig(**built)
    if config.word.phrase:
        phrase = words.require(config.word.phrase, f"{where}, [word] phrase")
        config = replace(config, word=WordConfig(phrase))
    _check_together(config, where)
    return config


def kind_changes(kind: str, arch: str = ModelConfig.arch) -> dict[tuple[str, str], Any]:
    """The settings that `adjusted` takes to go over to another kind of features."""
    changes = {
        (section, key): value
        for section, values in _kind_defaults(kind, arch).items()
        for key, value in values.items()
    }
    return {("features", "kind"): kind, **changes}


def _kind_defaults(kind: Any, arch: Any) -> dict[str, dict[str, Any]]:
    """By section; of [model] what the architecture reads."""
    defaults = KIND_DEFAULTS.get(kind, {}) if isinstance(kind, str) else {}
    read = MODEL_KEYS.get(arch, ()) if isinstance(arch, str) else ()
    return {
        section: {key: value for key, value in values.items() if section != "model" or key in read}
        for section, values in defaults.items()
    }


def _with_kind_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """The content with what its kind of features defaults to, where it says nothing else."""
    features, model = (content.get(name, {}) for name in ("features", "model"))
    kind = features.get("kind") if isinstance(features, dict) else None
    arch = model.get("arch", ModelConfig.arch) if isinstance(model, dict) else None
    filled = dict(content)
    for section, values in _kind_defaults(kind, arch).items():
        given = content.get(section, {})
        if isinstance(given, dict):
            filled[section] = {**values, **given}
    return filled


def load_preset(name: str) -> RunConfig:
    """One of the settings that come with the package (watchword/presets)."""
    return load_config(Path(__file__).parent / "presets" / f"{name}.toml")


def check_value(section: str, key: str, value: Any, where: str | Path) -> Any:
    """`value` as `[section] key` takes it, or an error that names them."""
    sections = get_type_hints(RunConfig)
    if section not in sections:
        raise WatchwordError(f"unknown section [{section}]", where, f"known: {', '.join(sections)}")
    return getattr(_section(sections[section], {key: value}, section, where), key)


def adjusted(
    config: RunConfig, changes: dict[tuple[str, str], Any], where: str = "command line"
) -> RunConfig:
    """`config` with values replaced, by (section, key), and checked again; None leaves a value as it is."""
    content: dict[str, Any] = asdict(config)
    for (section, key), value in changes.items():
        if value is not None:
            content[section][key] = value
    return config_from_dict(content, where)


def config_to_toml(config: RunConfig) -> str:
    """The whole configuration as TOML text that `load_config` reads back equal."""
    lines: list[str] = []
    for section in fields(config):
        lines.append(f"[{section.name}]")
        values = getattr(config, section.name)
        unread = _unread(values) if isinstance(values, ModelConfig) else ()
        names = [f.name for f in fields(values) if f.name not in unread]
        lines += [f"{name} = {toml_value(getattr(values, name))}" for name in names]
        lines.append("")
    return "\n".join(lines)


def save_config(config: RunConfig, path: Path) -> Path:
    return write_atomic(path, config_to_toml(config))


def toml_value(value: Any) -> str:
    """A setting as it stands in a TOML file."""
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # TOML's strings, numbers and booleans look the same


def _section(section: type[Section], values: Any, name: str, where: str | Path) -> Section:
    if not isinstance(values, dict):
        raise WatchwordError(f"[{name}] must be a section, not a value", where, f"write [{name}]")
    known = {f.name: f for f in fields(section)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise WatchwordError(f"unknown key '{unknown[0]}' in [{name}]", where, f"known: {', '.join(known)}")
    types = get_type_hints(section)
    checked = {
        key: _checked(value, types[key], known[key].metadata, f"[{name}] {key}", where)
        for key, value in values.items()
    }
    return section(**checked)


def _checked(value: Any, kind: Any, rules: Any, key: str, where: str | Path) -> Any:
    """`value` as `kind`, or an error that names `key`."""
    if get_origin(kind) is Literal:
        kind, rules = str, {"choices": get_args(kind)}
    if get_origin(kind) is tuple:  # tuple[item, ...]
        if not isinstance(value, list | tuple) or not value:
            raise WatchwordError(f"{key} must be a list of numbers, not {value!r}", where, "e.g. [1, 2, 4]")
        return tuple(_checked(item, get_args(kind)[0], rules, key, where) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise WatchwordError(f"{key} must be a {_KINDS[kind]}, not {value!r}", where, "correct the value")
    if "choices" in rules and value not in rules["choices"]:
        choices = ", ".join(str(c) for c in rules["choices"])
        raise WatchwordError(f"{key} must be one of {choices}, not {value!r}", where, "choose one of them")
    if "range" in rules:
        low, high = rules["range"]
        if not (math.isfinite(value) and low <= value <= high):
            raise WatchwordError(
                f"{key} must be {low:g}..{high:g}, not {value:g}", where, "correct the value"
            )
    return value


def _unread(model: ModelConfig) -> tuple[str, ...]:
    """Keys of [model] that its architecture does not read."""
    read = ("arch", *MODEL_KEYS.get(model.arch, ()))
    return tuple(f.name for f in fields(model) if f.name not in read)


def _check_model_keys(values: Any, where: str | Path) -> None:
    """Refuse keys that the file gives an architecture which does not read them, whatever their value."""
    if isinstance(values, dict) and isinstance(arch := values.get("arch", ModelConfig.arch), str):
        _refuse_unread([key for key in _unread(ModelConfig(arch=arch)) if key in values], arch, where)


def _refuse_unread(keys: list[str], arch: str, where: str | Path) -> None:
    if keys and arch in MODEL_KEYS:
        readers = ", ".join(name for name, read in MODEL_KEYS.items() if keys[0] in read)
        what = f"[model] {keys[0]} is not a setting of arch '{arch}', but of {readers}"
        raise WatchwordError(what, where, f"'{arch}' reads {', '.join(MODEL_KEYS[arch])}")


def _kind_rules(features: FeaturesConfig) -> list[tuple[bool, str]]:
    """What the kind of features asks of the other settings of its section."""
    rules = [
        (
            getattr(features, key) == value,
            f"[features] {key} must be {value!r} with kind = '{features.kind}'; leave it out",
        )
        for key, value in KIND_DEFAULTS.get(features.kind, {}).get("features", {}).items()
    ]
    alone = features.cmvn != "affine" or features.kind == "micro"
    return [*rules, (alone, "[features] cmvn 'affine' is for kind = 'micro' alone")]


def _check_together(config: RunConfig, where: str | Path) -> None:
    """Rules between settings."""
    try:
        config.detector.to_core()
    except WatchwordError as error:
        raise WatchwordError(f"[detector] {error.what}", where, "correct the file") from error
    # Defaults may stand for keys that are not read, so that command lines can change the architecture.
    changed = [k for k in _unread(config.model) if getattr(config.model, k) != getattr(ModelConfig, k)]
    _refuse_unread(changed, config.model.arch, where)
    a, t, d, m = config.augment, config.train, config.detector, config.model
    pairs = (
        *_kind_rules(config.features),
        (a.snr_db_min <= a.snr_db_max, "[augment] snr_db_min must not exceed snr_db_max"),
        (a.level_dbfs_min <= a.level_dbfs_max, "[augment] level_dbfs_min must not exceed level_dbfs_max"),
        (t.window_start_s <= t.window_end_s, "[train] window_start_s must not exceed window_end_s"),
        (t.warmup_epochs < t.epochs or t.epochs == 1, "[train] warmup_epochs must be below epochs"),
        (
            t.best_by != "target_fah" or d.target_fah > 0,
            "[train] best_by target_fah needs [detector] target_fah",
        ),
        (len(m.dilations) <= 12, "[model] dilations must name at most 12 blocks"),
        (m.arch != "conformer" or m.channels % m.heads == 0, "[model] channels must be a multiple of heads"),
        (m.window_rows >= m.stem_kernel + 3 * m.stem_stride, "[model] window_rows must hold four strides"),
        (
            len(config.word.phrase.encode()) < spec.WORD_BYTES,
            f"[word] phrase must be shorter than {spec.WORD_BYTES} bytes",
        ),
    )
    for holds, rule in pairs:
        if not holds:
            raise WatchwordError(rule, where, "correct the file")
