"""Sound files: what comes out is int16 mono 16 kHz, or an error that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from watchword import audio
from watchword.errors import WatchwordError

RATE = 16_000


def tone(rate: int, hz: float = 1000.0, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_save_and_load_return_every_sample(tmp_path: Path, suffix: str) -> None:
    pcm = np.random.default_rng(1).integers(-32768, 32768, 5000).astype(np.int16)
    pcm[:2] = -32768, 32767
    loaded = audio.load(audio.save(tmp_path / f"x{suffix}", pcm))
    assert loaded.dtype == np.int16
    assert np.array_equal(loaded, pcm)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_any_rate_keeps_the_tone(tmp_path: Path, rate: int, suffix: str) -> None:
    soundfile.write(tmp_path / f"x{suffix}", tone(rate), rate)
    pcm = audio.load(tmp_path / f"x{suffix}")
    assert abs(pcm.size - RATE // 2) <= 1
    assert audio.count_samples(tmp_path / f"x{suffix}") == pcm.size
    middle = slice(1000, 7000)  # away from the resampler's edges
    expected = tone(RATE)[middle] * 32768
    assert np.abs(pcm[middle] - expected).max() < 40  # 0.25 % of the tone's amplitude


def test_stereo_is_averaged(tmp_path: Path) -> None:
    left, right = tone(RATE), tone(RATE, 300.0)
    soundfile.write(tmp_path / "x.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    assert np.abs(audio.load(tmp_path / "x.wav") - (left + right) / 2 * 32768).max() <= 1


def test_long_stereo_is_read_in_blocks(tmp_path: Path) -> None:
    pcm = np.random.default_rng(2).integers(-9000, 9000, (700_000, 2)).astype(np.int16)
    soundfile.write(tmp_path / "x.flac", pcm, RATE)
    assert np.array_equal(audio.load(tmp_path / "x.flac"), np.rint(pcm.mean(axis=1)).astype(np.int16))


def test_loud_float_is_clipped_not_wrapped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.array([-3.0, 3.0, 0.0], np.float32), RATE, subtype="FLOAT")
    assert audio.load(tmp_path / "x.wav").tolist() == [-32768, 32767, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_a_number_is_refused(tmp_path: Path, bad: float) -> None:
    samples = np.zeros(100, np.float32)
    samples[50] = bad
    soundfile.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(WatchwordError, match="NaN"):
        audio.load(tmp_path / "x.wav")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "readable"), (b"RIFF", "readable"), (b"just text, no sound", "readable"), (None, "no such file")],
)
def test_unreadable_files_say_which_and_why(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "broken.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WatchwordError, match=message) as error:
        audio.load(path)
    assert error.value.where == str(path)


def test_truncated_flac_is_refused(tmp_path: Path) -> None:
    path = audio.save(
        tmp_path / "x.flac", np.random.default_rng(3).integers(-99, 99, 40_000).astype(np.int16)
    )
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(WatchwordError, match="readable"):
        audio.load(path)


def test_empty_wav_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(0, np.int16), RATE)
    with pytest.raises(WatchwordError, match="no samples"):
        audio.load(tmp_path / "x.wav")


def test_a_folder_is_not_a_sound(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="folder"):
        audio.load(tmp_path)


def test_save_refuses_other_formats(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match=r"\.mp3"):
        audio.save(tmp_path / "x.mp3", np.zeros(10, np.int16))
    with pytest.raises(TypeError):
        audio.save(tmp_path / "x.wav", np.zeros(10, np.float32))
    assert not list(tmp_path.iterdir())
