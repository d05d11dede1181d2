"""What a model image needs beside the weights: the word, the front end and the detector's defaults."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from watchword import spec, words
from watchword.core import DetectorConfig, Normalisation, gain_type
from watchword.errors import WatchwordError
from watchword.files import read_text, write_atomic


@dataclass(frozen=True)
class ModelSettings:
    """One model's settings; `settings.json` in a run folder."""

    word: str
    hop_samples: int
    coeffs: int
    normalisation: Normalisation
    detector: DetectorConfig
    kind: str = "mfcc"  # of features; not in the files of earlier versions
    presets: dict[str, DetectorConfig] = field(default_factory=dict)  # each of spec.PRESETS, or none

    def __post_init__(self) -> None:
        _check_word(self.word)
        if self.hop_samples not in spec.HOP_CHOICES_SAMPLES:
            _refuse("hop_samples", f"one of {spec.HOP_CHOICES_SAMPLES}, not {self.hop_samples}")
        if not spec.MIN_COEFFS <= self.coeffs <= spec.MAX_COEFFS:
            _refuse("coeffs", f"{spec.MIN_COEFFS}..{spec.MAX_COEFFS}, not {self.coeffs}")
        if self.kind not in spec.FEATURE_KINDS:
            _refuse("kind", f"one of {', '.join(spec.FEATURE_KINDS)}, not {self.kind}")
        if self.kind == "micro":
            _check_micro(self.coeffs, self.normalisation.mode)
        if self.kind == "logmel" and self.coeffs != spec.MEL_BANDS:
            _refuse("coeffs", f"{spec.MEL_BANDS}, the number of mel bands, not {self.coeffs}")
        if self.normalisation.mode not in spec.CMVN_MODES:
            _refuse("normalisation mode", f"one of {', '.join(spec.CMVN_MODES)}")
        if not len(self.normalisation.mean) == len(self.normalisation.gain) == self.coeffs:
            _refuse("normalisation", f"a mean and a gain for each of {self.coeffs} coefficients")
        alpha_limit = 1 << spec.CMVN_ALPHA_FRAC_BITS
        _check_spread(self.normalisation)
        if self.presets and list(self.presets) != list(spec.PRESETS):
            _refuse("presets", f"{', '.join(spec.PRESETS)}, in this order, or left out")
        if (
            self.normalisation.mode.startswith("running")
            and not 1 <= self.normalisation.alpha_q15 < alpha_limit
        ):
            _refuse("alpha_q15", f"1..{alpha_limit - 1}, not {self.normalisation.alpha_q15}")

    def to_json(self) -> str:
        spread = self.normalisation.spread
        content = {
            "word": self.word,
            "kind": self.kind,
            "hop_samples": self.hop_samples,
            "coeffs": self.coeffs,
            "normalisation": {
                "mode": self.normalisation.mode,
                "alpha_q15": int(self.normalisation.alpha_q15),
                "mean": [int(v) for v in self.normalisation.mean],
                "gain": [int(v) for v in self.normalisation.gain],
                **({} if spread is None else {"spread": [int(v) for v in spread]}),
            },
            "detector": asdict(self.detector),
            **({"presets": {name: asdict(p) for name, p in self.presets.items()}} if self.presets else {}),
        }
        return json.dumps(content, indent=2) + "\n"

    @staticmethod
    def from_json(text: str, where: str | Path = "settings.json") -> ModelSettings:
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise WatchwordError(f"not JSON: {error}", where, "train again to write it anew") from error
        if isinstance(content, dict):
            content = {"kind": "mfcc", "presets": {}, **content}
        keys = {"word", "kind", "hop_samples", "coeffs", "normalisation", "detector", "presets"}
        top = _exact_keys(content, keys, where)
        spread_key = {"spread"} & set(
            top["normalisation"] if isinstance(top["normalisation"], dict) else ()
        )  # running_mv alone has it
        norm = _exact_keys(top["normalisation"], {"mode", "alpha_q15", "mean", "gain", *spread_key}, where)
        try:
            mean, gain = np.array(norm["mean"], np.int16), np.array(norm["gain"], gain_type(norm["mode"]))
            spread = np.array(norm["spread"], np.uint16) if "spread" in norm else None
            normalisation = Normalisation(norm["mode"], norm["alpha_q15"], mean, gain, spread)
            detector = _detector(top["detector"], where)
            presets = {name: _detector(preset, where) for name, preset in top["presets"].items()}
            return ModelSettings(
                top["word"], top["hop_samples"], top["coeffs"], normalisation, detector, top["kind"], presets
            )
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise WatchwordError(f"bad value: {error}", where, "train again to write it anew") from error

    def save(self, path: Path) -> Path:
        return write_atomic(path, self.to_json())

    @staticmethod
    def load(path: Path) -> ModelSettings:
        try:
            text = read_text(path)
        except OSError as error:
            raise WatchwordError("cannot read the model settings", path, "a run folder has them") from error
        return ModelSettings.from_json(text, path)


def _detector(content: Any, where: str | Path) -> DetectorConfig:
    return DetectorConfig(**_exact_keys(content, {"smoothing", "high", "low", "cooldown_ms"}, where))


def _refuse(field: str, expected: str) -> None:
    raise WatchwordError(f"must be {expected}", f"model settings, {field}", "correct the settings")


def _check_word(word: str) -> None:
    if not isinstance(word, str) or not word.isprintable() or not words.fold(word):
        _refuse("word", "printable text with a letter or a digit")
    if len(word.encode()) >= spec.WORD_BYTES:
        _refuse("word", f"shorter than {spec.WORD_BYTES} bytes of UTF-8")


def _check_micro(coeffs: int, mode: str) -> None:
    """The micro front end has one length of row, and its models one normalisation."""
    if coeffs != spec.MICRO_CHANNELS:
        _refuse("coeffs", f"{spec.MICRO_CHANNELS} with kind micro, not {coeffs}")
    if mode != "affine":
        _refuse("normalisation mode", f"affine with kind micro, not {mode}")


def _check_spread(normalisation: Normalisation) -> None:
    """A spread within its range for each coefficient with running_mv, none with the other modes."""
    spread, low, high = normalisation.spread, spec.CMVN_MIN_SPREAD, spec.CMVN_MAX_SPREAD
    if normalisation.mode != "running_mv":
        if spread is not None:
            _refuse("normalisation spread", "left out but for mode running_mv")
    elif spread is None or len(spread) != len(normalisation.mean):
        _refuse("normalisation spread", "one for each coefficient with mode running_mv")
    elif not all(low <= int(v) <= high for v in spread):
        _refuse("normalisation spread", f"{low}..{high}")


def _exact_keys(content: Any, keys: set[str], where: str | Path) -> dict[str, Any]:
    found = set(content) if isinstance(content, dict) else set()
    if found != keys:
        odd = ", ".join(sorted(found ^ keys))
        raise WatchwordError(f"missing or unknown keys: {odd}", where, "train again to write it anew")
    return dict(content)
