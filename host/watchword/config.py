"""One training run = one TOML file: every setting, its range, and nothing that is not read.

A section of the file is a frozen dataclass here; an unknown key, a wrong type or a value out of
range is an error that names the file and the key. Times are in seconds unless the name says else.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from watchword import spec, words
from watchword.core import DetectorConfig
from watchword.errors import WatchwordError
from watchword.files import read_text, write_atomic

Section = TypeVar("Section")
_TOP, _LONGEST_MS = spec.DETECTOR_MAX_HIGH, spec.DETECTOR_MAX_COOLDOWN_MS
_KINDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def _number(default: float, low: float, high: float) -> Any:
    """A number in low..high (both allowed)."""
    return field(default=default, metadata={"range": (low, high)})


def _choice(default: Any, choices: tuple[Any, ...]) -> Any:
    return field(default=default, metadata={"choices": choices})


def _numbers(default: tuple[int, ...], low: int, high: int) -> Any:
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True)
class WordConfig:
    phrase: str = ""  # what the model listens for, as people write it


@dataclass(frozen=True)
class DataConfig:
    manifest: str = ""  # corpus manifest (CSV); relative to the TOML file
    cache: str = ".cache/features"  # feature cache folder; relative to the working directory
    positive_draws: int = _number(16, 1, 1000)  # augmented versions of each real positive
    synthetic_draws: int = _number(14, 1, 1000)  # and of each synthetic one
    negative_draws: int = _number(5, 1, 1000)  # passes over all negatives, each augmented anew
    validation_draws: int = _number(1, 1, 20)  # noisy versions of each validation word, per condition
    workers: int = _number(2, 1, 64)  # processes that compute features
    mined_draws: int = _number(20, 1, 1000)  # passes over the negatives that `mine` found
    seed: int = _number(1, 0, 2**31 - 1)  # of how the clips are augmented, and in which company


@dataclass(frozen=True)
class FeaturesConfig:
    kind: str = _choice("mfcc", tuple(spec.FEATURE_KINDS))  # a row: the MFCC, or the mel bands before the DCT
    hop_samples: int = _choice(320, spec.HOP_CHOICES_SAMPLES)  # a row of features every 10 or 20 ms
    coeffs: int = _number(13, spec.MIN_COEFFS, spec.MAX_COEFFS)  # MFCC in a row: more cost more; logmel: 40
    # taken off: nothing, the mean of all data, the mean so far; mv: and divided by the spread so far
    cmvn: str = _choice("running", tuple(spec.CMVN_MODES))
    cmvn_tau_s: float = _number(
        1.5, 0.1, 60.0
    )  # time constant of the running mean; the spread's is 4 times it
    spread_power: float = _number(0.5, 0.0, 1.0)  # model input: 0 = every coefficient equally wide; 1 = as is


@dataclass(frozen=True)
class AugmentConfig:
    rir_p: float = _number(0.5, 0.0, 1.0)  # share of clips put into a room
    noise_p: float = _number(0.75, 0.0, 1.0)  # share of clips with noise added
    babble_p: float = _number(0.25, 0.0, 1.0)  # share of the noisy ones whose noise is people talking
    coloured_p: float = _number(0.25, 0.0, 1.0)  # share of the others made up: any colour, steady or gusty
    noise_pace_p: float = _number(0.3, 0.0, 1.0)  # share of recorded noises played faster or slower
    noise_mix_p: float = _number(0.2, 0.0, 1.0)  # share of noises with a second, quieter one beside them
    snr_db_min: float = _number(0.0, -20.0, 60.0)  # of the added noise: the loudest
    snr_db_max: float = _number(20.0, -20.0, 60.0)  # and the faintest
    level_dbfs_min: float = _number(-42.0, -70.0, -1.0)  # loudness of the speech (active RMS)
    level_dbfs_max: float = _number(-14.0, -70.0, -1.0)  # from the faintest above to this
    speed_p: float = _number(0.5, 0.0, 1.0)  # share played faster or slower
    speed_max: float = _number(0.15, 0.0, 0.5)  # resampled by 1 ± this: tempo and pitch together
    tilt_db: float = _number(6.0, 0.0, 24.0)  # spectral tilt up to ± this between 100 Hz and 8 kHz
    narrow_p: float = _number(0.1, 0.0, 1.0)  # share limited to telephone bandwidth
    context_p: float = _number(0.4, 0.0, 1.0)  # share of positives spoken within other speech
    silent_lead_p: float = _number(0.5, 0.0, 1.0)  # share of streams that begin with digital silence
    pitch_p: float = _number(0.1, 0.0, 1.0)  # share spoken at another pitch, formants and tempo kept
    pitch_semitones: float = _number(2.0, 0.0, 6.0)  # up or down, at most
    stretch_p: float = _number(0.1, 0.0, 1.0)  # share spoken faster or slower at the same pitch
    stretch_max: float = _number(0.12, 0.0, 0.4)  # tempo 1 ± this
    shift_s: float = _number(0.01, 0.0, 0.5)  # the word comes up to this earlier or later in its segment
    mic_p: float = _number(0.25, 0.0, 1.0)  # share heard by a microphone with resonances and a low cut
    mic_db: float = _number(6.0, 0.0, 24.0)  # resonances and dips of up to ± this
    codec_p: float = _number(0.05, 0.0, 1.0)  # share through a telephone codec: mu-law, A-law or GSM, 8 kHz
    clip_p: float = _number(0.05, 0.0, 1.0)  # share that overloads the microphone, hard or soft
    clip_db: float = _number(12.0, 0.0, 40.0)  # clipped up to this far below the highest peak
    simulated_rooms: int = _number(24, 0, 1000)  # made for training when the manifest has no rir; 0 = none
    specaugment_p: float = _number(0.0, 0.0, 1.0)  # share of training segments with masks
    time_masks: int = _number(2, 0, 20)  # in each of them
    time_mask_s: float = _number(0.1, 0.0, 2.0)  # length of one, at most
    band_masks: int = _number(2, 0, 20)  # in each of them, over some mel bands
    band_mask_width: int = _number(6, 0, spec.MEL_BANDS)  # mel bands under one, at most


# Which keys of [model] each architecture reads; giving it another one is an error.
_STREAMED = ("channels", "stem_kernel", "stem_stride", "kernel", "dilations")
MODEL_KEYS = {
    "ds_tcn": _STREAMED,
    "tiny_conv": ("channels", "stem_kernel", "stem_stride", "window_rows"),
    "mobilenet": (*_STREAMED, "expansion"),
    "resnet18": ("channels", "stem_kernel", "stem_stride"),
    "conformer": ("channels", "stem_kernel", "stem_stride", "window_rows", "kernel", "blocks", "heads"),
}


@dataclass(frozen=True)
class ModelConfig:
    arch: str = _choice("ds_tcn", tuple(MODEL_KEYS))  # resnet18, conformer: teachers, judges
    channels: int = _number(48, 4, 256)  # width; resnet18 doubles it in each of its last three stages
    stem_kernel: int = _number(5, 1, 16)  # rows the first convolution spans
    stem_stride: int = _number(2, 1, 4)  # rows from one score to the next
    kernel: int = _number(5, 2, 16)  # taps of the depthwise convolutions
    dilations: tuple[int, ...] = _numbers((1, 1, 2, 2, 2), 1, 32)  # ds_tcn, mobilenet: one block each
    window_rows: int = _number(69, 8, 400)  # tiny_conv, conformer: rows of a window, less what no stride fits
    expansion: int = _number(2, 1, 8)  # mobilenet: how many times wider a block is inside
    blocks: int = _number(4, 1, 16)  # conformer: its depth
    heads: int = _number(4, 1, 16)  # conformer: attention heads; they share `channels`


@dataclass(frozen=True)
class TrainConfig:
    seed: int = _number(1, 0, 2**31 - 1)  # of weights and batches: with the same two seeds, the same model
    epochs: int = _number(20, 1, 10_000)  # of float training
    steps_per_epoch: int = _number(100, 1, 1_000_000)  # batches in an epoch
    warmup_epochs: int = _number(5, 0, 10_000)  # in which the learning rate rises to its full height
    batch: int = _number(64, 2, 4096)  # segments; each holds many windows
    negatives_per_positive: float = _number(5.0, 0.1, 100.0)  # in a batch
    segment_s: float = _number(2.4, 0.5, 30.0)  # audio in one training segment
    learning_rate: float = _number(5e-4, 1e-7, 1.0)  # of AdamW, at its highest
    weight_decay: float = _number(1e-3, 0.0, 1.0)  # pull of the kernels towards zero
    loss: str = _choice("bce", ("bce", "focal"))  # focal: what is right already counts less
    focal_gamma: float = _number(2.0, 0.0, 10.0)  # how much less; only with loss = "focal"
    label_smoothing: float = _number(0.0, 0.0, 0.4)  # 0.1: aim at 0.95 and 0.05 instead of 1 and 0
    negative_weight: float = _number(1.0, 0.01, 100.0)  # of a negative in the loss; a positive weighs 1
    hard_negative_weight: float = _number(1.0, 0.01, 100.0)  # times that for negatives drawn as hard ones
    hard_share: float = _number(0.0, 0.0, 1.0)  # of the negatives, drawn where the model errs most
    ema_decay: float = _number(0.998, 0.0, 0.99999)  # of the weights that are kept; 0 = the latest
    window_start_s: float = _number(-0.06, -2.0, 2.0)  # positives: the best window ends within
    window_end_s: float = _number(0.28, -2.0, 2.0)  # these times after the word
    validate_every: int = _number(2, 1, 1000)  # epochs
    best_by: str = _choice("rank", ("rank", "target_fah"))  # mean FRR at 1..5 false alarms, or at target_fah
    patience: int = _number(0, 0, 10_000)  # stop after so many epochs without a better best_by; 0 = never
    mixed_precision: str = _choice("off", ("off", "auto", "on"))  # 16-bit floats; auto = only on a GPU
    tensorboard: bool = True  # write <run>/tensorboard


@dataclass(frozen=True)
class QatConfig:
    epochs: int = _number(4, 1, 1000)  # of training as the int8 engine computes
    learning_rate: float = _number(1e-4, 1e-7, 1.0)  # at its highest


@dataclass(frozen=True)
class DistillConfig:
    teacher: str = ""  # run folder, "speech-embedding" or "wav2vec2:<folder or hub name>"; "" = no teacher
    temperature: float = _number(2.0, 0.5, 20.0)  # higher: doubts count, not only verdicts
    weight: float = _number(1.0, 0.0, 100.0)  # of the teacher's opinion; the true labels weigh 1
    in_qat: bool = False  # the teacher teaches the int8 stage too
    negative_share: float = _number(0.25, 0.001, 1.0)  # of the streams without the word that it judges
    head_steps: int = _number(2000, 10, 1_000_000)  # training of the head on a pre-trained teacher


@dataclass(frozen=True)
class DetectorSettings:
    smoothing: int = _number(spec.DETECTOR_SMOOTHING, 1, spec.DETECTOR_MAX_SMOOTHING)  # scores in the average
    high: float = _number(spec.DETECTOR_HIGH, 0.0, _TOP)  # an average that reaches this is a detection
    low: float = _number(spec.DETECTOR_LOW, 0.0, _TOP)  # it must fall below this before the next one
    cooldown_ms: int = _number(spec.DETECTOR_COOLDOWN_MS, 0, _LONGEST_MS)  # least time between two detections
    target_fah: float = _number(0.0, 0.0, 1000.0)  # calibrate for this many an hour; 0 = keep the settings
    calibrate: str = _choice("high", ("high", "all"))  # what is chosen: `high` alone, or smoothing, low, high

    def to_core(self) -> DetectorConfig:
        """The settings as the detector takes them; an error if it would not."""
        return DetectorConfig(self.smoothing, self.high, self.low, self.cooldown_ms)


@dataclass(frozen=True)
class SizeConfig:
    flash_kb: float = _number(200.0, 1.0, 16_384.0)  # limit for weights and tables
    ram_kb: float = _number(32.0, 1.0, 8_192.0)  # limit for the arena
    on_excess: Literal["warn", "error"] = "warn"  # what a run does when its model is larger


@dataclass(frozen=True)
class SearchConfig:
    instructions_m: float = _number(6.0, 0.1, 10_000.0)  # limit: estimated millions a second of audio
    random_trials: int = _number(8, 1, 1000)  # drawn at random, and none cut short before so many are done
    prune_after: int = _number(6, 0, 10_000)  # epochs that every trial may train before it can be cut short


@dataclass(frozen=True)
class RunConfig:
    word: WordConfig = field(default_factory=WordConfig)
    data: DataConfig = field(default_factory=DataConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    qat: QatConfig = field(default_factory=QatConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    size: SizeConfig = field(default_factory=SizeConfig)
    search: SearchConfig = field(default_factory=SearchConfig)


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
    built = {
        name: _section(section, content.get(name, {}), name, where) for name, section in sections.items()
    }
    config = RunConfig(**built)
    if config.word.phrase:
        phrase = words.require(config.word.phrase, f"{where}, [word] phrase")
        config = replace(config, word=WordConfig(phrase))
    _check_together(config, where)
    return config


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
        (
            config.features.kind != "logmel" or config.features.coeffs == spec.MEL_BANDS,
            f"[features] coeffs must be {spec.MEL_BANDS}, the number of mel bands, with kind = 'logmel'",
        ),
        (a.snr_db_min <= a.snr_db_max, "[augment] snr_db_min must not exceed snr_db_max"),
        (a.level_dbfs_min <= a.level_dbfs_max, "[augment] level_dbfs_min must not exceed level_dbfs_max"),
        (t.window_start_s <= t.window_end_s, "[train] window_start_s must not exceed window_end_s"),
        (t.warmup_epochs < t.epochs or t.epochs == 1, "[train] warmup_epochs must be below epochs"),
        (t.best_by == "rank" or d.target_fah > 0, "[train] best_by target_fah needs [detector] target_fah"),
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
