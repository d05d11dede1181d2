"""A real Home Assistant hears the wake word from a satellite, and changes the satellite's settings."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from guide import blocks
from satellite import LIMIT_S, ROOT, Satellite, esphome_python
from server import Event, Events, HomeAssistant
from spoken import RATE, by_the_host, spoken
from transcript import Transcript
from watchword import audio

from tools.setup import home_assistant

HEARD, SENSITIVITY, PRESET = (
    "event.satellite_wake_word",
    "number.satellite_alexa_sensitivity",
    "select.satellite_alexa_preset",
)


class House:
    """Home Assistant, the satellite that it knows, and what its bus says."""

    def __init__(self, core: HomeAssistant, events: Events, satellite: Satellite, log: Transcript) -> None:
        self.core, self.satellite = core, satellite
        self._events, self._log = events, log

    def say(self, sound: np.ndarray, what: str) -> None:
        self._log.tell(f"the satellite's microphone hears {what}, {len(sound) / RATE:.1f} s")
        self.satellite.play(sound)

    def wake(self) -> Event:
        return self.seen(lambda event: event.kind == "esphome.wake_word", "a wake word")

    def changed(self, entity: str, value: object) -> Event:
        """The entity takes this state; numbers as Home Assistant writes them."""
        return self.seen(
            lambda event: (
                event.kind == "state_changed"
                and event.data["entity_id"] == entity
                and event.data["new_state"]["state"] == str(value)
            ),
            f"{entity} = {value}",
        )

    def has(self, entity: str, value: str) -> None:
        """The entity has this state already, or takes it."""
        if self.core.state(entity)["state"] == value:
            self._log.tell(f"Home Assistant has {entity} = {value}")
        else:
            self.changed(entity, value)

    def seen(self, wanted: Callable[[Event], bool], what: str) -> Event:
        event = self._events.wait(wanted, LIMIT_S, what)
        self._log.tell(f"Home Assistant sees {_short(event)}")
        return event

    def listen_anew(self) -> None:
        """As if nothing had been heard yet."""
        for button, state in (("rest", "off"), ("listen", "on")):
            self.core.act("button", "press", entity_id=f"button.satellite_{button}")
            self.changed("binary_sensor.satellite_listening", state)

    def set(self, entity: str, value: object) -> None:
        self._log.tell(f"somebody sets {entity} to {value} in Home Assistant")
        if entity.startswith("select."):
            self.core.act("select", "select_option", entity_id=entity, option=value)
        else:
            self.core.act("number", "set_value", entity_id=entity, value=value)


def _short(event: Event) -> str:
    if event.kind == "state_changed":
        state = event.data["new_state"]
        kind = state["attributes"].get("event_type")
        return f"{state['entity_id']} = {state['state']}" + (f" ({kind})" if kind else "")
    data = ", ".join(f"{name} {value}" for name, value in event.data.items() if name != "device_id")
    return f"event `{event.kind}`: {data}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = home_assistant.installed()
    if home is None:
        pytest.skip("no Home Assistant: `make test-home-assistant` installs it (Python 3.13.2 or newer)")
    log = Transcript()
    satellite = Satellite(tmp_path_factory.mktemp("satellite"))
    version = subprocess.run([esphome_python(), "-m", "esphome", "version"], capture_output=True, text=True)
    log.tell(f"ESPHome has compiled the satellite ({version.stdout.strip()})")
    core = HomeAssistant(home, tmp_path_factory.mktemp("core") / "config", blocks("alias"))
    try:
        log.tell(f"Home Assistant {core.call('GET', '/api/config')['version']} is up, its owner logged in")
        with satellite.started(), closing(core.events()) as events:
            title = core.add_esphome(satellite.port)["title"]
            log.tell(f"the ESPHome integration has added the device '{title}'")
            house = House(core, events, satellite, log)
            house.changed("binary_sensor.satellite_listening", "on")
            yield house
        log.tell("the satellite has ended")
    finally:
        core.close()
    log.tell("Home Assistant has ended")


@pytest.fixture
def house(running: House) -> House:
    """With the model's own settings, and nothing heard yet."""
    running.core.act("select", "select_option", entity_id=PRESET, option="normal")
    running.listen_anew()
    return running


def test_a_wake_word_reaches_home_assistant_and_runs_an_automation(house: House, tmp_path: Path) -> None:
    sound = spoken("alexa", tmp_path)
    (expected,) = by_the_host(sound)
    house.say(sound, "'alexa' by a synthetic voice")
    data = house.wake().data
    assert (data["word"], float(data["score"])) == ("alexa", pytest.approx(expected.score, abs=1e-4))
    assert data["device_id"]
    # The guide's two automations, whichever is first.
    told = house.seen(lambda event: event.data.get("service") == "create", "the message")
    assert float(told.data["service_data"]["message"].rpartition(" ")[2]) == float(data["score"])
    house.has("light.desk", "on")
    assert house.core.state(HEARD)["attributes"]["event_type"] == "alexa"


def test_settings_made_in_home_assistant_reach_the_satellite(house: House, tmp_path: Path) -> None:
    card = json.loads((ROOT / "models/alexa/card.json").read_text())
    strict = 100 * (1 - card["settings"]["presets"]["strict"]["high"])
    far = spoken("alexa", tmp_path, quieter=8, noise=600)
    house.set(PRESET, "strict")  # the satellite answers with the sensitivity that this preset has
    answer = house.seen(lambda event: event.data.get("entity_id") == SENSITIVITY, "the preset's sensitivity")
    assert float(answer.data["new_state"]["state"]) == pytest.approx(
        strict, abs=0.05
    )  # shown in steps of 0.1
    house.say(np.concatenate([far, spoken("computer", tmp_path)]), "'alexa' from far away, then 'computer'")
    assert house.wake().data["word"] == "computer"  # the other one was not sure enough
    house.set(SENSITIVITY, 8)
    house.changed(PRESET, "custom")
    house.say(far, "'alexa' from far away")
    assert house.wake().data["word"] == "alexa"


@pytest.mark.real
def test_people_are_heard_as_the_host_hears_them(house: House, real_data: Path) -> None:
    clips = sorted((real_data / "clips" / "dev" / "alexa").glob("*.flac"))[:10]
    sound = np.concatenate([audio.load(clip) for clip in clips])
    expected = by_the_host(sound)
    assert len(expected) > len(clips) / 2
    house.say(sound, f"'alexa' by {len(clips)} people")
    for detection in expected:
        data = house.wake().data
        assert data["word"] == detection.word
        assert float(data["score"]) == pytest.approx(detection.score, abs=1e-4)
        assert float(data["time"]) == pytest.approx(detection.time_s, abs=0.006)


def test_a_satellite_that_was_away_is_heard_again(house: House, tmp_path: Path) -> None:
    house.satellite.end_program()
    house.changed(PRESET, "unavailable")
    with house.satellite.started():
        house.changed(PRESET, "normal")
        house.say(spoken("alexa", tmp_path), "'alexa', after a restart of the satellite")
        assert house.wake().data["word"] == "alexa"
