"""`number: - platform: watchword`: how little evidence of a word is enough."""

from __future__ import annotations

import math

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components import number
from esphome.const import ENTITY_CATEGORY_CONFIG, UNIT_PERCENT
from esphome.types import ConfigType

from .. import CONF_MODEL_ID, LEAST_SENSITIVITY, Model, watchword_ns

SensitivityNumber = watchword_ns.class_("SensitivityNumber", number.Number, cg.Component)

STEP = 0.1  # per cent: presets lie at thresholds like 0.921, 0.977 and 0.993

CONFIG_SCHEMA = (
    number.number_schema(
        SensitivityNumber,
        icon="mdi:ear-hearing",
        entity_category=ENTITY_CATEGORY_CONFIG,
        unit_of_measurement=UNIT_PERCENT,
    )
    .extend({cv.Required(CONF_MODEL_ID): cv.use_id(Model)})
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    lowest = math.ceil(LEAST_SENSITIVITY / STEP) * STEP
    var = await number.new_number(config, min_value=lowest, max_value=100.0 - STEP, step=STEP)
    await cg.register_component(var, config)
    await cg.register_parented(var, config[CONF_MODEL_ID])
