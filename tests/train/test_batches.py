"""Segments are cut where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from watchword import core
from watchword.core import Geometry
from watchword.data.augment import AFTER_END_S, BEFORE_END_S
from watchword.data.batches import Batch, Batches, TrainingSet, make_training_set, segment_rows

GEOMETRY = Geometry(hop_samples=320, receptive_rows=69, stride_rows=2)
IDENTITY = core.Normalisation("none", 1, np.zeros(13, np.int16), np.full(13, 1 << 14, np.uint16))


def batches_of(data: TrainingSet, seed: int = 1, size: int = 12) -> Batches:
    return Batches(
        data, GEOMETRY, rows=101, size=size, negatives_per_positive=5.0, window_end_s=0.28, seed=seed
    )


def test_geometry() -> None:
    assert GEOMETRY.scores(68) == 0 and GEOMETRY.scores(69) == 1 and GEOMETRY.scores(71) == 2
    assert GEOMETRY.score_samples(GEOMETRY.scores(71)).tolist() == [69 * 320, 71 * 320]
    rows = segment_rows(GEOMETRY, 2.4, 5)
    assert (rows - 69) % 2 == 0 and abs(rows * 0.02 - 2.4) < 0.04
    assert GEOMETRY.scores(segment_rows(GEOMETRY, 0.5, 5)) == 5  # never fewer than one average


def test_positive_segments_end_after_the_word() -> None:
    """Rows carry their own number: the last window ends window_end_s after the word's end."""
    total = round((BEFORE_END_S + AFTER_END_S) * 50)
    numbers = np.arange(total) - 120
    words = np.repeat(numbers[None, :, None], 13, axis=2).astype(np.int8).repeat(3, axis=0)
    data = TrainingSet(words, np.zeros((500, 13), np.int8), np.array([0, 101]))
    batches = batches_of(data)
    assert (batches.positives, batches.negatives) == (2, 10)
    last = {int(batch.rows[i, -1, 0]) + 120 for batch in batches.take(40) for i in range(2)}
    end_row = round(BEFORE_END_S * 50) + 14  # rows up to 0.28 s after the word
    assert last == {end_row - 1, end_row}


def test_labels_and_reproducibility() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(-9, 9, (5, 240, 13)).astype(np.int8)
    data = TrainingSet(words, rng.integers(-9, 9, (900, 13)).astype(np.int8), np.arange(0, 700, 101))

    def draw(seed: int) -> list[Batch]:
        return list(batches_of(data, seed).take(3))

    for a, b in zip(draw(4), draw(4), strict=True):
        assert np.array_equal(a.rows, b.rows) and a.labels.tolist() == [1.0] * 2 + [0.0] * 10
        assert a.rows.shape == (12, 101, 13) and a.rows.dtype == np.int8
    assert not np.array_equal(draw(4)[0].rows, draw(5)[0].rows)


def test_a_batch_tells_where_it_was_cut() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(-9, 9, (5, 240, 13)).astype(np.int8)
    data = TrainingSet(words, rng.integers(-9, 9, (900, 13)).astype(np.int8), np.arange(0, 700, 101))
    for batch in batches_of(data).take(3):
        for segment, (draw, start) in zip(batch.rows[:2], batch.words, strict=True):
            assert np.array_equal(segment, data.positives[draw, start : start + 101])
        for segment, start in zip(batch.rows[2:], batch.others, strict=True):
            assert np.array_equal(segment, data.negatives[start : start + 101])


def test_a_restored_state_gives_the_same_batches() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(-9, 9, (5, 240, 13)).astype(np.int8)
    data = TrainingSet(words, rng.integers(-9, 9, (900, 13)).astype(np.int8), np.arange(0, 700, 101))
    first, second = (batches_of(data, seed) for seed in (1, 2))
    first.set_hardness(np.arange(7.0), 0.5)
    list(first.take(4))
    second.restore(first.state())
    for a, b in zip(first.take(4), second.take(4), strict=True):
        assert np.array_equal(a.rows, b.rows) and np.array_equal(a.hard, b.hard)


def test_blocks_stay_within_streams() -> None:
    streams = [np.full((n, 13), value, np.int16) for value, n in ((1, 250), (2, 60), (3, 101))]
    data = make_training_set(np.zeros((1, 240, 13), np.int16), streams, IDENTITY, rows=101)
    assert data.starts.tolist() == [0, 101, 149, 310]  # the stream of 60 rows is too short
    for start in data.starts:
        assert len(np.unique(data.negatives[start : start + 101])) == 1


def test_hard_negatives_are_drawn_more_often() -> None:
    rows = np.repeat(np.arange(10, dtype=np.int8), 400)[:, None].repeat(13, axis=1)
    data = TrainingSet(np.zeros((1, 240, 13), np.int8), rows, np.arange(150, 4000, 400))
    batches = batches_of(data, size=60)

    def share_of_seven() -> float:
        found = np.concatenate([b.rows[batches.positives :, 50, 0] for b in batches.take(40)])
        return float(np.mean(found == 7))

    assert share_of_seven() == pytest.approx(0.1, abs=0.03)
    weights = np.zeros(10)
    weights[7] = 1.0
    batches.set_hardness(weights, share=0.5)
    assert share_of_seven() == pytest.approx(0.55, abs=0.05)
    marked = np.concatenate([b.rows[b.hard > 0, 50, 0] for b in batches.take(40)])
    assert np.mean(marked == 7) > 0.9  # but for jitter, which reaches into the next stream
