"""`scan --plot`: a recording as the chip sees it."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
from matplotlib import image as images
from test_evaluate import model as model
from test_evaluate import noise, run
from watchword import audio, core, spec
from watchword.data import plots
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES
from watchword.data.spectrogram import log_mel

RATE = 16_000


def spoken(seconds: float = 2.0) -> np.ndarray:
    """Loud in its middle third, faint noise elsewhere."""
    pcm = noise(seconds, 3) // 400
    third = pcm.size // 3
    pcm[third : 2 * third] += noise(seconds, 4)[third : 2 * third]
    return pcm


def test_the_mel_spectrogram_is_the_one_behind_the_mfccs() -> None:
    """Against librosa's mel filters on the same windows, with the front end's soft floor."""
    pcm = noise(1.0, 8)
    hop = 320
    padded = np.concatenate([np.zeros(spec.WINDOW_SAMPLES - hop), pcm.astype(np.float64)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, spec.WINDOW_SAMPLES)[::hop]
    window = np.hanning(spec.WINDOW_SAMPLES + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    mel = librosa.filters.mel(
        sr=RATE,
        n_fft=spec.WINDOW_SAMPLES,
        n_mels=spec.MEL_BANDS,
        fmin=spec.MEL_LOW_HZ,
        fmax=spec.MEL_HIGH_HZ,
        htk=True,
        norm=None,
    )
    floor = spec.floor_power() * mel.sum(axis=1)
    expected = 10 * np.log10(1 + power @ mel.T / floor)
    found = log_mel(pcm, hop)
    assert found.shape == (50, spec.MEL_BANDS)
    np.testing.assert_allclose(found, expected[: len(found)], atol=0.5)


def test_what_is_drawn_is_what_the_pipeline_computes(model: Path) -> None:
    pcm, content = spoken(), (model / "model.bin").read_bytes()
    views = plots.view(pcm, content)
    stream = np.concatenate([np.zeros(LEAD_SAMPLES, np.int16), pcm, np.zeros(TAIL_SAMPLES, np.int16)])
    run = core.run_pipeline(content, stream)
    assert views.scores is not None and views.normalised is not None and views.score_s is not None
    np.testing.assert_array_equal(views.scores, run.scores)
    rows = core.frontend_rows(stream, views.hop_samples, views.features.shape[1])
    inputs = core.normalise(rows, plots.normalisation_of(content))
    np.testing.assert_array_equal(core.ModelImage(content).scores(inputs), run.scores)
    np.testing.assert_array_equal(views.normalised, inputs[LEAD_SAMPLES // views.hop_samples :])
    start, end = (at / RATE for at in views.word)
    assert 0.5 < start < 0.8 and 1.2 < end < 1.5
    assert views.score_s[-1] <= (pcm.size + TAIL_SAMPLES) / RATE


def test_a_picture_with_and_without_a_model(model: Path, tmp_path: Path) -> None:
    audio.save(tmp_path / "one.wav", spoken())
    heights = []
    for name, more in (("plain.png", ()), ("model.png", ("--model", model))):
        assert run("scan", tmp_path / "one.wav", "--plot", tmp_path / name, *more) == 0
        picture = images.imread(tmp_path / name)
        heights.append(picture.shape[0])
        assert picture[..., :3].std() > 0.1, "an empty picture"
        assert picture.shape[1] > 1_000
    assert heights[1] > heights[0], "two panels more"


def test_several_files_go_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "ann" / "1.wav", tmp_path / "bob" / "1.wav"]
    for path in files:
        audio.save(path, spoken(0.7))
    assert run("scan", "--plot", tmp_path / "out", *files) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["ann_1.png", "bob_1.png"]
    assert run("scan", "--plot", tmp_path / "out.png", *files) == 1
    assert "name a folder" in capsys.readouterr().err
    assert run("scan", "--plot", tmp_path / "out.jpg", files[0]) == 1
    assert run("scan", "--plot", tmp_path / "x.png", tmp_path / "ann") == 1, "a folder is no sound"
    assert run("scan", files[0], "--model", "m") == 2


@pytest.mark.slow
@pytest.mark.parametrize("samples", [1, 100, 319, 320, 8_000])
def test_very_short_sounds_can_be_drawn(samples: int, model: Path) -> None:
    content = (model / "model.bin").read_bytes()
    for pcm in (np.zeros(samples, np.int16), noise(1.0, 1)[:samples]):
        assert plots.draw(plots.view(pcm, content), "short")[:4] == b"\x89PNG"


def test_only_the_first_minute_of_a_long_recording(tmp_path: Path) -> None:
    views = plots.view(np.tile(noise(10.0, 2), 9))
    assert views.pcm.size == 60 * RATE and "first 60 s" in plots._title(views, "long.wav")


def test_a_name_of_any_bytes_and_signs_is_drawn() -> None:
    assert plots.plot_text("gr\udcfc$a$.wav") == r"gr\xfc\$a\$.wav"
    assert len(plots.plot_text("x" * 250)) == 80
