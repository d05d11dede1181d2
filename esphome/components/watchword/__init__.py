"""Wake words of Watchword in ESPHome: the configuration, and the C++ that it becomes.

What hears is firmware/core through watchword.h; the C++ beside this file joins it to a microphone, to
entities and to automations.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import esphome.codegen as cg
import esphome.config_validation as cv
from esphome import automation
from esphome.components import microphone
from esphome.const import CONF_ID, CONF_MICROPHONE, CONF_MODEL, CONF_RAW_DATA_ID
from esphome.core import CORE
from esphome.cpp_generator import RawStatement
from esphome.helpers import write_file_if_changed
from esphome.types import ConfigType

from .model_source import CONF_SHA256, DOMAIN, REPOSITORY, image_of, spec, validate_source

CODEOWNERS: list[str] = []
DEPENDENCIES = ["microphone"]

CONF_MAX_MEMORY = "max_memory"
CONF_MEMORY_ID = "memory_id"
CONF_MODEL_ID = "model_id"
CONF_MODELS = "models"
CONF_ON_WAKE_WORD_DETECTED = "on_wake_word_detected"
CONF_PRESET = "preset"
CONF_SENSITIVITY = "sensitivity"
CONF_START_ON_BOOT = "start_on_boot"
CONF_STOP_AFTER_DETECTION = "stop_after_detection"

# Of the models together, unless the configuration allows more: what an ESP32 without PSRAM has left beside
# Wi-Fi, Home Assistant's connection and this component's own buffers.
DEFAULT_MAX_MEMORY = 64 * 1024

# In per cent; more than this is asked for by no threshold that a score can reach.
LEAST_SENSITIVITY = 100.0 * (1.0 - spec.DETECTOR_MAX_HIGH)

# Not `watchword`, which is the library's own type.
watchword_ns = cg.esphome_ns.namespace("watchword_")
Watchword = watchword_ns.class_("Watchword", cg.Component)
Model = watchword_ns.class_("Model")


def _sha256(value: object) -> str:
    text = cv.string_strict(value).lower()
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise cv.Invalid("a sha256 is 64 hexadecimal digits")
    return text


def _has_the_preset(config: ConfigType) -> ConfigType:
    if CONF_PRESET in config and not image_of(config).has_presets:
        raise cv.Invalid("the model brings no presets: leave this out", [CONF_PRESET])
    return config


MODEL_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.GenerateID(): cv.declare_id(Model),
            cv.GenerateID(CONF_RAW_DATA_ID): cv.declare_id(cg.uint8),
            cv.Required(CONF_MODEL): cv.string_strict,
            cv.Optional(CONF_SHA256): _sha256,
            cv.Optional(CONF_PRESET): cv.one_of(*spec.PRESETS, lower=True),
            cv.Optional(CONF_SENSITIVITY): cv.float_range(min=LEAST_SENSITIVITY, max=100.0),
        }
    ),
    cv.has_at_most_one_key(CONF_PRESET, CONF_SENSITIVITY),
    validate_source,
    _has_the_preset,
)


def _fits(config: ConfigType) -> ConfigType:
    images = [(str(model[CONF_ID]), image_of(model)) for model in config[CONF_MODELS]]
    needed, allowed = sum(image.arena_bytes for _, image in images), config[CONF_MAX_MEMORY]
    if needed > allowed:
        each = ", ".join(f"{image.word} {image.arena_bytes:,}" for _, image in images)
        raise cv.Invalid(
            f"the models need {needed:,} bytes of memory ({each}), {CONF_MAX_MEMORY} allows {allowed:,}: "
            f"leave one out, or raise {CONF_MAX_MEMORY} if the chip has that much",
            [CONF_MODELS],
        )
    words = [image.word for _, image in images]
    if twice := {word for word in words if words.count(word) > 1}:
        raise cv.Invalid(
            f"two models of the word '{twice.pop()}': their events could not be told apart", [CONF_MODELS]
        )
    return config


CONFIG_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.GenerateID(): cv.declare_id(Watchword),
            cv.GenerateID(CONF_MEMORY_ID): cv.declare_id(cg.uint32),
            cv.Optional(CONF_MICROPHONE, default={}): microphone.microphone_source_schema(),
            cv.Required(CONF_MODELS): cv.All(
                cv.ensure_list(cv.maybe_simple_value(MODEL_SCHEMA, key=CONF_MODEL)), cv.Length(min=1)
            ),
            cv.Optional(CONF_ON_WAKE_WORD_DETECTED): automation.validate_automation(single=True),
            cv.Optional(CONF_STOP_AFTER_DETECTION, default=False): cv.boolean,
            cv.Optional(CONF_START_ON_BOOT, default=True): cv.boolean,
            cv.Optional(CONF_MAX_MEMORY, default=DEFAULT_MAX_MEMORY): cv.All(
                cv.validate_bytes, cv.int_range(min=1)
            ),
        }
    ).extend(cv.COMPONENT_SCHEMA),
    cv.only_on(["esp32", "host"]),
    cv.require_esphome_version(2026, 10, 0),  # the first known to build a library where it lies
    _fits,
)

FINAL_VALIDATE_SCHEMA = cv.Schema(
    {
        cv.Required(CONF_MICROPHONE): microphone.final_validate_microphone_source_schema(
            "watchword", sample_rate=spec.SAMPLE_RATE_HZ
        )
    },
    extra=cv.ALLOW_EXTRA,
)


def _library() -> Path:
    """library.json of the repository as one of a folder of its own, the sources where they are.

    Less its optimisation: ESP-IDF would hand that on to all of ESPHome, which is built for size.
    """
    manifest = json.loads((REPOSITORY / "library.json").read_text(encoding="utf-8"))
    build = manifest["build"]
    include, other = [], []
    for flag in build["flags"]:
        if flag.startswith("-I"):
            include.append(shlex.quote(f"-I{(REPOSITORY / flag[2:]).as_posix()}"))
        else:
            other.append(flag)
    build["flags"] = [*include, *(other if CORE.is_host else [])]
    for folder in ("srcDir", "includeDir"):
        build[folder] = str(REPOSITORY / build[folder])
    home = Path(CORE.data_dir).resolve() / DOMAIN / "library"
    write_file_if_changed(home / "library.json", json.dumps(manifest, indent=2))
    # A folder without code is refused.
    header = REPOSITORY / "firmware/core/include/watchword.h"
    write_file_if_changed(home / header.name, header.read_text(encoding="utf-8"))
    return home


async def to_code(config: ConfigType) -> None:
    cg.add_library("watchword", None, _library().as_uri())
    # These reach the library as well, whose structs depend on them.
    cg.add_build_flag(f"-DWW_MAX_WORDS={len(config[CONF_MODELS])}")
    micro = {image_of(model).kind == "micro" for model in config[CONF_MODELS]}
    cg.add_build_flag(f"-DWW_WITH_MICRO={int(True in micro)}")
    cg.add_build_flag(f"-DWW_WITH_MFCC={int(False in micro)}")

    var = cg.new_Pvariable(config[CONF_ID])
    await cg.register_component(var, config)
    source = await microphone.microphone_source_to_code(config[CONF_MICROPHONE])
    cg.add(var.set_microphone_source(source))
    cg.add(var.set_stop_after_detection(config[CONF_STOP_AFTER_DETECTION]))
    cg.add(var.set_start_on_boot(config[CONF_START_ON_BOOT]))

    for model in config[CONF_MODELS]:
        cg.add(var.add_model(_model_to_code(model)))
    memory_bytes = sum(image_of(model).arena_bytes for model in config[CONF_MODELS])
    cg.add_global(RawStatement(f"static uint32_t {config[CONF_MEMORY_ID]}[{memory_bytes // 4}];"))
    cg.add(var.set_memory(cg.RawExpression(str(config[CONF_MEMORY_ID])), memory_bytes))

    if actions := config.get(CONF_ON_WAKE_WORD_DETECTED):
        arguments = [(cg.std_string, "wake_word"), (cg.float_, "score"), (cg.double, "time")]
        await automation.build_automation(var.get_detected_trigger(), arguments, actions)


def _model_to_code(config: ConfigType) -> cg.MockObj:
    content, name = image_of(config).content, config[CONF_RAW_DATA_ID]
    values = ",".join(map(str, content))
    cg.add_global(RawStatement(f"alignas(16) static const uint8_t {name}[] PROGMEM = {{{values}}};"))
    model = cg.new_Pvariable(config[CONF_ID], str(config[CONF_ID]), cg.RawExpression(str(name)), len(content))
    if preset := config.get(CONF_PRESET):
        cg.add(model.set_start_preset(cg.RawExpression(f"WATCHWORD_{preset.upper()}")))
    if CONF_SENSITIVITY in config:
        cg.add(model.set_start_sensitivity(config[CONF_SENSITIVITY]))
    return model


def _register(of: cg.MockObjClass, actions: dict[str, str], condition: tuple[str, str]) -> None:
    """Actions and a condition without settings, on a component or a model."""
    schema = automation.maybe_simple_id({cv.GenerateID(): cv.use_id(of)})

    async def to_parented(config, id_, template_arguments, arguments):
        var = cg.new_Pvariable(id_, template_arguments)
        await cg.register_parented(var, config[CONF_ID])
        return var

    for name, class_ in actions.items():
        action = watchword_ns.class_(class_, automation.Action)
        automation.register_action(name, action, schema, synchronous=True)(to_parented)
    name, class_ = condition
    checks = watchword_ns.class_(class_, automation.Condition)
    automation.register_condition(name, checks, schema)(to_parented)


_register(
    Watchword,
    {"watchword.start": "StartAction", "watchword.stop": "StopAction"},
    ("watchword.is_running", "IsRunningCondition"),
)
_register(
    Model,
    {"watchword.enable_model": "EnableModelAction", "watchword.disable_model": "DisableModelAction"},
    ("watchword.model_is_enabled", "ModelIsEnabledCondition"),
)
