"""`esphome config` by the real ESPHome: the examples are valid, and what is wrong is said with its remedy."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from satellite import ROOT, run_esphome
from test_streaming import Graph, mix_conv
from watchword import spec
from watchword.export.image import seal

pytestmark = pytest.mark.slow

IMAGE = ROOT / "models/alexa/model.bin"

CONFIG = """
esphome: {name: test}
host:
external_components:
  - source: {type: local, path: "ROOT/esphome/components"}
  - source: {type: local, path: "ROOT/tests/esphome/components"}
microphone: {platform: pcm_file, path: x}
watchword:
"""


def said(folder: Path, text: str) -> str:
    """What ESPHome says of a configuration, in one line; its first word is ok or failed."""
    config = folder / "config.yaml"
    config.write_text(text.replace("ROOT", str(ROOT)))
    done = run_esphome("config", config, folder / "data", {})
    assert "Traceback" not in done.stderr + done.stdout
    return f"{'failed' if done.returncode else 'ok'} {' '.join((done.stdout + done.stderr).split())}"


def with_field(name: str, value: int) -> bytes:
    """alexa's image with one value of its header changed, its checksum right."""
    image, names = IMAGE.read_bytes(), [field for field, _ in spec.MODEL_HEADER_FIELDS]
    before = spec.MODEL_HEADER_FIELDS[: names.index(name)]
    kind = spec.fields_format((spec.MODEL_HEADER_FIELDS[names.index(name)],))
    at = struct.calcsize(spec.fields_format(before))
    return seal(image[:at] + struct.pack(kind, value) + image[at + struct.calcsize(kind) :])


@pytest.mark.parametrize("example", ["esp32", "esp32-c3", "esp32-s3-voice-assistant"])
def test_the_examples_are_valid(example: str, tmp_path: Path) -> None:
    done = run_esphome("config", ROOT / f"esphome/examples/{example}.yaml", tmp_path, {})
    assert done.returncode == 0, done.stdout + done.stderr


BAD_IMAGES = {
    "truncated": (lambda: IMAGE.read_bytes()[:-100], "ERR_TRUNCATED"),
    "shorter than its header": (lambda: IMAGE.read_bytes()[:50], "ERR_TRUNCATED"),
    "of another version": (lambda: with_field("version", spec.MODEL_VERSION + 1), "ERR_VERSION"),
    "of another front end": (lambda: with_field("frontend_id", 1), "ERR_FRONTEND"),
    "corrupt": (lambda: IMAGE.read_bytes()[:-1] + b"?", "ERR_CRC"),
    "not an image": (lambda: b"<!DOCTYPE html>", "ERR_MAGIC"),
    "empty": (lambda: b"", "ERR_MAGIC"),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_an_image_that_cannot_be_used_is_refused_with_the_remedy(kind: str, tmp_path: Path) -> None:
    make: Callable[[], bytes]
    make, status = BAD_IMAGES[kind]
    (tmp_path / "model.bin").write_bytes(make())
    text = said(tmp_path, CONFIG + "  models: model.bin")
    what, remedy = spec.STATUS_TEXTS[status]
    assert text.startswith("failed") and f"model.bin: {what} ({remedy})" in text


SERVED = "http://127.0.0.1:PORT/model.bin"
BAD_SETTINGS = {
    "no such file": ("  models: nowhere", "there is no"),
    "no hash": (f"  models: {SERVED}", "a model from a URL needs its sha256"),
    "another hash": (f"  models: [{{model: '{SERVED}', sha256: '{'0' * 64}'}}]", "not 0000"),
    "no hash at all": (f"  models: [{{model: '{SERVED}', sha256: abc}}]", "64 hexadecimal digits"),
    "not served": (f"  models: [{{model: '{SERVED}x', sha256: '{'0' * 64}'}}]", "Could not download"),
    "the same word twice": (
        "  models: [ROOT/models/alexa, ROOT/models/alexa/model.bin]",
        "two models of the word 'alexa'",
    ),
    "too little memory": ("  models: ROOT/models/alexa\n  max_memory: 1kB", "max_memory allows 1,000"),
    "no model": ("  models: []", "length of value must be at least 1"),
    "no such preset": ("  models: [{model: ROOT/models/alexa, preset: loud}]", "strict"),
    "preset and sensitivity": (
        "  models: [{model: ROOT/models/alexa, preset: strict, sensitivity: 5}]",
        "more than one of",
    ),
    "a sensitivity that hears nothing": (
        "  models: [{model: ROOT/models/alexa, sensitivity: 0.1}]",
        "value must be at least 0.39",
    ),
    "no manifest": ("  models: other.json", "not the manifest of a microWakeWord"),
    "a manifest of brackets alone": ("  models: deep.JSON", "not the manifest of a microWakeWord"),
    "a bare .tflite file": ("  models: bare.tflite", "name its manifest"),
    "a name that no file can have": (f"  models: {'a' * 300}", "there is no"),
    "a manifest that names another folder's file": ("  models: away.json", "not a file beside it"),
    "a manifest without its model": ("  models: lone.json", "not beside it"),
}


@pytest.fixture(scope="module")
def served() -> int:
    """The port of a server that has alexa's image."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(IMAGE.parent))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("kind", BAD_SETTINGS)
def test_settings_that_cannot_be_are_refused(kind: str, tmp_path: Path, served: int) -> None:
    (tmp_path / "other.json").write_text('{"type": "micro"}')
    (tmp_path / "deep.JSON").write_text("[" * 100_000)
    (tmp_path / "bare.tflite").write_bytes(b"")
    (tmp_path / "away.json").write_text('{"model": "../alexa.tflite"}')
    (tmp_path / "lone.json").write_text('{"model": "lone.tflite"}')
    settings, expected = BAD_SETTINGS[kind]
    text = said(tmp_path, CONFIG + settings.replace("PORT", str(served)))
    assert text.startswith("failed") and expected in text


def test_a_model_from_a_url_with_its_hash_is_taken(tmp_path: Path, served: int) -> None:
    sha256 = hashlib.sha256(IMAGE.read_bytes()).hexdigest()
    settings = f"  models: [{{model: '{SERVED}', sha256: {sha256}}}]".replace("PORT", str(served))
    assert said(tmp_path, CONFIG + settings).startswith("ok")


def test_presets_of_a_model_without_any_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(with_field("presets_offset", 0))
    model = "  models: [{id: word, model: model.bin PRESET}]"
    assert "brings no presets" in said(tmp_path, CONFIG + model.replace("PRESET", ", preset: strict"))
    select = "\nselect: {platform: watchword, model_id: word, name: Preset}"
    assert "brings no presets" in said(tmp_path, CONFIG + model.replace("PRESET", "") + select)


def test_a_part_of_the_repository_is_not_enough(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "esphome/components", tmp_path / "components")
    text = CONFIG.replace("ROOT/esphome/components", str(tmp_path / "components"))
    assert "is not all of Watchword's repository" in said(tmp_path, text + "  models: ROOT/models/alexa")


def test_a_microwakeword_manifest_is_taken_as_it_is(tmp_path: Path) -> None:
    model = mix_conv(Graph(1, coeffs=40))
    (tmp_path / "house.tflite").write_bytes(model)
    micro = {"probability_cutoff": 0.85, "sliding_window_size": 5, "feature_step_size": 10}
    manifest = {"type": "micro", "version": 2, "wake_word": "Okay House", "model": "house.tflite"}
    (tmp_path / "house.json").write_text(json.dumps({**manifest, "micro": micro}))
    sha256 = hashlib.sha256(model).hexdigest()
    settings = "  models: [{model: house.json, sha256: HASH}]"
    assert said(tmp_path, CONFIG + settings.replace("HASH", sha256)).startswith("ok")
    (tmp_path / "house.tflite").write_bytes(model[:-1000])
    text = said(tmp_path, CONFIG + "  models: house.json")
    assert text.startswith("failed") and "house.tflite" in text
