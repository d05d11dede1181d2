"""The configuration of docs/guide/home-assistant.md is one that the real ESPHome takes, for each board."""

from __future__ import annotations

from pathlib import Path

import pytest
from guide import blocks
from satellite import ROOT, run_esphome

pytestmark = pytest.mark.slow

PINS = {"GPIO26": "GPIO4", "GPIO25": "GPIO5", "GPIO33": "GPIO6"}


def valid(text: str, folder: Path) -> None:
    (folder / "watchword").symlink_to(ROOT)
    (folder / "secrets.yaml").write_text("wifi_ssid: home\nwifi_password: good enough\n")
    config = folder / "satellite.yaml"
    config.write_text(text)
    done = run_esphome("config", config, folder / "data", {})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("board", ["esp32dev", "esp32-s3-devkitc-1", "esp32-c3-devkitm-1"])
def test_the_whole_configuration(board: str, tmp_path: Path) -> None:
    (text,) = blocks("esphome")
    for pin, other in PINS.items() if board != "esp32dev" else ():
        text = text.replace(pin, other)
    valid(text.replace("board: esp32dev", f"board: {board}"), tmp_path)


def test_the_voice_assistant_in_place_of_the_events(tmp_path: Path) -> None:
    (whole,), (voice,) = blocks("esphome"), blocks("watchword")
    listener, assistant = voice.removeprefix("watchword:\n").split("\n\n", 1)
    before, events = whole.split("  on_wake_word_detected:", 1)
    entities = events[events.index("\nevent:") :]
    valid(before + listener + "\n" + assistant + entities, tmp_path)


def test_the_stock_component_in_place_of_ours(tmp_path: Path) -> None:
    (whole,), (stock,) = blocks("esphome"), blocks("micro_wake_word")
    before, rest = whole.split("external_components:", 1)
    microphone = rest[rest.index("i2s_audio:") : rest.index("watchword:\n")]
    text = (before + microphone + stock).replace("board: esp32dev", "board: esp32-s3-devkitc-1")
    for pin, other in PINS.items():
        text = text.replace(pin, other)
    valid(text, tmp_path)
