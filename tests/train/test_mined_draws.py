"""Mined clips in training: drawn more often, in streams of their own, everything else as without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_corpus import RATE, tone, write_corpus
from watchword import audio
from watchword.config import DataConfig, FeaturesConfig, RunConfig
from watchword.data.corpus import Clip, read_manifest, write_manifest
from watchword.data.jobs import Piece
from watchword.data.plan import make_features
from watchword.data.streams import packed
from watchword.errors import WatchwordError


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("mined"), words=4, others=6)


@pytest.fixture(scope="module")
def with_mined(plain: Path) -> Path:
    """The same corpus and one mined clip, shorter than any training segment."""
    pcm = audio.to_int16(tone([900, 200], 1.2, np.random.default_rng(5)))
    path = audio.save(plain.parent / "mined" / "a.flac", pcm)
    mined = Clip(path, "train", "negative", source="mined: toy", seconds=len(pcm) / RATE)
    return write_manifest(plain.parent / "merged.csv", [*read_manifest(plain), mined])


def config_for(manifest: Path, draws: int) -> RunConfig:
    data = DataConfig(
        str(manifest),
        str(manifest.parent / "cache"),
        positive_draws=2,
        synthetic_draws=2,
        negative_draws=2,
        workers=1,
        mined_draws=draws,
    )
    return RunConfig(data=data, features=FeaturesConfig(coeffs=16))


def test_mined_clips_are_added_and_the_rest_stays(plain: Path, with_mined: Path) -> None:
    """So a second round of training computes only what is new."""
    before = make_features(config_for(plain, 20), progress=False)
    after = make_features(config_for(with_mined, 20), progress=False)
    assert np.array_equal(before.positives, after.positives)
    usual = len(before.negatives)
    assert all(np.array_equal(a, b) for a, b in zip(before.negatives, after.negatives[:usual], strict=True))
    mined = after.negatives[usual:]
    assert mined and min(len(rows) for rows in mined) > 3.0 * RATE / 320  # segments of 2.4 s fit in


def test_more_draws_more_mined_audio(with_mined: Path) -> None:
    def seconds(draws: int) -> float:
        streams = make_features(config_for(with_mined, draws), progress=False).negatives
        return sum(len(rows) for rows in streams) * 320 / RATE

    assert seconds(40) - seconds(20) == pytest.approx(20 * 1.45, rel=0.25)  # clip and pause, another pace


def test_mined_clips_alone_are_not_enough(with_mined: Path) -> None:
    clips = [c for c in read_manifest(with_mined) if c.label != "negative" or "mined" in c.source]
    manifest = write_manifest(with_mined.parent / "only.csv", clips)
    with pytest.raises(WatchwordError, match="no negative clips in split 'train'"):
        make_features(config_for(manifest, 2), progress=False)


@pytest.mark.parametrize("seconds", [[12.0, 12.0, 3.0], [12.0] * 4 + [3.0], [5.0], [21.0, 1.0]])
def test_every_piece_is_in_exactly_one_stream(seconds: list[float]) -> None:
    """Also when the last ones are too short for a stream of their own."""
    pieces = [Piece(Path(f"{i}.wav"), str(i), 0, round(s * RATE)) for i, s in enumerate(seconds)]
    streams = packed(pieces)
    assert [piece for stream in streams for piece in stream] == pieces
    assert all(sum(p.stop or 0 for p in stream) >= 10 * RATE for stream in streams[1:])
