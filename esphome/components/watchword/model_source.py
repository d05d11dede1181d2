"""A `model:` of the configuration -> the bytes of a model image, or a message that says what to do instead.

Constants, layout and the texts of what can be wrong come from this repository's spec.py, which needs nothing
but Python. An image's header is checked here, so that `esphome config` finds the wrong
file; the layers are checked by the core on the chip, as everywhere.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.parse import urljoin, urlsplit

import esphome.config_validation as cv
from esphome import external_files
from esphome.const import CONF_MODEL
from esphome.core import CORE
from esphome.types import ConfigType

REPOSITORY = Path(__file__).resolve().parents[3]
if not (REPOSITORY / "host/watchword/spec.py").is_file():
    # ESPHome tells a missing module in one line.
    raise ModuleNotFoundError(
        f"No module named watchword.spec: {REPOSITORY} is not all of Watchword's repository; "
        "use a git source, or a clone"
    )

CONF_SHA256 = "sha256"
DOMAIN = "watchword"


def _spec() -> ModuleType:
    """The constants of this very repository, whatever is installed under the name `watchword`."""
    found = spec_from_file_location("watchword_spec", REPOSITORY / "host/watchword/spec.py")
    module = module_from_spec(found)
    sys.modules[found.name] = module  # for its dataclasses
    found.loader.exec_module(module)
    return module


spec = _spec()
KINDS = {number: kind for kind, number in spec.FEATURE_KINDS.items()}


@dataclass(frozen=True)
class ModelImage:
    content: bytes
    word: str
    kind: str  # of its features
    arena_bytes: int
    has_presets: bool


def validate_source(config: ConfigType) -> ConfigType:
    """Fetches what has to be fetched, and reads the image once: what is wrong with it is said here."""
    if is_url(config[CONF_MODEL]) and CONF_SHA256 not in config:
        raise cv.Invalid(
            "a model from a URL needs its sha256, so that nothing else gets on the chip: "
            "`sha256sum` of its model.bin (of a microWakeWord model: of its .tflite)",
            [CONF_SHA256],
        )
    with cv.prepend_path([CONF_MODEL]):
        image_of(config)
    return config


def image_of(config: ConfigType) -> ModelImage:
    """The image of a validated model entry."""
    source = config[CONF_MODEL]
    path = _fetched(source) if is_url(source) else CORE.relative_config_path(source)
    try:
        path = path / "model.bin" if path.is_dir() else path
        found = path.is_file()
    except OSError:  # no name of a file
        found = False
    if not found:
        raise cv.Invalid(
            f"there is no {path}: a model is the folder of an exported word, its model.bin, a microWakeWord "
            "manifest (.json), or the URL of one of the two files"
        )
    if path.suffix.lower() == ".tflite":
        raise cv.Invalid(
            f"{source} tells neither its word nor its cutoff: name its manifest (.json), or make a model of "
            "it with `watchword import` and name the folder"
        )
    if path.stat().st_size > spec.MODEL_MAX_IMAGE_BYTES:
        raise cv.Invalid(f"{source} is larger than any model ({spec.MODEL_MAX_IMAGE_BYTES} bytes)")
    return _image(path, path.stat().st_mtime_ns, source, config.get(CONF_SHA256))


def is_url(source: str) -> bool:
    return urlsplit(source).scheme in ("http", "https")


def _is_manifest(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _fetched(url: str) -> Path:
    """The file behind a URL, in ESPHome's cache; a manifest brings the model that it names."""
    folder = external_files.compute_local_file_path(DOMAIN, url)
    path = folder / Path(urlsplit(url).path).name
    external_files.download_content(url, path)
    if _is_manifest(path):
        model = _model_named_by(path)
        external_files.download_content(urljoin(url, model.name), model)
    return path


def _model_named_by(manifest: Path) -> Path:
    """The .tflite file beside its manifest; never one of another folder."""
    try:
        name = json.loads(manifest.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise cv.Invalid(
            f"{manifest.name} is not the manifest of a microWakeWord model: {error!r}"
        ) from error
    if not isinstance(name, str) or name != Path(name).name or name in ("", ".", ".."):
        raise cv.Invalid(f"{manifest.name} names the model {name!r}, which is not a file beside it")
    return manifest.parent / name


@lru_cache(maxsize=32)  # validation and code generation ask for the same
def _image(path: Path, changed_ns: int, source: str, sha256: str | None) -> ModelImage:
    manifest = _is_manifest(path)
    model = _model_named_by(path) if manifest else path
    if not model.is_file():
        raise cv.Invalid(f"{source} names {model.name}, which is not beside it")
    _check_sha256(model, sha256)
    return _checked(_converted(path) if manifest else model.read_bytes(), source)


def _check_sha256(path: Path, expected: str | None) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if expected not in (None, found):
        raise cv.Invalid(
            f"{path.name} has the sha256 {found}, not {expected}: it is another file than the one you chose"
        )


def _converted(manifest: Path) -> bytes:
    """A microWakeWord model as an image of ours, by the host package."""
    own = REPOSITORY / ".venv/bin/python"
    python = str(own) if own.is_file() else sys.executable
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "model.bin"
        script = Path(__file__).with_name("convert.py")
        done = subprocess.run([python, script, manifest, image], capture_output=True, text=True)
        if done.returncode == 0:
            return image.read_bytes()
    raise cv.Invalid((done.stderr.strip().splitlines() or [f"{manifest}: the conversion was ended"])[-1])


def _checked(content: bytes, source: str) -> ModelImage:
    status = _status(content)
    if status != "OK":
        what, remedy = spec.STATUS_TEXTS[status]
        raise cv.Invalid(f"{source}: {what} ({remedy})")
    header = _header(content)
    return ModelImage(
        content,
        header["word"].split(b"\0")[0].decode(errors="replace"),
        KINDS[header["feature_kind"]],
        header["arena_bytes"] + -header["arena_bytes"] % 4,
        header["presets_offset"] != 0,
    )


def _status(content: bytes) -> str:
    """What the envelope of an image shows, by the names of spec.STATUS."""
    if not content.startswith(spec.MODEL_MAGIC.to_bytes(4, "little")):
        return "ERR_MAGIC"
    if len(content) < spec.MODEL_HEADER_BYTES:
        return "ERR_TRUNCATED"
    header = _header(content)
    if header["version"] != spec.MODEL_VERSION:
        return "ERR_VERSION"
    if header["image_bytes"] != len(content):
        return "ERR_TRUNCATED"
    if header["crc32"] != zlib.crc32(content[spec.MODEL_CRC_FROM :]):
        return "ERR_CRC"
    kind = KINDS.get(header["feature_kind"], "")
    return "OK" if spec.FRONTEND_IDS.get(kind) == header["frontend_id"] else "ERR_FRONTEND"


def _header(content: bytes) -> dict:
    layout = spec.fields_format(spec.MODEL_HEADER_FIELDS)
    values = struct.unpack_from(layout, content)
    return dict(zip((name for name, _ in spec.MODEL_HEADER_FIELDS), values, strict=True))
