"""Augmentation does what its parameters say, and the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from toy_corpus import RATE, tone, write_corpus
from watchword import audio
from watchword.config import AugmentConfig
from watchword.data import augment, mixing, sound_files
from watchword.data.bank import Bank, hashes, pick

OFF = AugmentConfig(
    rir_p=0,
    noise_p=0,
    speed_p=0,
    tilt_db=0,
    narrow_p=0,
    context_p=0,
    silent_lead_p=0,
    pitch_p=0,
    stretch_p=0,
    shift_s=0,
    mic_p=0,
    codec_p=0,
    clip_p=0,
)
EMPTY = Bank()


def positive_stream(
    clip: np.ndarray, word: tuple[int, int], config: AugmentConfig, bank: Bank, rng: np.random.Generator
) -> np.ndarray:
    return augment.word_in_scene(clip, word, augment.draw_scene(config, bank, rng), rng)


def negative_stream(
    clips: list[np.ndarray], config: AugmentConfig, bank: Bank, rng: np.random.Generator
) -> np.ndarray:
    return augment.talk_in_scene(clips, augment.draw_scene(config, bank, rng, word=False), rng)


def level_db(signal: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.asarray(signal, float) ** 2) + 1e-20)


def test_same_seed_same_samples(tmp_path: Path) -> None:
    write_corpus(tmp_path, 2, 4)
    others = tuple(sorted((tmp_path / "train").glob("other*.wav")))
    bank = Bank(noises=others[:1], speech=others)
    clip = tone([300, 900], 0.6, np.random.default_rng(1)).astype(np.float32)
    config = AugmentConfig()

    def streams(seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [positive_stream(clip, (800, 9000), config, bank, rng) for _ in range(4)]

    again = list(zip(streams(3), streams(3), strict=True))
    assert all(np.array_equal(a, b) for a, b in again)
    assert not np.array_equal(streams(3)[0], streams(4)[0])
    assert not np.array_equal(streams(3)[0], streams(3)[1])


def test_word_ends_where_promised() -> None:
    """After the word there is only hiss, at most; the word's own last samples are loud. Any speed."""
    config = replace(OFF, speed_p=1.0, speed_max=0.15)
    clip = np.zeros(RATE, np.float32)
    clip[4000:12000] = np.sin(np.arange(8000) * 0.3)
    end = round(augment.BEFORE_END_S * RATE)
    for seed in range(8):
        pcm = positive_stream(clip, (4000, 12000), config, EMPTY, np.random.default_rng(seed))
        assert len(pcm) == round((augment.BEFORE_END_S + augment.AFTER_END_S) * RATE)
        assert level_db(pcm[end - 400 : end - 80]) > level_db(pcm[end + 80 : end + 400]) + 15


@pytest.mark.parametrize("dbfs", [-42.0, -14.0])
def test_level(dbfs: float) -> None:
    config = replace(OFF, level_dbfs_min=dbfs, level_dbfs_max=dbfs)
    clip = np.sin(np.arange(RATE) * 0.3).astype(np.float32) * 0.3
    pcm = negative_stream([clip], config, EMPTY, np.random.default_rng(0))
    assert level_db(pcm[1000 : RATE - 1000] / 32768.0) == pytest.approx(dbfs, abs=0.3)


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_signal_to_noise_ratio(snr_db: float, tmp_path: Path) -> None:
    """The part before the speech is noise alone."""
    hiss = tmp_path / "hiss.wav"
    soundfile.write(hiss, 0.1 * np.random.default_rng(0).standard_normal(4 * RATE), RATE)
    config = replace(
        OFF,
        noise_p=1.0,
        babble_p=0.0,
        coloured_p=0.0,
        snr_db_min=snr_db,
        snr_db_max=snr_db,
        level_dbfs_min=-20.0,
        level_dbfs_max=-20.0,
    )
    clip = np.concatenate([np.zeros(RATE), np.sin(np.arange(RATE) * 0.3)]).astype(np.float32)
    pcm = negative_stream([clip], config, Bank(noises=(hiss,)), np.random.default_rng(5))
    assert level_db(pcm[: RATE - 400] / 32768.0) == pytest.approx(-20.0 - snr_db, abs=1.5)


def test_noise_that_nobody_recorded_comes_in_every_colour() -> None:
    """Of many draws some are bright, some dark, some steady, some not; all are as long and as loud."""
    draws = [augment.coloured_noise(2 * RATE, np.random.default_rng(seed)) for seed in range(30)]
    assert all(len(noise) == 2 * RATE and np.std(noise) == pytest.approx(0.1, rel=0.01) for noise in draws)
    spectra = [np.abs(np.fft.rfft(noise)) ** 2 for noise in draws]
    tilt_db = [10 * np.log10(s[4000:12000].mean() / s[400:2000].mean()) for s in spectra]
    assert max(tilt_db) > 0 and min(tilt_db) < -15
    loudness = [[level_db(part) for part in np.array_split(noise, 10)] for noise in draws]
    assert min(map(np.ptp, loudness)) < 2 and max(map(np.ptp, loudness)) > 8


def test_a_recorded_noise_is_heard_at_another_pace(tmp_path: Path) -> None:
    tone = tmp_path / "hum.wav"
    soundfile.write(tone, 0.2 * np.sin(np.arange(2 * RATE) * 2 * np.pi * 1000 / RATE), RATE)
    heard = augment.Noise(path=tone, pace=1.25).make(RATE, np.random.default_rng(0))
    assert len(heard) == RATE
    assert np.argmax(np.abs(np.fft.rfft(heard))) == pytest.approx(1250, abs=3)


def test_a_second_noise_lies_beside_the_first(tmp_path: Path) -> None:
    """Both tones are there, the second one quieter by what was asked for."""
    paths = [tmp_path / f"{hz}.wav" for hz in (1000, 3000)]
    for hz, path in zip((1000, 3000), paths, strict=True):
        soundfile.write(path, 0.1 * hz / 1000 * np.sin(np.arange(2 * RATE) * 2 * np.pi * hz / RATE), RATE)
    noise = augment.Noise(path=paths[0], other=augment.Noise(path=paths[1]), other_db=-6.0)
    spectrum = np.abs(np.fft.rfft(noise.make(RATE, np.random.default_rng(0))))
    assert 20 * np.log10(spectrum[3000] / spectrum[1000]) == pytest.approx(-6.0, abs=0.2)
    assert str(noise) == "1000 and 3000 -6 dB"


def test_settings_decide_how_noises_vary() -> None:
    bank = Bank(noises=(Path("rain.wav"),))
    config = replace(OFF, noise_p=1.0, babble_p=0.0, noise_pace_p=1.0, noise_mix_p=1.0)
    scenes = [augment.draw_scene(config, bank, np.random.default_rng(seed)) for seed in range(20)]
    assert all(scene.noise is not None and scene.noise.other is not None for scene in scenes)
    recorded = [scene.noise for scene in scenes if scene.noise and scene.noise.path]
    assert recorded and all(0.7 < noise.pace < 1.4 and noise.pace != 1.0 for noise in recorded)


def test_every_sound_of_a_bank_is_picked_as_often() -> None:
    items, rng = hashes([f"sound {number}" for number in range(20)]), np.random.default_rng(0)
    counts = np.bincount([pick(items, rng) for _ in range(20_000)], minlength=20)
    assert np.sum((counts - 1000.0) ** 2 / 1000.0) < 43.8  # chi², 19 degrees of freedom, 99.9 %


def test_a_sound_that_goes_changes_only_the_picks_of_itself() -> None:
    names = [f"sound {number}" for number in range(20)]
    before = [names[pick(hashes(names), np.random.default_rng(seed))] for seed in range(400)]
    rest = [name for name in names if name != "sound 7"]
    after = [rest[pick(hashes(rest), np.random.default_rng(seed))] for seed in range(400)]
    assert "sound 7" in before
    assert all(a == b or a == "sound 7" for a, b in zip(before, after, strict=True))


def test_room_keeps_time_and_adds_a_tail() -> None:
    response = np.zeros(4000, np.float32)
    response[500], response[2500] = 1.0, 0.5  # the direct sound after 500 samples, one echo 2000 later
    click = np.zeros(8000, np.float32)
    click[1000] = 1.0
    wet = augment.reverberate(click, response)
    assert np.argmax(np.abs(wet)) == 1000
    assert wet[3000] == pytest.approx(0.5, abs=1e-4)
    assert len(wet) == len(click)


@pytest.mark.parametrize("taps", [1, 700, 9000])
@pytest.mark.parametrize("samples", [1, 5000, 40_000])
def test_a_filter_in_blocks_is_a_convolution(taps: int, samples: int) -> None:
    rng = np.random.default_rng(taps)
    signal, response = (rng.normal(size=n).astype(np.float32) for n in (samples, taps))
    late = min(taps - 1, 300)
    wanted = np.convolve(signal.astype(float), response)[late : late + samples]
    heard = mixing.convolve(signal, response, late)
    assert heard.dtype == np.float32 and heard == pytest.approx(wanted, abs=2e-4 * np.sqrt(taps))


def test_parts_of_long_files_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a file was read, and whether there is memory for it."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(sound_files, "_KEPT_BYTES", 3 * RATE * 2)
    files = [tmp_path / name for name in ("long.flac", "other_rate.wav", "short.wav")]
    for path, seconds, rate in zip(files, (40, 35, 2), (RATE, 8000, RATE), strict=True):
        soundfile.write(path, rng.uniform(-0.5, 0.5, seconds * rate), rate)
    whole = {path: audio.load(path) for path in files}
    for _ in range(40):
        path = files[int(rng.integers(3))]
        start, length = int(rng.integers(len(whole[path]))), int(rng.integers(1, 20 * RATE))
        heard = sound_files.part(path, start, start + length)
        assert np.array_equal(heard, whole[path][start : start + length])


def test_speed_changes_length_and_pitch() -> None:
    clip = np.sin(np.arange(RATE) * 2 * np.pi * 1000 / RATE).astype(np.float32)
    fast = augment.change_speed(clip, 1.25)
    assert len(fast) == pytest.approx(RATE / 1.25, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(fast))) * RATE / len(fast) == pytest.approx(1250, abs=3)


def test_narrow_band_removes_what_is_above_and_below() -> None:
    noise = np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    power = np.abs(np.fft.rfft(augment.colour(noise, 0.0, narrow=True))) ** 2
    inside, above = power[500:3000].mean(), power[7000:8000].mean()
    assert 10 * np.log10(inside / above) > 40


def test_silent_lead_is_digital_silence() -> None:
    config = replace(AugmentConfig(), silent_lead_p=1.0)
    clip = np.sin(np.arange(RATE) * 0.3).astype(np.float32)
    leads = []
    for seed in range(12):
        pcm = negative_stream([clip], config, EMPTY, np.random.default_rng(seed))
        leads.append(int(np.argmax(pcm != 0)))
    assert max(leads) > RATE // 2 and min(leads) < RATE


def test_silence_and_tiny_clips_do_no_harm() -> None:
    for clip in (np.zeros(RATE, np.float32), np.zeros(3, np.float32), np.ones(7, np.float32)):
        for seed in range(4):
            rng = np.random.default_rng(seed)
            pcm = positive_stream(clip, (0, len(clip)), AugmentConfig(), EMPTY, rng)
            assert pcm.dtype == np.int16


def test_shift_moves_the_word_by_no_more_than_configured() -> None:
    """A click at the word's end lands within ± shift_s of its place, and on many different samples."""
    config = replace(OFF, shift_s=0.02)
    clip = np.zeros(RATE, np.float32)
    clip[12000] = 0.5
    places = [
        int(np.argmax(np.abs(positive_stream(clip, (11000, 12000), config, EMPTY, rng)[32000:])))
        for rng in map(np.random.default_rng, range(30))
    ]
    offsets = np.array(places) + 32000 - round(augment.BEFORE_END_S * RATE)
    assert np.abs(offsets).max() <= 320 and len(set(offsets.tolist())) > 20


def test_every_effect_at_once_is_reproducible() -> None:
    config = replace(AugmentConfig(), pitch_p=1, stretch_p=1, mic_p=1, codec_p=1, clip_p=1, noise_p=1)
    clip = tone([300, 900], 0.6, np.random.default_rng(1)).astype(np.float32)

    def stream(seed: int) -> np.ndarray:
        return negative_stream([clip], config, EMPTY, np.random.default_rng(seed))

    assert np.array_equal(stream(1), stream(1)) and not np.array_equal(stream(1), stream(2))
