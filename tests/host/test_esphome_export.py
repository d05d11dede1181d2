"""Models for microWakeWord's players: what is written and refused, and what the real players do with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from watchword import audio, core, spec
from watchword.cli.export import command
from watchword.errors import WatchwordError
from watchword.evaluate.players import esphome_detects, sums
from watchword.export.affine import ESPHOME_SCALE, INPUT_STEPS, affine_normalisation, esphome_normalisation
from watchword.export.settings import ModelSettings

pytest.importorskip("tflite_micro", reason="export needs it: pip install -e .[train]")

import players
from ds_tcn import ds_tcn
from ds_tcn import settings as mfcc_settings
from satellite import esphome_python
from test_stream_writer import stepped
from watchword.export.esphome import (
    ARENA_MARGIN,
    LEVELS,
    About,
    arena_bytes,
    export_esphome,
    least_level,
    probability_cutoff,
    summary,
)
from watchword.export.image import build_image
from watchword.export.importing import detector_of, read_import
from watchword.export.input_steps import with_input
from watchword.export.streaming import read_streaming_network

from tools.run.micro_wake_word import we_hear

ABOUT = About("Ada", "https://example.org/ada", ("en", "de"))


def micro_settings(detector: core.DetectorConfig | None = None) -> ModelSettings:
    detector = detector or core.DetectorConfig(smoothing=5, high=0.75)
    presets = {
        "strict": replace(detector, high=0.9),
        "normal": detector,
        "eager": replace(detector, high=0.5),
    }
    hop, coeffs = spec.MICRO_HOP_SAMPLES, spec.MICRO_CHANNELS
    return ModelSettings("hey lighthouse", hop, coeffs, esphome_normalisation(), detector, "micro", presets)


@pytest.fixture(scope="module")
def tflite() -> bytes:
    return with_input(ds_tcn(np.random.default_rng(12), pooled=False), *INPUT_STEPS["micro"])


@pytest.fixture(scope="module")
def folder(tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "lighthouse"
    return export_esphome(tflite, micro_settings(), out, ABOUT, {})


def streamed(folder: Path, settings: ModelSettings) -> core.ModelImage:
    """The streaming file as our engine runs it."""
    network = read_streaming_network((folder / "hey_lighthouse.tflite").read_bytes())
    return core.ModelImage(build_image(network, settings))


def speech_like(seed: int, seconds: float = 6.0) -> np.ndarray:
    """Bursts of coloured noise with gaps, int16."""
    rng = np.random.default_rng(seed)
    count = round(seconds * spec.SAMPLE_RATE_HZ)
    level = np.repeat(rng.choice([0.0, 30.0, 800.0, 9000.0], count // 800 + 1), 800)[:count]
    return np.clip(
        np.cumsum(rng.normal(0, 0.3, count)) % 1.0 * level + rng.normal(0, 1, count) * level, -32768, 32767
    ).astype(np.int16)


# ── what is written ──────────────────────────────────────────────────────────────────────────
def test_the_manifest_says_what_the_players_need(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {
        "hey_lighthouse.tflite",
        "hey_lighthouse.json",
        "export-card.json",
    }
    manifest = json.loads((folder / "hey_lighthouse.json").read_text())
    needed = arena_bytes((folder / "hey_lighthouse.tflite").read_bytes())
    assert manifest["micro"].pop("tensor_arena_size") == pytest.approx(needed * ARENA_MARGIN, abs=16)
    assert manifest == {
        "type": "micro",
        "wake_word": "hey lighthouse",
        "author": "Ada",
        "website": "https://example.org/ada",
        "model": "hey_lighthouse.tflite",
        "trained_languages": ["en", "de"],
        "version": 2,
        "micro": {
            "probability_cutoff": probability_cutoff(192),
            "sliding_window_size": 5,
            "feature_step_size": 10,
            "minimum_esphome_version": "2024.7.0",
        },
    }
    told = summary(folder)
    assert "every one equal to our engine's" in told
    assert "not carried over: presets strict, eager" in told and "cooldown 500 ms" in told


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(folder: Path, tflite: bytes, tmp_path: Path) -> None:
    out = tmp_path / "word"
    export_esphome(tflite, micro_settings(), out, About("first"), {})
    export_esphome(tflite, micro_settings(), out, ABOUT, {})
    assert [p.read_bytes() for p in sorted(out.iterdir())] == [
        p.read_bytes() for p in sorted(folder.iterdir())
    ]
    (out / "notes.txt").write_text("mine")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    with pytest.raises(WatchwordError, match=r"holds other files \(notes.txt\)"):
        export_esphome(tflite, micro_settings(), out, About("second"), {})
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["word"]


def test_other_features_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(ds_tcn(np.random.default_rng(1)))
    mfcc_settings().save(tmp_path / "settings.json")
    out = tmp_path / "out"
    told = CliRunner().invoke(
        command, [str(tmp_path / "model.tflite"), "--format", "esphome", "--out", str(out)]
    )
    assert isinstance(told.exception, WatchwordError)
    assert "mfcc rows every 20 ms with normalisation 'running'" in told.exception.what
    assert "watchword train --features micro" in told.exception.remedy
    assert not out.exists()


def test_a_model_whose_input_is_not_of_micro_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="not those of micro rows"):
        export_esphome(ds_tcn(np.random.default_rng(1)), micro_settings(), tmp_path / "out", ABOUT, {})
    assert not (tmp_path / "out").exists()


def test_a_website_is_an_address() -> None:
    with pytest.raises(WatchwordError, match="is no address"):
        About("Ada", "example.org")


def test_the_command_takes_a_preset(tflite: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(tflite)
    micro_settings().save(tmp_path / "settings.json")
    args = [str(tmp_path / "model.tflite"), "--format", "esphome", "--preset", "eager"]
    told = CliRunner().invoke(command, [*args, "--author", "Ada", "--out", str(tmp_path / "out")])
    assert told.exit_code == 0, told.output
    manifest = json.loads((tmp_path / "out" / "hey_lighthouse.json").read_text())
    assert manifest["micro"]["probability_cutoff"] == probability_cutoff(128)
    assert "website" not in manifest
    told = CliRunner().invoke(command, [str(tmp_path / "model.tflite"), "--author", "Ada"])
    assert told.exit_code == 2 and "need --format esphome" in told.output


# ── input ────────────────────────────────────────────────────────────────────────────────────
def test_both_players_feed_the_network_what_it_was_trained_on() -> None:
    """Rows from 665 on, louder than full-scale noise, wrap around in pymicro-wakeword alone."""
    ours, theirs = esphome_normalisation(), affine_normalisation(float(np.float32(ESPHOME_SCALE)), -128)
    np.testing.assert_array_equal(ours.gain, theirs.gain)
    np.testing.assert_array_equal(ours.mean, theirs.mean)
    noise = np.random.default_rng(0).integers(-32768, 32768, 32_000).astype(np.int16)
    assert core.frontend_rows(noise, 160, 40, "micro").max() < 665 + 100


# ── cutoffs ──────────────────────────────────────────────────────────────────────────────────
@given(st.integers(1, 32), st.integers(1, 32_600), st.integers(0, 8_160))
def test_nothing_passes_the_cutoff_that_our_threshold_would_stop(window: int, high: int, total: int) -> None:
    detector = core.DetectorConfig(smoothing=window, high=high / 32_768, low=0.0)
    try:
        level = least_level(detector)
    except WatchwordError as error:
        assert "above the highest that ESPHome has" in error.what
        return
    total = min(total, 255 * window)
    ours = total * 128 // window >= high
    assert ours or not total > level * window  # ESPHome
    assert ours or not total / window / 256 > probability_cutoff(level)  # pymicro-wakeword
    if level:  # the next lower one would let something pass
        assert (level - 1) * window + 1 <= 255 * window
        assert ((level - 1) * window + 1) * 128 // window < high


def test_every_level_is_a_number_that_esphome_reads_back() -> None:
    for level in range(LEVELS):
        assert int(probability_cutoff(level) * 255) == level


# ── when the players detect ──────────────────────────────────────────────────────────────────
def random_scores(seed: int) -> tuple[np.ndarray, int, int, int]:
    """(scores, level, window, stride)."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, rng.uniform(1, 40), int(rng.integers(1, 1500)))) * 0.3
    noisy = walk + rng.normal(0, 20, len(walk)) + rng.integers(0, 255)
    scores = np.clip(noisy, 0, 255).astype(np.uint8)
    return scores, int(rng.integers(0, 255)), int(rng.integers(1, 11)), int(rng.integers(1, 6))


@pytest.mark.slow
def test_our_rule_is_that_of_esphomes_own_code(tmp_path: Path) -> None:
    program, events = players.build_esphome_player(tmp_path), 0
    for seed in range(60):
        scores, level, window, stride = random_scores(seed)
        found = players.esphome_plays(program, scores, level, window, stride)
        assert esphome_detects(scores, level, window, stride).tolist() == found, seed
        events += len(found)
    assert events > 40


@given(st.integers(0, 2**32 - 1))
def test_esphome_rests_for_a_second(seed: int) -> None:
    scores, level, window, stride = random_scores(seed)
    found = esphome_detects(scores, level, window, stride)
    assert np.all(np.diff(found) * stride >= 100)
    assert np.all(sums(scores, window)[found] > level * window)


def test_a_pause_of_a_second_tells_two_words_apart() -> None:
    quiet, word = np.zeros(60, np.uint8), np.full(8, 250, np.uint8)
    scores = np.concatenate([quiet, word, quiet, word, np.full(200, 255, np.uint8), word])
    assert esphome_detects(scores, 200, 5, 2).tolist() == [64, 132]
    assert esphome_detects(scores[55:], 200, 5, 2).tolist() == [77]  # the first is in the second of rest


# ── back again ───────────────────────────────────────────────────────────────────────────────
def test_our_own_import_reads_it_with_the_same_scores(folder: Path) -> None:
    """From the first call on, from audio, as TFLite Micro has them."""
    model = read_import(folder / "hey_lighthouse.json")
    pcm = speech_like(9)
    rows = core.normalise(core.frontend_rows(pcm, 160, 40, "micro"), model.settings.normalisation)
    expected = stepped((folder / "hey_lighthouse.tflite").read_bytes(), rows)
    run = core.run_pipeline(model.image(), pcm)
    np.testing.assert_array_equal(run.scores, expected)
    assert len(set(expected.tolist())) > 10, "the scores hardly vary: the test would prove nothing"
    assert (model.settings.word, model.origin.author) == ("hey lighthouse", "Ada")


# ── the real players ─────────────────────────────────────────────────────────────────────────
def test_pymicro_wakeword_calls_and_detects_when_we_think(tflite: bytes, tmp_path: Path) -> None:
    """Its calls end where ours do, and on its own scores it detects by the rule that the cutoff is for."""
    settings = micro_settings(core.DetectorConfig(smoothing=3, high=0.3))
    folder = export_esphome(tflite, settings, tmp_path / "word", ABOUT, {})
    manifest = json.loads((folder / "hey_lighthouse.json").read_text())["micro"]
    rule = detector_of(manifest["probability_cutoff"], manifest["sliding_window_size"], 0)
    model, events = streamed(folder, settings), 0
    recordings = [speech_like(seed) for seed in range(4)]
    answers = players.pymicro_hears(folder / "hey_lighthouse.json", recordings)
    for pcm, played in zip(recordings, answers, strict=True):
        rows = len(core.frontend_rows(pcm, 160, 40, "micro"))
        assert played.ends == model.geometry.score_samples(model.geometry.scores(rows)).tolist()
        fired = core.detect(played.scores, np.array(played.ends), rule)[1]
        assert played.events == [played.ends[i] for i in fired]
        events += len(fired)
    assert events > 3


def test_esphome_accepts_it(folder: Path, tmp_path: Path) -> None:
    """`esphome config` of a device that uses the manifest by its path."""
    esphome_python()
    (tmp_path / "device.yaml").write_text(
        "esphome:\n  name: ear\nesp32:\n  board: esp32-s3-devkitc-1\n  framework:\n    type: esp-idf\n"
        "i2s_audio:\n  - id: bus\n    i2s_lrclk_pin: GPIO3\n    i2s_bclk_pin: GPIO2\n"
        "microphone:\n  - platform: i2s_audio\n    id: mic\n    i2s_audio_id: bus\n    adc_type: external\n"
        "    i2s_din_pin: GPIO4\n    sample_rate: 16000\n    bits_per_sample: 16bit\n"
        f"micro_wake_word:\n  microphone: mic\n  models:\n    - model: {folder / 'hey_lighthouse.json'}\n"
    )
    told = players.esphome_config(tmp_path / "device.yaml")
    assert "hey_lighthouse.json" in told and "Configuration is valid" in told


@pytest.mark.real
def test_pymicro_wakeword_hears_the_shipped_model_as_we_do(real_data: Path) -> None:
    """Real words, a second of silence around: its own rounding moves scores a little, detections hardly."""
    manifest = Path(__file__).parents[2] / "models" / "alexa-esphome" / "alexa.json"
    silence = np.zeros(spec.SAMPLE_RATE_HZ, np.int16)
    clips = real_data / "clips"
    files = sorted([*(clips / "dev" / "alexa").iterdir(), *(clips / "test" / "alexa").iterdir()])
    recordings = [np.concatenate([silence, audio.load(f), silence]) for f in files]
    equal, steps, heard = [], 0, [0, 0]
    for pcm, theirs in zip(recordings, players.pymicro_hears(manifest, recordings), strict=True):
        ours = we_hear(manifest, pcm)
        assert theirs.ends == ours.ends
        equal += (theirs.scores == ours.scores).tolist()
        steps += theirs.events == ours.events
        heard = [heard[0] + bool(ours.events), heard[1] + bool(theirs.events)]
    assert np.mean(equal) > 0.95 and steps >= len(files) - 3
    assert abs(heard[0] - heard[1]) <= 1 and heard[0] > 0.85 * len(files)
