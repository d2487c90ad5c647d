"""The HTML page as a file; tests/report/test_html_browser.py opens it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources

import pytest

from pytest_nki_pool.report import formats
from pytest_nki_pool.report.model import Gallery, Record, Report
from pytest_nki_pool.report.read import read
from pytest_nki_pool.verdict import Evidence, Finding, Identity, Launches, Status, Verdict

pytest.importorskip("jinja2")

from pytest_nki_pool.report.html import render
from pytest_nki_pool.report.html_roofline import rooflines

PASS, FAIL, INFRA, UNSUPPORTED = Status.PASS, Status.FAIL, Status.INFRA, Status.UNSUPPORTED
EVIDENCE = Evidence(0, (1, 1), (1, 1), ((float("inf"),),), ((1,),), ((float("inf"), float("inf"), 0, 1),), 2.0)
HOSTILE = "</script><script>document.title='taken'</script><!--<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The elements of a page and its text, scripts and styles apart."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.scripts, self._open = [], "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        self.scripts += [""] * (tag == "script")

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open == "script":
            self.scripts[-1] += data
        elif self._open != "style":
            self.text += " ".join(data.split()) + " "

    @property
    def data(self):
        return json.loads(self.scripts[0])


def with_message(report, message):
    records = []
    for record in report.records:
        finding = replace(record.verdict.finding, message=message)
        records.append(Record(replace(record.verdict, finding=finding), message))
    return replace(report, records=tuple(records))


@pytest.mark.parametrize(
    ("statuses", "headline"),
    [
        ([PASS], "✓ conformant on emulator trn2 at fp32, tier standard"),
        ([PASS, FAIL], "✗ not conformant on emulator trn2 at fp32, tier standard: 1 of 2 cases"),
        ([PASS, INFRA], "? not known on emulator trn2 at fp32, tier standard: 1 of 2 cases not judged"),
    ],
    ids=["yes", "no", "unknown"],
)
def test_the_answer_comes_first(report, statuses, headline):
    settings = {"tier": {"values": ["standard"], "source": "default"}}
    page = Page(render(report(*statuses, settings=settings)))

    assert headline in page.text
    order = [
        "Accuracy class",
        "Kernel \N{MULTIPLICATION SIGN} backend",
        "Failures and cases",
        "Roofline",
        "What was not run",
        "Environment",
    ]
    places = [page.text.index(title) for title in (headline, *order)]
    assert places == sorted(places)


def test_chosen_cases_are_no_tier(report):
    settings = {name: {"values": [name], "source": "default"} for name in ("tier", "case")}

    assert "at fp32, chosen cases" in Page(render(report(PASS, settings=settings))).text


def test_an_incomplete_report_says_so(report):
    assert "Incomplete: the disk was full." in Page(render(report(PASS, damage="the disk was full"))).text


def test_a_cell_tells_the_worst_of_its_cases(report):
    whole = report(PASS, FAIL, UNSUPPORTED)
    records = [*whole.records]
    for dtype, status in (("bf16", PASS), ("fp16", UNSUPPORTED), ("fp8_e5m2", INFRA)):
        identity = Identity("values", "avgpool", "torch", "emulator", "trn2", f"c1h4w4k2:{dtype}:ones")
        records.append(Record(Verdict(identity, Finding(status)), "rerun"))
    text = Page(render(replace(whole, records=tuple(records)))).text

    assert "bf16 fp16 fp32 fp8_e5m2" in re.sub(" +", " ", text)
    for cell in ("✓ 1 good", "\N{EN DASH} 1 unsupported", "✗ 1 of 3 bad", "? 1 of 1 not judged"):
        assert cell in text


def test_what_was_not_run_is_told_with_its_reason(report):
    whole = with_message(report(UNSUPPORTED, UNSUPPORTED, not_run={"jax": "jax is not installed"}), "no fp8 here")
    text = re.sub(" +", " ", Page(render(whole)).text)

    assert "jax : jax is not installed" in text
    assert "avgpool, torch , 2 cases UNSUPPORTED: no fp8 here" in text


def test_a_page_needs_no_network(report):
    text = render(report(PASS, FAIL))
    sources = [
        attrs.get(name) for _, attrs in Page(text).elements for name in ("src", "href", "action") if attrs.get(name)
    ]

    assert sources == ["data:,"]
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_a_message_stays_text(report):
    hostile = with_message(report(PASS, FAIL, UNSUPPORTED, not_run={HOSTILE: HOSTILE}), HOSTILE)
    plain, page = Page(render(report(PASS, FAIL, UNSUPPORTED, not_run={"a": "b"}))), Page(render(hostile))

    assert [tag for tag, _ in page.elements if tag in {"script", "img"}] == ["script", "script"]
    assert len(page.elements) <= len(plain.elements) + 2
    assert page.data["cases"][1]["message"] == HOSTILE == page.data["cases"][1]["rerun"]


def test_a_real_failure_has_its_picture(wrong_run):
    report = read(wrong_run / "r.jsonl")
    page = Page(render(report))
    failures = [case for case in page.data["cases"] if case["status"] == "FAIL"]

    assert failures
    assert all(case["evidence"]["plane"] and case["location"]["window"] for case in failures)
    assert [roof["generation"] for roof in page.data["rooflines"]] == ["gen3"]
    assert page.data["rooflines"][0]["points"]


def test_no_point_lies_above_a_roof(wrong_run):
    (roof,) = rooflines(read(wrong_run / "r.jsonl").records)

    for point in roof["points"]:
        assert point["y"] <= 1.0001 * min(roof["hbm"], roof["clocks"][point["engine"]] * point["x"])


def test_a_case_without_counters_has_no_point(report):
    (record,) = report(PASS).records
    idle = {"generation": "gen3", "cycles": {}, "dma_bytes_in": 0, "dma_bytes_out": 0}

    assert rooflines([record]) == []
    assert rooflines([replace(record, verdict=replace(record.verdict, launches=Launches(1, 0.1, idle)))]) == []


def test_a_bounded_number_of_failures_has_pictures(report):
    gallery = Gallery()
    record = report(FAIL).records[0]
    record = replace(record, verdict=replace(record.verdict, finding=Finding(FAIL, "wrong", evidence=EVIDENCE)))
    kept = [gallery.admit(record) for _ in range(Gallery.MOST + 3)]

    assert [one.verdict.finding.evidence is not None for one in kept] == [True] * Gallery.MOST + [False] * 3
    assert {one.verdict.finding.message for one in kept} == {"wrong"}


def test_evidence_survives_the_file(report, tmp_path):
    whole = report(FAIL)
    verdict = replace(whole.records[0].verdict, finding=Finding(FAIL, evidence=EVIDENCE))
    whole = Report(whole.run, (Record(verdict, "rerun"),))
    formats.write(whole, tmp_path / "r.jsonl")

    assert read(tmp_path / "r.jsonl").records[0].verdict.finding.evidence == EVIDENCE


def test_a_format_that_lacks_its_module_says_how_to_get_it(report, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)

    with pytest.raises(
        formats.ReportError, match=r"needs jinja2; install it with: pip install 'pytest-nki-pool\[report\]'"
    ):
        formats.write(report(PASS), tmp_path / "r.html")
    assert not formats.missing("r.md")


def test_a_run_is_refused_before_it_begins_when_its_format_lacks_a_module(suite, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    result = suite("--nki-report=r.html", here=True)

    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--nki-report: r.html: this format needs jinja2*"])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["text", "muted", "accent", "good", "bad", "retry"])
def test_text_stands_out(theme, name):
    """Contrast of at least 4.5 to 1. Source: WCAG 2.2, success criterion 1.4.3."""
    style = resources.files("pytest_nki_pool.report").joinpath("page/page.css").read_text()
    colours = {key: pair[theme] for key, *pair in re.findall(r"--(\w+): light-dark\(#(\w+), #(\w+)\)", style)}

    for ground in ("page", "panel"):
        one, other = sorted(map(_luminance, (colours[name], colours[ground])))
        assert (other + 0.05) / (one + 0.05) >= 4.5


def _luminance(colour):
    """Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
