"""The component as a real ESPHome builds it, read by a real client of ESPHome's API."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import watchword
from satellite import ROOT, Satellite, Session
from spoken import WORDS, by_the_host, spoken
from watchword import core

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def satellite(tmp_path_factory: pytest.TempPathFactory) -> Satellite:
    return Satellite(tmp_path_factory.mktemp("satellite"))


@pytest.fixture
def session(satellite: Satellite) -> Iterator[Session]:
    """A satellite that was never told anything."""
    for kept in satellite.folder.rglob("*.prefs"):
        kept.unlink()
    with satellite.running() as session:
        session.state("Listening", True)
        yield session


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("spoken")
    return {word: spoken(word, folder) for word in WORDS}


def test_words_scores_and_times_reach_the_client_as_the_host_hears_them(
    session: Session, clips: dict[str, np.ndarray]
) -> None:
    sound = np.concatenate([clips["computer"], clips["alexa"], clips["alexa"], clips["computer"]])
    expected = by_the_host(sound)
    assert [heard.word for heard in expected] == ["computer", "alexa", "alexa", "computer"]

    session.satellite.play(sound)
    for heard in expected:
        word, score, time_s = session.wake()
        assert (word, score) == (heard.word, pytest.approx(heard.score, abs=1e-4))
        assert time_s == pytest.approx(heard.time_s, abs=0.006)  # told with two decimals


def test_the_event_entity_takes_the_word(session: Session, clips: dict[str, np.ndarray]) -> None:
    session.satellite.play(np.concatenate([clips["alexa"], clips["computer"]]))
    assert [session.fired(), session.fired()] == ["alexa", "computer"]


def test_sensitivity_and_presets_are_the_models_and_move_each_other(session: Session) -> None:
    presets = core.ModelImage(watchword.load(ROOT / "models/alexa").image).presets
    percent = {name: 100 * (1 - core.unit(preset.high_q15)) for name, preset in presets.items()}
    session.state("Alexa preset", "normal")
    assert session.states["Computer sensitivity"] == pytest.approx(7.0, abs=1e-3)  # as configured
    for name in ("strict", "eager", "normal"):
        session.set("Alexa preset", name)
        session.state("Alexa preset", name)
        assert session.states["Alexa sensitivity"] == pytest.approx(
            percent[name], abs=0.051
        )  # told in steps of 0.1
    session.set("Alexa sensitivity", 40.0)
    session.state("Alexa preset", "custom")
    assert session.states["Alexa sensitivity"] == pytest.approx(40.0, abs=0.01)
    session.set("Alexa preset", "custom")  # stands for no settings: nothing changes
    session.set("Alexa preset", "strict")
    session.state("Alexa preset", "strict")


def unclear(clips: dict[str, np.ndarray]) -> np.ndarray:
    """alexa in noise, then computer: heard three times in a row, alexa's best score is never above 0.97, and
    above `eager`'s threshold the second time."""
    image, clip = watchword.load(ROOT / "models/alexa").image, clips["alexa"]
    noise = np.random.default_rng(1).normal(0, 1, len(clip))
    for level in range(20, 4000, 20):
        noisy = np.clip(clip + level * noise, -32768, 32767).astype(np.int16)
        sound = np.concatenate([noisy, clips["computer"]])
        run = core.run_pipeline(image, np.tile(sound, 3))
        nth = run.score_samples // len(sound)
        best = [core.unit(run.smoothed_q15[nth == i]).max() for i in range(3)]
        if max(best) < 0.97 and best[1] > 0.93:
            return sound
    raise AssertionError("no such level of noise")


def test_presets_and_sensitivity_decide_what_is_heard(session: Session, clips: dict[str, np.ndarray]) -> None:
    sound = unclear(clips)
    session.state("Alexa preset", "normal")  # from 0.977 on
    session.satellite.play(sound)
    assert session.wake()[0] == "computer"
    session.set("Alexa preset", "eager")  # from 0.921 on
    session.state("Alexa preset", "eager")
    session.satellite.play(sound)
    assert [session.wake()[0], session.wake()[0]] == ["alexa", "computer"]
    session.set("Alexa sensitivity", 2.5)  # 0.975
    session.state("Alexa preset", "custom")
    session.satellite.play(sound)
    assert session.wake()[0] == "computer"


def test_a_word_that_is_switched_off_does_not_wake(session: Session, clips: dict[str, np.ndarray]) -> None:
    both = np.concatenate([clips["computer"], clips["alexa"]])
    session.set("Computer", False)
    session.state("Computer", False)
    session.satellite.play(both)
    assert session.wake()[0] == "alexa"
    session.set("Computer", True)
    session.state("Computer", True)
    session.satellite.play(both)
    assert [session.wake()[0], session.wake()[0]] == ["computer", "alexa"]


def test_a_start_begins_anew(session: Session, clips: dict[str, np.ndarray]) -> None:
    session.satellite.play(np.concatenate([clips["alexa"], clips["alexa"]]))
    _, second = session.wake(), session.wake()
    session.press("Rest")
    session.state("Listening", False)
    session.press("Listen")
    session.state("Listening", True)
    session.satellite.play(clips["alexa"])
    word, _, time_s = session.wake()
    assert word == "alexa" and time_s < second[2]


def test_settings_outlive_a_restart(session: Session, satellite: Satellite) -> None:
    session.set("Alexa sensitivity", 12.5)
    session.state("Alexa preset", "custom")
    session.set("Computer", False)
    session.state("Computer", False)
    satellite.end_program()
    with satellite.running() as later:
        later.state("Computer", False)
        later.state("Alexa preset", "custom")
        assert later.states["Alexa sensitivity"] == pytest.approx(12.5, abs=0.01)
