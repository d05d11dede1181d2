"""`watchword augment`: what is written is what training would hear, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from toy_corpus import RATE, write_corpus
from watchword import audio
from watchword.cli.augment import command
from watchword.data import augment
from watchword.errors import WatchwordError

EFFECTS = ("rir", "noise", "pitch", "stretch", "codec", "clip", "mic")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("previews")
    write_corpus(folder, words=2, others=4)
    cache = (folder / "cache").as_posix()
    (folder / "run.toml").write_text(
        f'[data]\nmanifest = "manifest.csv"\ncache = "{cache}"\n[augment]\n'
        + "".join(f"{name}_p = 1.0\n" for name in EFFECTS)
    )
    return folder


def test_files_list_and_picture(corpus: Path, tmp_path: Path) -> None:
    clips = [corpus / "train" / "word0.wav", corpus / "train" / "word1.wav"]
    told = run(*clips, "--config", corpus / "run.toml", "--out", tmp_path, "--count", 3, "--seed", 1)
    wavs = sorted(path.name for path in tmp_path.glob("*.wav"))
    assert wavs == [f"word{i}-{n}.wav" for i in (0, 1) for n in (1, 2, 3)]
    lines = (tmp_path / "previews.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == wavs and all(line in told for line in lines)
    for line in lines:
        for effect in ("pitch", "tempo", "room room", "dB SNR", "codec", "microphone", "clipping"):
            assert effect in line
    assert (tmp_path / "previews.png").read_bytes().startswith(b"\x89PNG")
    for name in wavs:
        pcm = audio.load(tmp_path / name)
        assert len(pcm) == round((augment.BEFORE_END_S + augment.AFTER_END_S) * RATE) and pcm.any()


def test_seed_decides(corpus: Path, tmp_path: Path) -> None:
    clip = corpus / "train" / "word0.wav"

    def samples(name: str, seed: int) -> np.ndarray:
        run(clip, "--config", corpus / "run.toml", "--out", tmp_path / name, "--count", 1, "--seed", seed)
        return audio.load(tmp_path / name / "word0-1.wav")

    assert np.array_equal(samples("a", 1), samples("b", 1))
    assert not np.array_equal(samples("a", 1), samples("c", 2))


def test_negatives_keep_their_length_and_equal_names_apart(corpus: Path, tmp_path: Path) -> None:
    clips = [corpus / "train" / "other1.wav", corpus / "val" / "other1.wav"]
    run(*clips, "--config", corpus / "run.toml", "--out", tmp_path, "--count", 1, "--negative")
    wavs = sorted(tmp_path.glob("*.wav"))
    assert [path.name for path in wavs] == ["1-other1-1.wav", "2-other1-1.wav"]
    assert "within other speech" not in (tmp_path / "previews.txt").read_text()


def test_a_missing_clip_is_named(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(WatchwordError, match=r"none\.wav"):
        run("none.wav", "--config", corpus / "run.toml", "--out", tmp_path)
