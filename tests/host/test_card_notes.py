"""An evaluation tells which of its sources the model knows from training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from watchword.evaluate.card_notes import known_sources
from watchword.evaluate.metrics import GroupFigures, alarm_rate, group_figures
from watchword.export.card import read_card
from watchword.typed_json import to_json

SHIPPED = Path(__file__).parents[2] / "models" / "alexa"


def row(split: str, label: str, source: str, synthetic: bool = False) -> dict[str, object]:
    return {"split": split, "label": label, "source": source, "synthetic": synthetic, "hours": 1.0}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the card of a model that was trained on what its name says."""
    rows = [
        row("train", "positive", "lab"),
        row("train", "positive", "voices", synthetic=True),
        row("train", "negative", "mined: podcast"),
        row("train", "rir", "rooms"),
        row("val", "negative", "tv"),
    ]
    card = replace(read_card(SHIPPED), training={"data": {"sources": rows}})
    (tmp_path / "card.json").write_text(to_json(card))
    return tmp_path


def sound(hours: float) -> GroupFigures:
    return group_figures(0, 0, alarm_rate(0, hours))


def words(count: int) -> GroupFigures:
    return group_figures(count, 0, alarm_rate(0, 0.0))


def test_sound_of_training_is_a_warning_and_sound_of_validation_a_note(model: Path) -> None:
    training, validation = known_sources(model, {"podcast": sound(2.0), "tv": sound(1.0), "sea": sound(1.0)})
    assert training.startswith("warning: 2.00 of 4.00 h") and "(podcast)" in training
    assert validation.startswith("1.00 of 4.00 h") and "the threshold was chosen on (tv)" in validation


def test_people_of_the_corpus_that_trained_are_told(model: Path) -> None:
    (note,) = known_sources(model, {"lab": words(40), "phone": words(10)})
    assert note.startswith("40 of 50 words") and "(lab)" in note


def test_other_sources_need_no_word(model: Path) -> None:
    assert known_sources(model, {"sea": sound(3.0), "rooms": sound(1.0), "voices": words(3)}) == ()


def test_a_card_that_is_absent_or_broken_costs_no_results(tmp_path: Path, model: Path) -> None:
    assert known_sources(tmp_path / "elsewhere", {"podcast": sound(1.0)}) == ()
    content = json.loads((model / "card.json").read_text())
    for training in ({}, {"data": None}, {"data": {"sources": [{"split": "train"}]}}):
        (model / "card.json").write_text(json.dumps({**content, "training": training}))
        notes = known_sources(model, {"podcast": sound(1.0)})
        assert notes == () if not training else "are not known" in notes[0]
    (model / "card.json").write_text("{")
    assert "are not known" in known_sources(model, {"podcast": sound(1.0)})[0]
