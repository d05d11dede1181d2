"""Graphs, folding, quantisation and conversion: what is trained is what the engine runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from watchword import core, spec
from watchword.config import ModelConfig
from watchword.errors import WatchwordError
from watchword.train.architectures import build_model, logits_of, receptive_rows

pytestmark = pytest.mark.train

COEFFS = 13
SMALL = ModelConfig(channels=8, dilations=(1, 2))
VARIANTS = [SMALL, ModelConfig(channels=8, stem_kernel=3, stem_stride=1, kernel=3, dilations=(1, 3, 1))]


def random_rows(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def real(rows: np.ndarray) -> np.ndarray:
    """Model input [n, t, 1, coeffs] for int8 rows [n, t, coeffs]."""
    return rows[:, :, None, :].astype(np.float32) * np.float32(spec.INPUT_SCALE)


def with_random_weights(network: Any) -> Any:
    rng = np.random.default_rng(3)
    for layer in network.layers:
        values = [rng.normal(0, 0.3, w.shape) for w in layer.get_weights()]
        if layer.name.endswith("_bn"):
            values = [rng.uniform(0.5, 1.5, v.shape) if i in (0, 3) else v for i, v in enumerate(values)]
        layer.set_weights(values)
    return network


@pytest.fixture(scope="module")
def trained() -> Any:
    """A small network with the statistics of one that was trained."""
    return with_random_weights(build_model(SMALL, COEFFS))


@pytest.fixture(scope="module")
def quantised(trained: Any) -> tuple[Any, Any]:
    from watchword.train.qat import fold_batch_norm, quantise

    folded = fold_batch_norm(trained, SMALL, COEFFS)
    return quantise(folded, random_rows((32, 60, COEFFS))), folded


@pytest.fixture(scope="module")
def tflite(quantised: tuple[Any, Any]) -> bytes:
    from watchword.train.convert import to_tflite
    from watchword.train.qat import deployable

    return to_tflite(deployable(*quantised), receptive_rows(SMALL), COEFFS)


def test_default_size_and_span() -> None:
    network = build_model(ModelConfig(), 40, batch_norm=False)
    assert network.count_params() <= 30_000
    assert 1.3 <= receptive_rows(ModelConfig()) * 0.02 <= 1.5


def test_unknown_architecture_is_named() -> None:
    with pytest.raises(WatchwordError, match="'resnet' is unknown"):
        receptive_rows(ModelConfig(arch="resnet"))


@pytest.mark.parametrize("model", VARIANTS)
def test_receptive_field_is_exact(model: ModelConfig) -> None:
    """One score for exactly that many rows, one more per stride, and each row in it can matter."""
    network = with_random_weights(build_model(model, COEFFS))
    rows, stride = receptive_rows(model), model.stem_stride
    base = random_rows((1, rows, COEFFS))
    assert network(real(base)).shape[1:] == (1, 1, 1)
    assert network(real(random_rows((1, rows + 3 * stride, COEFFS)))).shape[1] == 4
    logits = logits_of(network)
    changed = np.repeat(base, rows, axis=0)
    changed[np.arange(rows), np.arange(rows)] = -changed[np.arange(rows), np.arange(rows)] // 2
    moved = np.abs(logits(real(changed)).numpy() - logits(real(base)).numpy())
    assert moved.reshape(rows).min() > 0
    with pytest.raises(ValueError, match=r"(?i)negative dimension|smaller|size"):
        build_model(model, COEFFS, rows=rows - 1)


@pytest.mark.parametrize("model", VARIANTS)
def test_a_stream_scores_as_its_windows(model: ModelConfig) -> None:
    network = logits_of(with_random_weights(build_model(model, COEFFS)))
    rows, stride = receptive_rows(model), model.stem_stride
    stream = random_rows((rows + 9 * stride, COEFFS))
    windows = np.stack([stream[i * stride : i * stride + rows] for i in range(10)])
    whole = network(real(stream[None])).numpy().reshape(-1)
    assert whole == pytest.approx(network(real(windows)).numpy().reshape(-1), abs=1e-4)


def test_scorer_joins_pieces_without_a_seam(trained: Any) -> None:
    from watchword.core import Geometry
    from watchword.train.scoring import Scorer

    geometry = Geometry(320, receptive_rows(SMALL), 2)
    network = logits_of(trained)
    scorer = Scorer(network, geometry)
    for length in (10, geometry.receptive_rows, 1500, 2351):
        stream = random_rows((length, COEFFS))
        expected = network(real(stream[None])).numpy().reshape(-1) if length > 10 else np.zeros(0)
        assert scorer.logits(stream) == pytest.approx(expected, abs=1e-4)
    streams = [random_rows((n, COEFFS), n) for n in (101, 30, 240, 77)]
    expected_sizes = [geometry.scores(len(s) // 2 * 2) for s in streams]
    assert [len(s) for s in scorer.scores(streams)] == expected_sizes
    alone = scorer.scores([streams[2]])[0]
    assert np.array_equal(scorer.scores(streams)[2], alone)


def test_folding_changes_nothing(trained: Any, quantised: tuple[Any, Any]) -> None:
    rows = real(random_rows((4, 80, COEFFS)))
    folded = logits_of(quantised[1])(rows).numpy()
    assert folded == pytest.approx(logits_of(trained)(rows).numpy(), rel=1e-3, abs=1e-3)


def test_input_and_output_quantisation_is_exact(tflite: bytes) -> None:
    from watchword.train.convert import reference_interpreter

    interpreter = reference_interpreter(tflite)
    (first,), (last,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert first["shape"].tolist() == [1, receptive_rows(SMALL), 1, COEFFS]
    assert first["dtype"] == last["dtype"] == np.int8
    assert first["quantization"] == (1 / 32, 0)
    assert last["quantization"] == (1 / 256, -128)
    assert np.prod(last["shape"]) == 1
    kernels = [t for t in interpreter.get_tensor_details() if t["dtype"] == np.int8 and t["shape"][-1] == 8]
    per_channel = [t for t in kernels if len(t["quantization_parameters"]["scales"]) == 8]
    assert len(per_channel) == 4  # two depthwise [1, k, 1, 8] and two pointwise [8, 1, 1, 8]


def test_training_sees_what_the_converted_model_computes(quantised: tuple[Any, Any], tflite: bytes) -> None:
    """Imitated and real int8 differ by rounding only: at most two steps of the logit's 1/16."""
    from watchword.train.convert import reference_interpreter

    windows = random_rows((24, receptive_rows(SMALL), COEFFS), 5)
    imitated = logits_of(quantised[0])(real(windows), training=False).numpy().reshape(-1)
    interpreter = reference_interpreter(tflite)
    found = []
    for window in windows:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], window[None, :, None, :])
        interpreter.invoke()
        found.append(int(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).reshape(())))
    scores = (np.array(found) + 128) / 256.0
    expected = 1.0 / (1.0 + np.exp(-imitated))
    assert len(set(found)) > 6  # the windows do differ
    step = 2.0 / 16.0 * expected * (1.0 - expected) + 1.5 / 256.0
    assert np.all(np.abs(scores - expected) <= step)


def test_ranges_come_from_the_data(trained: Any) -> None:
    """Quieter rows give finer steps: a network quantised on them follows them better."""
    from watchword.train.qat import fold_batch_norm, quantise

    folded = fold_batch_norm(trained, SMALL, COEFFS)
    quiet = (random_rows((16, 60, COEFFS)) // 16).astype(np.int8)
    reference = logits_of(folded)(real(quiet)).numpy()
    errors = [
        np.abs(logits_of(quantise(folded, rows))(real(quiet), training=False).numpy() - reference).mean()
        for rows in (quiet, random_rows((16, 60, COEFFS)))
    ]
    assert errors[0] < errors[1]


def test_a_wrong_conversion_is_refused(tflite: bytes) -> None:
    from watchword.train.convert import check_tflite

    with pytest.raises(WatchwordError, match="the converted input is int8"):
        check_tflite(tflite, receptive_rows(SMALL) + 2, COEFFS)


def test_the_engine_takes_it(tflite: bytes) -> None:
    """The C engine on a stream gives what TensorFlow Lite's reference kernels give for each window."""
    from watchword.export.graph import read_network
    from watchword.export.image import build_image
    from watchword.export.settings import ModelSettings
    from watchword.train.convert import reference_interpreter

    normalisation = core.Normalisation("none", 1, np.zeros(COEFFS, np.int16), np.full(COEFFS, 999, np.uint16))
    settings = ModelSettings("toy", 320, COEFFS, normalisation, core.DetectorConfig())
    image = core.ModelImage(build_image(read_network(tflite), settings))
    rows = receptive_rows(SMALL)
    stream = random_rows((rows + 20, COEFFS), 9)
    interpreter = reference_interpreter(tflite)
    expected = []
    for i in range(11):
        window = stream[2 * i : 2 * i + rows]
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], window[None, :, None, :])
        interpreter.invoke()
        score = interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).reshape(())
        expected.append(int(score) + 128)
    assert image.scores(stream).tolist() == expected
