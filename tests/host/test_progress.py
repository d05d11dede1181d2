"""Long work says how far it is, also where its output is no terminal."""

from __future__ import annotations

import pytest
from watchword.evaluate.progress import AudioProgress
from watchword.progress import Progress


def lines_of(
    capsys: pytest.CaptureFixture[str], seconds_each: float, count: int, shown: bool = True
) -> list[str]:
    now = [0.0]
    with Progress("negatives", count, "jobs", shown, clock=lambda: now[0]) as progress:
        for _ in range(count):
            now[0] += seconds_each
            progress.add()
    return capsys.readouterr().err.splitlines()


def test_slow_work_says_every_half_minute_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(capsys, seconds_each=10.0, count=600)
    assert lines[0] == "negatives  3 of 600 jobs (0%), 0.1 jobs/s, 100 min left"
    assert len(lines) == 200 and lines[-1] == "negatives  600 of 600 jobs (100%), 0.1 jobs/s"


def test_faster_work_says_so_at_every_twentieth(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(capsys, seconds_each=0.1, count=1000)
    assert len(lines) == 20
    assert lines[9] == "negatives  500 of 1,000 jobs (50%), 10 jobs/s, 50 s left"


def test_the_last_line_is_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, seconds_each=0.7, count=19)[-1].startswith("negatives  19 of 19 jobs (100%)")


def test_work_of_a_moment_and_unwanted_progress_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(capsys, seconds_each=0.001, count=1000) == []
    assert lines_of(capsys, seconds_each=10.0, count=600, shown=False) == []


def test_what_was_there_before_and_what_is_not_needed_leave_the_pace_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    progress = Progress("negatives", 1000, "jobs", done=900, clock=lambda: now[0])
    now[0] = 100.0
    progress.add(10)
    progress.take_away(50)
    progress.reach(905)  # behind what is done
    now[0] = 200.0
    progress.add(10)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "negatives  910 of 1,000 jobs (91%), 0.1 jobs/s, 15 min left"
    assert second == "negatives  920 of 950 jobs (97%), 0.1 jobs/s, 5 min left"


def test_audio_is_told_in_times_real_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword.progress._AT_MOST_EVERY_S", 0.0)
    with AudioProgress("host pipeline", 7200.0) as progress:
        progress.add(3600.0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("host pipeline 3,600 of 7,200 s of audio (50%)") and "x real time" in line
