"""A teacher hears what the student hears, its opinion is kept, and belongs to the right moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_corpus import write_corpus
from watchword.config import DataConfig, DistillConfig, FeaturesConfig, RunConfig
from watchword.core import Geometry
from watchword.data.batches import Batches, TrainingSet
from watchword.data.plan import Features, make_features
from watchword.train.distill.encoding import Encoder, FrontEnd, encode, share_of
from watchword.train.distill.soft_labels import SoftLabels, at_row_ends, make_soft_labels

STUDENT = Geometry(hop_samples=320, receptive_rows=69, stride_rows=2)


@given(
    hop=st.sampled_from([160, 320, 640, 1280]),
    receptive=st.integers(1, 40),
    stride=st.integers(1, 4),
    student_hop=st.sampled_from([160, 320]),
    samples=st.integers(20_000, 60_000),
)
def test_opinions_stay_at_their_time(
    hop: int, receptive: int, stride: int, student_hop: int, samples: int
) -> None:
    """A teacher that tells the time: whatever its pace, each row gets the time of its own end."""
    geometry = Geometry(hop, receptive, stride)
    due = geometry.score_samples(geometry.scores(samples // hop))
    labels = at_row_ends(due, due / 1e4, samples // student_hop, student_hop).astype(float)
    ends = np.arange(1, len(labels) + 1) * student_hop
    known = np.isfinite(labels)
    inside = (ends >= due[0]) & (ends <= due[-1]) if len(due) else np.zeros(len(ends), bool)
    assert np.array_equal(known, inside)
    assert labels[known] == pytest.approx(ends[known] / 1e4, rel=1e-3)


def test_no_score_no_opinion() -> None:
    assert np.isnan(at_row_ends(np.zeros(0, np.int64), np.zeros(0), 5, 320)).all()
    one_lost = at_row_ends(np.array([320, 640, 960]), np.array([1.0, 2.0]), 4, 320)
    assert one_lost[:2].tolist() == [1.0, 2.0] and np.isnan(one_lost[2:]).all()


def test_targets_are_those_of_the_windows_last_rows() -> None:
    """Rows carry their own number, and so do the labels: each score is compared with its last row's."""
    numbers = np.arange(240)
    words = np.repeat((numbers - 120)[None, :, None], 13, axis=2).astype(np.int8).repeat(3, axis=0)
    others = np.repeat((np.arange(900) % 251 - 125)[:, None], 13, axis=1).astype(np.int8)
    data = TrainingSet(words, others, np.arange(0, 700, 101))
    labels = SoftLabels(words[:, :, 0].astype(np.float16), others[:, 0].astype(np.float16))
    for batch in Batches(
        data, STUDENT, rows=101, size=12, negatives_per_positive=5.0, window_end_s=0.28, seed=1
    ).take(3):
        targets = labels.of(batch, STUDENT)
        assert targets.shape == (12, STUDENT.scores(101)) and targets.dtype == np.float32
        for segment, wanted in zip(batch.rows, targets, strict=True):
            for k, value in enumerate(wanted):
                window = segment[k * STUDENT.stride_rows :][: STUDENT.receptive_rows]
                assert window[-1, 0] == value


@dataclass(frozen=True)
class Loudness:
    """A listener with one number a row: the mean magnitude."""

    hop_samples: int = 640
    identity: str = "loudness"

    def rows(self, pcm: np.ndarray) -> np.ndarray:
        whole = pcm[: len(pcm) // self.hop_samples * self.hop_samples].astype(np.float32)
        return np.abs(whole).reshape(-1, self.hop_samples, 1).mean(axis=1)


@dataclass
class LoudnessTeacher:
    """Its logit is the loudness of the last row of its window; remembers how much it was asked."""

    encoder: Encoder | None = field(default_factory=Loudness)
    identity: str = "teacher 1"
    geometry: Geometry = field(default_factory=lambda: Geometry(640, receptive_rows=7, stride_rows=3))
    facts: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    def log_odds(self, streams: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.asked += len(streams)
        return [rows[6::3, 0] for rows in streams]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    folder = tmp_path_factory.mktemp("toy")
    data = DataConfig(
        manifest=str(write_corpus(folder, words=4, others=6)),
        cache=str(folder / "cache"),
        positive_draws=2,
        synthetic_draws=2,
        negative_draws=2,
        workers=1,
    )
    all_taught = DistillConfig(negative_share=1.0)
    return RunConfig(data=data, features=FeaturesConfig(coeffs=16), distill=all_taught)


@pytest.fixture(scope="module")
def features(config: RunConfig) -> Features:
    return make_features(config, progress=False)


def test_an_encoder_hears_the_same_audio(config: RunConfig, features: Features) -> None:
    """The front end as an encoder gives the rows that are there already, to the bit."""
    plan, cache = features.plan, Path(config.data.cache)
    front_end = FrontEnd(config.features)
    words = encode(plan.positives, plan.recipe, front_end, cache, 1, "", progress=False)
    others = encode(plan.negatives, plan.recipe, front_end, cache, 1, "", progress=False)
    assert np.array_equal(np.stack(words), features.positives)
    assert all(np.array_equal(a, b) for a, b in zip(others, features.negatives, strict=True))
    wider = encode(plan.positives, plan.recipe, FrontEnd(FeaturesConfig(coeffs=20)), cache, 1, "", False)
    assert np.array_equal(np.stack(wider)[:, :, :16], features.positives)  # the same, and four more


def test_soft_labels_of_a_corpus(config: RunConfig, features: Features) -> None:
    """Each label is what the teacher says of the audio that ends with the student's row."""
    plan = features.plan
    labels = make_soft_labels(LoudnessTeacher(), features, config, progress=False)
    assert labels.positives.shape == features.positives.shape[:2]
    assert len(labels.negatives) == sum(len(stream) for stream in features.negatives)
    encoded = encode(plan.negatives, plan.recipe, Loudness(), Path(config.data.cache), 1, "", False)
    start = 0
    for rows, stream in zip(encoded, features.negatives, strict=True):
        found = labels.negatives[start : start + len(stream)].astype(float)
        start += len(stream)
        for row in range(6, len(rows), 3):  # the teacher's own times: the end of its row = 2 student rows
            assert found[2 * row + 1] == pytest.approx(rows[row, 0], rel=1e-3)
        assert np.isnan(found[:13]).all() and np.isfinite(found[13]) and np.isfinite(found[-8])


def test_opinions_are_kept_by_teacher_and_audio(config: RunConfig, features: Features) -> None:
    def judge(teacher: LoudnessTeacher, config: RunConfig) -> tuple[int, SoftLabels]:
        labels = make_soft_labels(teacher, features, config, progress=False)
        return teacher.asked, labels

    _, first = judge(LoudnessTeacher(), config)
    asked, again = judge(LoudnessTeacher(), config)
    assert asked == 0 and np.array_equal(first.positives, again.positives, equal_nan=True)
    assert np.array_equal(first.negatives, again.negatives, equal_nan=True)
    assert judge(LoudnessTeacher(identity="teacher 2"), config)[0] > 0
    for path in Path(config.data.cache).rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:40])
    asked, mended = judge(LoudnessTeacher(), config)
    assert asked > 0 and np.array_equal(first.negatives, mended.negatives, equal_nan=True)


def test_a_share_of_the_negatives(config: RunConfig, features: Features) -> None:
    """Whole streams have the opinion they have anyway, the rest none; positives always have one."""
    everything = make_soft_labels(LoudnessTeacher(), features, config, progress=False)
    some = replace(config, distill=DistillConfig(negative_share=0.4))
    teacher = LoudnessTeacher(identity="asked for a share")
    labels = make_soft_labels(teacher, features, some, progress=False)
    count, jobs = len(features.negatives), features.plan.negatives
    chosen = share_of(jobs, features.plan.recipe, 0.4)
    assert count > 1 and 0 < len(chosen) == max(1, round(0.4 * count)) < count
    assert teacher.asked == len(features.positives) + len(chosen)
    assert np.array_equal(labels.positives, everything.positives, equal_nan=True)
    ends = np.cumsum([len(stream) for stream in features.negatives])[:-1]
    pairs = zip(np.split(labels.negatives, ends), np.split(everything.negatives, ends), strict=True)
    for i, (found, whole) in enumerate(pairs):
        assert np.array_equal(found, whole, equal_nan=True) if i in chosen else np.isnan(found).all()


@given(a=st.floats(0.001, 1.0), b=st.floats(0.001, 1.0), seed=st.integers(0, 99))
def test_shares_nest_and_do_not_depend_on_order(features: Features, a: float, b: float, seed: int) -> None:
    """More of the share adds streams to those judged already; a job is in for what it holds."""
    jobs, recipe = features.plan.negatives + features.plan.positives, features.plan.recipe
    small, large = share_of(jobs, recipe, min(a, b)), share_of(jobs, recipe, max(a, b))
    assert small and set(small) <= set(large) and small == sorted(small)
    order = np.random.default_rng(seed).permutation(len(jobs))
    shuffled = share_of([jobs[i] for i in order], recipe, min(a, b))
    assert {int(order[i]) for i in shuffled} == set(small)
    assert share_of(jobs, recipe, 1.0) == list(range(len(jobs)))


def test_a_teacher_can_take_the_students_rows(config: RunConfig, features: Features) -> None:
    own = LoudnessTeacher(encoder=None, identity="own", geometry=Geometry(320, 7, 3))
    labels = make_soft_labels(own, features, replace(config), progress=False)
    assert labels.positives[0, 6] == np.float16(features.positives[0, 6, 0])
    assert labels.positives[0, 9] == np.float16(features.positives[0, 9, 0])
