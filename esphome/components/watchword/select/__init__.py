"""`select: - platform: watchword`: which of the model's presets is in force."""

from __future__ import annotations

import esphome.codegen as cg
import esphome.config_validation as cv
import esphome.final_validate as fv
from esphome.components import select
from esphome.const import CONF_ID, ENTITY_CATEGORY_CONFIG
from esphome.types import ConfigType

from .. import CONF_MODEL_ID, CONF_MODELS, Model, watchword_ns
from ..model_source import DOMAIN, image_of, spec

PresetSelect = watchword_ns.class_("PresetSelect", select.Select, cg.Component)

NO_PRESET = "custom"  # what the number, or lambdas, have set

CONFIG_SCHEMA = (
    select.select_schema(PresetSelect, icon="mdi:tune", entity_category=ENTITY_CATEGORY_CONFIG)
    .extend({cv.Required(CONF_MODEL_ID): cv.use_id(Model)})
    .extend(cv.COMPONENT_SCHEMA)
)


def FINAL_VALIDATE_SCHEMA(config: ConfigType) -> ConfigType:
    models = fv.full_config.get()[DOMAIN][CONF_MODELS]
    model = next(model for model in models if model[CONF_ID] == config[CONF_MODEL_ID])
    if not image_of(model).has_presets:
        raise cv.Invalid(
            "the model brings no presets: leave this entity out, and use `number` for its sensitivity",
            [CONF_MODEL_ID],
        )
    return config


async def to_code(config: ConfigType) -> None:
    var = await select.new_select(config, options=[*spec.PRESETS, NO_PRESET])
    await cg.register_component(var, config)
    await cg.register_parented(var, config[CONF_MODEL_ID])
