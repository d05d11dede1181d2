"""Every architecture: its own settings only, a window is a window, and chips run what was trained."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from watchword import core, spec
from watchword.config import (
    MODEL_KEYS,
    ModelConfig,
    RunConfig,
    adjusted,
    config_from_dict,
    config_to_toml,
    load_config,
    save_config,
)
from watchword.errors import WatchwordError
from watchword.train.architectures import ARCHITECTURES, build_model, logits_of, receptive_rows

pytestmark = pytest.mark.train

COEFFS = 13
TINY = {
    "ds_tcn": ModelConfig("ds_tcn", channels=8, stem_stride=1, kernel=3, dilations=(1, 3, 1)),
    "tiny_conv": ModelConfig("tiny_conv", channels=8, window_rows=30),
    "mobilenet": ModelConfig("mobilenet", channels=8, kernel=3, dilations=(1, 2), expansion=3),
    "resnet18": ModelConfig("resnet18", channels=4, stem_kernel=3, stem_stride=3),
    "conformer": ModelConfig("conformer", channels=8, window_rows=40, kernel=3, blocks=2, heads=2),
}
STREAMED = [name for name, known in ARCHITECTURES.items() if known.streams]
TEACHERS = [name for name, known in ARCHITECTURES.items() if not known.streams]


def random_rows(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def real(rows: np.ndarray) -> np.ndarray:
    """Model input [n, t, 1, coeffs] for int8 rows [n, t, coeffs]."""
    return rows[:, :, None, :].astype(np.float32) * np.float32(spec.INPUT_SCALE)


@cache
def network(name: str) -> Any:
    """Random weights and batch statistics, of a size that keeps activations alive."""
    rng, model = np.random.default_rng(3), build_model(TINY[name], COEFFS)
    for layer in model.layers:
        values = []
        for weight, value in zip(layer.weights, layer.get_weights(), strict=True):
            if re.search("variance|gamma", weight.name):
                values.append(rng.uniform(0.5, 1.5, value.shape))
            else:
                fan_in = int(np.prod(value.shape[:-1])) if value.ndim > 1 else 10
                values.append(rng.normal(0, 1.3 / np.sqrt(fan_in), value.shape))
        layer.set_weights(values)
    return model


@cache
def quantised(name: str) -> tuple[Any, Any, bytes]:
    """The network in training with quantisation, its folded twin, and the int8 file."""
    from watchword.train.convert import to_tflite
    from watchword.train.qat import deployable, fold_batch_norm, quantise

    folded = fold_batch_norm(network(name), TINY[name], COEFFS)
    imitating = quantise(folded, random_rows((32, 60, COEFFS)))
    rows = receptive_rows(TINY[name])
    return imitating, folded, to_tflite(deployable(imitating, folded), rows, COEFFS)


def micro_scores(tflite: bytes, windows: np.ndarray) -> np.ndarray:
    """TFLite Micro's raw score of every window, uint8."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=1 << 20)
    found = []
    for window in windows:
        interpreter.set_input(window[None, :, None, :], 0)
        interpreter.invoke()
        found.append(int(np.array(interpreter.get_output(0)).reshape(())) + 128)
    return np.array(found)


class Spy:
    """A configuration that notes which of its settings are read."""

    def __init__(self, model: ModelConfig) -> None:
        self.model, self.seen = model, set()

    def __getattr__(self, name: str) -> Any:
        self.seen.add(name)
        return getattr(self.model, name)


def test_each_architecture_reads_the_settings_it_is_said_to_read() -> None:
    assert set(MODEL_KEYS) == set(ARCHITECTURES) == set(TINY)
    for name, known in ARCHITECTURES.items():
        spy: Any = Spy(TINY[name])
        known.receptive_rows(spy)
        known.build(spy, COEFFS, None, None, True)
        assert spy.seen - {"arch"} == set(MODEL_KEYS[name]), name


def test_every_model_setting_belongs_to_an_architecture() -> None:
    read = {key for keys in MODEL_KEYS.values() for key in keys}
    assert {f.name for f in fields(ModelConfig)} == read | {"arch"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("expansion = 2", "[model] expansion is not a setting of arch 'ds_tcn', but of mobilenet"),
        ("arch = 'tiny_conv'\ndilations = [1]", "[model] dilations is not a setting of arch 'tiny_conv'"),
        ("arch = 'resnet18'\nkernel = 5", "[model] kernel is not a setting of arch 'resnet18'"),
        (
            "arch = 'mobilnet'",
            "[model] arch must be one of ds_tcn, tiny_conv, mobilenet, resnet18, conformer",
        ),
        ("arch = 'conformer'\nchannels = 10", "channels must be a multiple of heads"),
        ("arch = 'tiny_conv'\nwindow_rows = 9", "window_rows must hold four strides"),
    ],
)
def test_a_setting_without_effect_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "run.toml").write_text(f"[model]\n{text}\n")
    with pytest.raises(WatchwordError, match=re.escape(told)):
        load_config(tmp_path / "run.toml")


def test_a_command_line_may_change_the_architecture_but_not_lose_a_setting() -> None:
    config = adjusted(RunConfig(), {("model", "arch"): "tiny_conv", ("model", "window_rows"): 50})
    assert (config.model.arch, config.model.window_rows) == ("tiny_conv", 50)
    wide = replace(RunConfig(), model=ModelConfig(dilations=(1, 2)))
    with pytest.raises(WatchwordError, match="dilations is not a setting of arch 'tiny_conv'"):
        adjusted(wide, {("model", "arch"): "tiny_conv"})


@pytest.mark.parametrize("name", TINY)
def test_settings_survive_a_round_trip(tmp_path: Path, name: str) -> None:
    config = config_from_dict({"model": {k: getattr(TINY[name], k) for k in ("arch", *MODEL_KEYS[name])}})
    assert config.model == TINY[name]
    text = config_to_toml(config)
    section = text[text.index("[model]") : text.index("[train]")]
    assert set(re.findall(r"^(\w+) =", section, re.M)) == {"arch", *MODEL_KEYS[name]}
    assert load_config(save_config(config, tmp_path / "run.toml")) == config


@pytest.mark.parametrize("name", TINY)
def test_one_score_for_exactly_the_receptive_field(name: str) -> None:
    """One more per stride, and every row of the field can matter."""
    logits, rows, stride = logits_of(network(name)), receptive_rows(TINY[name]), TINY[name].stem_stride
    base = random_rows((1, rows, COEFFS))
    assert logits(real(base)).shape[1:] == (1, 1, 1)
    assert logits(real(random_rows((2, rows + 4 * stride - 1, COEFFS)))).shape == (2, 4, 1, 1)
    changed = np.repeat(base, rows, axis=0)
    changed[np.arange(rows), np.arange(rows)] = -changed[np.arange(rows), np.arange(rows)] // 2
    moved = np.abs(logits(real(changed)).numpy() - logits(real(base)).numpy())
    assert moved.reshape(rows).min() > 0


@pytest.mark.parametrize("name", TINY)
def test_a_segment_scores_as_its_windows(name: str) -> None:
    logits, rows, stride = logits_of(network(name)), receptive_rows(TINY[name]), TINY[name].stem_stride
    stream = random_rows((rows + 9 * stride, COEFFS))
    windows = np.stack([stream[i * stride : i * stride + rows] for i in range(10)])
    alone = logits(real(windows)).numpy().reshape(-1)
    assert alone.std() > 1e-3
    assert logits(real(stream[None])).numpy().reshape(-1) == pytest.approx(alone, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_folding_changes_nothing(name: str) -> None:
    from watchword.train.qat import fold_batch_norm

    rows = real(random_rows((4, receptive_rows(TINY[name]) + 9, COEFFS)))
    folded = fold_batch_norm(network(name), TINY[name], COEFFS)
    assert not [layer.name for layer in folded.layers if layer.name.endswith("_bn")]
    expected = logits_of(network(name))(rows).numpy()
    assert logits_of(folded)(rows).numpy() == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", TINY)
def test_the_loss_reaches_every_weight(name: str) -> None:
    """The training loss takes the logits as they are, and its gradient comes to each variable."""
    import tensorflow as tf
    from watchword.train.losses import SegmentLoss

    logits, model = logits_of(network(name)), TINY[name]
    rows = real(random_rows((6, receptive_rows(model) + 8 * model.stem_stride, COEFFS)))
    with tf.GradientTape() as tape:
        value = SegmentLoss(3, 2, 0.0)(
            logits(rows, training=True), tf.constant([1.0, 1, 0, 0, 0, 0]), tf.zeros(6)
        )
    gradients = tape.gradient(value, network(name).trainable_variables)
    assert all(g is not None and np.isfinite(tf.convert_to_tensor(g).numpy()).all() for g in gradients)
    network.cache_clear()  # its batch statistics moved


@pytest.mark.parametrize("name", STREAMED)
def test_training_sees_what_the_int8_model_computes(name: str) -> None:
    """Imitated and real int8 differ by rounding only: at most two steps of the logit's 1/16."""
    imitating, _, tflite = quantised(name)
    windows = random_rows((24, receptive_rows(TINY[name]), COEFFS), 5)
    found = micro_scores(tflite, windows)
    assert len(set(found.tolist())) > 6, "the windows do not differ: the test would prove nothing"
    logits = logits_of(imitating)(real(windows), training=False).numpy().reshape(-1)
    expected = 1.0 / (1.0 + np.exp(-logits))
    step = 2.0 / 16.0 * expected * (1.0 - expected) + 1.5 / 256.0
    assert np.all(np.abs(found / 256.0 - expected) <= step)


@pytest.mark.parametrize("name", STREAMED)
def test_the_engine_streams_it_bit_for_bit(name: str) -> None:
    """The C engine on a stream gives what TFLite Micro gives for each window."""
    from watchword.export.graph import read_network
    from watchword.export.image import build_image
    from watchword.export.settings import ModelSettings

    tflite = quantised(name)[2]
    normalisation = core.Normalisation("none", 1, np.zeros(COEFFS, np.int16), np.full(COEFFS, 999, np.uint16))
    settings = ModelSettings("toy", 320, COEFFS, normalisation, core.DetectorConfig())
    image = core.ModelImage(build_image(read_network(tflite), settings))
    rows, stride = receptive_rows(TINY[name]), TINY[name].stem_stride
    stream = random_rows((rows + 60 * stride, COEFFS), 9)
    windows = np.stack([stream[i * stride : i * stride + rows] for i in range(61)])
    expected = micro_scores(tflite, windows)
    assert len(set(expected.tolist())) > 10
    assert image.scores(stream).tolist() == expected.tolist()


@pytest.mark.parametrize("name", STREAMED)
def test_its_streaming_file_scores_as_whole_windows_do(name: str) -> None:
    """TFLite Micro, call by call: the form that microWakeWord's players take."""
    from tflite_micro import runtime
    from watchword.export.stream_writer import streaming_tflite

    tflite, rows, stride = quantised(name)[2], receptive_rows(TINY[name]), TINY[name].stem_stride
    stream = random_rows((rows + rows % stride + 60 * stride, COEFFS), 9)
    interpreter = runtime.Interpreter.from_bytes(streaming_tflite(tflite), arena_size=1 << 20)
    ends = range(stride, len(stream) + 1, stride)
    found = []
    for end in ends:
        interpreter.set_input(stream[None, end - stride : end], 0)
        interpreter.invoke()
        found.append(int(np.array(interpreter.get_output(0)).reshape(())))
    expected = micro_scores(tflite, np.stack([stream[end - rows : end] for end in ends if end >= rows]))
    assert len(set(expected.tolist())) > 10
    assert found[-len(expected) :] == expected.tolist()


@pytest.mark.parametrize("name", TEACHERS)
def test_a_teacher_is_not_exported(name: str, tmp_path: Path) -> None:
    from watchword.cli.export import command

    save_config(RunConfig(model=TINY[name]), tmp_path / "config.toml")
    result = CliRunner().invoke(command, [str(tmp_path), "--out", str(tmp_path / "model")])
    assert isinstance(result.exception, WatchwordError)
    told = str(result.exception)
    assert f"'{name}' is a teacher and judge" in told and "watchword judge" in told and "tiny_conv" in told
    assert not (tmp_path / "model").exists()
