"""`microphone: - platform: pcm_file`: gives what is written to `path`, at once, and waits for more."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components import audio, microphone, ring_buffer
from esphome.const import CONF_ID, CONF_PATH

# ESPHome has microphones on the ESP32 only; the parts of its audio component that a microphone needs (the
# description of a stream) run everywhere.
audio.CONFIG_SCHEMA = cv.Schema({})
ring_buffer.DEPENDENCIES = []


async def _nothing_to_fetch(config) -> None:
    """In place of what audio asks of ESP-IDF."""


audio.to_code = _nothing_to_fetch

PcmFile = cg.esphome_ns.namespace("pcm_file").class_("PcmFile", microphone.Microphone, cg.Component)


def _limits(config):
    audio.set_stream_limits(16, 16, 1, 1, 16_000, 16_000)(config)
    return config


CONFIG_SCHEMA = cv.All(
    microphone.MICROPHONE_SCHEMA.extend(
        {cv.GenerateID(): cv.declare_id(PcmFile), cv.Required(CONF_PATH): cv.string_strict}
    ).extend(cv.COMPONENT_SCHEMA),
    _limits,
)


async def to_code(config) -> None:
    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    await microphone.register_microphone(var, config)
    cg.add(var.set_path(config[CONF_PATH]))
