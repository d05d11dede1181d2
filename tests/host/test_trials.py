"""Yes-or-no figures: against scikit-learn, which computes them in another way, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watchword.evaluate import trials

sklearn_metrics = pytest.importorskip("sklearn.metrics")

scores = st.lists(st.integers(0, 12).map(lambda n: n / 8), min_size=1, max_size=40)  # many ties


@given(scores, scores)
def test_auc_and_partial_auc_are_those_of_scikit_learn(words: list[float], others: list[float]) -> None:
    truth, values = [1] * len(words) + [0] * len(others), words + others
    curve = trials.roc(words, others)
    assert curve is not None
    assert curve.auc == pytest.approx(sklearn_metrics.roc_auc_score(truth, values))
    for limit in (0.1, 0.37, 1.0):
        oracle = sklearn_metrics.roc_auc_score(truth, values, max_fpr=limit)
        assert curve.partial_auc(limit) == pytest.approx(oracle)


@given(scores, scores)
def test_the_curve_is_that_of_scikit_learn(words: list[float], others: list[float]) -> None:
    truth, values = [1] * len(words) + [0] * len(others), words + others
    fpr, tpr, thresholds = sklearn_metrics.roc_curve(truth, values, drop_intermediate=False)
    curve = trials.roc(words, others)
    assert curve is not None
    np.testing.assert_allclose(curve.thresholds, thresholds)
    np.testing.assert_allclose(curve.fpr, fpr, atol=1e-12)
    np.testing.assert_allclose(1.0 - curve.fnr, tpr, atol=1e-12)


@given(scores, scores, st.integers(0, 12).map(lambda n: n / 8))
def test_the_confusion_is_the_curves_point(words: list[float], others: list[float], threshold: float) -> None:
    found, curve = trials.confusion(words, others, threshold), trials.roc(words, others)
    assert curve is not None
    assert (found.hits + found.misses, found.false_alarms + found.correct_rejections) == (
        len(words),
        len(others),
    )
    at = int(np.flatnonzero(curve.thresholds >= threshold)[-1])
    assert (found.fpr, found.fnr) == (pytest.approx(curve.fpr[at]), pytest.approx(curve.fnr[at]))
    truth, said = [1] * len(words) + [0] * len(others), np.array(words + others) >= threshold
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(truth, said))
    assert found.balanced_accuracy == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, said))


@given(scores, scores)
def test_the_equal_error_rate_lies_on_the_curve(words: list[float], others: list[float]) -> None:
    """(EER, EER) is on one of the straight lines between neighbouring points."""
    curve = trials.roc(words, others)
    assert curve is not None
    points = np.stack([curve.fpr, curve.fnr], axis=1)
    ends, starts = points[1:] - curve.eer, points[:-1] - curve.eer
    through = np.isclose(starts[:, 0] * ends[:, 1], starts[:, 1] * ends[:, 0], atol=1e-9)
    between = ((starts * ends) <= 1e-9).all(axis=1)
    assert (through & between).any()


@pytest.mark.parametrize(
    ("words", "others", "eer"),
    [
        ([0.9, 0.8], [0.1, 0.2], 0.0),  # apart
        ([0.1, 0.2], [0.9, 0.8], 1.0),  # the wrong way round
        ([0.5], [0.5], 0.5),  # the same
        ([0.9, 0.7, 0.3, 0.8], [0.1, 0.4, 0.2, 0.0], 0.25),  # one of four on each side
        ([0.2, 0.9], [0.1, 0.5, 0.3, 0.0], 0.5),  # the curve crosses half-way up a step from FNR 1/2
    ],
)
def test_equal_error_rate_by_hand(words: list[float], others: list[float], eer: float) -> None:
    curve = trials.roc(words, others)
    assert curve is not None and curve.eer == pytest.approx(eer)


def test_partial_auc_by_hand() -> None:
    """Half the words above everything, the others below: a hit rate of 1/2 over all of FPR 0..0.1."""
    curve = trials.roc([1.0, 0.0], [0.5] * 10)
    assert curve is not None
    assert curve.partial_auc(0.1) == pytest.approx(0.5 * (1 + (0.05 - 0.005) / (0.1 - 0.005)))
    perfect, chance = trials.roc([1.0], [0.0]), trials.roc([0.5], [0.5])
    assert perfect is not None and chance is not None
    assert (perfect.partial_auc(), chance.partial_auc()) == (pytest.approx(1.0), pytest.approx(0.5))


def test_nothing_to_compare_gives_no_figure() -> None:
    assert trials.roc([], [0.5]) is None and trials.roc([0.5], []) is None
    nothing = trials.confusion([], [], 0.5)
    assert (nothing.fpr, nothing.fnr, nothing.accuracy, nothing.balanced_accuracy) == (None,) * 4


def test_a_thinned_curve_keeps_ends_and_crossing() -> None:
    rng = np.random.default_rng(0)
    curve = trials.roc(rng.normal(2, 1, 3_000).tolist(), rng.normal(0, 1, 20_000).tolist())
    assert curve is not None
    small = curve.thinned(200)
    assert small.thresholds.size <= 204 < curve.thresholds.size
    assert small.eer == pytest.approx(curve.eer)
    assert (small.fpr[0], small.fnr[0], small.fpr[-1], small.fnr[-1]) == (0.0, 1.0, 1.0, 0.0)
    at = np.linspace(0.001, 0.999, 500)
    np.testing.assert_allclose(
        np.interp(at, small.fpr, small.fnr), np.interp(at, curve.fpr, curve.fnr), atol=0.02
    )
