"""Sound files: what comes out is int16 mono 16 kHz, or an error that says why not."""

from __future__ import annotations

import shutil
import subprocess
import sys
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


class TestHeaders:
    """What a header says wrongly, or does not say."""

    def streamed(self, path: Path, size: bytes) -> np.ndarray:
        pcm = np.random.default_rng(4).integers(-9000, 9000, 3 * RATE).astype(np.int16)
        content = bytearray(audio.save(path, pcm).read_bytes())
        content[4:8] = content[40:44] = size
        path.write_bytes(content)
        return pcm

    @pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
    def test_a_length_that_was_never_filled_in(self, tmp_path: Path, size: bytes) -> None:
        pcm = self.streamed(tmp_path / "x.wav", size)
        assert np.array_equal(audio.load(tmp_path / "x.wav"), pcm)
        assert audio.probe(tmp_path / "x.wav").missing_s == 0

    def test_a_wav_that_was_cut_off_says_how_much_is_missing(self, tmp_path: Path) -> None:
        path = audio.save(tmp_path / "x.wav", np.ones(RATE, np.int16))
        path.write_bytes(path.read_bytes()[: 44 + RATE // 2])
        assert audio.load(path).size == RATE // 4
        assert audio.probe(path).missing_s == pytest.approx(0.75)

    def test_a_codec_that_cannot_seek(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "x.wav", tone(8000, 440.0), 8000, format="WAV", subtype="GSM610")
        pcm = audio.load(tmp_path / "x.wav")
        assert pcm.size >= RATE // 2 and audio.count_samples(tmp_path / "x.wav") == pcm.size


def test_an_inverted_pair_is_heard(tmp_path: Path) -> None:
    """The mean of such channels is silence."""
    signal = tone(RATE)
    soundfile.write(tmp_path / "x.wav", np.stack([signal, -signal], axis=1), RATE)
    assert np.abs(audio.load(tmp_path / "x.wav") - signal * 32768).max() <= 1


def test_a_part_is_what_the_whole_has_there(tmp_path: Path) -> None:
    pcm = np.random.default_rng(5).integers(-9000, 9000, 700_000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", pcm, RATE)
    soundfile.write(tmp_path / "b.flac", np.stack([pcm, pcm], axis=1), 44_100)
    for path in (tmp_path / "a.wav", tmp_path / "b.flac"):
        whole = audio.load(path)
        for start, stop in ((0, 10), (-5, 3), (150_000, 180_000), (whole.size - 5, whole.size + 9)):
            assert np.array_equal(audio.load_part(path, start, stop), whole[max(0, start) : stop])


def test_long_files_are_decoded_in_bounded_blocks(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros((2_000_000, 2), np.int16) + 5, 48_000)
    sizes = [block.size for block in audio.blocks(tmp_path / "x.wav")]
    assert max(sizes) <= 1 << 18 and sum(sizes) == audio.count_samples(tmp_path / "x.wav")


class TestFfmpeg:
    """What libsndfile cannot read."""

    def test_without_it_the_error_names_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        (tmp_path / "memo.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(400))
        with pytest.raises(WatchwordError, match=r"\.m4a files are read with ffmpeg.*apt install ffmpeg"):
            audio.load(tmp_path / "memo.m4a")

    def stub(self, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
        program = folder / "bin" / "ffmpeg"
        program.parent.mkdir()
        program.write_text(f"#!{sys.executable}\n{script}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        memo = folder / "memo.m4a"
        memo.write_bytes(b"\0\0\0\x18ftypM4A " + bytes(400))
        return memo

    def test_its_output_is_read_as_it_comes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = (
            "import array, struct, sys\n"
            "sys.stdout.buffer.write(struct.pack('>4s5I', b'.snd', 28, 2**32 - 1, 6, 16000, 2) + b'note')\n"
            "frames = array.array('f', [0.5, 0.25] * 300000)\n"
            "frames.byteswap()\n"
            "sys.stdout.buffer.write(frames.tobytes())\n"
        )
        memo = self.stub(tmp_path, monkeypatch, script)
        pcm = audio.load(memo)
        assert pcm.size == audio.count_samples(memo) == 300_000 and set(pcm.tolist()) == {12288}

    def test_its_reason_is_passed_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        memo = self.stub(tmp_path, monkeypatch, "import sys\nsys.exit('moov atom not found')\n")
        with pytest.raises(WatchwordError, match="not a readable sound file: ffmpeg says: moov atom not"):
            audio.load(memo)

    def test_phone_recordings(self, tmp_path: Path) -> None:
        if shutil.which("ffmpeg") is None:
            pytest.skip("needs ffmpeg")
        soundfile.write(tmp_path / "a.wav", tone(48_000, 440.0, 1.0), 48_000)
        for suffix in (".m4a", ".webm", ".3gp", ".aac", ".wma"):
            codec = ["-c:a", "aac"] if suffix == ".3gp" else []
            command = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", *codec, tmp_path / f"a{suffix}"]
            subprocess.run(command, check=True)
            pcm = audio.load(tmp_path / f"a{suffix}")
            assert abs(pcm.size - RATE) < RATE // 10 and np.abs(pcm).max() > 12_000


def test_a_folder_is_not_a_sound(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match="folder"):
        audio.load(tmp_path)


def test_save_refuses_other_formats(tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match=r"\.mp3"):
        audio.save(tmp_path / "x.mp3", np.zeros(10, np.int16))
    with pytest.raises(TypeError):
        audio.save(tmp_path / "x.wav", np.zeros(10, np.float32))
    assert not list(tmp_path.iterdir())
