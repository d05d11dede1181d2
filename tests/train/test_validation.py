"""Misses at a number of false alarms, and a threshold for a target: against cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword import core, spec
from watchword.core import Geometry
from watchword.data.plan import ValidationStream
from watchword.evaluate.metrics import stretch_peaks
from watchword.train.report import source_table
from watchword.train.validation import SourceAlarms, ValidationScores, ValidationSet, calibrate

GEOMETRY = Geometry(320, 69, 2)
ONE = 1 << 15


def accuracy(words: list[float], alarms: list[float], hours: float = 2.0) -> ValidationScores:
    peaks = np.round(np.array(words) * ONE).astype(int)
    sorted_alarms = np.sort(np.round(np.array(alarms) * ONE).astype(int))[::-1]
    sources = (SourceAlarms("", sorted_alarms, hours),)
    return ValidationScores({"clean": peaks}, sources, np.array([0.1]), np.array([0.1]))


def test_frr_at_false_alarms() -> None:
    found = accuracy([0.95, 0.9, 0.6, 0.2], [0.92, 0.7, 0.5])
    assert found.frr(0)["clean"] == 0.75  # above 0.92
    assert found.frr(1)["clean"] == 0.5  # above 0.7
    assert found.frr(2)["clean"] == 0.25
    assert found.frr(3)["clean"] == 0.0
    assert found.frr_at(0.6)["clean"] == 0.25 and found.alarms_at(0.6) == 2


def test_events_are_stretches_above_the_low_threshold() -> None:
    smoothed = np.array([0, 100, 300, 200, 50, 0, 400, 90, 120], np.uint16)
    assert stretch_peaks(smoothed, 100) == [300, 400, 120]
    assert stretch_peaks(np.zeros(5, np.uint16), 0) == []


def test_calibration_counts_where_there_is_enough_to_count() -> None:
    """Of 100 events in 10 hours, 5 an hour are the upper 50; one source is all there is to go by."""
    found = accuracy([0.9], list(np.linspace(0.4, 0.9, 100)), hours=10.0)
    detector, reasons = calibrate(found, core.DetectorConfig(), target_fah=5.0)
    assert found.alarms_at(detector.high) == 50 == reasons.false_alarms
    assert reasons.counted and reasons.reached
    assert found.alarms_at(detector.high - 1e-4) == 51
    assert reasons.expected_fah == pytest.approx(5.0) and reasons.source_upper95 > 10.0
    assert reasons.fah_upper95 == pytest.approx(6.329, abs=1e-3)  # Poisson, 50 events
    careful, _ = calibrate(found, core.DetectorConfig(), 5.0, "upper95")
    assert careful.high > detector.high
    quiet, _ = calibrate(accuracy([0.9], []), core.DetectorConfig(), 0.5)
    assert quiet.high == quiet.low == pytest.approx(0.3, abs=1e-4)  # as low as hysteresis allows


def test_calibration_never_gives_a_threshold_that_no_score_reaches() -> None:
    """False alarms at the highest score cannot be kept out: the figures say so, the board is not deaf."""
    loud = accuracy([0.9], [spec.DETECTOR_MAX_HIGH], hours=1.0)
    detector, reasons = calibrate(loud, core.DetectorConfig(), target_fah=0.5)
    assert detector.high == spec.DETECTOR_MAX_HIGH and reasons.false_alarms == 1 and not reasons.reached


def test_measure_places_words_in_time() -> None:
    """Raw scores that are high only in the word's window give a hit and its latency."""
    rows = np.zeros((400, 40), np.int8)
    ends = GEOMETRY.score_samples(GEOMETRY.scores(len(rows)))
    word = (int(ends[80]) - 8000, int(ends[80]))
    inside, outside = np.zeros(len(ends), np.uint8), np.zeros(len(ends), np.uint8)
    inside[79:90], outside[120:130] = 255, 255
    streams = (
        ValidationStream(rows, word, "clean", 5.5),
        ValidationStream(rows, word, "clean", 5.5),
        ValidationStream(rows, None, "clean", 5.5),
    )
    data = ValidationSet(streams, (rows, rows, rows), GEOMETRY)
    found = data.measure(lambda _: [inside, outside, outside], core.DetectorConfig())
    assert found.frr_at(0.7)["clean"] == 0.5 and found.alarms_at(0.7) == 1
    # 0.7 of full scale is reached by the 4th of five high scores: the 3rd after the word's end.
    assert found.latencies_s.tolist() == pytest.approx([0.08])
    assert data.negative_hours == pytest.approx(5.5 / 3600)


def test_a_word_without_listed_times_is_heard_anywhere_in_its_clip() -> None:
    """As in evaluation; its estimated end only tells which settings answer sooner."""
    rows = np.zeros((400, 40), np.int8)
    ends = GEOMETRY.score_samples(GEOMETRY.scores(len(rows)))
    early = np.zeros(len(ends), np.uint8)
    early[40:50] = 255
    streams = (
        ValidationStream(rows, (int(ends[10]), int(ends[150])), "clean", 5.5, likely_end=int(ends[120])),
        ValidationStream(rows, None, "clean", 5.5),
    )
    data = ValidationSet(streams, (rows, rows), GEOMETRY)
    found = data.measure(lambda _: [early, 0 * early], core.DetectorConfig())
    assert found.frr_at(0.7)["clean"] == 0.0
    assert found.latencies_s.size == 0 and found.delays_s.size == 1 and found.delays_s[0] < -1.0


def test_a_model_that_says_nothing_has_missed_every_word() -> None:
    """Scores under the low threshold are no events: not as alarms, so not as hits either."""
    rows = np.zeros((400, 40), np.int8)
    ends = GEOMETRY.score_samples(GEOMETRY.scores(len(rows)))
    faint = np.full(len(ends), 20, np.uint8)
    streams = (
        ValidationStream(rows, (0, int(ends[-1])), "clean", 5.5),
        ValidationStream(rows, None, "clean", 5.5),
    )
    found = ValidationSet(streams, (rows, rows), GEOMETRY).measure(
        lambda _: [faint, faint], core.DetectorConfig()
    )
    assert found.frr(1)["clean"] == 1.0 and found.rank == 1.0


def test_false_alarms_of_every_source_with_bounds_the_worst_first() -> None:
    """1 alarm in 2 hours is a rate of at least 0.03 and at most 2.37 an hour, each at 95 %."""
    rows = np.zeros((400, 40), np.int8)
    ends = GEOMETRY.score_samples(GEOMETRY.scores(len(rows)))
    loud, still = np.zeros(len(ends), np.uint8), np.zeros(len(ends), np.uint8)
    loud[79:90] = 255
    streams = tuple(
        ValidationStream(rows, None, "clean", 3600.0, source) for source in ("calm", "talk", "talk")
    )
    found = ValidationSet(streams, (rows,) * 3, GEOMETRY).measure(
        lambda _: [still, loud, still], core.DetectorConfig()
    )
    rates = found.sources_at(0.7)
    assert list(rates) == ["talk", "calm"] and found.alarms_at(0.7) == 1 and found.negative_hours == 3.0
    assert (rates["talk"].false_alarms, rates["talk"].negative_hours, rates["talk"].fah) == (1, 2.0, 0.5)
    assert rates["talk"].fah_lower95 == pytest.approx(0.0513 / 2, abs=1e-4)
    assert rates["talk"].fah_upper95 == pytest.approx(4.744 / 2, abs=1e-3)
    assert rates["calm"].fah == 0.0 and rates["calm"].fah_upper95 == pytest.approx(2.996, abs=1e-3)
    table = "\n".join(source_table(rates))
    assert "talk" in table and "0.03 to 2.37" in table


def test_misses_of_every_corpus_that_says_the_word() -> None:
    """People of another corpus are told apart from those of the training corpus."""
    rows = np.zeros((400, 40), np.int8)
    ends = GEOMETRY.score_samples(GEOMETRY.scores(len(rows)))
    heard, missed = np.full(len(ends), 255, np.uint8), np.zeros(len(ends), np.uint8)
    word = (int(ends[60]), int(ends[90]))
    streams = (
        ValidationStream(rows, word, "clean", 5.5, "lab"),
        ValidationStream(rows, word, "5 dB", 5.5, "phone"),
        ValidationStream(rows, word, "clean", 5.5, "phone"),
        ValidationStream(rows, None, "clean", 3600.0, "talk"),
    )
    found = ValidationSet(streams, (rows,) * 4, GEOMETRY).measure(
        lambda _: [heard, missed, heard, missed], core.DetectorConfig()
    )
    figures = found.figures(core.DetectorConfig()).word_sources
    assert [(name, f.positives, f.misses, f.frr) for name, f in figures.items()] == [
        ("phone", 2, 1, 0.5),
        ("lab", 1, 0, 0.0),
    ]


def of_sources(words: list[float], alarms: dict[str, tuple[float, list[float]]]) -> ValidationScores:
    """Hours and alarm peaks of each source, and the peaks of the words."""
    sources = tuple(
        SourceAlarms(name, np.sort(np.round(np.array(peaks) * ONE).astype(int))[::-1], hours)
        for name, (hours, peaks) in alarms.items()
    )
    words_q15 = np.round(np.array(words) * ONE).astype(int)
    return ValidationScores({"clean": words_q15}, sources, np.zeros(0), np.zeros(0))


def test_the_worst_source_sets_the_threshold_where_it_needs_a_higher_one() -> None:
    """4 alarms in 4 hours may all be of one source; held to that rate, it may have 1 in its hour."""
    found = of_sources([0.9, 0.7, 0.5], {"calm": (3.0, []), "talk": (1.0, [0.95, 0.8, 0.6, 0.55])})
    assert found.frr(4)["clean"] == 0.0
    assert found.frr_in_sources(4)["clean"] == pytest.approx(2 / 3)  # above 0.8, the second of them
    assert found.source_rank > found.rank


def test_a_short_source_is_held_to_nothing_and_one_event_is_always_allowed() -> None:
    peaks = [0.95, 0.8, 0.6, 0.55]
    short = of_sources([0.9, 0.7, 0.5], {"calm": (3.6, []), "talk": (0.4, peaks)})
    assert short.frr_in_sources(4) == short.frr(4)
    one = of_sources([0.9, 0.7, 0.5], {"calm": (9.0, []), "talk": (1.0, [0.95])})
    assert one.frr_in_sources(1) == one.frr(1)


@given(st.lists(st.floats(0.4, 0.999), max_size=40), st.floats(0.1, 50.0))
def test_one_source_is_the_plain_rank(peaks: list[float], hours: float) -> None:
    found = of_sources([0.9, 0.7, 0.5], {"talk": (hours, peaks)})
    assert found.source_rank == found.rank
