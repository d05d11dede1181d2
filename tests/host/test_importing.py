"""`watchword import`: community models become folders as export makes them, or end in one clear line."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from watchword import core, spec
from watchword.cli.main import commands
from watchword.errors import WatchwordError
from watchword.export.importing import Choices, detector_of, read_import

pytest.importorskip("tflite_micro", reason="import compares with it: pip install -e .[train]")

from test_files import file_size_limit
from test_streaming import Graph, mix_conv, stepped
from watchword.export.card import read_card

from tools.generate import results as reference

FILES = {"model.tflite", "model.bin", "model.c", "model.h", "golden.npz", "card.json"}
MICRO = {"probability_cutoff": 0.85, "sliding_window_size": 5, "feature_step_size": 10}
MANIFEST: dict[str, Any] = {
    "type": "micro", "wake_word": "Okay House", "author": "Somebody", "website": "https://example.org",
    "model": "okay_house.tflite", "trained_languages": ["en", "nl"], "version": 2, "micro": MICRO,
}  # fmt: skip # a table of fields


@pytest.fixture(scope="module")
def tflite() -> bytes:
    """A streaming model of 40 channels."""
    return mix_conv(Graph(1, coeffs=40))


@pytest.fixture
def manifest(tflite: bytes, tmp_path: Path) -> Path:
    (tmp_path / "okay_house.tflite").write_bytes(tflite)
    return written(tmp_path, MANIFEST)


def written(folder: Path, content: Any, name: str = "okay_house.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(commands, ["import", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refusal(path: Path, **choices: Any) -> str:
    with pytest.raises(WatchwordError) as error:
        read_import(path, Choices(**choices))
    return str(error.value)


def test_a_manifest_becomes_a_folder_as_export_makes_one(manifest: Path, tmp_path: Path) -> None:
    said = run(manifest, "--out", tmp_path / "model", "--licence", "Apache-2.0")
    assert {path.name for path in (tmp_path / "model").iterdir()} == FILES
    assert "every score equal to TFLite Micro's" in said and "by Somebody, licence Apache-2.0" in said
    card = read_card(tmp_path / "model")
    assert card.origin is not None and (card.origin.author, card.origin.licence) == ("Somebody", "Apache-2.0")
    assert (card.origin.cutoff, card.origin.window, card.origin.step_ms) == (0.85, 5, 10)
    assert (card.word, card.origin.languages, card.training) == ("Okay House", ("en", "nl"), {})
    content = json.loads((tmp_path / "model" / "card.json").read_text())
    jsonschema.validate(content, reference.schema_of("card.json"))
    model = core.ModelImage((tmp_path / "model" / "model.bin").read_bytes())
    assert (model.kind, model.header["word"], model.geometry.first_rows) == ("micro", "Okay House", 3)


def test_an_imported_model_is_not_exported_again(manifest: Path, tmp_path: Path) -> None:
    CliRunner().invoke(commands, ["import", str(manifest), "--out", str(tmp_path / "imported")])
    for form in ("image", "esphome"):
        args = [str(tmp_path / "imported"), "--format", form, "--out", str(tmp_path / "again")]
        told = CliRunner().invoke(commands, ["export", *args])
        assert isinstance(told.exception, WatchwordError) and "was imported" in told.exception.what
        assert not (tmp_path / "again").exists()


def test_golden_scores_go_far_up(manifest: Path, tmp_path: Path) -> None:
    """Random windows alone would say nothing of a model that hardly anything excites."""
    run(manifest, "--out", tmp_path / "model")
    scores = np.load(tmp_path / "model" / "golden.npz")["scores"]
    assert len(set(scores.tolist())) > 5 and scores.max() > 200


def test_audio_gives_tflite_micros_scores_of_its_rows(manifest: Path, tflite: bytes) -> None:
    model = read_import(manifest)
    pcm = (np.random.default_rng(1).normal(0, 1, 64_000) * np.geomspace(30, 9000, 64_000)).astype(np.int16)
    rows = core.normalise(core.frontend_rows(pcm, 160, 40, "micro"), model.settings.normalisation)
    scores = core.run_pipeline(model.image(), pcm).scores
    np.testing.assert_array_equal(scores, stepped(tflite, rows))


def test_an_image_needs_no_compiled_core(manifest: Path) -> None:
    """As where ESPHome's configuration is read: numpy and the schema are there, hardly more."""
    program = f"""
import sys
sys.modules["watchword._core"] = None
from watchword.export.importing import import_image
sys.stdout.buffer.write(import_image({str(manifest)!r}))
print(*sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout == read_import(manifest).image()
    loaded = set(result.stderr.decode().split())
    assert not loaded & {"tensorflow", "tflite_micro", "scipy", "msgspec", "soundfile", "librosa", "click"}


def test_a_bare_file_needs_word_and_cutoff(manifest: Path, tmp_path: Path) -> None:
    bare = manifest.with_suffix(".tflite")
    assert "tells its word and cutoff" in refusal(bare)
    run(bare, "--word", "okay house", "--cutoff", "0.9", "--window", "4", "--out", tmp_path / "model")
    origin = read_card(tmp_path / "model").origin
    assert origin is not None and (origin.format, origin.window) == ("bare .tflite file", 4)


def test_a_word_that_an_image_has_no_room_for_needs_another(manifest: Path, tmp_path: Path) -> None:
    long = written(manifest.parent, {**MANIFEST, "wake_word": "a" * spec.WORD_BYTES}, "long.json")
    assert "give it a shorter one: --word" in refusal(long)
    run(long, "--word", "a" * (spec.WORD_BYTES - 1), "--out", tmp_path / "model")


def test_of_a_folder_every_manifest_is_imported(manifest: Path, tmp_path: Path) -> None:
    written(manifest.parent, {**MANIFEST, "wake_word": "Hey House"}, "second.json")
    written(manifest.parent, {**MANIFEST, "version": 3}, "third.json")
    result = CliRunner().invoke(commands, ["import", str(manifest.parent), "--out", str(tmp_path / "all")])
    assert "1 of 3 manifests could not be imported" in str(result.exception)
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"okay_house", "hey_house"}


def test_two_manifests_of_one_word_are_not_one_folder(manifest: Path, tmp_path: Path) -> None:
    written(manifest.parent, {**MANIFEST, "wake_word": "okay, house!", "author": "Other"}, "second.json")
    result = CliRunner().invoke(commands, ["import", str(manifest.parent), "--out", str(tmp_path / "all")])
    assert "1 of 2 manifests could not be imported" in str(result.exception)
    assert f"its folder {tmp_path / 'all' / 'okay_house'} is that of" in result.output
    origin = read_card(tmp_path / "all" / "okay_house").origin
    assert origin is not None and origin.author == "Somebody"


def test_no_other_model_is_replaced(manifest: Path, tmp_path: Path) -> None:
    """Nor is a folder left with some files of one model and some of another."""
    out = tmp_path / "model"
    run(manifest, "--out", out)
    run(manifest, "--out", out, "--cutoff", "0.5")  # its own newer version
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    result = CliRunner().invoke(commands, ["import", str(manifest), "--word", "hey", "--out", str(out)])
    assert "holds another model: 'Okay House', which was imported" in str(result.exception)
    with file_size_limit(1000):
        result = CliRunner().invoke(commands, ["import", str(manifest), "--out", str(out)])
    assert f"{out}: cannot write here" in str(result.exception)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_choice_of_0_is_not_no_choice(manifest: Path) -> None:
    assert "a window of 0 scores" in refusal(manifest, window=0)
    assert "hop_samples" in refusal(manifest, step_ms=0)


def test_a_url_is_not_fetched() -> None:
    result = CliRunner().invoke(commands, ["import", "https://example.org/okay.json"])
    assert "download it first" in str(result.exception)


NOT_MANIFESTS: dict[str, Any] = {
    "not a JSON manifest": "{",
    "a manifest must be an object": [1],
    "micro must be an object": {**MANIFEST, "micro": None},
    "version must be a whole number": {**MANIFEST, "version": True},
    "of type 'vad', version 2": {**MANIFEST, "type": "vad"},
    "micro.probability_cutoff must be a number": {**MANIFEST, "micro": {**MICRO, "probability_cutoff": "x"}},
    "a cutoff of nan": {**MANIFEST, "micro": {**MICRO, "probability_cutoff": float("nan")}},
    "micro.probability_cutoff must be within 0..1": {
        **MANIFEST,
        "micro": {**MICRO, "probability_cutoff": 10**400},
    },
    "is never exceeded": {**MANIFEST, "micro": {**MICRO, "probability_cutoff": 0.998}},
    "a window of 99 scores": {**MANIFEST, "micro": {**MICRO, "sliding_window_size": 99}},
    "hop_samples: must be": {**MANIFEST, "micro": {**MICRO, "feature_step_size": 15}},
    "32 bytes of UTF-8 or more": {**MANIFEST, "wake_word": "x" * 40},
    "its model is on the network": {**MANIFEST, "model": "https://example.org/a.tflite"},
    "its model is elsewhere": {**MANIFEST, "model": "../okay_house.tflite"},
    "cannot be read": {**MANIFEST, "model": "none.tflite"},
    "cannot be read: embedded null": {**MANIFEST, "model": "a\0.tflite"},
    "not a file": {**MANIFEST, "model": "."},
}


@pytest.mark.parametrize("said", NOT_MANIFESTS)
def test_what_is_no_manifest_is_refused_in_one_line(said: str, manifest: Path, tmp_path: Path) -> None:
    path = written(manifest.parent, NOT_MANIFESTS[said])
    found = refusal(path)
    assert said in found and "\n" not in found
    result = CliRunner().invoke(commands, ["import", str(path), "--out", str(tmp_path / "model")])
    assert result.exit_code and not (tmp_path / "model").exists()


def test_deeply_nested_json_is_refused(tmp_path: Path) -> None:
    assert "not a JSON manifest" in refusal(written(tmp_path, "[" * 60_000))


def test_a_file_that_never_ends_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    assert "not a file" in refusal(tmp_path / "pipe.json")


@given(st.floats(0, 1), st.integers(1, 32), st.lists(st.integers(0, 255), min_size=1, max_size=120))
def test_detections_are_the_rises_of_the_mean_above_the_cutoff(
    cutoff: float, window: int, scores: list[int]
) -> None:
    """The rule of pymicro-wakeword: the mean of the last scores, once there are enough, above the cutoff."""
    try:
        config = detector_of(cutoff, window, 0)
    except WatchwordError as error:
        assert "never exceeded" in error.what and cutoff > 0.99
        return
    means = [np.mean(scores[i + 1 - window : i + 1]) / 256 for i in range(window - 1, len(scores))]
    above = [False] * (window - 1) + [bool(mean > cutoff) for mean in means]
    rises = [i for i, now in enumerate(above) if now and not (i and above[i - 1])]
    _, fired = core.detect(np.array(scores, np.uint8), np.arange(1, len(scores) + 1) * 480, config)
    assert fired.tolist() == rises


# ── beside the package that plays these models ───────────────────────────────────────────────
class TflmLibrary:
    """Stands in for the interpreter that pymicro-wakeword loads; TFLite Micro does the work."""

    def __init__(self, tflite: bytes) -> None:
        from tflite_micro import runtime

        self.interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)
        self.shape = self.interpreter.get_input_details(0)["shape"]

    def TfLiteTensorCopyFromBuffer(self, tensor: Any, pointer: Any, count: int) -> None:
        rows = np.frombuffer((ctypes.c_int8 * count).from_address(pointer.value), np.int8).copy()
        self.interpreter.set_input(rows.reshape(self.shape), 0)

    def TfLiteInterpreterInvoke(self, interpreter: Any) -> None:
        self.interpreter.invoke()

    def TfLiteTensorByteSize(self, tensor: Any) -> int:
        return 1

    def TfLiteTensorCopyToBuffer(self, tensor: Any, pointer: Any, count: int) -> None:
        score = np.array(self.interpreter.get_output(0)).reshape(-1)[0]
        (ctypes.c_uint8 * 1).from_address(pointer.value)[0] = score

    def TfLiteInterpreterDelete(self, interpreter: Any) -> None: ...

    def TfLiteModelDelete(self, model: Any) -> None: ...


def peer_detections(manifest: Path, pcm: np.ndarray, own_interpreter: bool) -> tuple[np.ndarray, list[int]]:
    """(scores, sample index of each rise) of pymicro-wakeword, on its own interpreter or on TFLite Micro."""
    peer = pytest.importorskip("pymicro_wakeword", reason="the package pymicro-wakeword is not installed")
    detector, features = peer.MicroWakeWord.from_config(manifest), peer.MicroWakeWordFeatures()
    if not own_interpreter:
        detector.lib = TflmLibrary(manifest.with_suffix(".tflite").read_bytes())
    scores, rises, rows, before = [], [], 0, False
    for start in range(0, len(pcm) - 159, 160):
        for row in features.process_streaming(pcm[start : start + 160].tobytes()):
            rows += 1
            now = bool(detector.process_streaming(row))
            if rows % detector.stride == 0:
                scores.append(round(detector._probabilities[-1] * 256))
                rises += [start + 160] if now and not before else []
                before = now
    return np.array(scores), rises


def shipped_manifests() -> list[Path]:
    """Those inside the package pymicro-wakeword."""
    try:
        import pymicro_wakeword
    except ImportError:
        return []
    return sorted(Path(pymicro_wakeword.__file__).parent.glob("models/*.json"))


@pytest.mark.real
@pytest.mark.parametrize("manifest", shipped_manifests(), ids=lambda path: path.stem)
def test_the_packages_own_models_detect_as_it_does(manifest: Path, real_data: Path) -> None:
    """Exactly on TFLite Micro's scores; its own interpreter rounds otherwise, so some scores differ."""
    from watchword import audio

    word = "alexa" if manifest.stem == "alexa" else "computer"
    clips = sorted((real_data / "clips" / "dev" / word).glob("*.flac"))[:12]
    pcm = np.concatenate([audio.load(path) for path in clips])
    model = read_import(manifest, Choices(cooldown_ms=0))
    ours = core.run_pipeline(model.image(), pcm)
    scores, rises = peer_detections(manifest, pcm, own_interpreter=False)
    np.testing.assert_array_equal(ours.scores, scores)
    assert [event.sample_index for event in ours.detections] == rises
    assert rises or word != "alexa", "nothing was detected: the test would prove nothing"
    theirs, _ = peer_detections(manifest, pcm, own_interpreter=True)
    assert np.abs(theirs - ours.scores.astype(int)).mean() < 1


# ── hostile files ────────────────────────────────────────────────────────────────────────────
HOSTILE = {"model": mix_conv(Graph(1))}


@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=8)), max_size=4), st.data())
def test_a_damaged_file_ends_in_a_clear_error_or_reads(
    patches: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    content = bytearray(HOSTILE["model"])
    for at, patch in patches:
        at = 8 + at % (len(content) - 8)
        content[at : at + len(patch)] = patch
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    from watchword.export.streaming import read_streaming_network

    try:
        read_streaming_network(bytes(content[:cut]))
    except WatchwordError:
        return
