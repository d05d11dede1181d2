"""Metrics: the counting rules, the exact bounds, and properties that must hold for any detections."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from watchword.data.recordings import LEAD_SAMPLES, TAIL_SAMPLES, Recording
from watchword.evaluate import metrics
from watchword.evaluate.metrics import GRACE_SAMPLES, REPEAT_SAMPLES, ScoredStream, match

RATE = 16_000
STEP = 640  # one score per 40 ms

sample_indices = st.integers(0, 60 * RATE)
detection_lists = st.lists(sample_indices, max_size=30)


@st.composite
def word_lists(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Words that do not overlap, in time order, some of them less than the grace apart."""
    words, at = [], 0
    for _ in range(draw(st.integers(0, 6))):
        start = at + draw(st.integers(0, 4 * RATE))
        at = start + draw(st.integers(800, 2 * RATE))
        words.append((start, at))
    return words


def make_stream(
    seconds: float,
    words: tuple[tuple[float, float], ...] = (),
    fired: tuple[float, ...] = (),
    name: str = "a.wav",
    complete: bool = False,
) -> ScoredStream:
    """A stream with detections at `fired` seconds of the recording."""
    total = round(seconds * RATE) + LEAD_SAMPLES + TAIL_SAMPLES
    ends = np.arange(STEP, total + 1, STEP, dtype=np.int64)
    scores = np.zeros(len(ends), np.uint8)
    for time_s in fired:
        scores[np.searchsorted(ends, LEAD_SAMPLES + time_s * RATE)] = 250
    detections = np.asarray([LEAD_SAMPLES + round(t * RATE) for t in fired], np.int64)
    label = "positive" if words else "negative"
    return ScoredStream(
        Recording(Path(name), words, label, name, complete=complete),
        round(seconds * RATE),
        scores,
        ends,
        detections,
    )


def first_above(stream: ScoredStream, threshold: float) -> np.ndarray:
    """A stand-in detector without memory: fires at every raw score at or above the threshold."""
    return np.flatnonzero(stream.scores >= threshold * 256)


class TestMatch:
    word = (100 * RATE, 101 * RATE)

    def test_hit_window_is_word_start_to_one_second_after_its_end(self) -> None:
        assert match([self.word], [self.word[0]]).hits == (self.word[0],)
        assert match([self.word], [self.word[1] + RATE]).hits == (self.word[1] + RATE,)
        assert match([self.word], [self.word[0] - 1]).hits == (None,)
        assert match([self.word], [self.word[1] + RATE + 1]).hits == (None,)

    def test_detections_outside_are_extras(self) -> None:
        found = match([self.word], [10 * RATE, self.word[0] - 1])
        assert found.extras == (10 * RATE, self.word[0] - 1)

    def test_repeats_within_a_second_count_once(self) -> None:
        at = 5 * RATE
        assert match([], [at, at + RATE - 1]).extras == (at,)
        assert match([], [at, at + RATE]).extras == (at, at + RATE)

    def test_a_steady_alarm_is_not_one_event(self) -> None:
        """The second counts from the last counted event, not from the last repeat."""
        assert len(match([], range(0, 10 * RATE, RATE // 2)).extras) == 10

    def test_second_detection_of_a_heard_word_is_a_repeat_not_a_false_alarm(self) -> None:
        start, end = self.word
        found = match([self.word], [start + 1, end + RATE])
        assert (found.hits, found.extras, found.repeats) == ((start + 1,), (), 1)

    def test_close_words_each_take_a_detection(self) -> None:
        words = [(0, 8_000), (12_000, 20_000)]
        assert match(words, [9_000, 21_000]).hits == (9_000, 21_000)
        assert match(words, [13_000, 21_000]).hits == (13_000, 21_000)

    @given(word_lists(), detection_lists)
    def test_every_detection_is_accounted_for_once(self, words: list, detections: list) -> None:
        found = match(words, detections)
        hits = [h for h in found.hits if h is not None]
        assert len(hits) + len(found.extras) + found.repeats == len(detections)
        assert len(found.hits) == len(words)

    @given(word_lists(), detection_lists)
    def test_hits_lie_in_their_windows_and_extras_in_none(self, words: list, detections: list) -> None:
        found = match(words, detections)
        for (start, end), hit in zip(words, found.hits, strict=True):
            assert hit is None or start <= hit <= end + GRACE_SAMPLES
        for sample in found.extras:
            assert not any(start <= sample <= end + GRACE_SAMPLES for start, end in words)
        assert all(b - a >= REPEAT_SAMPLES for a, b in zip(found.extras, found.extras[1:], strict=False))

    @given(word_lists(), detection_lists)
    def test_a_missed_word_has_no_detection_left_over_for_it(self, words: list, detections: list) -> None:
        found = match(words, detections)
        taken = [h for h in found.hits if h is not None]
        for (start, end), hit in zip(words, found.hits, strict=True):
            if hit is None:
                inside = [d for d in detections if start <= d <= end + GRACE_SAMPLES]
                assert all(d in taken for d in inside)

    @given(word_lists(), detection_lists, sample_indices)
    def test_one_more_detection_never_loses_a_hit(self, words: list, detections: list, more: int) -> None:
        def heard(fired: list) -> int:
            return sum(h is not None for h in match(words, fired).hits)

        assert heard(detections) <= heard([*detections, more]) <= heard(detections) + 1

    @given(word_lists(), detection_lists)
    def test_order_of_detections_does_not_matter(self, words: list, detections: list) -> None:
        assert match(words, detections) == match(words, sorted(detections, reverse=True))


class TestBounds:
    def test_zero_events_is_the_rule_of_three(self) -> None:
        assert metrics.poisson_upper(0) == pytest.approx(-math.log(0.05))
        assert metrics.poisson_upper(0) == pytest.approx(3.0, abs=0.005)

    @given(st.integers(0, 200))
    def test_poisson_bound_is_where_so_few_events_have_probability_5_percent(self, events: int) -> None:
        assert stats.poisson.cdf(events, metrics.poisson_upper(events)) == pytest.approx(0.05, rel=1e-6)

    @given(st.integers(1, 200))
    def test_lower_poisson_bound_is_where_so_many_events_are_as_rare(self, events: int) -> None:
        assert stats.poisson.sf(events - 1, metrics.poisson_lower(events)) == pytest.approx(0.05, rel=1e-6)
        assert metrics.poisson_lower(events) < events < metrics.poisson_upper(events)

    def test_no_event_can_come_from_no_rate(self) -> None:
        assert metrics.poisson_lower(0) == 0.0
        assert metrics.alarm_rate(0, 0.0).fah_upper95 is None

    @given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_binomial_bound(self, pair: tuple[int, int]) -> None:
        events, trials = pair
        upper = metrics.binomial_upper(events, trials)
        assert events / trials <= upper <= 1.0
        if events < trials:
            assert stats.binom.cdf(events, trials, upper) == pytest.approx(0.05, rel=1e-6)


class TestMeasure:
    def test_figures_of_a_small_set(self) -> None:
        streams = [
            make_stream(3, ((1.0, 1.5),), (1.6,)),
            make_stream(3, ((1.0, 1.5),), ()),
            make_stream(10, ((1.0, 1.5), (6.0, 6.5)), (1.75, 4.0, 6.75)),
            make_stream(1800, (), (10.0, 10.4, 900.0)),
        ]
        accuracy = metrics.measure(streams)
        assert accuracy.positives == 4
        assert accuracy.frr == 0.25
        assert [(e.stream, e.time_s) for e in accuracy.misses] == [(1, 1.5)]
        assert accuracy.negative_hours == 0.5
        assert [e.time_s for e in accuracy.false_alarms] == [10.0, 900.0]
        assert accuracy.fah == 4.0
        assert accuracy.fah_upper95 == pytest.approx(metrics.poisson_upper(2) / 0.5)
        assert [(e.stream, e.time_s) for e in accuracy.extras] == [(2, 4.0)]
        assert accuracy.repeats == 1
        assert accuracy.latency_ms(50) == pytest.approx(250.0)
        assert accuracy.latency_ms(0) == pytest.approx(100.0)

    def test_a_boards_own_computing_is_part_of_the_latency_where_it_is_known(self) -> None:
        streams = [make_stream(3, ((1.0, 1.5),), (0.2, 1.6)), make_stream(3, ((1.0, 1.5),), (1.7,))]
        timed = [
            dataclasses.replace(streams[0], compute_samples=np.array([9_999.0, 80.0])),
            dataclasses.replace(streams[1], compute_samples=np.array([160.0])),
        ]
        assert metrics.measure(streams).latencies == (1_600, 3_200)
        assert metrics.measure(timed).latencies == (1_680, 3_360)

    def test_without_listed_times_a_detection_anywhere_in_the_clip_is_the_hit(self) -> None:
        """Where the word seems to be decides nothing; a second detection repeats it; no latency is told."""

        def clip(fired: tuple[float, ...]) -> ScoredStream:
            stream = make_stream(6, ((0.0, 6.0),), fired)
            recording = dataclasses.replace(stream.recording, placed="found", likely=(1.0, 1.5))
            return dataclasses.replace(stream, recording=recording)

        streams = [clip(()), clip((0.5,)), clip((5.0,)), clip((6.9,)), clip((2.0, 5.5)), clip((-0.5,))]
        accuracy = metrics.measure([*streams, make_stream(3, ((1.0, 1.5),), (1.6,))])
        assert [(e.stream, e.time_s) for e in accuracy.misses] == [(0, 1.5), (5, 1.5)]  # shown where it seems
        assert (accuracy.repeats, len(accuracy.extras), accuracy.false_alarms) == (1, 1, ())
        assert accuracy.latencies == (1_600,) and accuracy.fah is None  # of the listed word alone
        (point,) = metrics.sweep(streams, [0.5], first_above)
        assert point.misses == 2
        levels = [stream.scores.astype(np.uint16) * 128 for stream in streams]
        assert [peak > 0.9 for peak in metrics.word_peaks(streams, levels)] == [False, *[True] * 4, False]

    def test_no_false_alarm_in_h_hours_gives_three_over_h(self) -> None:
        accuracy = metrics.measure([make_stream(2 * 3600)])
        assert accuracy.fah == 0.0
        assert accuracy.fah_upper95 == pytest.approx(3.0 / 2, abs=0.003)

    def test_nothing_to_divide_by_gives_no_figure(self) -> None:
        assert metrics.measure([]).fah is None
        only_negative = metrics.measure([make_stream(10)])
        assert only_negative.frr is None and only_negative.frr_upper95 is None
        assert only_negative.latency_ms(50) is None
        only_positive = metrics.measure([make_stream(3, ((1.0, 1.5),), (1.6,))])
        assert only_positive.fah is None and only_positive.fah_upper95 is None

    @given(st.lists(st.floats(0, 60), max_size=20), st.floats(60, 600))
    def test_silence_around_a_recording_is_no_negative_audio(
        self, fired: list[float], seconds: float
    ) -> None:
        accuracy = metrics.measure([make_stream(seconds, (), tuple(fired))])
        assert accuracy.negative_hours == pytest.approx(seconds / 3600, abs=1e-6)
        assert len(accuracy.false_alarms) + accuracy.repeats == len(fired)


class TestTruthFile:
    """Recordings all of whose words are listed: the sound outside the words is negative audio."""

    def test_detections_outside_the_words_are_false_alarms_over_the_sound_outside(self) -> None:
        words = ((10.0, 10.5), (11.0, 12.0), (99.5, 100.0))  # windows 10..13 and 99.5..100 (the end)
        stream = make_stream(100, words, (5.0, 10.6, 11.6, 12.9, 50.0, 50.5), complete=True)
        accuracy = metrics.measure([stream])
        assert [e.time_s for e in accuracy.false_alarms] == [5.0, 50.0]
        assert (accuracy.extras, len(accuracy.misses), accuracy.repeats) == ((), 1, 2)
        assert accuracy.negative_hours == pytest.approx(96.5 / 3600)
        assert accuracy.fah == pytest.approx(2 / (96.5 / 3600))

    def test_a_clip_of_the_word_has_no_negative_audio(self) -> None:
        accuracy = metrics.measure([make_stream(100, ((10.0, 10.5),), (5.0,))])
        assert (accuracy.negative_hours, accuracy.fah, len(accuracy.extras)) == (0.0, None, 1)

    def test_the_curve_agrees(self) -> None:
        stream = make_stream(100, ((10.0, 10.5),), (5.0, 10.72, 50.0), complete=True)
        (point,) = metrics.sweep([stream], [0.5], first_above)
        accuracy = metrics.measure([stream])
        assert (point.misses, point.false_alarms) == (0, 2)
        assert (point.fah, point.fah_upper95) == (accuracy.fah, accuracy.fah_upper95)

    def test_peaks_leave_the_words_out(self) -> None:
        stream = make_stream(10, ((4.0, 5.0),), complete=True)
        levels = np.zeros(stream.scores.size, np.uint16)
        for time_s in (4.5, 5.9, 8.0):
            levels[np.searchsorted(stream.score_samples, LEAD_SAMPLES + time_s * RATE)] = 32_768
        assert sum(metrics.negative_peaks([stream], [levels])) == 1.0

    @given(word_lists(), st.integers(1, 90 * RATE))
    def test_negative_samples_are_those_in_no_window(self, words: list, samples: int) -> None:
        spans = tuple((a / RATE, b / RATE) for a, b in words)
        negative = np.ones(samples, bool)
        for start, end in words:
            negative[start : end + GRACE_SAMPLES] = False
        recording = Recording(Path("a"), spans, "positive", complete=True)
        assert metrics.negative_samples(recording, samples) == np.count_nonzero(negative)


class TestCurve:
    def test_misses_grow_and_false_alarms_shrink_with_the_threshold(self) -> None:
        rng = np.random.default_rng(1)
        streams = []
        for seconds, words in ((4.0, ((1.0, 1.6),)), (120.0, ())):
            for _ in range(10):
                stream = make_stream(seconds, words)
                stream.scores[:] = rng.integers(0, 160, stream.scores.size)
                if words:
                    stream.scores[np.searchsorted(stream.score_samples, LEAD_SAMPLES + 1.7 * RATE)] = (
                        rng.integers(100, 256)
                    )
                streams.append(stream)
        points = metrics.sweep(streams, [0.1, 0.3, 0.5, 0.7, 0.9], first_above)
        assert [p.frr for p in points] == sorted(p.frr for p in points if p.frr is not None)
        assert [p.fah for p in points] == sorted((p.fah for p in points if p.fah is not None), reverse=True)
        assert points[0].frr == 0.0 and points[0].fah is not None and points[0].fah > 1000
        assert points[-1].fah == 0.0

    def test_a_point_agrees_with_measure(self) -> None:
        streams = [make_stream(4, ((1.0, 1.5),), (1.72,)), make_stream(3600, (), (7.0, 99.0))]
        (point,) = metrics.sweep(streams, [0.5], first_above)
        accuracy = metrics.measure(streams)
        assert (point.misses, point.false_alarms) == (len(accuracy.misses), len(accuracy.false_alarms))
        assert (point.frr, point.fah, point.fah_upper95) == (accuracy.frr, accuracy.fah, accuracy.fah_upper95)


def test_peaks_come_from_inside_the_window_and_from_every_negative_second() -> None:
    positive, negative = make_stream(3, ((1.0, 1.5),)), make_stream(5.5)
    levels = [np.zeros(s.scores.size, np.uint16) for s in (positive, negative)]
    levels[0][np.searchsorted(positive.score_samples, LEAD_SAMPLES + 2.0 * RATE)] = 16_384
    levels[0][-1] = 32_768  # after the window
    levels[1][0] = 32_768
    assert metrics.word_peaks([positive, negative], levels) == [0.5]
    peaks = metrics.negative_peaks([positive, negative], levels)
    assert peaks[0] == 1.0 and not any(peaks[1:])
    assert len(peaks) == math.ceil((negative.score_samples[-1] - negative.score_samples[0] + 1) / RATE)


def test_breakdown_adds_up_by_group() -> None:
    streams = [
        make_stream(3, ((1.0, 1.5),), (1.6,), "ann"),
        make_stream(3, ((1.0, 1.5),), (), "bob"),
        make_stream(360, (), (5.0,), "street"),
        make_stream(360, (), (), ""),
    ]
    table = metrics.breakdown(streams, metrics.measure(streams), lambda r: r.name)
    assert list(table) == ["ann", "bob", "street"]
    bob, street = table["bob"], table["street"]
    assert (bob.positives, bob.misses, bob.frr, bob.frr_upper95) == (1, 1, 1.0, 1.0)
    assert (bob.negative_hours, bob.fah, bob.fah_upper95) == (0.0, None, None)
    assert (street.positives, street.frr, street.frr_upper95) == (0, None, None)
    assert (street.negative_hours, street.false_alarms, street.fah) == pytest.approx((0.1, 1, 10.0))
    assert (street.fah_lower95, street.fah_upper95) == pytest.approx((0.513, 47.44), rel=1e-3)
    assert [name for name, _ in metrics.worst_first(table)] == ["street", "bob", "ann"]


class TestThresholdFor:
    """The lowest threshold that lets so many events pass: one rule for every table."""

    def test_one_step_above_the_first_event_left_out(self) -> None:
        q15, floats = np.array([30_000, 20_000, 20_000, 9_000]), np.array([0.9, 0.5])
        assert [metrics.threshold_for(q15, k) for k in range(6)] == [30_001, 20_001, 20_001, 9_001, 1, 1]
        assert metrics.threshold_for(floats, 1) == math.nextafter(0.5, 1.0)

    def test_not_below_the_floor_and_never_zero(self) -> None:
        q15 = np.array([9_000, 100])
        assert [metrics.threshold_for(q15, k, floor=5_000) for k in range(3)] == [9_001, 5_000, 5_000]
        assert metrics.threshold_for(np.zeros(0, int), 0) == 1
        assert metrics.threshold_for(np.zeros(0), 0) > 0.0

    @given(st.lists(st.integers(0, 32_640)), st.integers(0, 20))
    def test_the_detectors_own_comparison_then_lets_no_more_pass(
        self, found: list[int], allowed: int
    ) -> None:
        peaks = np.sort(np.array(found, int))[::-1]
        assert np.sum(peaks >= metrics.threshold_for(peaks, allowed)) <= allowed
