"""Community models of microWakeWord: a manifest or a bare streaming .tflite file -> what an image needs.

Needs numpy and the schema of .tflite files (tflite) alone, not even the compiled core. The settings are such
that the detector fires where pymicro-wakeword's average rises above the cutoff.
"""

from __future__ import annotations

import json
import math
import stat
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from watchword import core, spec
from watchword.errors import WatchwordError
from watchword.export.affine import affine_normalisation
from watchword.export.image import build_image
from watchword.export.layers import Network
from watchword.export.origin import Origin
from watchword.export.settings import ModelSettings
from watchword.export.streaming import read_streaming_network

MOST_MANIFEST_BYTES = 1 << 16
MOST_MODEL_BYTES = 4 * spec.MODEL_MAX_IMAGE_BYTES
NO_LICENCE = "unknown"
STEP_MS = 10  # of a manifest or a bare file that does not say; version 1 means 20
VERSION_1_STEP_MS = 20
_CORRECT = "correct the manifest, or import the .tflite file with options"


@dataclass(frozen=True)
class Choices:
    """What replaces a manifest's words, or stands in for them with a bare .tflite file."""

    word: str | None = None
    cutoff: float | None = None
    window: int | None = None
    step_ms: int | None = None
    licence: str | None = None
    cooldown_ms: int = spec.DETECTOR_COOLDOWN_MS


@dataclass(frozen=True)
class ImportedModel:
    """A model of the community as ours."""

    tflite: bytes
    network: Network
    settings: ModelSettings
    origin: Origin

    def image(self) -> bytes:
        return build_image(self.network, self.settings)


@dataclass(frozen=True)
class _Manifest:
    """The fields of a manifest that are used; None where a bare .tflite file has none."""

    format: str
    model: Path
    word: str | None = None
    author: str | None = None
    website: str | None = None
    languages: tuple[str, ...] = ()
    cutoff: float | None = None
    window: int | None = None
    step_ms: int = STEP_MS


def read_import(source: Path, choices: Choices | None = None) -> ImportedModel:
    """The model of a manifest (.json, version 1 or 2) or of a streaming .tflite file; writes nothing."""
    choices, source = choices or Choices(), Path(source)
    manifest = _bare(source) if source.suffix.lower() == ".tflite" else _read_manifest(source)
    tflite = _content(manifest.model, MOST_MODEL_BYTES)
    network = read_streaming_network(tflite, str(manifest.model))
    cutoff = choices.cutoff if choices.cutoff is not None else manifest.cutoff
    word = choices.word if choices.word is not None else manifest.word
    if cutoff is None or word is None:
        missing = " and ".join(n for n, v in (("word", word), ("cutoff", cutoff)) if v is None)
        raise WatchwordError(f"has no manifest that tells its {missing}", source, "give --word and --cutoff")
    window = _first(choices.window, manifest.window, spec.DETECTOR_SMOOTHING)
    step_ms = _first(choices.step_ms, manifest.step_ms)
    if len(word.encode(errors="replace")) >= spec.WORD_BYTES:
        what = f"its word '{word}' has {spec.WORD_BYTES} bytes of UTF-8 or more"
        raise WatchwordError(what, source, "give it a shorter one: --word")
    settings = ModelSettings(
        word=word,
        hop_samples=step_ms * spec.SAMPLE_RATE_HZ // 1000,
        coeffs=network.coeffs,
        normalisation=affine_normalisation(network.input_scale, network.input_zero),
        detector=detector_of(cutoff, window, choices.cooldown_ms),
        kind="micro",
    )
    licence = choices.licence or NO_LICENCE
    author = (manifest.author, manifest.website, manifest.languages)
    return ImportedModel(
        tflite, network, settings, Origin(manifest.format, licence, *author, cutoff, window, step_ms)
    )


def _first(*values: int | None) -> int:
    """The first that is given; 0 is."""
    return next(value for value in values if value is not None)


def import_image(source: Path) -> bytes:
    """The model image of a manifest."""
    return read_import(source).image()


def detector_of(cutoff: float, window: int, cooldown_ms: int) -> core.DetectorConfig:
    """Fires when the mean of the last `window` scores, of 256ths, rises above the cutoff.

    As pymicro-wakeword has it: above, not at; and only once there are `window` scores. It is armed again as
    soon as the mean is not above the cutoff any more, so every rise is a detection.
    """
    limit = spec.DETECTOR_MAX_SMOOTHING
    if not 1 <= window <= limit:
        raise WatchwordError(f"a window of {window} scores", "detector", f"1..{limit} scores")
    least = _least_sum(cutoff, window)
    if least is None:
        what = f"a cutoff of {cutoff:g} is never exceeded: the highest mean is {spec.DETECTOR_MAX_HIGH:g}"
        raise WatchwordError(what, "detector", "give a lower --cutoff")
    # The detector rounds its mean down. Two sums are further apart than that, for windows of up to 128.
    high = core.unit((least << (spec.THRESHOLD_FRAC_BITS - spec.SCORE_FRAC_BITS)) // window)
    return core.DetectorConfig(smoothing=window, high=high, low=high, cooldown_ms=cooldown_ms)


def _least_sum(cutoff: float, window: int) -> int | None:
    """The least sum of `window` scores 0..255 whose mean, as a double of 256ths, is above the cutoff."""
    if not (math.isfinite(cutoff) and 0 <= cutoff <= 1):
        raise WatchwordError(f"a cutoff of {cutoff:g}", "detector", "0..1")
    parts = (1 << spec.SCORE_FRAC_BITS) * window
    near = math.floor(Fraction(cutoff) * parts)
    candidates = range(near, min(near + 2, parts - window) + 1)
    return next((s for s in candidates if float(Fraction(s, parts)) > cutoff), None)


def _bare(source: Path) -> _Manifest:
    return _Manifest("bare .tflite file", source)


def _read_manifest(source: Path) -> _Manifest:
    try:
        content = json.loads(_content(source, MOST_MANIFEST_BYTES).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise WatchwordError(f"not a JSON manifest: {error}", source, _CORRECT) from error
    fields = _Fields(content, source)
    version = fields.number("version", int)
    micro = _Fields(fields.content.get("micro"), source, "micro.")
    if fields.text("type") != "micro" or version not in (1, 2):
        what = f"of type '{fields.text('type')}', version {version}"
        raise WatchwordError(what, source, "only type 'micro' of versions 1 and 2 is known")
    window = "sliding_window_average_size" if version == 1 else "sliding_window_size"
    step = VERSION_1_STEP_MS if version == 1 else micro.optional("feature_step_size", int)
    return _Manifest(
        format=f"microWakeWord manifest version {version}",
        model=_beside(source, fields.text("model")),
        word=fields.text("wake_word"),
        author=fields.optional("author", str),
        website=fields.optional("website", str),
        languages=fields.texts("trained_languages"),
        cutoff=micro.fraction("probability_cutoff"),
        window=micro.number(window, int),
        step_ms=STEP_MS if step is None else step,
    )


class _Fields:
    """Checked access to the fields of a JSON object."""

    def __init__(self, content: Any, source: Path, prefix: str = "") -> None:
        self.source, self.prefix = source, prefix
        if not isinstance(content, dict):
            raise WatchwordError(f"{prefix.rstrip('.') or 'a manifest'} must be an object", source, _CORRECT)
        self.content: dict[str, Any] = content

    def refuse(self, name: str, expected: str) -> WatchwordError:
        what = f"{self.prefix}{name} must be {expected}"
        return WatchwordError(what, self.source, _CORRECT)

    def text(self, name: str) -> str:
        value = self.content.get(name)
        if not isinstance(value, str) or not value:
            raise self.refuse(name, "a text")
        return value

    def number(self, name: str, kind: Any) -> Any:
        value = self.content.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.refuse(name, "a whole number" if kind is int else "a number")
        return value

    def fraction(self, name: str) -> float:
        try:
            return float(self.number(name, (int, float)))
        except OverflowError as error:
            raise self.refuse(name, "within 0..1") from error

    def optional(self, name: str, kind: Any) -> Any:
        value = self.content.get(name)
        if value is None:
            return None
        return self.number(name, kind) if kind is int else str(value)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.content.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(name, "a list of texts")
        return tuple(value)


def _beside(source: Path, model: str) -> Path:
    """The model file that a manifest names, which lies beside it or below."""
    if "://" in model:
        what = f"its model is on the network ({model})"
        raise WatchwordError(what, source, "download it and name the file in the manifest")
    named = Path(model)
    if named.is_absolute() or ".." in named.parts:
        raise WatchwordError(f"its model is elsewhere ({model})", source, "put it beside the manifest")
    return source.parent / named


def _content(path: Path, limit: int) -> bytes:
    """A whole file, if it is one of a sensible size."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise WatchwordError("not a file", path, "name a manifest (.json) or a .tflite file")
        if about.st_size > limit:
            raise WatchwordError(f"has {about.st_size} bytes", path, f"at most {limit}")
        with path.open("rb") as file:
            return file.read(limit)
    except (OSError, ValueError) as error:  # a name may hold what no file name can
        reason = getattr(error, "strerror", None) or str(error)
        raise WatchwordError(f"cannot be read: {reason}", path, "check the name") from error
