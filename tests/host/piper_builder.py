"""A small network with the inputs and outputs of a Piper voice: each speaker hums at a pitch of its own."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
from onnx import TensorProto, helper

RATE = 16_000
SAMPLES_A_PHONEME = 400
IDS = {symbol: [n] for n, symbol in enumerate("_^$ abdefhijklmnopstuvwzæɐɑɔəɚɛɡɪɹɾʃʊʌʒˈˌː.,!?")}


def speaker_hz(speaker: int) -> float:
    return 100.0 + 40.0 * speaker


def write_voice(path: Path, speakers: int = 3, **config: object) -> Path:
    """The two files of a voice; `config` replaces what its .json says. Noise has the level of scales[0]."""
    onnx.save(_network(speakers), path)
    content: dict[str, object] = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.1, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": IDS,
        "num_speakers": speakers,
        "speaker_id_map": {},
    }
    Path(f"{path}.json").write_text(json.dumps(content | config), encoding="utf-8")
    return path


def _network(speakers: int) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, ["batch"]))
    constants: dict[str, list[float]] = {
        "zero": [0.0],
        "one": [1.0],
        "samples": [float(SAMPLES_A_PHONEME)],
        "first": [2 * 3.14159265 * speaker_hz(0) / RATE],
        "step": [2 * 3.14159265 * (speaker_hz(1) - speaker_hz(0)) / RATE],
    }
    scalars = [helper.make_tensor(name, TensorProto.FLOAT, [], value) for name, value in constants.items()]
    places = [helper.make_tensor(f"place_{n}", TensorProto.INT64, [], [n]) for n in range(2)]
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [1, 1, -1])
    speaker = helper.make_node("Cast", ["sid" if speakers > 1 else "zero"], ["speaker"], to=TensorProto.FLOAT)
    nodes = [
        speaker,
        helper.make_node("Mul", ["speaker", "step"], ["above"]),
        helper.make_node("Add", ["above", "first"], ["radians"]),
        helper.make_node("Gather", ["scales", "place_0"], ["noise_scale"]),
        helper.make_node("Gather", ["scales", "place_1"], ["length"]),
        helper.make_node("Cast", ["input_lengths"], ["phonemes"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["phonemes", "samples"], ["usual"]),
        helper.make_node("Mul", ["usual", "length"], ["long"]),
        helper.make_node("ReduceMax", ["long"], ["count"], keepdims=0),
        helper.make_node("Range", ["zero", "count", "one"], ["times"]),
        helper.make_node("Mul", ["times", "radians"], ["angles"]),
        helper.make_node("Sin", ["angles"], ["hum"]),
        helper.make_node("RandomNormalLike", ["hum"], ["white"]),
        helper.make_node("Mul", ["white", "noise_scale"], ["breath"]),
        helper.make_node("Add", ["hum", "breath"], ["sum"]),
        helper.make_node("Reshape", ["sum", "shape"], ["output"]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "time"])
    graph = helper.make_graph(nodes, "voice", inputs, [output], [*scalars, *places, shape])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
