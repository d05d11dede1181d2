"""`switch: - platform: watchword`: whether a word that is heard counts."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome.components import switch
from esphome.const import ENTITY_CATEGORY_CONFIG
from esphome.types import ConfigType

from .. import CONF_MODEL_ID, Model, watchword_ns

ModelSwitch = watchword_ns.class_("ModelSwitch", switch.Switch, cg.Component)

CONFIG_SCHEMA = (
    switch.switch_schema(  # the model keeps its state itself
        ModelSwitch,
        icon="mdi:account-voice",
        entity_category=ENTITY_CATEGORY_CONFIG,
        default_restore_mode="DISABLED",
    )
    .extend({cv.Required(CONF_MODEL_ID): cv.use_id(Model)})
    .extend(cv.COMPONENT_SCHEMA)
)


async def to_code(config: ConfigType) -> None:
    var = await switch.new_switch(config)
    await cg.register_component(var, config)
    await cg.register_parented(var, config[CONF_MODEL_ID])
