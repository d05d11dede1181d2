"""Picovoice's protocol on folders in the layout of its files, made up here."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import RATE, sound
from watchword.data.corpus import Clip, write_manifest
from watchword.errors import WatchwordError
from watchword.evaluate.equal_alarms import Trace
from watchword.typed_json import read_json

from tools.accuracy import picovoice
from tools.accuracy import picovoice_stream as stream

MODELS = Path(__file__).resolve().parents[2] / "models"
HOURS = 0.02


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """benchmark, librispeech and demand."""
    home = tmp_path_factory.mktemp("picovoice")
    for seed in range(3):
        write(home / "bench" / "audio" / "alexa" / f"{seed}.flac", sound(seed, 1.5))
        write(home / "bench" / "audio" / "smart mirror" / f"{seed}.wav", sound(seed, 1.5))
    chapter = home / "speech" / "LibriSpeech" / "test-clean" / "61" / "70968"
    lines = ["61-70968-0000 HE SAW ALEXANDER", "61-70968-0001 IN A SMART MIRROR", "61-70968-0002 NOTHING"]
    for seed, line in enumerate(lines):
        write(chapter / f"{line.split()[0]}.flac", sound(10 + seed, 2.0 + seed))
    (chapter / "61-70968.trans.txt").write_text("\n".join(lines) + "\n")
    for seed, place in enumerate(("DKITCHEN", "TBUS")):
        noise = np.random.default_rng(seed).integers(-2000, 2000, 5 * RATE).astype(np.int16)
        write(home / "demand" / place / "ch01.wav", noise)
        write(home / "demand" / place / "ch02.wav", noise)
    return {"benchmark": home / "bench", "librispeech": home / "speech", "demand": home / "demand"}


def write(path: Path, pcm: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, pcm, RATE)


def material(folders: dict[str, Path], word: str = "alexa") -> stream.Material:
    return stream.Material(
        stream.find_words(folders["benchmark"], word),
        stream.find_talk(folders["librispeech"], word),
        stream.find_noises(folders["demand"]),
    )


# ── The stream ───────────────────────────────────────────────────────────────────────────────
def test_what_says_the_word_is_no_background_and_only_first_channels_are_noise(
    folders: dict[str, Path],
) -> None:
    found = material(folders)
    assert [path.name for path in found.words] == ["0.flac", "1.flac", "2.flac"]
    assert [path.stem[-1] for path in found.talk] == ["1", "2"]  # ALEXANDER holds alexa
    assert [path.stem[-1] for path in material(folders, "smart mirror").talk] == ["0", "2"]
    assert [path.parent.name for path in found.noises] == ["DKITCHEN", "TBUS"]


def test_every_word_once_in_gaps_of_one_length(folders: dict[str, Path]) -> None:
    parts = list(stream.parts(material(folders), HOURS, seed=1))
    sizes = np.array([part.signal.size for part in parts]) / RATE
    at = [k for k, part in enumerate(parts) if part.is_word]
    assert len(at) == 3 and all(sizes[k] == 1.5 for k in at)
    gap = HOURS * 3600 / 4
    for first, last in zip([-1, *at], [*at, len(parts)], strict=True):
        assert gap <= sizes[first + 1 : last].sum() < gap + 4.0  # the last utterance is heard to its end


def test_the_same_seed_gives_the_same_stream(folders: dict[str, Path]) -> None:
    first, again, other = (
        np.concatenate([part.signal for part in stream.parts(material(folders), HOURS, seed)])
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first[: other.size], other[: first.size])


def test_words_are_ten_decibels_above_the_noise(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loudest(signal: np.ndarray) -> float:
        frames = signal[: signal.size // 512 * 512].reshape(-1, 512)
        return float((frames.astype(float) ** 2).sum(axis=1).max())

    both = list(stream.parts(material(folders), HOURS, 1))
    monkeypatch.setattr(stream, "SNR_DB", -200.0)
    alone = list(stream.parts(material(folders), HOURS, 1))
    ratios = [
        loudest(mixed.signal - noise.signal) / loudest(noise.signal)
        for mixed, noise in zip(both, alone, strict=True)
        if mixed.is_word
    ]
    assert ratios == pytest.approx([10.0] * 3, rel=1e-3)


# ── How it is counted ────────────────────────────────────────────────────────────────────────
def test_what_reaches_the_threshold_outside_a_word_is_a_false_alarm() -> None:
    levels = np.array([0.1, 0.6, 0.1, 0.9, 0.8, 0.1, 0.7])
    ends = np.arange(1, 8) * RATE * 2
    heard = picovoice._heard(Trace(levels, ends), [(7 * RATE, 9 * RATE)], 15 * RATE)
    assert heard.word_peaks.tolist() == [0.9]
    assert heard.alarm_peaks.tolist() == [0.8, 0.7, 0.6, 0.1, 0.1, 0.1]
    assert (heard.allowing(0).misses, heard.allowing(0).false_alarms.false_alarms) == (0, 0)
    assert heard.at(0.95).miss_rate == 1.0 and heard.at(0.65).false_alarms.false_alarms == 2


def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folders: dict[str, Path], *more: object
) -> tuple[int, Path]:
    named = [str(part) for name, folder in folders.items() for part in (f"--{name}", folder)]
    monkeypatch.setattr(picovoice, "OUT", tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["picovoice", *named, "--hours", str(HOURS), *map(str, more)])
    return picovoice.main(), tmp_path / "out" / "picovoice"


def test_the_words_with_a_model_are_heard_and_the_others_named(
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "alexa").symlink_to(MODELS / "alexa")
    clip = folders["benchmark"] / "audio" / "alexa" / "1.flac"
    known = write_manifest(tmp_path / "m.csv", [Clip(clip, "train", "positive", "alexa", source="any")])
    status, out = run(monkeypatch, tmp_path, folders, "--models", models, "--leave-out", known)
    assert status == 0
    results = read_json(out / "results.json", picovoice.PicovoiceResults, "run it again")
    (row,) = results.words
    assert (row.word, row.recordings, row.left_out, row.knows_source) == ("alexa", 2, 1, True)
    assert row.hours == pytest.approx(HOURS, rel=0.3) and row.at_rate.false_alarms.false_alarms == 0
    assert row.as_shipped.misses == 2  # noise is no word
    assert "snowboy" in results.without_model
    shown = capsys.readouterr().out
    assert "| alexa * | 2 |" in shown and "No model of computer, jarvis" in shown
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("benchmark", "no copy of Picovoice's benchmark"),
        ("librispeech", "no transcripts"),
        ("demand", "no recordings of DEMAND"),
    ],
)
def test_a_folder_that_is_not_what_it_should_be_is_a_clear_error(
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    what: str,
) -> None:
    assert run(monkeypatch, tmp_path, folders | {name: tmp_path / "nowhere"})[0] == 1
    told = capsys.readouterr().err
    assert what in told and "nowhere" in told
    assert not (tmp_path / "out").exists()


def test_a_word_without_recordings_and_an_utterance_without_its_file(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(WatchwordError, match="no recordings of 'snowboy'"):
        stream.find_words(folders["benchmark"], "snowboy")
    (tmp_path / "1-2.trans.txt").write_text("1-2-0000 HELLO\n")
    with pytest.raises(WatchwordError, match="1 utterances are not there"):
        stream.find_talk(tmp_path, "alexa")
