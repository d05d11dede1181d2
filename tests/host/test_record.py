"""Own recordings: guided takes from a stand-in microphone, long recordings cut into clips, plain errors."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from watchword import audio
from watchword.cli.record import command
from watchword.data import microphone, record
from watchword.data.clip_sources import find
from watchword.data.endpoint import utterances, word_bounds
from watchword.data.microphone import Meter, Microphone, Take
from watchword.data.scan import scan
from watchword.data.tables import read_table
from watchword.errors import WatchwordError

RATE = 16_000


def say(seconds: float = 0.6, level: float = 4000.0, pitch: float = 140.0) -> np.ndarray:
    """A voiced buzz of two syllables."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 30))
    return level * buzz * (time % (seconds / 2) < seconds / 2 - 0.05)


def room(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 15.0, round(seconds * RATE))


def mixed(seconds: float, *said: tuple[float, np.ndarray], seed: int = 0) -> np.ndarray:
    """A quiet room of `seconds` in which each signal begins at its time; int16."""
    signal = room(seconds, seed)
    for at_s, voice in said:
        start = round(at_s * RATE)
        signal[start : start + voice.size] += voice[: signal.size - start]
    return np.clip(signal, -32768, 32767).astype(np.int16)


GOOD = mixed(3.0, (1.0, say()))


class FileSource:
    """The stand-in for a microphone: plays recorded takes one after the other."""

    def __init__(self, takes: Sequence[Take | np.ndarray]) -> None:
        self.takes = iter(takes)
        self.levels: list[float] = []

    def take(self, seconds: float, meter: Meter) -> Take:
        heard = next(self.takes)
        heard = heard if isinstance(heard, Take) else Take(heard)
        meter(microphone.level_dbfs(heard.pcm))
        return heard


def run_guided(
    takes: Sequence[Take | np.ndarray], out: Path, count: int, label: str = "positive"
) -> tuple[list[Path], str]:
    """Saved clips, and all that was told."""
    told: list[str] = []
    target = record.clip_folder(out, "hey you", "ann", label)
    saved = record.guided(
        FileSource(takes),
        target,
        record.word_prompts("hey you"),
        label,
        count,
        told.append,
        lambda _: None,
        pause=lambda _: None,
    )
    return list(saved), "\n".join(told)


class TestJudge:
    def test_a_good_take(self) -> None:
        check = record.check_take(GOOD, "positive")
        assert check.fault == "" and check.seconds == pytest.approx(0.55, abs=0.06)
        assert -30 < check.dbfs < -10

    @pytest.mark.parametrize(
        ("pcm", "fault"),
        [
            (mixed(3.0), "nobody was heard"),
            (np.zeros(3 * RATE, np.int16), "nobody was heard"),
            (mixed(3.0, (1.0, say(level=60_000.0))), "clipped"),
            ((mixed(3.0, (1.0, say())) / 200).astype(np.int16), "too quiet"),
            (mixed(3.0, (-0.0, say())), "cut off at the beginning"),
            (mixed(3.0, (2.7, say())), "cut off at the end"),
            (mixed(3.0, (1.0, say(0.19))), "of sound"),
        ],
    )
    def test_a_bad_one_and_why(self, pcm: np.ndarray, fault: str) -> None:
        assert fault in record.check_take(pcm, "positive").fault

    def test_speech_over_the_whole_take_is_fine_as_a_negative(self) -> None:
        talk = mixed(6.0, *((at, say(pitch=120 + 20 * at)) for at in np.arange(0.0, 6.0, 0.75)))
        assert record.check_take(talk, "negative").fault == ""
        assert "nobody" in record.check_take(mixed(6.0), "negative").fault


class TestGuided:
    def test_takes_are_kept_where_a_scan_finds_them(self, tmp_path: Path) -> None:
        saved, told = run_guided([GOOD] * 3, tmp_path, 3)
        assert [p.relative_to(tmp_path).as_posix() for p in saved] == [
            f"positive/ann/hey_you_00{n}.flac" for n in (1, 2, 3)
        ]
        assert np.array_equal(audio.load(saved[0]), GOOD) and told.count("kept") == 3
        run_guided([GOOD], tmp_path, 1, "negative")
        clips = find(tmp_path, "hey you")
        assert sorted((c.label, c.speaker, c.phrase) for c in clips) == [
            ("negative", "ann", ""),
            *[("positive", "ann", "hey you")] * 3,
        ]

    def test_a_bad_take_is_asked_for_again(self, tmp_path: Path) -> None:
        lost = Take(GOOD, lost=True)
        saved, told = run_guided([mixed(3.0), lost, GOOD, GOOD], tmp_path, 2)
        assert len(saved) == 2
        assert told.count("1/2") == 3 and told.count("2/2") == 1
        assert "again: nobody was heard" in told and "again: the computer was too slow" in told

    def test_it_gives_up_on_a_dead_microphone(self, tmp_path: Path) -> None:
        with pytest.raises(WatchwordError, match="5 takes in a row were of no use; the last: nobody"):
            run_guided([np.zeros(3 * RATE, np.int16)] * 5, tmp_path, 2)
        assert not any(tmp_path.rglob("*.flac"))

    def test_what_was_kept_survives_an_interruption_and_numbers_go_on(self, tmp_path: Path) -> None:
        def takes() -> Iterator[np.ndarray]:
            yield GOOD
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_guided(takes(), tmp_path, 5)  # type: ignore[arg-type]
        saved, _ = run_guided([GOOD], tmp_path, 1)
        assert saved[0].name == "hey_you_002.flac" and len(list(tmp_path.rglob("*.flac"))) == 2

    def test_prompts_vary(self) -> None:
        first = list(islice(record.word_prompts("hey you"), len(record.STYLES)))
        assert len(set(first)) == len(first) and all('"hey you"' in text for text in first)
        others = list(islice(record.other_prompts("computer"), 8))
        assert sum(text.startswith("read: ") for text in others) == 4
        assert not any("computer" in text.lower().split() for text in others)

    @pytest.mark.parametrize("speaker", ["", "test", "Negative", "unknown", "a/b", "../x", "dev", "a b"])
    def test_a_speaker_that_a_scan_would_misread_is_refused(self, speaker: str, tmp_path: Path) -> None:
        with pytest.raises(WatchwordError, match="cannot name a speaker"):
            record.clip_folder(tmp_path, "hey", speaker, "positive")

    def test_a_word_without_letters_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(WatchwordError, match="is not a word"):
            record.clip_folder(tmp_path, "!?", "ann", "positive")


class TestCut:
    @pytest.fixture
    def long(self, tmp_path: Path) -> Path:
        """Eight words, something short and a word that is clipped, with pauses between them."""
        said = [(1.0 + 1.8 * i, say(0.6, pitch=130 + 5 * i)) for i in range(8)]
        said.append((16.5, say(0.24)))
        said.append((18.0, say(0.6, level=60_000.0)))
        return audio.save(tmp_path / "long.wav", mixed(21.0, *said))

    def test_every_good_utterance_becomes_a_clip(self, long: Path, tmp_path: Path) -> None:
        found = record.cut(long, record.clip_folder(tmp_path, "hey", "bob", "positive"), "positive")
        assert len(found.saved) == 8
        assert [round(at) for at, _ in found.rejected] == [16, 18]
        assert "others last" in found.rejected[0][1] or "of sound" in found.rejected[0][1]
        assert "clipped" in found.rejected[1][1]
        for path in found.saved:
            start, end = word_bounds(audio.load(path))
            assert start / RATE == pytest.approx(0.5, abs=0.06)
            assert (end - start) / RATE == pytest.approx(0.55, abs=0.06)

    def test_on_the_command_line(self, long: Path, tmp_path: Path) -> None:
        out = tmp_path / "rec"
        arguments = ["hey", "--out", str(out), "--speaker", "bob", "--from", str(long)]
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        assert "8 clips saved" in result.output and "left out at 18.0 s: clipped" in result.output

    def test_silence_is_an_error(self, tmp_path: Path) -> None:
        path = audio.save(tmp_path / "a.wav", mixed(5.0))
        with pytest.raises(WatchwordError, match="nobody is heard"):
            record.cut(path, record.clip_folder(tmp_path, "hey", "bob", "positive"), "positive")
        assert utterances(np.zeros(100, np.int16)) == []

    @pytest.mark.real
    def test_real_utterances_in_one_long_recording(self, real_data: Path, tmp_path: Path) -> None:
        """Clips of each speaker end to end, cut again: at least nine in ten come back alone and whole."""
        rows = read_table(real_data / "manifest.csv")[1]
        chosen = [r for r in rows if (r["split"], r["kind"], r["phrase"]) == ("train", "keyword", "alexa")]
        rng = np.random.default_rng(0)
        whole = words = 0
        for speaker in sorted({r["speaker"] for r in chosen}):
            clips = [audio.load(real_data / r["path"]) for r in chosen if r["speaker"] == speaker]
            if len(clips) < 4:
                continue
            parts: list[np.ndarray] = []
            for clip in clips:
                parts += [rng.normal(0, 3.0, RATE).astype(np.int16), clip]
            path = audio.save(tmp_path / f"{speaker}.flac", np.concatenate(parts))
            spans = utterances(audio.load(path))
            at = 0
            for clip in clips:
                at += RATE
                start, end = (at + edge for edge in word_bounds(clip))
                inside = [span for span in spans if span[0] < end and span[1] > start]
                words += 1
                whole += len(inside) == 1 and abs(inside[0][0] - start) + abs(inside[0][1] - end) < RATE // 2
                at += clip.size
        assert words > 100 and whole >= 0.9 * words, f"{whole} of {words}"


# ── The microphone itself, with a stand-in for the sounddevice module ────────────────────────
class FakeStream:
    def __init__(self, sound: FakeSound, samplerate: int, **_: Any) -> None:
        self.sound, self.rate, self.at = sound, samplerate, 0

    def __enter__(self) -> FakeStream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, frames: int) -> tuple[np.ndarray, bool]:
        time = (self.at + np.arange(frames)) / self.rate
        self.at += frames
        return np.rint(8000 * np.sin(2 * np.pi * 500 * time)).astype(np.int16)[:, None], self.sound.overflow


class FakeSound(types.ModuleType):
    """As much of sounddevice as is used: one input with its own rate."""

    class PortAudioError(Exception):
        """As in sounddevice."""

    def __init__(self, rate: int = 16_000, overflow: bool = False) -> None:
        super().__init__("sounddevice")
        self.rate, self.overflow = rate, overflow

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        info = {"name": "webcam", "default_samplerate": float(self.rate), "max_input_channels": 2}
        if kind is None:
            return [info]
        if device not in (None, 0):
            raise ValueError(f"no input device with ID {device}")
        return info

    def check_input_settings(self, samplerate: int, **_: Any) -> None:
        if samplerate != self.rate:
            raise self.PortAudioError("Invalid sample rate")

    def InputStream(self, **settings: Any) -> FakeStream:
        return FakeStream(self, **settings)


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeSound], None]:
    return lambda fake: monkeypatch.setitem(sys.modules, "sounddevice", fake)


class TestMicrophone:
    @pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
    def test_a_take_is_16_khz_whatever_the_input_gives(self, rate: int, sound: Callable) -> None:
        sound(FakeSound(rate))
        levels: list[float] = []
        heard = Microphone().take(1.0, levels.append)
        assert heard.pcm.dtype == np.int16 and heard.pcm.size == pytest.approx(RATE, abs=2)
        assert not heard.lost and len(levels) == 20
        assert levels[3] == pytest.approx(20 * np.log10(8000 / 32768 / np.sqrt(2)), abs=0.3)
        spectrum = np.abs(np.fft.rfft(heard.pcm * np.hanning(heard.pcm.size)))
        assert np.argmax(spectrum) * RATE / heard.pcm.size == pytest.approx(500, abs=3)

    def test_lost_samples_are_told(self, sound: Callable) -> None:
        sound(FakeSound(overflow=True))
        assert Microphone().take(0.2, lambda _: None).lost

    def test_an_input_that_is_not_there(self, sound: Callable) -> None:
        sound(FakeSound())
        with pytest.raises(WatchwordError, match=r"input 7: no such input.*0 = webcam"):
            Microphone(7)

    def test_without_the_package_or_portaudio(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        with pytest.raises(WatchwordError, match=r"pip install 'watchword\[record\]'"):
            Microphone()

        class NoLibrary:
            def find_spec(self, name: str, *_: object) -> None:
                if name == "sounddevice":
                    raise OSError("PortAudio library not found")

        monkeypatch.delitem(sys.modules, "sounddevice")
        monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
        result = CliRunner().invoke(command, ["hey you", "--out", str(tmp_path)])
        assert isinstance(result.exception, WatchwordError)
        assert "libportaudio2" in str(result.exception)

    def test_the_command_records(self, sound: Callable, tmp_path: Path, monkeypatch: Any) -> None:
        sound(FakeSound())
        monkeypatch.setattr(Microphone, "take", lambda *_: Take(GOOD))
        monkeypatch.setattr(record, "_READING_S", 0.0)
        result = CliRunner().invoke(command, ["hey you", "--out", str(tmp_path), "--count", "2"])
        assert result.exit_code == 0 and "2 clips saved" in result.output, result.output
        assert "listening to webcam" in result.output


def test_recordings_of_three_people_are_a_corpus(tmp_path: Path) -> None:
    """From takes to a split manifest: what the README promises to somebody with a microphone."""
    for number, speaker in enumerate(("ann", "bob", "cid")):
        for label in ("positive", "negative"):
            takes = [mixed(3.0, (1.0, say(pitch=130 + 30 * number)), seed=10 * number + i) for i in range(2)]
            target = record.clip_folder(tmp_path, "hey you", speaker, label)
            prompts = repeat("say it")
            done = record.guided(
                FileSource(takes), target, prompts, label, 2, lambda _: None, lambda _: None, lambda _: None
            )
            assert len(list(done)) == 2
    found = scan([tmp_path], "hey you")
    assert len(found.clips) == 12 and not found.skipped
    assert {clip.split for clip in found.clips if clip.label == "positive"} == {"train", "val", "test"}
