"""The report: every figure of the results is on the page, the page stands alone, nothing breaks it."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import synthetic
from watchword.errors import WatchwordError
from watchword.evaluate import report, session
from watchword.evaluate.results import MAX_TRACES, SCHEMA, read_results, to_json

LIMITS = {
    "max_frr": 0.2, "max_fah": 1.0, "latency_p95_ms": 600, "instructions_per_audio_second": 12e6,
    "ram_bytes": 48_000, "arena_bytes": 16_000, "stack_bytes": 2_048, "code_bytes": 32_000,
    "model_bytes": 40_000,
}  # fmt: skip
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


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return synthetic.make_results(synthetic.make_streams(), limits=LIMITS)


@pytest.fixture(scope="module")
def page(results: dict[str, Any]) -> Page:
    return Page(report.render(results))


def test_page_is_well_formed_and_loads_nothing(page: Page) -> None:
    assert page.problems == [] and page.open == []
    assert page.outside == []


def test_headline_and_verdict(page: Page, results: dict[str, Any]) -> None:
    head = page.text[""]
    assert "hey lighthouse" in head and "emu-c3" in head and "OVER BUDGET" in head
    assert report.percent(results["frr"]) in head and report.rate(results["fah"]) in head
    assert report.rate(results["fah_upper95"]) in head
    assert f"{results['latency_ms']['p50']:.0f} ms" in head
    assert "9.12 M" in head


def test_every_budget_line_is_there(page: Page, results: dict[str, Any]) -> None:
    text = page.text["budgets"]
    for line in results["budgets"]["lines"]:
        assert line["label"] in text
        assert report.format_value(line["value"], line["unit"]) in text
        assert report.format_value(line["budget"], line["unit"]) in text
    assert text.count("PASS") == 8 and text.count("FAIL") == 1


def test_events_are_listed_with_file_and_time(page: Page, results: dict[str, Any]) -> None:
    assert results["false_alarms"] > MAX_TRACES and results["misses"] > 0
    for section, key in (("false-alarms", "false_alarms"), ("misses", "misses")):
        for event in results["details"][key]:
            assert event["name"] in page.text[section] and report.clock(event["time_s"]) in page.text[section]
    traces = sum("trace" in e for k in ("false_alarms", "misses") for e in results["details"][k])
    assert traces == MAX_TRACES + min(MAX_TRACES, results["misses"])
    assert page.svgs == 5 + traces  # curve, scores, latency, cost, DET


def test_the_worst_come_first(results: dict[str, Any]) -> None:
    alarms = [event["peak"] for event in results["details"]["false_alarms"]]
    misses = [event["peak"] for event in results["details"]["misses"]]
    assert alarms == sorted(alarms, reverse=True) and misses == sorted(misses)
    assert all("trace" in event for event in results["details"]["false_alarms"][:MAX_TRACES])


def test_provenance_and_remarks(page: Page, results: dict[str, Any]) -> None:
    text = page.text["provenance"]
    for value in (*results["hashes"].values(), results["provenance"]["command"], "45,123 scores compared"):
        assert value in text
    assert "Recordings without the word: 30 of 95.0 minutes" in page.text[""]
    assert "holds no samples" in page.text[""]


def test_all_kept_and_host(results: dict[str, Any]) -> None:
    generous = synthetic.make_results(synthetic.make_streams(), limits={"max_fah": 1e6})
    assert "ALL BUDGETS KEPT" in Page(report.render(generous)).text[""]
    host = Page(report.render(synthetic.make_results(synthetic.make_streams(), board="host")))
    assert "NO BUDGETS" in host.text[""] and "no board in this run" in host.text["provenance"]


@pytest.mark.parametrize("kept", [slice(0, 0), slice(0, 40), slice(40, None), slice(0, 1)], ids=str)
def test_renders_without_positives_negatives_or_anything(kept: slice) -> None:
    streams = synthetic.make_streams()[kept]
    found = Page(report.render(synthetic.make_results(streams, limits=LIMITS)))
    assert found.problems == [] and "nan" not in "".join(found.text.values()).lower().split()


def test_text_from_files_cannot_become_markup(results: dict[str, Any]) -> None:
    hostile = copy.deepcopy(results)
    hostile["word"] = "<script>alert(1)</script>"
    hostile["details"]["misses"][0]["name"] = "<img src=x onerror=alert(1)>"
    page = Page(report.render(hostile))
    assert page.outside == [] and "<script>alert(1)</script>" in page.text[""]


def test_same_results_same_page(results: dict[str, Any]) -> None:
    assert report.render(results) == report.render(copy.deepcopy(results))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "not measured"), (0.0238, "share", "2.38 %"), (0.0, "share", "0 %"),
        (1.0, "share", "100 %"),
        (0.123, "per hour", "0.123"), (0, "per hour", "0"), (2768.4, "per hour", "2,768"),
        (212.4, "ms", "212 ms"), (18432, "bytes", "18,432 B"), (9_119_955, "count", "9.12 M"),
    ],
)  # fmt: skip
def test_figures_in_words(value: float | None, unit: str, text: str) -> None:
    assert report.format_value(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (75.25, "1:15.2"), (3661, "1:01:01.0")]
)
def test_clock(seconds: float, text: str) -> None:
    assert report.clock(seconds) == text


class TestSessionFolder:
    def test_files_and_report_again(self, tmp_path: Path, results: dict[str, Any]) -> None:
        with session.open_session(tmp_path / "s") as run:
            run.log("first line", show=False)
            run.finish(results)
        assert sorted(p.name for p in (tmp_path / "s").iterdir()) == [
            "log.txt",
            "report.html",
            "results.json",
        ]
        assert "first line" in (tmp_path / "s" / "log.txt").read_text()
        assert read_results(tmp_path / "s") == json.loads(to_json(results))
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

    def test_a_figure_that_is_not_finite_is_never_written(
        self, tmp_path: Path, results: dict[str, Any]
    ) -> None:
        with (
            pytest.raises(ValueError, match="not JSON compliant"),
            session.open_session(tmp_path / "s") as run,
        ):
            run.finish({**results, "fah": float("nan")})
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
        with pytest.raises(WatchwordError, match="lacks something the report needs"):
            session.rerender(tmp_path)

    def test_table(self, results: dict[str, Any]) -> None:
        text = session.table(results)
        assert re.search(r"missed wakes \(FRR\) +5 % +<= 20 % +PASS", text)
        assert re.search(r"false alarms per hour \(FAH\) +36 +<= 1 +FAIL", text)
        assert "board against host: 45,123 scores, all equal" in text

    def test_exit_status(self, results: dict[str, Any]) -> None:
        good = synthetic.make_results(synthetic.make_streams())
        assert session.exit_status(good) == 0
        assert session.exit_status(results) == 2
        for part, key in (
            ("parity", "mismatches"),
            ("parity", "detection_mismatches"),
            ("link", "lost_samples"),
        ):
            assert session.exit_status({**good, part: {**good[part], key: 1}}) == 3


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this computer")
@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_shows_the_page_without_sideways_scrolling(
    tmp_path: Path, results: dict[str, Any], width: int
) -> None:
    """Asks the browser itself for the width it laid the page out in."""
    probe = (
        "<script>addEventListener('load', () => { const d = document.documentElement;"
        "document.title = 'widths ' + d.scrollWidth + ' ' + d.clientWidth; })</script></body>"
    )
    (tmp_path / "report.html").write_text(report.render(results).replace("</body>", probe))
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2000",
        "--dump-dom", (tmp_path / "report.html").as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r"<title>widths (\d+) (\d+)", dom)
    assert found and int(found[1]) <= int(found[2])
