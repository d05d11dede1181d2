"""The search space: which settings vary, and within what; read from TOML and checked against the settings."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchword.config import RunConfig, adjusted, check_value
from watchword.errors import WatchwordError
from watchword.files import read_text

if TYPE_CHECKING:
    from optuna.trial import Trial

_SHIPPED = Path(__file__).parent / "spaces"
_INTERVAL_KEYS = {"low", "high", "log", "step"}
# What trials are compared by, or what cannot make one better than another.
_FIXED_SECTIONS = ("word", "size", "search")
_FIXED_KEYS = (
    ("data", "manifest"),
    ("data", "cache"),
    ("data", "workers"),
    ("data", "validation_draws"),
    ("train", "seed"),
    ("train", "best_by"),
    ("detector", "target_fah"),
)


@dataclass(frozen=True)
class Dimension:
    """One setting that varies: a list of choices, or an interval (both ends allowed)."""

    section: str
    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"

    def suggest(self, trial: Trial) -> Any:
        """Draw a value and give it as the setting takes it."""
        if self.choices:
            stored = trial.suggest_categorical(self.name, [_stored(c) for c in self.choices])
            return self.value_of(stored)
        if isinstance(self.low, int):
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(self.name, self.low, int(self.high), step=step, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def value_of(self, stored: Any) -> Any:
        """The setting's value behind what the study stores."""
        return next((c for c in self.choices if _stored(c) == stored), stored)

    def stored_value(self, value: Any) -> Any | None:
        """What the study stores for a setting's value; None when the value lies outside."""
        if self.choices:
            return _stored(value) if value in self.choices else None
        on_grid = self.step is None or abs((value - self.low) / self.step % 1.0) < 1e-9
        return value if self.low <= value <= self.high and on_grid else None


@dataclass(frozen=True)
class Space:
    """All settings that vary, in the order of the file."""

    dimensions: tuple[Dimension, ...]
    where: str

    def draw(self, base: RunConfig, trial: Trial) -> RunConfig:
        """The run's settings with a drawn value for each dimension."""
        drawn = {(d.section, d.key): d.suggest(trial) for d in self.dimensions}
        return adjusted(base, drawn, f"trial {trial.number}")

    def apply(self, base: RunConfig, params: dict[str, Any]) -> RunConfig:
        """The run's settings with the values that a study stored."""
        values = {(d.section, d.key): d.value_of(params[d.name]) for d in self.dimensions}
        return adjusted(base, values, "stored trial")

    def values_of(self, config: RunConfig) -> dict[str, Any]:
        """What the study would store for these settings, as far as they lie in the space."""
        found = {d.name: d.stored_value(getattr(getattr(config, d.section), d.key)) for d in self.dimensions}
        return {name: value for name, value in found.items() if value is not None}

    def to_json(self) -> str:
        return json.dumps([asdict(d) for d in self.dimensions], sort_keys=True)


def load_space(name_or_path: str) -> Space:
    """A space that comes with the package, by name (default, network), or a TOML file."""
    shipped = _SHIPPED / f"{name_or_path}.toml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    known = ", ".join(sorted(p.stem for p in _SHIPPED.glob("*.toml")))
    try:
        content = tomllib.loads(read_text(path))
    except OSError as error:
        raise WatchwordError(
            f"cannot read the search space: {error}", path, f"name a TOML file, or one of: {known}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise WatchwordError(f"not valid TOML: {error}", path, "correct the file") from error
    found = [
        _dimension(section, key, rule, path)
        for section, rules in content.items()
        for key, rule in _rules(section, rules, path).items()
    ]
    if not found:
        raise WatchwordError("the search space is empty", path, "name at least one setting")
    return Space(tuple(found), str(path))


def _rules(section: str, rules: Any, path: Path) -> dict[str, Any]:
    if not isinstance(rules, dict):
        raise WatchwordError(f"[{section}] must be a section, not a value", path, f"write [{section}]")
    return rules


def _dimension(section: str, key: str, rule: Any, path: Path) -> Dimension:
    name = f"[{section}] {key}"
    if section in _FIXED_SECTIONS or (section, key) in _FIXED_KEYS:
        raise WatchwordError(
            f"{name} cannot be searched: trials would not be comparable", path, "set it in --config"
        )
    if isinstance(rule, list):
        return _listed(section, key, rule, path)
    if isinstance(rule, dict):
        return _interval(section, key, rule, path)
    raise WatchwordError(
        f"{name} must be a list of choices or {{ low, high }}, not {rule!r}", path, "correct the value"
    )


def _listed(section: str, key: str, rule: list[Any], path: Path) -> Dimension:
    choices = tuple(check_value(section, key, value, path) for value in rule)
    if not choices or len(set(choices)) != len(choices):
        raise WatchwordError(f"[{section}] {key} needs choices that differ", path, "correct the list")
    return Dimension(section, key, choices)


def _interval(section: str, key: str, rule: dict[str, Any], path: Path) -> Dimension:
    name = f"[{section}] {key}"
    odd = sorted(set(rule) - _INTERVAL_KEYS) + sorted({"low", "high"} - set(rule))
    if odd:
        known = "low, high and perhaps log or step"
        raise WatchwordError(f"{name}: missing or unknown '{odd[0]}'", path, f"an interval has {known}")
    low, high = (check_value(section, key, rule[end], path) for end in ("low", "high"))
    if isinstance(low, bool | str | tuple):
        raise WatchwordError(f"{name} is no number, so it has no interval", path, "list choices instead")
    log, step = rule.get("log", False), rule.get("step")
    if step is not None and (type(step) not in ((int,) if isinstance(low, int) else (int, float))):
        raise WatchwordError(f"{name}: step {step!r} does not fit the setting", path, "correct the step")
    rules = (
        (low < high, "low must be below high"),
        (isinstance(log, bool), "log must be true or false"),
        (not log or low > 0, "a logarithmic interval must begin above 0"),
        (not (log and step is not None), "log and step exclude each other"),
        (step is None or 0 < step <= high - low, "step must be above 0 and fit between low and high"),
    )
    for holds, text in rules:
        if not holds:
            raise WatchwordError(f"{name}: {text}", path, "correct the interval")
    return Dimension(section, key, (), low, high, log, step)


def _stored(value: Any) -> Any:
    """Lists go to the study as text."""
    return json.dumps(value) if isinstance(value, tuple) else value
