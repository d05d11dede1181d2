"""Which threshold gives F false alarms per hour on a source of sound that nobody has heard yet.

A rate over all validation audio says little about other audio: sources differ by more than their counts
do, and F = 0.1 is a single event in ten hours. So the rate is modelled, source by source:

- The number of events of a source at a level is Poisson, and the rates of sources are Gamma distributed
  (together: negative binomial). What is asked for is the mean of that distribution, the rate to expect on
  another source; a source counts by its hours where these are few, and as one source where they are many.
- Down to the level that COUNTED events reach, events are counted. Above it the number of a source falls as
  a generalised Pareto distribution of the logit of the peaks does: one shape, and a scale of each source,
  drawn towards that of all. A peak at the highest score there is could have been higher: it is censored.

The constants are those that three models showed on about 30 hours from up to 20 sources each
(docs/evidence/calibration.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from watchword import core, spec
from watchword.evaluate.metrics import CONFIDENCE, AlarmRate, alarm_rate, poisson_upper

COUNTED = 30  # events that all sources together must have above a level for it to be counted

_TOP_Q15 = spec.q15(spec.DETECTOR_MAX_HIGH)
_SHAPE = 1.0  # of the Gamma distribution of rates: centre and spread (of its logarithm) of what to expect
_SHAPE_SPREAD = 1.0
_TAIL_SHAPE, _TAIL_SHAPE_SPREAD = -0.25, 0.2  # of the Pareto distribution, likewise
_LEAST_WEIGHT = 1e-3  # of a distribution, against the most likely one
_SCALE_WEIGHT = 10.0  # events that the scale of all sources counts as, beside those of one source
_ITERATIONS, _EXACT = 100, 1e-9  # of the mean rate


@dataclass(frozen=True)
class SourceAlarms:
    """What the detector could fire on in the negatives of one source."""

    name: str  # empty: the manifest names none
    peaks: np.ndarray  # Q15, one per event, descending
    hours: float

    def rate_at(self, high: float) -> AlarmRate:
        return alarm_rate(int(np.sum(self.peaks >= spec.q15(high))), self.hours)


@dataclass(frozen=True)
class Threshold:
    """A high threshold, and what was asked of it."""

    high: float  # 0..1
    reached: bool  # false: not even the highest threshold there is keeps the target
    counted: bool  # true: from events counted above it; false: from the fitted tail


@dataclass(frozen=True)
class Tail:
    """Generalised Pareto distributions, and how likely each is: the most likely alone ends too soon."""

    weights: np.ndarray  # [n], their sum is 1
    scales: np.ndarray  # [n]
    shapes: np.ndarray  # [n]

    def survival(self, excess: float) -> float:
        """Share above `excess`."""
        return float(self.weights @ self._each(excess))

    def variance(self, excess: float) -> float:
        """Of that share, relative to it: how unsure it is."""
        share = self.survival(excess)
        return float(self.weights @ (self._each(excess) / share - 1.0) ** 2) if share > 1e-9 else 1.0

    def _each(self, excess: float) -> np.ndarray:
        inner = np.maximum(1.0 + self.shapes * excess / self.scales, 0.0)
        shares: np.ndarray = inner ** (-1.0 / self.shapes)
        return shares


@dataclass(frozen=True)
class AlarmModel:
    """False alarms per hour on a source that is not among those it was fitted to."""

    peaks: tuple[np.ndarray, ...]  # Q15, of each source
    hours: np.ndarray  # [sources]
    rate_shape: float  # of the Gamma distribution of the sources' rates
    counted_to: int  # Q15: higher levels are the tail's
    above: np.ndarray  # [sources], events that reach that level
    own_scales: np.ndarray  # [sources], of the tail, against those of all
    tail: Tail

    def expected(self, high: float) -> float:
        """The rate to expect."""
        return _mean_rate(self._events(spec.q15(high)), self.hours, self.rate_shape)

    def upper95(self, high: float) -> float:
        """The rate that 95 % of such sources stay below.

        It holds the differences between sources, and how well the mean of so few is known: the ratio of
        two Gamma variables is an F variable. Without any event it is what the hours alone can exclude.
        """
        if not any(len(peaks) for peaks in self.peaks):
            return poisson_upper(0) / float(self.hours.sum())
        return self.expected(high) * self._spread(high)

    def threshold(self, target_fah: float, bound: str = "point", low_q15: int = 0) -> Threshold:
        """The lowest high threshold, not below `low_q15`, at which rate or bound is within `target_fah`."""
        rate = {"point": self.expected, "upper95": self.upper95}[bound]
        if rate(core.unit(_TOP_Q15)) > target_fah:
            return Threshold(core.unit(_TOP_Q15), False, self.counted_to >= _TOP_Q15)
        below, reached = max(low_q15, 1) - 1, _TOP_Q15
        while reached - below > 1:
            middle = (below + reached) // 2
            if rate(core.unit(middle)) > target_fah:
                below = middle
            else:
                reached = middle
        return Threshold(core.unit(reached), True, reached <= self.counted_to)

    def _events(self, level: int) -> np.ndarray:
        """Events of each source that reach a level; above what is counted, how many to expect."""
        if level <= self.counted_to:
            return np.array([float(np.sum(peaks >= level)) for peaks in self.peaks])
        excess = self._excess(level)
        shares = np.array([self.tail.survival(excess / own) for own in self.own_scales])
        expected: np.ndarray = self.above * shares
        return expected

    def _spread(self, high: float) -> float:
        """How many times the rate to expect the bound is."""
        level = spec.q15(high)
        mean = _mean_rate(self._events(min(level, self.counted_to)), self.hours, self.rate_shape)
        known = mean * float(np.sum(self.hours / (1.0 + mean * self.hours / self.rate_shape)))
        unsure = 1.0 / max(known, 1.0) + self.tail.variance(self._excess(max(level, self.counted_to)))
        return float(stats.f.ppf(CONFIDENCE, 2.0 * self.rate_shape, 2.0 / min(unsure, 1.0)))

    def _excess(self, level: int) -> float:
        return float(_logit(level) - _logit(self.counted_to))


def fit_alarms(sources: Sequence[SourceAlarms]) -> AlarmModel:
    """Fit the model to the false alarms of validation."""
    heard = [source for source in sources if source.hours > 0.0]
    hours = np.array([source.hours for source in heard])
    peaks = [np.asarray(source.peaks) for source in heard]
    ordered = np.sort(np.concatenate([np.zeros(0, int), *peaks]))[::-1]
    level = min(int(ordered[min(COUNTED, len(ordered)) - 1]) if len(ordered) else _TOP_Q15, _TOP_Q15)
    above = [found[found >= level] for found in peaks]
    excess = [_logit(found) - _logit(level) for found in above]
    tail = _fit_tail(np.concatenate([np.zeros(0), *excess]), np.concatenate([np.zeros(0, int), *above]))
    counts = np.array([float(len(found)) for found in above])
    return AlarmModel(
        tuple(peaks), hours, _fit_rate_shape(counts, hours), level, counts, _own_scales(excess), tail
    )


def _mean_rate(events: np.ndarray, hours: np.ndarray, shape: float) -> float:
    """The most likely mean of negative binomial counts whose rates have this shape."""
    return float(_mean_rates(events, hours, np.array([[shape]]))[0, 0])


def _mean_rates(events: np.ndarray, hours: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The same for each of `shapes` [n, 1]."""
    if not events.any():
        return np.zeros_like(shapes)
    means = np.full_like(shapes, events.sum() / hours.sum())
    for _ in range(_ITERATIONS):
        weights, before = 1.0 / (1.0 + means * hours / shapes), means
        means = (weights @ events / (weights @ hours))[:, None]
        if np.all(np.abs(means - before) <= _EXACT * before):
            break
    return means


def _fit_rate_shape(events: np.ndarray, hours: np.ndarray) -> float:
    """How much the sources' rates differ: most likely after what other models showed."""
    shapes = np.geomspace(0.05, 50.0, 61)[:, None]
    means = np.maximum(_mean_rates(events, hours, shapes), 1e-9) * hours  # [61, sources]
    likelihood = (
        special.gammaln(events + shapes)
        - special.gammaln(shapes)
        + shapes * np.log(shapes / (shapes + means))
        + events * np.log(means / (shapes + means))
    ).sum(axis=1)
    prior = -0.5 * (np.log(shapes[:, 0] / _SHAPE) / _SHAPE_SPREAD) ** 2
    return float(shapes[np.argmax(likelihood + prior), 0])


def _fit_tail(excess: np.ndarray, peaks: np.ndarray) -> Tail:
    """A grid of scales and shapes, each as likely as what was found and what other models showed make it."""
    if not excess.any():
        return Tail(np.ones(1), np.ones(1), np.array([_TAIL_SHAPE]))
    scales = excess.mean() * np.geomspace(0.3, 5.0, 80)[:, None, None]
    shapes = np.linspace(-1.0, 0.5, 31)[:, None] + 1e-6  # zero is a limit of the formula
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = np.log(1.0 + shapes * excess / scales)
    survival = -inner / shapes
    density = np.where(peaks >= _TOP_Q15, survival, survival - inner - np.log(scales))
    likelihood = np.where(np.isfinite(density), density, -np.inf).sum(axis=-1)
    prior = -0.5 * ((shapes[:, 0] - _TAIL_SHAPE) / _TAIL_SHAPE_SPREAD) ** 2
    weights = np.exp(likelihood + prior - np.max(likelihood + prior))
    likely = weights > _LEAST_WEIGHT
    all_scales, all_shapes = np.broadcast_arrays(scales[..., 0], shapes[:, 0])
    return Tail(weights[likely] / weights[likely].sum(), all_scales[likely], all_shapes[likely])


def _own_scales(excess: Sequence[np.ndarray]) -> np.ndarray:
    """The scale of each source against that of all, drawn towards 1 where a source has few events."""
    mean = float(np.mean(np.concatenate([np.zeros(0), *excess]))) if any(map(len, excess)) else 0.0
    if mean == 0.0:
        return np.ones(len(excess))
    return np.array([(e.sum() + _SCALE_WEIGHT * mean) / ((len(e) + _SCALE_WEIGHT) * mean) for e in excess])


def _logit(level: int | np.ndarray) -> np.ndarray:
    """Of levels in Q15; scores of 0 and beyond the top are none."""
    return np.asarray(special.logit(core.unit(np.clip(level, 1, _TOP_Q15))))
