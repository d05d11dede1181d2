"""Piper voice files: all speakers of one speak, a take can be had again, and what is no voice is refused."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from watchword.cli.synth import command
from watchword.data.corpus import read_manifest
from watchword.data.voices import open_engines
from watchword.errors import WatchwordError

if not (find_spec("onnx") and find_spec("onnxruntime") and shutil.which("espeak-ng")):
    pytest.skip("the tts extra or espeak-ng is not installed", allow_module_level=True)

from piper_builder import RATE, SAMPLES_A_PHONEME, speaker_hz, write_voice
from watchword.data.piper import Piper


def loudest_hz(signal: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(signal))) * RATE / signal.size)


def test_every_speaker_of_a_file_is_a_voice_of_its_own(tmp_path: Path) -> None:
    names = {"p225": 2, "3922 (f)": 0, "p226": 1}
    voice = Piper(write_voice(tmp_path / "en_US-many-low.onnx", speaker_id_map=names))
    assert voice.name == "piper_en_US_many_low"
    assert voice.speakers == ("p225", "3922_f", "p226")
    for speaker, number in zip(voice.speakers, names.values(), strict=True):
        delivery = voice.draw(speaker, np.random.default_rng(number))
        signal, rate_hz = voice.speak("hey lighthouse", speaker, delivery)
        assert rate_hz == RATE
        assert loudest_hz(signal) == pytest.approx(speaker_hz(number), abs=3.0)


def test_speakers_without_names_are_numbered(tmp_path: Path) -> None:
    assert Piper(write_voice(tmp_path / "many.onnx", 4)).speakers == ("0", "1", "2", "3")
    assert Piper(write_voice(tmp_path / "en_GB-alba-medium.onnx", 1)).speakers == ("alba",)


def test_a_take_can_be_had_again_and_differs_from_the_next(tmp_path: Path) -> None:
    voice = Piper(write_voice(tmp_path / "many.onnx"))
    rng = np.random.default_rng(1)
    delivery, other = voice.draw("1", rng), voice.draw("1", rng)
    first, again = (voice.speak("computer", "1", delivery)[0] for _ in range(2))
    assert np.array_equal(first, again)
    reseeded = voice.speak("computer", "1", {**delivery, "noise_seed": other["noise_seed"]})[0]
    noise = (first - reseeded) / np.sqrt(2) / float(delivery["noise"])
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    assert len({round(float(voice.draw("1", rng)["length"]), 3) for _ in range(20)}) > 15


def test_the_length_scale_lengthens(tmp_path: Path) -> None:
    voice = Piper(write_voice(tmp_path / "many.onnx"))
    delivery = {**voice.draw("1", np.random.default_rng(1)), "accent": "en-us"}
    short, long = (voice.speak("a", "1", {**delivery, "length": length})[0].size for length in (1.0, 1.5))
    assert long == pytest.approx(1.5 * short, rel=0.01) and short % SAMPLES_A_PHONEME == 0


def test_the_licence_is_what_the_card_says(tmp_path: Path) -> None:
    path = write_voice(tmp_path / "en_US-many-low.onnx")
    assert Piper(path).licence == "Piper voice many: licence not stated"
    (tmp_path / "MODEL_CARD").write_text("# many\n\n* License: CC BY 4.0\n")
    assert Piper(path).licence == "Piper voice many: CC BY 4.0"


def test_the_command_makes_clips_of_all_speakers_and_splits_by_them(tmp_path: Path) -> None:
    voice = write_voice(tmp_path / "en_US-many-low.onnx", 20)
    options = ["--engines", "", "--piper-voice", str(voice), "--count", "40", "--negatives-minutes", "0"]
    result = CliRunner().invoke(command, ["hey lighthouse", "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    listed = read_manifest(tmp_path / "out" / "manifest.csv")
    clips = [clip for clip in listed if clip.label == "positive"]
    speakers = {split: {c.speaker for c in clips if c.split == split} for split in ("train", "val", "test")}
    assert [len(names) for names in speakers.values()] == [16, 2, 2]
    assert all(name.startswith("piper_en_US_many_low-") for names in speakers.values() for name in names)
    assert {clip.licence for clip in clips} == {"Piper voice many: licence not stated"}


def broken(name: str, folder: Path) -> Path:
    path = write_voice(folder / "voice.onnx")
    settings = Path(f"{path}.json")
    if name == "json given":
        return settings
    if name == "no network":
        path.unlink()
    elif name == "no settings":
        settings.unlink()
    elif name == "damaged":
        path.write_bytes(path.read_bytes()[:200])
    elif name == "another network":
        write_voice(path, 1)  # no input for the speaker, which its settings promise
        settings.write_text(settings.read_text().replace('"num_speakers": 1', '"num_speakers": 9'))
    elif name == "not json":
        settings.write_text("{")
    else:
        changes: dict[str, dict[str, object]] = {
            "no rate": {"audio": {}},
            "letters": {"phoneme_type": "text"},
            "no marks": {"phoneme_id_map": {"a": [1]}},
            "German": {"espeak": {"voice": "de"}},
            "wrong id": {"speaker_id_map": {"ann": 7}},
        }
        settings.write_text(json.dumps(json.loads(settings.read_text()) | changes[name]))
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("json given", "does not end in .onnx"),
        ("no network", "voice.onnx.*is not there"),
        ("no settings", "voice.onnx.json.*is not there"),
        ("damaged", "not a readable ONNX network"),
        ("another network", "no input 'sid'"),
        ("not json", "not readable"),
        ("no rate", "lacks `sample_rate`"),
        ("letters", "reads 'text', not the phonemes"),
        ("no marks", "lacks '_'"),
        ("German", "another language than English: de"),
        ("wrong id", "'ann' the id 7 of 3 speakers"),
    ],
)
def test_what_is_no_voice_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(WatchwordError, match=message) as refused:
        open_engines(["espeak"], [broken(name, tmp_path)])
    assert refused.value.remedy


def test_two_voices_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [write_voice(folder / "voice.onnx") for folder in (tmp_path, tmp_path / "other")]
    with pytest.raises(WatchwordError, match="two voices of this name"):
        open_engines([], paths)
