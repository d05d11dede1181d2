"""The report: every figure of the results is on the page, the page stands alone, nothing breaks it."""

from __future__ import annotations

import base64
import copy
import io
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
import synthetic
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import image as images
from sounds_of_rooms import corpus
from watchword import audio
from watchword.errors import WatchwordError
from watchword.evaluate import report, session
from watchword.evaluate.events import MAX_TRACES
from watchword.evaluate.excerpts import make_excerpts
from watchword.evaluate.plots import log_ticks
from watchword.evaluate.results import (
    SCHEMA,
    ConditionFigures,
    Conditions,
    Latency,
    Results,
    Scene,
    read_results,
    to_json,
)

LIMITS = {
    "max_frr": 0.2,
    "max_fah": 1.0,
    "latency_p95_ms": 600,
    "instructions_per_audio_second": 12e6,
    "ram_bytes": 48_000,
    "arena_bytes": 16_000,
    "stack_bytes": 2_048,
    "code_bytes": 32_000,
    "model_bytes": 40_000,
}
VOID = {
    "meta",
    "br",
    "link",
    "img",
    "hr",
    "input",
    "path",
    "use",
    "rect",
    "line",
    "polyline",
    "circle",
    "stop",
}


class Page(HTMLParser):
    """Collects text by section, the tags, and whether every tag was closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.section, self.text = "", {"": ""}
        self.outside: list[str] = []
        self.svgs = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        for name in ("src", "href"):
            if values.get(name) and not str(values[name]).startswith(("#", "data:")):
                self.outside.append(f"{tag} {values[name]}")
        if tag in ("script", "link", "iframe"):
            self.outside.append(tag)
        if tag == "section":
            self.section = str(values.get("id"))
            self.text[self.section] = ""
        self.svgs += tag == "svg"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.problems.append(tag)
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        self.text[self.section] += data.replace("\xa0", " ")


@given(st.floats(1e-3, 1e3), st.floats(1.3, 1e5))
def test_a_logarithmic_axis_has_enough_ticks_to_be_read(low: float, ratio: float) -> None:
    high = low * ratio
    ticks = log_ticks(low, high)
    assert ticks == sorted(ticks) and all(low <= tick <= high for tick in ticks) and len(ticks) <= 9
    assert ratio < 10 or len(ticks) >= 2
    assert ratio < 50 or ratio > 1000 or len(ticks) >= 3, "no value is read by guessing between two decades"


@pytest.fixture(scope="module")
def results() -> Results:
    return synthetic.make_results(synthetic.make_streams(), limits=LIMITS)


@pytest.fixture(scope="module")
def page(results: Results) -> Page:
    return Page(report.render(results))


def test_page_is_well_formed_and_loads_nothing(page: Page) -> None:
    assert page.problems == [] and page.open == []
    assert page.outside == []


def test_headline_and_verdict(page: Page, results: Results) -> None:
    head = page.text[""]
    assert "hey lighthouse" in head and "emu-c3" in head and "OVER BUDGET" in head
    assert report.percent(results.frr) in head and report.rate(results.fah) in head
    assert report.rate(results.fah_upper95) in head
    assert f"{results.latency_ms.p50:.0f} ms" in head
    assert "9.12 M" in head


def test_every_budget_line_is_there(page: Page, results: Results) -> None:
    text = page.text["budgets"]
    for line in results.budgets.lines:
        assert line.label in text
        assert report.format_value(line.value, line.unit) in text
        assert report.format_value(line.budget, line.unit) in text
    assert text.count("PASS") == 8 and text.count("FAIL") == 1


def test_events_are_listed_with_file_and_time(page: Page, results: Results) -> None:
    assert results.false_alarms > MAX_TRACES and results.misses > 0
    for section, key in (("false-alarms", "false_alarms"), ("misses", "misses")):
        for event in getattr(results.details, key):
            assert event.name in page.text[section] and report.clock(event.time_s) in page.text[section]
    traces = sum(e.trace is not None for k in ("false_alarms", "misses") for e in getattr(results.details, k))
    assert traces == MAX_TRACES + min(MAX_TRACES, results.misses)
    assert page.svgs == 7 + traces  # curve, scores, latency, cost, DET, groups, sources


def test_every_source_has_its_rate_and_its_bounds(page: Page, results: Results) -> None:
    """On the page and on the terminal; names from manifests are no formulas and no markup."""
    worst, calmer = sorted(
        (g for g in results.details.sources.values() if g.negative_hours), key=lambda g: -(g.fah or 0)
    )
    shown = [report.rate(v) for g in (worst, calmer) for v in (g.fah, g.fah_lower95, g.fah_upper95)]
    assert all(value in page.text["groups"] for value in shown)
    rows = [
        line.split() for line in session.table(results).splitlines() if line.startswith(("talk", "music"))
    ]
    assert [row[-3:] for row in rows] == [shown[:3], shown[3:]]
    odd = {"a $b_ <i>": worst, "b": calmer}
    renamed = replace(results, details=replace(results.details, sources=odd))
    assert "a $b_ <i>" in Page(report.render(renamed)).text["groups"]


def test_the_worst_come_first(results: Results) -> None:
    alarms = [event.peak for event in results.details.false_alarms]
    misses = [event.peak for event in results.details.misses]
    assert alarms == sorted(alarms, reverse=True) and misses == sorted(misses)
    assert all(event.trace is not None for event in results.details.false_alarms[:MAX_TRACES])


def test_provenance_and_remarks(page: Page, results: Results) -> None:
    text = page.text["provenance"]
    for value in (*asdict(results.hashes).values(), results.provenance.command, "45,123 scores compared"):
        assert value in text
    assert "Recordings without the word: 30 of 95.0 minutes" in page.text[""]
    assert "holds no samples" in page.text[""]


def test_all_kept_and_host(results: Results) -> None:
    generous = synthetic.make_results(synthetic.make_streams(), limits={"max_fah": 1e6})
    assert "ALL BUDGETS KEPT" in Page(report.render(generous)).text[""]
    host = Page(report.render(synthetic.make_results(synthetic.make_streams(), board="host")))
    assert "NO BUDGETS" in host.text[""] and "no board in this run" in host.text["provenance"]


@pytest.mark.parametrize("kept", [slice(0, 0), slice(0, 40), slice(40, None), slice(0, 1)], ids=str)
def test_renders_without_positives_negatives_or_anything(kept: slice) -> None:
    streams = synthetic.make_streams()[kept]
    found = Page(report.render(synthetic.make_results(streams, limits=LIMITS)))
    assert found.problems == [] and "nan" not in "".join(found.text.values()).lower().split()


def test_text_from_files_cannot_become_markup(results: Results) -> None:
    first, *rest = results.details.misses
    misses = (replace(first, name="<img src=x onerror=alert(1)>"), *rest)
    hostile = replace(
        results, word="<script>alert(1)</script>", details=replace(results.details, misses=misses)
    )
    page = Page(report.render(hostile))
    assert page.outside == [] and "<script>alert(1)</script>" in page.text[""]


def test_same_results_same_page(results: Results) -> None:
    assert report.render(results) == report.render(copy.deepcopy(results))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "not measured"),
        (0.0238, "share", "2.38 %"),
        (0.0, "share", "0 %"),
        (1.0, "share", "100 %"),
        (0.123, "per hour", "0.123"),
        (0, "per hour", "0"),
        (2768.4, "per hour", "2,768"),
        (212.4, "ms", "212 ms"),
        (18432, "bytes", "18,432 B"),
        (9_119_955, "count", "9.12 M"),
    ],
)
def test_figures_in_words(value: float | None, unit: str, text: str) -> None:
    assert report.format_value(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (75.25, "1:15.2"), (3661, "1:01:01.0")]
)
def test_clock(seconds: float, text: str) -> None:
    assert report.clock(seconds) == text


class TestSessionFolder:
    def test_files_and_report_again(self, tmp_path: Path, results: Results) -> None:
        with session.open_session(tmp_path / "s") as run:
            run.log("first line", show=False)
            run.finish(results)
        assert sorted(p.name for p in (tmp_path / "s").iterdir()) == [
            "log.txt",
            "report.html",
            "results.json",
        ]
        assert "first line" in (tmp_path / "s" / "log.txt").read_text()
        assert read_results(tmp_path / "s") == results
        before = (tmp_path / "s" / "report.html").read_text()
        (tmp_path / "s" / "report.html").unlink()
        session.rerender(tmp_path / "s")
        assert (tmp_path / "s" / "report.html").read_text() == before

    def test_interrupted_leaves_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stop, session.open_session(tmp_path / "s"):
            raise KeyboardInterrupt
        assert stop.value.code == 130
        assert "nothing was written" in capsys.readouterr().err
        assert not (tmp_path / "s").exists()

    def test_failed_run_keeps_what_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("keep")
        with pytest.raises(WatchwordError), session.open_session(tmp_path):
            raise WatchwordError("no")
        assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]

    def test_a_figure_that_is_not_finite_is_never_written(self, tmp_path: Path, results: Results) -> None:
        with (
            pytest.raises(ValueError, match="not JSON compliant"),
            session.open_session(tmp_path / "s") as run,
        ):
            run.finish(replace(results, fah=float("nan")))
        assert not (tmp_path / "s").exists()

    def test_out_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(WatchwordError, match="cannot write here"),
            session.open_session(tmp_path / "file"),
        ):
            pass

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (None, r"holds no results\.json"),
            ("{", "not readable"),
            ("[]", "has schema None"),
            ('{"schema": 99}', "schema 99"),
        ],
    )
    def test_folder_without_good_results(self, tmp_path: Path, content: str | None, says: str) -> None:
        if content is not None:
            (tmp_path / "results.json").write_text(content)
        with pytest.raises(WatchwordError, match=says):
            session.rerender(tmp_path)

    def test_results_that_lack_parts(self, tmp_path: Path) -> None:
        (tmp_path / "results.json").write_text(f'{{"schema": {SCHEMA}}}')
        with pytest.raises(WatchwordError, match="lacks `word`"):
            session.rerender(tmp_path)

    def test_table(self, results: Results) -> None:
        text = session.table(results)
        assert re.search(r"missed wakes \(FRR\) +5 % +<= 20 % +PASS", text)
        assert re.search(r"false alarms per hour \(FAH\) +36 +<= 1 +FAIL", text)
        assert "board against host: 45,123 scores, all equal" in text

    def test_exit_status(self, results: Results) -> None:
        good = synthetic.make_results(synthetic.make_streams())
        assert session.exit_status(good) == 0
        assert session.exit_status(results) == 2
        for differing in (
            replace(good, parity=replace(good.parity, mismatches=1)),
            replace(good, parity=replace(good.parity, detection_mismatches=1)),
            replace(good, link=replace(good.link, lost_samples=1)),
        ):
            assert session.exit_status(differing) == 3


@pytest.fixture(scope="module")
def playable(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return with_recordings(results, tmp_path_factory.mktemp("sounds"))


@pytest.fixture(scope="module")
def html(playable: Results) -> str:
    return report.render(playable)


class TestWhatOneCanHear:
    """Recordings that are still there are shown and played on the page itself."""

    def test_every_worst_event_has_a_picture_and_a_player(self, html: str, playable: Results) -> None:
        shown = sum(
            e.trace is not None for k in ("false_alarms", "misses") for e in getattr(playable.details, k)
        )
        assert html.count('src="data:audio/flac;base64,') == shown
        assert html.count('src="data:image/png;base64,') == shown
        assert Page(html).outside == [] and Page(html).problems == []
        assert len(html) < 5_000_000

    def test_the_player_plays_what_is_around_the_event(self, playable: Results) -> None:
        event = playable.details.false_alarms[0]
        assert event.trace is not None
        heard = make_excerpts(playable)[event]
        sound, rate = soundfile.read(io.BytesIO(decode(heard.sound)), dtype="int16")
        first = round((event.time_s + event.trace.first_s) * rate)
        assert (rate, sound.ndim) == (16_000, 1)
        whole = audio.load(event.path)
        assert first > 0 and sound.size > 3 * rate
        np.testing.assert_array_equal(sound, whole[first : first + sound.size])

    def test_the_page_stays_below_its_budget(self, playable: Results) -> None:
        made = make_excerpts(playable, 300_000).values()
        assert 0 < sum(len(e.sound) + len(e.picture) for e in made) <= 300_000


def with_recordings(results: Results, folder: Path) -> Results:
    """The results with a sound file behind every recording: a rising tone in noise, as long as needed."""
    rng = np.random.default_rng(0)
    times = np.arange(0, 240, 1 / 16_000)
    tone = 4_000 * np.sin(2 * np.pi * (300 * times + 400 * times * (times % 4))) + rng.normal(
        0, 200, times.size
    )
    path = audio.save(folder / "one.flac", tone.astype(np.int16))
    moved = {
        key: tuple(replace(event, path=str(path)) for event in getattr(results.details, key))
        for key in ("false_alarms", "misses")
    }
    return replace(results, details=replace(results.details, **moved))


def decode(uri: str) -> bytes:
    return base64.b64decode(uri.split(",", 1)[1])


def conditions_block(results: Results) -> Conditions:
    """Made-up figures of every acoustic condition, and its misses."""
    rows = tuple(
        ConditionFigures(
            condition=name,
            positives=114,
            misses=misses,
            frr=misses / 114,
            frr_upper95=0.2,
            frr_at_false_alarms={"1": 0.05, "3": 0.02},
            frr_by_false_alarms=(0.08, 0.05, 0.03, 0.02),
            negative_hours=1.25,
            false_alarms=2,
            fah=1.6,
            fah_upper95=5.04,
            latency_ms=Latency(100.0, 180.0),
        )
        for name, misses in (("clean", 1), ("reverb", 4), ("10 dB", 5), ("5 dB", 13), ("reverb + 10 dB", 9))
    )
    scene = Scene("5 dB", 0, 0, 240 * 16_000)
    misses = tuple(replace(event, sound=scene) for event in results.details.misses)
    return Conditions(3, 1, 10, 6, {"1": 0.4, "3": 0.3}, rows, misses, ())


TRAINING = [
    {"stage": "float", "epoch": "1", "loss": "1.1", "frr_clean": "", "frr_mean": ""},
    {"stage": "float", "epoch": "2", "loss": "0.2", "frr_clean": "0.2", "frr_mean": "0.3"},
    {"stage": "qat", "epoch": "1", "loss": "0.1", "frr_clean": "0.1", "frr_mean": "0.2"},
]


@pytest.fixture(scope="module")
def full_page(results: Results, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with everything on it."""
    folder = tmp_path_factory.mktemp("sounds")
    everything = with_recordings(results, folder)
    origin = {"data": str(corpus(folder / "corpus")), "split": "val"}
    conditions = conditions_block(everything)
    return report.render(replace(everything, origin=origin, conditions=conditions), TRAINING)


def test_conditions_and_training_are_on_the_page(full_page: str, results: Results) -> None:
    page = Page(full_page)
    assert page.problems == []
    shown = sum(e.trace is not None for e in results.details.misses)
    alarms = sum(e.trace is not None for e in results.details.false_alarms)
    assert full_page.count("data:audio/flac") == 2 * shown + alarms, "those under a condition too"
    assert len(full_page) < 5_000_000
    text = page.text["conditions"]
    for expected in ("reverb + 10 dB", "11.4 %", "5 %", "5.04", "3 draws of every word", "10 rooms"):
        assert expected in text
    assert page.text["misses-elsewhere"].count("5 dB") == results.misses
    assert "None in any room" in page.text["false-alarms-elsewhere"]
    assert "training" in page.text and "training" not in Page(report.render(results)).text


def test_confusion_and_rates_are_on_the_page(page: Page, results: Results) -> None:
    text, found = page.text["confusion"], results.trials.seconds
    assert found.hits + found.misses == results.positives
    for key in ("hits", "misses", "false_alarms", "correct_rejections"):
        assert f"{getattr(found, key):,}" in text
    for key in ("fpr", "fnr", "eer", "accuracy"):
        assert report.percent(getattr(found, key)) in text
    assert f"{found.partial_auc:.4f}" in text


def test_latency_says_what_it_holds(results: Results) -> None:
    counted = report.latency_remark(results)
    assert "301,000 instructions" in counted and counted.endswith("more") and "ms" not in counted
    timed = replace(results, cost=replace(results.cost, unit="cycles"))
    assert "holds the board's computing" in report.latency_remark(timed)
    assert report.latency_remark(synthetic.make_results([], board="host")) == ""


def test_report_with_the_run_that_made_the_model(tmp_path: Path, results: Results) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "s" / "results.json").write_text(to_json(results))
    with pytest.raises(WatchwordError, match="no log of a training"):
        session.rerender(tmp_path / "s", tmp_path / "run")
    lines = [",".join(TRAINING[0]), *(",".join(row.values()) for row in TRAINING)]
    (tmp_path / "run" / "log.csv").write_text("\n".join(lines) + "\n")
    html = session.rerender(tmp_path / "s", tmp_path / "run").read_text()
    assert 'id="training"' in html and html.count("<svg") > report.render(results).count("<svg")


def chromium(tmp_path: Path, width: int, *arguments: str) -> str:
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        "--disable-quic",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},3000",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this computer")
class TestInABrowser:
    @pytest.mark.parametrize("width", [500, 1200])  # 500: no window of this browser is narrower
    def test_nothing_sticks_out(self, tmp_path: Path, full_page: str, width: int) -> None:
        """Asks the browser for the elements that lie beyond the page, or their box, and do not scroll."""
        probe = """<script>addEventListener('load', () => {
          const width = document.documentElement.clientWidth, bad = [];
          for (const e of document.querySelectorAll('main *')) {
            if (e.closest('svg') && e.tagName != 'svg') continue;
            const box = e.getBoundingClientRect();
            const scrolls = e.closest('.wide');
            if (!scrolls && (box.right > width + 1 || box.left < -1)) bad.push(e.tagName + '.' + e.className);
            if (e.classList.contains('wide') && e.scrollWidth > e.clientWidth + 1) bad.push('scrolls');
          }
          const all = document.documentElement.scrollWidth;
          document.title = `out: ${bad.join(' ')}; ${all} of ${width}`;
        })</script></body>"""
        (tmp_path / "report.html").write_text(full_page.replace("</body>", probe))
        dom = chromium(tmp_path, width, "--dump-dom", (tmp_path / "report.html").as_uri())
        found = re.search(r"<title>out: (.*); (\d+) of (\d+)</title>", dom)
        assert found and found[1] == "" and int(found[2]) <= int(found[3])

    def test_a_picture_of_the_page_is_not_empty(self, tmp_path: Path, full_page: str) -> None:
        (tmp_path / "report.html").write_text(full_page)
        target = tmp_path / "page.png"
        chromium(tmp_path, 1200, f"--screenshot={target}", (tmp_path / "report.html").as_uri())
        picture = images.imread(target)[..., :3]
        rows, background = picture.shape[0], picture[0, 0]
        covered = (np.abs(picture - background).max(axis=2) > 0.02).mean(axis=1)
        assert picture.shape[1] == 1200 and rows == 3000
        assert (covered > 0.1).mean() > 0.9, "most lines of the picture show something"
        assert len(np.unique((picture[::7, ::7] * 15).astype(int).reshape(-1, 3), axis=0)) > 60
