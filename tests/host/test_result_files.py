"""Files for other programs: described whole, and what is written fits its JSON Schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import synthetic
from watchword.errors import WatchwordError
from watchword.evaluate.results import to_json
from watchword.typed_json import from_json

from tools.generate import results as reference


@pytest.mark.parametrize("path", reference.contents(), ids=lambda path: path.name)
def test_page_and_schemas_are_up_to_date(path: Path) -> None:
    assert path.read_text() == reference.contents()[path], "run `make reference`"


@pytest.mark.parametrize("document", reference.DOCUMENTS, ids=lambda document: document.name)
def test_every_key_says_what_it_means_and_when_it_is_null(document: reference.Document) -> None:
    assert reference.faults(document) == []


def test_a_key_without_a_word_on_null_is_found() -> None:
    @dataclass(frozen=True)
    class Silent:
        known: int | None  # how many; null: not counted
        unknown: int | None  # how many
        bare: int

    meanings = {"known": "how many; null: not counted", "unknown": "how many", "bare": ""}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "meanings", lambda kind: meanings)
        patch.setattr(reference, "get_type_hints", lambda kind: {n: int | None for n in meanings})
        found = reference.faults(reference.Document("x.json", Silent, ""))
    assert found == ["Silent.unknown does not say when it is null", "Silent.bare has no comment"]


@pytest.mark.parametrize("board", ["emu-c3", "host"])
def test_results_fit_their_schema(board: str) -> None:
    content = json.loads(to_json(synthetic.make_results(synthetic.make_streams(), board)))
    jsonschema.validate(content, reference.schema_of("results.json"))
    content["latency_ms"]["p50"] = "fast"
    with pytest.raises(jsonschema.ValidationError, match="fast"):
        jsonschema.validate(content, reference.schema_of("results.json"))


@dataclass(frozen=True)
class Pair:
    first: int
    second: str


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"first": 1}, "lacks `second`"),
        ({"first": "1", "second": ""}, "Expected `int`, got `str` - at `first`"),
        ([], "Expected `object`, got `array`"),
    ],
)
def test_what_does_not_fit_is_named(content: Any, says: str) -> None:
    with pytest.raises(WatchwordError, match=says):
        from_json(content, Pair, "file.json", "write it again")


def test_keys_of_later_versions_are_passed_over() -> None:
    assert from_json({"first": 1, "second": "b", "third": None}, Pair, "", "") == Pair(1, "b")
