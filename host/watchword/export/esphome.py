"""Writes a model for microWakeWord's players: a streaming .tflite file, its manifest (version 2), a card.

What the manifest cannot say is said here: `lost` lists what of the model's settings these players lack.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tflite_micro import runtime

from watchword import core, spec, words
from watchword.errors import WatchwordError
from watchword.export.affine import require_input
from watchword.export.folder import attribution, licences
from watchword.export.golden import random_windows
from watchword.export.graph import read_network
from watchword.export.image import build_image
from watchword.export.settings import ModelSettings
from watchword.export.stream_writer import streaming_tflite
from watchword.export.streaming import read_streaming_network
from watchword.export.streaming_card import FILE as CARD
from watchword.export.streaming_card import PlayerFigures, StreamingCard
from watchword.files import write_folder
from watchword.processes import quiet_stderr
from watchword.typed_json import read_json, to_json

KIND = "micro"  # of features: the only one that these players compute
VERSION = 2  # of the manifest
MINIMUM_ESPHOME = "2024.7.0"  # the first that takes such manifests
LEVELS = 255  # ESPHome keeps a cutoff as so many parts of 1
# The arena of a 32-bit chip with ESP-NN's scratch buffers, against TFLite Micro's on this computer: of the
# four models that pymicro-wakeword brings, manifests ask for 1.08 to 1.33 times as much.
ARENA_MARGIN = 1.33
_ARENA_STEP = 16  # bytes
_MOST_ARENA = 1 << 20
_REMEDY_KIND = "train it with kind micro: watchword train --features micro"


@dataclass(frozen=True)
class About:
    """What a manifest says of a model beside what the model itself knows."""

    author: str
    website: str = ""  # empty: the manifest has none
    languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.website and not self.website.startswith(("http://", "https://")):
            raise WatchwordError(f"'{self.website}' is no address", "website", "begin it with https://")


def least_level(detector: core.DetectorConfig) -> int:
    """The lowest cutoff of ESPHome's, 0..254, that nothing passes which our detector would not.

    Ours fires from `high` on, in steps of 2^-15; ESPHome when a sum of scores is above level · window.
    """
    steps = 1 << (spec.THRESHOLD_FRAC_BITS - spec.SCORE_FRAC_BITS)
    least_sum = -(-detector.high_q15 * detector.smoothing // steps)
    level = -(-(least_sum - 1) // detector.smoothing)
    if level >= LEVELS:
        raise WatchwordError(
            f"the threshold {detector.high:.4f} is above the highest that ESPHome has, {LEVELS - 1}/{LEVELS}",
            "detector",
            "choose --preset eager, or a higher --target-fah",
        )
    return max(level, 0)


def probability_cutoff(level: int) -> float:
    """The least number of four decimals that ESPHome makes this level of; it cuts off what is left."""
    cutoff = math.ceil(level * 10_000 / LEVELS) / 10_000
    assert int(cutoff * LEVELS) == level
    return cutoff


def lost(settings: ModelSettings, detector: core.DetectorConfig) -> tuple[str, ...]:
    """What of the model's settings the players do not have, in words."""
    told = [
        f"low threshold {detector.low:g} and cooldown {detector.cooldown_ms} ms: ESPHome rests for a second "
        "after a detection, pymicro-wakeword does not",
    ]
    others = [name for name, preset in settings.presets.items() if preset != detector]
    if others:
        told.append(f"presets {', '.join(others)}: a manifest has one cutoff; export each to its own folder")
    return tuple(told)


def require_micro(settings: ModelSettings) -> None:
    """Refuse a model whose rows these players do not compute."""
    if settings.kind == KIND:
        return
    what = (
        f"its features are {settings.kind} rows every {_step_ms(settings.hop_samples)} ms with normalisation "
        f"'{settings.normalisation.mode}'; ESPHome's micro_wake_word computes {KIND} rows without one"
    )
    raise WatchwordError(what, f"model '{settings.word}'", _REMEDY_KIND)


def _step_ms(hop_samples: int) -> int:
    return hop_samples * 1000 // spec.SAMPLE_RATE_HZ


def arena_bytes(stream: bytes) -> int:
    """The smallest arena in which TFLite Micro starts the file on this computer."""

    def starts(size: int) -> bool:
        try:
            runtime.Interpreter.from_bytes(stream, arena_size=size)
        except RuntimeError:
            return False
        return True

    below, enough = 0, _MOST_ARENA
    with quiet_stderr():  # it says of each failure what it was
        if not starts(enough):
            raise WatchwordError(f"needs more than {enough} bytes", "arena", "train a smaller model")
        while enough - below > _ARENA_STEP:
            middle = (below + enough) // 2
            below, enough = (below, middle) if starts(middle) else (middle, enough)
    return enough


def check_stream(tflite: bytes, stream: bytes, settings: ModelSettings) -> int:
    """How many scores of the streaming file were compared with the engine's; an error if one differs.

    From the first call on with the file as our engine reads it, then also with the model that it comes from.
    """
    network = read_network(tflite)
    require_input(network.input_scale, network.input_zero, settings.kind)
    window, stride = network.first_rows, network.stride_rows
    rows = random_windows(network).reshape(-1, network.coeffs)
    calls = len(rows) // stride
    interpreter = runtime.Interpreter.from_bytes(stream, arena_size=_MOST_ARENA)
    theirs = np.zeros(calls, np.uint8)
    for number, call in enumerate(rows[: calls * stride].reshape(calls, 1, stride, -1)):
        interpreter.set_input(np.ascontiguousarray(call), 0)
        interpreter.invoke()
        theirs[number] = np.asarray(interpreter.get_output(0)).reshape(-1)[0]
    streamed = core.ModelImage(build_image(read_streaming_network(stream), settings)).scores(rows)
    first = -window % stride  # rows before the first window that ends where a call does
    ours = core.ModelImage(build_image(network, settings)).scores(rows[first:])
    whole = theirs[(window + first) // stride - 1 :]
    wrong = int(np.count_nonzero(whole != ours[: len(whole)]) + np.count_nonzero(streamed != theirs))
    if wrong:
        raise WatchwordError(
            f"{wrong} of {len(whole)} scores differ from the engine's",
            "streaming .tflite",
            "report this model",
        )
    return len(theirs)


def export_esphome(
    tflite: bytes,
    settings: ModelSettings,
    out_dir: Path,
    about: About,
    training: dict[str, Any],
    level: int | None = None,
    players: dict[str, PlayerFigures] | None = None,
) -> Path:
    """Write `<word>.tflite`, `<word>.json` and card.json to `out_dir`: all of them, or none.

    Cutoff and window come from `settings.detector`, or the cutoff is `level`, of LEVELS, and `players` what
    each player does with it on the validation audio. `training`: metrics.json of the run, or empty.
    """
    require_micro(settings)
    stream, detector = streaming_tflite(tflite), settings.detector
    level = least_level(detector) if level is None else level
    compared, needed = check_stream(tflite, stream, settings), arena_bytes(stream)
    name = words.folder_name(settings.word)
    manifest = _manifest(name, settings, about, level, needed)
    card = StreamingCard(
        word=settings.word,
        sha256={f: hashlib.sha256(b).hexdigest() for f, b in _files(name, stream, manifest)},
        settings=json.loads(settings.to_json()),
        detector=asdict(detector),
        lost=lost(settings, detector),
        stride_rows=read_network(tflite).stride_rows,
        arena_bytes=needed,
        scores_equal_to_engine=compared,
        attribution=attribution(training),
        training=training,
        players=players or {},
    )
    return write_folder(out_dir, {**dict(_files(name, stream, manifest)), CARD: to_json(card)})


def _files(name: str, stream: bytes, manifest: bytes) -> tuple[tuple[str, bytes], ...]:
    return (f"{name}.tflite", stream), (f"{name}.json", manifest)


def _manifest(name: str, settings: ModelSettings, about: About, level: int, arena: int) -> bytes:
    content = {
        "type": "micro",
        "wake_word": settings.word,
        "author": about.author,
        "website": about.website,
        "model": f"{name}.tflite",
        "trained_languages": list(about.languages),
        "version": VERSION,
        "micro": {
            "probability_cutoff": probability_cutoff(level),
            "sliding_window_size": settings.detector.smoothing,
            "feature_step_size": _step_ms(settings.hop_samples),
            "tensor_arena_size": math.ceil(arena * ARENA_MARGIN / _ARENA_STEP) * _ARENA_STEP,
            "minimum_esphome_version": MINIMUM_ESPHOME,
        },
    }
    if not about.website:
        del content["website"]
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def summary(folder: Path) -> str:
    """What was written, for a terminal: the manifest's numbers, the checks, and what was lost."""
    card = read_json(folder / CARD, StreamingCard, "export the model again")
    name = words.folder_name(card.word)
    manifest = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["micro"]
    lines = [
        f"cutoff {manifest['probability_cutoff']} of the mean of {manifest['sliding_window_size']} scores, "
        f"one score every {card.stride_rows * manifest['feature_step_size']} ms",
        f"tensor arena {manifest['tensor_arena_size']} bytes (TFLite Micro's {card.arena_bytes} on this "
        f"computer, times {ARENA_MARGIN:g})",
        f"{card.scores_equal_to_engine} scores, call by call: every one equal to our engine's",
        *(f"{player}: {_told(figures)}" for player, figures in card.players.items()),
        *(f"not carried over: {text}" for text in card.lost),
        *licences(card.attribution, CARD),
        f"wrote {folder}",
    ]
    return "\n".join(lines)


def _told(figures: PlayerFigures) -> str:
    return (
        f"{figures.false_alarms} false alarms in {figures.negative_hours:.1f} h of validation, "
        f"{figures.misses} of {figures.words} words missed"
    )
