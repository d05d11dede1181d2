"""The sections of a run's TOML file: every setting with its default, its range and its effect.

A section is a frozen dataclass. The comment above a field is its line in docs/reference/settings.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from watchword import spec
from watchword.core import DetectorConfig

_TOP, _LONGEST_MS = spec.DETECTOR_MAX_HIGH, spec.DETECTOR_MAX_COOLDOWN_MS


def _number(default: float, low: float, high: float) -> Any:
    """A number in low..high (both allowed)."""
    return field(default=default, metadata={"range": (low, high)})


def _choice(default: Any, choices: tuple[Any, ...]) -> Any:
    return field(default=default, metadata={"choices": choices})


def _numbers(default: tuple[int, ...], low: int, high: int) -> Any:
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True)
class WordConfig:
    # The word or phrase that the model detects, as people write it.
    phrase: str = ""


@dataclass(frozen=True)
class DataConfig:
    # The corpus manifest (CSV) that lists the clips; the path is relative to the TOML file.
    manifest: str = ""
    # The folder in which computed features are kept; the path is relative to the working directory.
    cache: str = ".cache/features"
    # Each real clip with the word is used in this many differently augmented versions.
    positive_draws: int = _number(16, 1, 1000)
    # Each synthetic clip with the word is used in this many differently augmented versions.
    synthetic_draws: int = _number(14, 1, 1000)
    # All clips without the word are used this many times, augmented differently each time.
    negative_draws: int = _number(5, 1, 1000)
    # Each validation word is heard in this many noisy versions under each condition.
    validation_draws: int = _number(1, 1, 20)
    # Features are computed by this many processes; the number changes no result.
    workers: int = _number(2, 1, 64)
    # Negatives that `watchword mine` found are used this many times, augmented differently each time.
    mined_draws: int = _number(20, 1, 1000)
    # Seed of the augmentation: it decides what is done to each clip and which clips share a stream.
    seed: int = _number(1, 0, 2**31 - 1)


@dataclass(frozen=True)
class FeaturesConfig:
    # Kind of features in a row: "mfcc" takes MFCC, "logmel" the logarithmic mel bands before the DCT, "micro"
    # what microWakeWord's players compute; it goes with settings of its own, which a file may leave out:
    # hop_samples 160, coeffs 40, cmvn "affine", and [model] stem_kernel 8, stem_stride 4, window_rows 136.
    kind: str = _choice("mfcc", tuple(spec.FEATURE_KINDS))
    # Samples from one row to the next at 16 kHz: 160 gives a row every 10 ms, 320 one every 20 ms.
    hop_samples: int = _choice(320, spec.HOP_CHOICES_SAMPLES)
    # Number of MFCC in a row; more cost more instructions; kinds "logmel" and "micro" take all 40 bands.
    coeffs: int = _number(13, spec.MIN_COEFFS, spec.MAX_COEFFS)
    # Normalisation: "none" subtracts nothing, "global" the mean of all data, "running" the mean so far;
    # "running_mv" divides by the spread so far as well; "affine" is for kind "micro" alone.
    cmvn: str = _choice("running", tuple(spec.CMVN_MODES))
    # Time constant of the running mean in seconds; that of the running spread is 4 times as long.
    cmvn_tau_s: float = _number(1.5, 0.1, 60.0)
    # At 0 all coefficients of the model's input vary equally; at 1 they keep their relative spreads.
    spread_power: float = _number(0.5, 0.0, 1.0)


@dataclass(frozen=True)
class AugmentConfig:
    # Share of clips that are convolved with a room's impulse response.
    rir_p: float = _number(0.5, 0.0, 1.0)
    # Share of clips that get noise added.
    noise_p: float = _number(0.75, 0.0, 1.0)
    # Share of the noisy clips whose noise is people talking.
    babble_p: float = _number(0.25, 0.0, 1.0)
    # Share of the other noisy clips whose noise is generated: of any colour, steady or gusty.
    coloured_p: float = _number(0.25, 0.0, 1.0)
    # Share of the recorded noises that are played faster or slower.
    noise_pace_p: float = _number(0.3, 0.0, 1.0)
    # Share of the noises to which a second, quieter one is added.
    noise_mix_p: float = _number(0.2, 0.0, 1.0)
    # Lowest signal-to-noise ratio of added noise in dB; ratios are drawn from here to snr_db_max.
    snr_db_min: float = _number(0.0, -20.0, 60.0)
    # Highest signal-to-noise ratio of added noise in dB.
    snr_db_max: float = _number(20.0, -20.0, 60.0)
    # Lowest level of the speech (active RMS) in dBFS; levels are drawn from here to level_dbfs_max.
    level_dbfs_min: float = _number(-42.0, -70.0, -1.0)
    # Highest level of the speech (active RMS) in dBFS.
    level_dbfs_max: float = _number(-14.0, -70.0, -1.0)
    # Share of clips that are played faster or slower, which changes tempo and pitch together.
    speed_p: float = _number(0.5, 0.0, 1.0)
    # Largest change of playing speed: the speed is drawn from 1 - speed_max to 1 + speed_max.
    speed_max: float = _number(0.15, 0.0, 0.5)
    # Largest spectral tilt in dB between 100 Hz and 8 kHz, up or down.
    tilt_db: float = _number(6.0, 0.0, 24.0)
    # Share of clips that are limited to telephone bandwidth.
    narrow_p: float = _number(0.1, 0.0, 1.0)
    # Share of positives whose word is embedded in other speech.
    context_p: float = _number(0.4, 0.0, 1.0)
    # Share of streams that begin with digital silence.
    silent_lead_p: float = _number(0.5, 0.0, 1.0)
    # Share of clips that are shifted in pitch, with formants and tempo kept.
    pitch_p: float = _number(0.1, 0.0, 1.0)
    # Largest shift of pitch in semitones, up or down.
    pitch_semitones: float = _number(2.0, 0.0, 6.0)
    # Share of clips that are spoken faster or slower at the same pitch.
    stretch_p: float = _number(0.1, 0.0, 1.0)
    # Largest change of tempo: the tempo is drawn from 1 - stretch_max to 1 + stretch_max.
    stretch_max: float = _number(0.12, 0.0, 0.4)
    # Largest shift of the word within its segment in seconds, earlier or later.
    shift_s: float = _number(0.01, 0.0, 0.5)
    # Share of clips that are filtered as a microphone with resonances and a low cut would.
    mic_p: float = _number(0.25, 0.0, 1.0)
    # Largest resonance or dip of such a microphone in dB.
    mic_db: float = _number(6.0, 0.0, 24.0)
    # Share of clips that pass a telephone codec at 8 kHz: mu-law, A-law or GSM.
    codec_p: float = _number(0.05, 0.0, 1.0)
    # Share of clips that overload the microphone, with hard or soft clipping.
    clip_p: float = _number(0.05, 0.0, 1.0)
    # Deepest clipping in dB below the clip's highest peak.
    clip_db: float = _number(12.0, 0.0, 40.0)
    # Number of rooms that are simulated for training when the manifest has no rir clips; 0 simulates none.
    simulated_rooms: int = _number(24, 0, 1000)
    # Share of training segments in which rows and bands are masked (SpecAugment).
    specaugment_p: float = _number(0.0, 0.0, 1.0)
    # Number of masks over time in each masked segment.
    time_masks: int = _number(2, 0, 20)
    # Greatest length of a mask over time in seconds.
    time_mask_s: float = _number(0.1, 0.0, 2.0)
    # Number of masks over mel bands in each masked segment.
    band_masks: int = _number(2, 0, 20)
    # Greatest number of neighbouring mel bands under one mask.
    band_mask_width: int = _number(6, 0, spec.MEL_BANDS)


# What other settings default to with some kinds of features. Those of kind "micro" are what microWakeWord's
# players compute; its rows come every 10 ms, so the first layer strides twice as far and windows
# hold twice as many.
KIND_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "logmel": {"features": {"coeffs": spec.MEL_BANDS}},
    "micro": {
        "features": {
            "hop_samples": spec.MICRO_HOP_SAMPLES,
            "coeffs": spec.MICRO_CHANNELS,
            "cmvn": "affine",
        },
        "model": {"stem_kernel": 8, "stem_stride": 4, "window_rows": 136},
    },
}


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
    # Architecture of the network; "resnet18" and "conformer" are too large for the chip and serve as teachers
    # or judges.
    arch: str = _choice("ds_tcn", tuple(MODEL_KEYS))
    # Number of channels of the layers; resnet18 doubles it in each of its last three groups of blocks.
    channels: int = _number(48, 4, 256)
    # Number of rows that the first convolution spans.
    stem_kernel: int = _number(5, 1, 16)
    # Number of rows from one score to the next.
    stem_stride: int = _number(2, 1, 4)
    # Number of taps of the depthwise convolutions.
    kernel: int = _number(5, 2, 16)
    # Dilation of each block of ds_tcn and mobilenet; the list has one entry for each of at most 12 blocks.
    dilations: tuple[int, ...] = _numbers((1, 1, 2, 2, 2), 1, 32)
    # Length of the window of tiny_conv and conformer in rows, rounded down to whole strides.
    window_rows: int = _number(69, 8, 400)
    # Factor by which a block of mobilenet is wider inside than outside.
    expansion: int = _number(2, 1, 8)
    # Number of blocks of conformer.
    blocks: int = _number(4, 1, 16)
    # Number of attention heads of conformer; it must divide `channels`.
    heads: int = _number(4, 1, 16)


@dataclass(frozen=True)
class TrainConfig:
    # Seed of the weights and the batches; equal seeds here and in [data] give equal weights.
    seed: int = _number(1, 0, 2**31 - 1)
    # Number of epochs of float training.
    epochs: int = _number(20, 1, 10_000)
    # Number of batches in an epoch.
    steps_per_epoch: int = _number(100, 1, 1_000_000)
    # Number of epochs in which the learning rate rises to its full value.
    warmup_epochs: int = _number(5, 0, 10_000)
    # Number of segments in a batch; each segment holds many windows.
    batch: int = _number(64, 2, 4096)
    # Number of segments without the word for each one with it in a batch.
    negatives_per_positive: float = _number(5.0, 0.1, 100.0)
    # Length of a training segment in seconds.
    segment_s: float = _number(2.4, 0.5, 30.0)
    # Highest learning rate of AdamW in float training.
    learning_rate: float = _number(5e-4, 1e-7, 1.0)
    # Strength with which AdamW pulls the kernels towards zero.
    weight_decay: float = _number(1e-3, 0.0, 1.0)
    # Loss function: "bce" is binary cross-entropy; "focal" gives less weight to what is right already.
    loss: str = _choice("bce", ("bce", "focal"))
    # Exponent of the focal loss: a higher one gives less weight to what is right already.
    focal_gamma: float = _number(2.0, 0.0, 10.0)
    # Width by which the targets are drawn together: 0.1 aims at 0.95 and 0.05 instead of 1 and 0.
    label_smoothing: float = _number(0.0, 0.0, 0.4)
    # Number of nats of log-odds per unit of the network's logit: above 1 the 8-bit score saturates later, so
    # thresholds for few false alarms keep their resolution.
    logit_scale: float = _number(2.0, 0.5, 8.0)
    # Weight of a segment without the word in the loss; one with the word weighs 1.
    negative_weight: float = _number(1.0, 0.01, 100.0)
    # Factor on negative_weight for segments that were drawn because they are hard.
    hard_negative_weight: float = _number(1.0, 0.01, 100.0)
    # Share of the negatives that are drawn where the model's scores are highest.
    hard_share: float = _number(0.0, 0.0, 1.0)
    # Decay per step of the averaged weights that are validated and kept; 0 keeps the latest weights.
    ema_decay: float = _number(0.998, 0.0, 0.99999)
    # Earliest end, in seconds after the word, of the windows that may score a positive.
    window_start_s: float = _number(-0.06, -2.0, 2.0)
    # Latest end, in seconds after the word, of the windows that may score a positive.
    window_end_s: float = _number(0.28, -2.0, 2.0)
    # Number of epochs from one validation to the next; the last epoch is always validated.
    validate_every: int = _number(2, 1, 1000)
    # Figure that chooses the weights to keep: "rank" is the mean FRR at 1 to 5 false alarms in all of the
    # validation audio; "source_rank" also holds every source of half an hour or more to the same rate per
    # hour, its count rounded up, and is "rank" where there is one source; "target_fah" is the FRR at
    # [detector] target_fah.
    best_by: str = _choice("source_rank", ("source_rank", "rank", "target_fah"))
    # Number of epochs without a better best_by after which a stage ends early; 0 never ends it early.
    patience: int = _number(0, 0, 10_000)
    # Computing in 16-bit floats: "auto" does so on a GPU only.
    mixed_precision: str = _choice("off", ("off", "auto", "on"))
    # Whether the run writes TensorBoard's logs to <run>/tensorboard.
    tensorboard: bool = True


@dataclass(frozen=True)
class QatConfig:
    # Number of epochs of quantisation-aware training, which computes as the int8 engine does.
    epochs: int = _number(4, 1, 1000)
    # Highest learning rate of quantisation-aware training.
    learning_rate: float = _number(1e-4, 1e-7, 1.0)


@dataclass(frozen=True)
class DistillConfig:
    # The teacher: a run folder, "speech-embedding" or "wav2vec2:<folder or hub name>"; empty trains without
    # one.
    teacher: str = ""
    # Temperature that divides both networks' logits; a higher one gives uncertain scores more influence.
    temperature: float = _number(2.0, 0.5, 20.0)
    # Weight of the distillation loss; the loss on the true labels weighs 1.
    weight: float = _number(1.0, 0.0, 100.0)
    # Whether quantisation-aware training learns from the teacher too.
    in_qat: bool = False
    # Share of the streams without the word that the teacher labels.
    negative_share: float = _number(0.25, 0.001, 1.0)
    # Number of steps for which the head on a pre-trained encoder is trained.
    head_steps: int = _number(2000, 10, 1_000_000)


@dataclass(frozen=True)
class DetectorSettings:
    # Number of scores in the moving average.
    smoothing: int = _number(spec.DETECTOR_SMOOTHING, 1, spec.DETECTOR_MAX_SMOOTHING)
    # Average score, 0 to 255/256, at which the word counts as detected.
    high: float = _number(spec.DETECTOR_HIGH, 0.0, _TOP)
    # Average score, 0 to 255/256, below which the average must fall before the next detection.
    low: float = _number(spec.DETECTOR_LOW, 0.0, _TOP)
    # Least time in milliseconds from one detection to the next.
    cooldown_ms: int = _number(spec.DETECTOR_COOLDOWN_MS, 0, _LONGEST_MS)
    # False alarms per hour for which the detector is calibrated on validation audio, and its presets "strict"
    # and "eager" for a fifth and four times as many; 0 keeps the settings above and makes no presets.
    target_fah: float = _number(0.0, 0.0, 1000.0)
    # What is to stay within target_fah on sources of sound that are not in validation: "point" is the rate to
    # expect there, "upper95" the rate that 95 % of sources stay below, which misses more words.
    bound: str = _choice("point", ("point", "upper95"))
    # Settings that calibration chooses: "high" chooses `high` alone, "all" chooses smoothing, low and high.
    calibrate: str = _choice("high", ("high", "all"))

    def to_core(self) -> DetectorConfig:
        """The settings as the detector takes them; an error if it would not."""
        return DetectorConfig(self.smoothing, self.high, self.low, self.cooldown_ms)


@dataclass(frozen=True)
class SizeConfig:
    # Greatest size of the model image (weights and tables) in units of 1024 bytes.
    flash_kb: float = _number(200.0, 1.0, 16_384.0)
    # Greatest size of the arena in units of 1024 bytes.
    ram_kb: float = _number(32.0, 1.0, 8_192.0)
    # Effect of a model that exceeds these sizes: "warn" prints a warning, "error" ends the run.
    on_excess: Literal["warn", "error"] = "warn"


@dataclass(frozen=True)
class SearchConfig:
    # Greatest estimated cost of a model in millions of instructions per second of audio.
    instructions_m: float = _number(6.0, 0.1, 10_000.0)
    # Number of trials that are drawn at random and never pruned, before the search learns from them.
    random_trials: int = _number(8, 1, 1000)
    # Number of epochs that every trial may train before it can be pruned.
    prune_after: int = _number(6, 0, 10_000)


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
