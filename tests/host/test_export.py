"""Export: what is written, what is refused, and that the C array is the image."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from watchword import core, spec
from watchword.cli.export import command
from watchword.data.plots import normalisation_of
from watchword.errors import WatchwordError
from watchword.export.c_writer import c_name
from watchword.export.card import Source
from watchword.export.folder import attribution, export_model
from watchword.export.image import load_image
from watchword.export.layers import Network
from watchword.export.settings import ModelSettings
from watchword.export.size_target import SizeTarget, parse_bytes

pytest.importorskip("tflite_micro", reason="export needs it: pip install -e .[train]")

from ds_tcn import ds_tcn, feature_like_rows, settings
from tflite_builder import SAME, TfliteBuilder, schema
from watchword.export.graph import read_network
from watchword.export.image import build_image, seal, starting_with

from tools.generate import results as reference

ROOT = Path(core.__file__).resolve().parents[2]
CORE = ROOT / "firmware" / "core"
FILES = {"model.tflite", "model.bin", "model.c", "model.h", "golden.npz", "card.json"}


@pytest.fixture(scope="module")
def tflite() -> bytes:
    return ds_tcn(np.random.default_rng(7))


@pytest.fixture(scope="module")
def folder(tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "random_word"
    rows = feature_like_rows(np.random.default_rng(8), 75 * 3, 40).reshape(3, 75, 40)
    return export_model(tflite, settings(), out, SizeTarget(), {"frr": 0.25}, golden_rows=rows)


def builder(rows: int = 9, coeffs: int = 13) -> TfliteBuilder:
    return TfliteBuilder(np.random.default_rng(3), rows, coeffs)


def test_folder_holds_the_six_files(folder: Path, tflite: bytes) -> None:
    assert {p.name for p in folder.iterdir()} == FILES
    assert (folder / "model.tflite").read_bytes() == tflite


def test_export_is_reproducible(folder: Path, tflite: bytes, tmp_path: Path) -> None:
    rows = feature_like_rows(np.random.default_rng(8), 75 * 3, 40).reshape(3, 75, 40)
    export_model(tflite, settings(), tmp_path, SizeTarget(), {"frr": 0.25}, golden_rows=rows)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_c_array_compiles_and_equals_the_image(folder: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(
        '#include <stdio.h>\n#include "model.h"\nint main(void) {\n'
        "    if ((size_t)ww_model_image % 16) return 1;\n"
        "    return fwrite(ww_model_image, 1, ww_model_image_bytes, stdout) != ww_model_image_bytes;\n}\n"
    )
    program = tmp_path / "dump"
    flags = [
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{folder}",
        f"-I{CORE / 'gen'}",
        f"-I{CORE / 'include'}",
    ]
    subprocess.run(["gcc", *flags, "-o", program, main, folder / "model.c"], check=True)
    dumped = subprocess.run([program], check=True, capture_output=True).stdout
    assert dumped == (folder / "model.bin").read_bytes()


TWO_WORDS = """\
#include <string.h>
#include "alexa/model.h"
#include "computer/model.h"
#ifdef ww_model_image
#error "of two models there is no one model"
#endif
int main(void) {
    const uint8_t *first = ww_word_alexa_image, *second = ww_word_computer_image;
    return !memcmp(first, second, sizeof ww_word_alexa_image);
}
"""


def test_two_words_fit_in_one_program(tmp_path: Path) -> None:
    models = ROOT / "models"
    (tmp_path / "main.c").write_text(TWO_WORDS)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", *(f"-I{CORE / part}" for part in ("gen", "include"))]
    sources = [tmp_path / "main.c", *(models / word / "model.c" for word in ("alexa", "computer"))]
    subprocess.run(["gcc", *flags, f"-I{models}", "-o", tmp_path / "two", *sources], check=True)
    subprocess.run([tmp_path / "two"], check=True)


@pytest.mark.parametrize(
    ("word", "name"), [("What's up", "what_s_up"), ("Café", "cafe"), ("你好 2", "u4f60u597d_2")]
)
def test_every_word_has_a_c_name(word: str, name: str) -> None:
    assert c_name(word) == name


def test_c_array_refuses_another_front_end(folder: Path, tmp_path: Path) -> None:
    for header in ("ww_spec.h", "ww_model_format.h"):
        text = (CORE / "gen" / header).read_text()
        text = text.replace(f"WW_FRONTEND_ID 0x{spec.FRONTEND_ID:08x}u", "WW_FRONTEND_ID 0x1u")
        (tmp_path / header).write_text(text)
    folders = [f"-I{part}" for part in (folder, tmp_path, CORE / "include")]
    command_line = ["gcc", "-fsyntax-only", *folders, folder / "model.c"]
    result = subprocess.run(command_line, capture_output=True, text=True)
    assert result.returncode != 0
    assert "another front end" in result.stderr


def test_image_carries_the_settings(folder: Path) -> None:
    image = core.ModelImage(load_image(folder))
    assert image.header["word"] == "random word"
    assert image.header["hop_samples"] == 320
    assert image.header["cmvn_mode"] == spec.CMVN_MODES["running"]
    assert image.detector.smoothing == spec.DETECTOR_SMOOTHING
    assert abs(image.detector.high - spec.DETECTOR_HIGH) < 1e-4


def test_image_carries_presets_to_choose_from() -> None:
    kept = (core.DetectorConfig(8, 0.95), core.DetectorConfig(), core.DetectorConfig(3, 0.4))
    detectors = dict(zip(spec.PRESETS, kept, strict=True))
    chosen = replace(settings(13), presets=detectors)
    assert ModelSettings.from_json(chosen.to_json()).presets == detectors
    image = build_image(small_network(13), chosen)
    parsed = core.ModelImage(image)
    assert [preset.smoothing for preset in parsed.presets.values()] == [8, 5, 3]
    eager = core.ModelImage(starting_with(image, "eager"))
    assert eager.detector == parsed.presets["eager"] and eager.presets == parsed.presets
    assert starting_with(image, None) == image
    at = int(parsed.header["presets_offset"])
    for wrong in (struct.pack("<H", 0), struct.pack("<HH", 5, 0xFFFF)):  # smoothing; threshold
        with pytest.raises(WatchwordError, match="rejected by the core"):
            core.ModelImage(seal(image[:at] + wrong + image[at + len(wrong) :]))
    names = [name for name, _ in spec.MODEL_HEADER_FIELDS]
    field = struct.calcsize(spec.fields_format(spec.MODEL_HEADER_FIELDS[: names.index("presets_offset")]))
    weights = int(parsed.header["weights_offset"])
    valid = image[at : at + 3 * spec.PRESET_BYTES]
    planted = image[:weights] + valid + image[weights + len(valid) :]  # settings that would pass, by chance
    for wrong_image, offset in (
        (image, len(image) - 4),  # they would reach beyond the end
        (image, 0xFFFFFFFC),
        (planted, weights),
        (image, spec.MODEL_HEADER_BYTES),  # where the layers are
    ):
        moved = wrong_image[:field] + struct.pack("<I", offset) + wrong_image[field + 4 :]
        with pytest.raises(WatchwordError, match="ERR_PRESET"):
            core.ModelImage(seal(moved))
    with pytest.raises(WatchwordError, match="strict, normal, eager"):
        replace(settings(13), presets={"normal": core.DetectorConfig()})
    with pytest.raises(WatchwordError, match="no presets"):
        starting_with(build_image(small_network(13), settings(13)), "eager")


def test_card_names_every_source_and_its_licence() -> None:
    sources = [
        {"split": split, "label": "negative", "source": source, "licence": licence}
        for split in ("train", "val")
        for source, licence in (("digits", "CC BY-SA 4.0"), ("home", ""))
    ]
    sources.append({"split": "val", "label": "negative", "source": "acted", "licence": "CC BY-NC 4.0"})
    assert attribution({"data": {"sources": sources}}) == (
        Source("acted", "CC BY-NC 4.0", trained=False),
        Source("digits", "CC BY-SA 4.0"),
        Source("home", "not told"),
    )


def test_card_describes_the_image(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    jsonschema.validate(card, reference.schema_of("card.json"))
    image = load_image(folder)
    assert card["training"] == {"frr": 0.25}
    assert card["attribution"] == []
    assert card["sizes"]["image_bytes"] == len(image)
    assert card["sizes"]["arena_bytes"] == core.ModelImage(image).header["arena_bytes"]
    assert int(card["crc32"], 16) == core.ModelImage(image).header["crc32"]
    assert card["checks"]["windows_equal_to_tflite_micro"] == 35


def test_golden_vectors_replay(folder: Path) -> None:
    with np.load(folder / "golden.npz") as golden:
        rows, scores = golden["rows"], golden["scores"]
    model = core.ModelImage(load_image(folder))
    assert [int(model.scores(window)[-1]) for window in rows] == scores.tolist()
    assert len(set(scores.tolist())) > 5


def test_unicode_word_reaches_the_image(tflite: bytes) -> None:
    image = build_image(read_network(tflite), settings(word="höre licht"))
    assert core.ModelImage(image).header["word"] == "höre licht"


@pytest.mark.parametrize("word", ["", "x" * 32, "line\nbreak", "ü" * 16])
def test_unfit_words_are_refused(word: str) -> None:
    with pytest.raises(WatchwordError, match="word"):
        settings(word=word)


def test_settings_survive_json() -> None:
    first = settings()
    again = ModelSettings.from_json(first.to_json())
    assert again.to_json() == first.to_json()
    np.testing.assert_array_equal(again.normalisation.mean, first.normalisation.mean)


@pytest.mark.parametrize("change", [{"extra": 1}, {"word": None}, {"hop_samples": 100}, {"coeffs": 12}])
def test_damaged_settings_are_refused(change: dict[str, object]) -> None:
    content = {**json.loads(settings().to_json()), **change}
    with pytest.raises(WatchwordError):
        ModelSettings.from_json(json.dumps(content))


def test_settings_of_another_width_are_refused(tflite: bytes, tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="40 coefficients"):
        export_model(tflite, settings(coeffs=13), tmp_path, SizeTarget(), {})


# ── sizes ────────────────────────────────────────────────────────────────────────────────────
def test_size_target_warns_or_refuses(tflite: bytes, tmp_path: Path) -> None:
    export_model(tflite, settings(), tmp_path, SizeTarget(1000, 100), {})
    warnings = json.loads((tmp_path / "card.json").read_text())["checks"]["size_warnings"]
    assert len(warnings) == 2
    with pytest.raises(WatchwordError, match="flash"):
        export_model(tflite, settings(), tmp_path / "no", SizeTarget(1000, None, "error"), {})
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("200KB", 204800), ("1.5MB", 1572864), ("4096", 4096), ("2 k", 2048)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "KB", "-1", "12 parsecs", "1e3"])
def test_nonsense_sizes_are_refused(text: str) -> None:
    with pytest.raises(WatchwordError):
        parse_bytes(text)


# ── graphs the engine cannot run ─────────────────────────────────────────────────────────────
def refusal(content: bytes) -> str:
    with pytest.raises(WatchwordError) as caught:
        read_network(content)
    return str(caught.value)


def test_unsupported_op_is_named() -> None:
    b = builder()
    x = b.unary("SOFTMAX", b.conv(b.input, 4, 3), 1 / 256, -128)
    message = refusal(b.build(b.score_head(x)))
    assert "SOFTMAX" in message and f"t{x.index}" in message


def test_same_padding_is_refused() -> None:
    b = builder()
    x = b.conv(b.input, 4, 3, padding=SAME)
    assert "valid" in refusal(b.build(b.score_head(x)))


def test_unused_rows_are_refused_with_the_right_length() -> None:
    b = builder(rows=10)
    message = refusal(b.build(b.score_head(b.conv(b.input, 4, 3, stride=2))))
    assert "reads 9 of its 10" in message and "T = 9" in message


def test_other_input_scale_is_refused() -> None:
    b = builder()
    b.tensors[0].quantization.scale = [0.1]
    assert "scale 0.03125" in refusal(b.build(b.score_head(b.conv(b.input, 4, 3))))


def test_logit_output_is_refused() -> None:
    b = builder()
    assert "logistic" in refusal(b.build(b.dense(b.reshape(b.input, (1, 9 * 13)), 1)))


def test_more_than_one_score_is_refused() -> None:
    b = builder()
    assert "not one score" in refusal(b.build(b.logistic(b.conv(b.input, 2, 9))))


def test_float_tensors_are_refused() -> None:
    b = builder()
    x = b.conv(b.input, 4, 3)
    b.tensors[x.index].type = schema.TensorType.FLOAT32
    assert "FLOAT32" in refusal(b.build(b.score_head(x)))


def test_adding_uncropped_branches_is_refused() -> None:
    b = builder()
    x = b.add(b.conv(b.input, 13, 3), b.input)
    assert "ADD" in refusal(b.build(b.score_head(x)))


def test_what_is_no_tflite_file_is_refused() -> None:
    assert "not a TFLite file" in refusal(b"hello")


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
@example(576, b"\x00")  # an op without outputs
def test_damaged_tflite_files_end_in_a_clear_error(at: int, patch: bytes) -> None:
    b = builder()
    content = bytearray(b.build(b.score_head(b.conv(b.input, 4, 3))))
    at = 8 + at % (len(content) - 8)
    content[at : at + len(patch)] = patch
    with contextlib.suppress(WatchwordError):  # any other exception fails the test
        read_network(bytes(content))


# ── the command ──────────────────────────────────────────────────────────────────────────────
def test_command_exports_a_run_folder(tflite: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite)
    settings().save(tmp_path / "settings.json")
    (tmp_path / "metrics.json").write_text('{"frr": 0.5}')
    out = tmp_path / "models" / "w"
    result = CliRunner().invoke(command, [str(tmp_path), "--out", str(out), "--max-flash", "1KB"])
    assert result.exit_code == 0, result.output
    assert "every score equal" in result.output and "warning: model image" in result.output
    assert json.loads((out / "card.json").read_text())["training"] == {"frr": 0.5}


def test_command_names_what_is_missing(tflite: bytes, tmp_path: Path) -> None:
    missing = CliRunner().invoke(command, [str(tmp_path / "runs" / "none")])
    assert isinstance(missing.exception, WatchwordError)
    assert "watchword train" in str(missing.exception)
    (tmp_path / "mine.tflite").write_bytes(tflite)
    bare = CliRunner().invoke(command, [str(tmp_path / "mine.tflite")])
    assert "--settings" in str(bare.exception)


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="export"):
        load_image(tmp_path)


def test_damaged_image_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(load_image(folder)[:-4])
    with pytest.raises(WatchwordError, match=r"model\.bin.*TRUNCATED"):
        load_image(tmp_path)


def small_network(coeffs: int) -> Network:
    b = builder(9, coeffs)
    return read_network(b.build(b.score_head(b.conv(b.input, 4, 3))))


@pytest.mark.parametrize("mode", ["running", "running_mv"])
def test_feature_kind_and_spreads_go_into_settings_and_image(mode: str) -> None:
    plain = settings(spec.MEL_BANDS, mode=mode)
    chosen = ModelSettings.from_json(replace(plain, kind="logmel").to_json())
    assert chosen.kind == "logmel"
    network = small_network(spec.MEL_BANDS)
    image = build_image(network, chosen)
    assert core.ModelImage(image).kind == "logmel"
    carried = normalisation_of(image)
    assert carried.mode == mode
    for name in ("mean", "gain", "spread"):  # no spread without running_mv
        np.testing.assert_array_equal(getattr(carried, name), getattr(plain.normalisation, name))


def test_settings_and_images_of_earlier_versions_are_mfcc() -> None:
    content = json.loads(settings(13).to_json())
    del content["kind"]
    assert ModelSettings.from_json(json.dumps(content)).kind == "mfcc"
    image = build_image(small_network(13), settings(13))
    names = [name for name, _ in spec.MODEL_HEADER_FIELDS]
    at = struct.calcsize(spec.fields_format(spec.MODEL_HEADER_FIELDS[: names.index("cmvn_mode")]))
    mode = spec.CMVN_MODES["running"]
    assert image[at : at + 2] == struct.pack("<H", mode)  # what version 2 images had there: 16 bits of mode
    assert core.ModelImage(image).kind == "mfcc"


def test_log_mel_rows_are_all_bands() -> None:
    with pytest.raises(WatchwordError, match="must be 40, the number of mel bands, not 13"):
        replace(settings(13), kind="logmel")


def test_spreads_belong_to_running_mv() -> None:
    with_spread = settings(13, mode="running_mv").normalisation
    for wrong in (
        replace(with_spread, mode="running"),
        replace(with_spread, spread=None),
        replace(with_spread, spread=np.zeros(13, np.uint16)),
    ):
        with pytest.raises(WatchwordError, match="spread"):
            replace(settings(13), normalisation=wrong)


def test_an_image_with_a_bad_spread_or_kind_is_refused() -> None:
    image = build_image(small_network(13), settings(13, mode="running_mv"))
    spread_at = int(core.ModelImage(image).header["norm_mean_offset"]) + 26
    broken = bytearray(image)
    broken[spread_at : spread_at + 2] = b"\0\0"  # a division by zero, were it let in
    names = [name for name, _ in spec.MODEL_HEADER_FIELDS]
    kind_at = struct.calcsize(spec.fields_format(spec.MODEL_HEADER_FIELDS[: names.index("feature_kind")]))
    unknown = bytearray(image)
    unknown[kind_at] = len(spec.FEATURE_KINDS)
    for bad in (broken, unknown):
        with pytest.raises(WatchwordError, match="ERR_FRONTEND"):
            core.ModelImage(seal(bytes(bad)))
