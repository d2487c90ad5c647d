"""The HTML page in a browser: headless Chromium, driven by Selenium."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from pytest_nki_pool.report import formats
from pytest_nki_pool.report.model import Record, Report
from pytest_nki_pool.report.read import read
from pytest_nki_pool.verdict import Finding, Identity, Status, Verdict

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1280,1800"),
)
HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser; where there is none its tests are skipped, or fail where BROWSER_TESTS=required says so."""
    if os.environ.get("BROWSER_TESTS") != "required":
        pytest.importorskip("selenium")
        pytest.importorskip("jinja2")
        if not (CHROMIUM and DRIVER):
            pytest.skip("not installed: chromium and chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser, tmp_path):
    """Opens a report as a page; afterwards the console must be empty."""

    def opened(report):
        path = tmp_path / "report.html"
        formats.write(report, path)
        browser.get(path.as_uri())
        return browser

    yield opened
    assert browser.get_log("browser") == []


def found(browser, selector):
    return browser.find_elements("css selector", selector)


def count(browser):
    return found(browser, "#count")[0].text


def choose(browser, name, value):
    from selenium.webdriver.support.select import Select

    Select(found(browser, f"select[data-filter={name}]")[0]).select_by_value(value)


def test_a_run_with_failures_opens_the_first_with_its_pictures(show, wrong_run):
    page = show(read(wrong_run / "r.jsonl"))

    assert found(page, "h1")[0].text.startswith("✗ not conformant on emulator trn2 at fp32, tier smoke")
    titles = [title.text for title in found(page, ".detail figcaption strong")]
    assert len(titles) == 3
    assert titles[0].startswith("Error over the output plane of channel")
    assert titles[1].startswith("Window of the first wrong element")
    assert titles[2] == "Errors of the whole output against the bound"
    assert found(page, ".detail svg .cellbox")
    assert found(page, ".detail svg .mark")
    assert found(page, ".detail svg .bound")
    assert "--nki-case=" in found(page, ".rerun pre")[0].text
    assert found(page, "#rooflines svg .point")


def test_a_failure_opens_and_closes_by_keyboard(show, wrong_run):
    from selenium.webdriver.common.keys import Keys

    page = show(read(wrong_run / "r.jsonl"))
    second = found(page, ".open")[1]
    second.send_keys(Keys.ENTER)
    assert second.get_attribute("aria-expanded") == "true"
    assert len(found(page, ".detail")) == 2
    second.send_keys(Keys.SPACE)
    assert second.get_attribute("aria-expanded") == "false"
    assert len(found(page, ".detail")) == 1


def test_the_rerun_line_can_be_copied(show, wrong_run):
    page = show(read(wrong_run / "r.jsonl"))
    line = found(page, ".rerun pre")[0].text
    page.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; };")
    found(page, ".copy")[0].click()

    assert page.execute_script("return window.copied") == line
    assert found(page, ".copy")[0].text == "Copied"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_the_button(show, report, scheme):
    page = show(report(Status.PASS))
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.refresh()
    ground = "return getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}
    other = "dark" if scheme == "light" else "light"

    assert page.execute_script(ground) == colours[scheme]
    found(page, "#theme")[0].click()
    assert page.execute_script(ground) == colours[other]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_cell_of_the_matrix_chooses_its_cases(show, wrong_run):
    page = show(read(wrong_run / "r.jsonl"))
    cell = next(cell for cell in found(page, ".cell.bad") if cell.get_attribute("data-dtype") == "bf16")
    bad = cell.text.split()[1]
    cell.click()

    assert count(page).startswith(f"{bad} of ")
    assert all(":bf16:" in case.text for case in found(page, ".open"))


def test_what_a_message_holds_is_text(show, report):
    whole = report(Status.FAIL)
    verdict = replace(whole.records[0].verdict, finding=Finding(Status.FAIL, HOSTILE))
    page = show(Report(whole.run, (Record(verdict, HOSTILE),)))

    assert found(page, ".message")[0].text == HOSTILE
    assert page.title.startswith("Average pool: not conformant")


def test_ten_thousand_cases_filter_page_and_sort(show, report, record_property):
    page = show(_large(report))

    assert count(page) == "100 of 10000 cases"
    assert len(found(page, "#rows > tr:not(.detail)")) == 25
    choose(page, "status", "")
    assert count(page) == "10000 of 10000 cases"
    found(page, "[data-sort=max_ulp]")[0].click()
    ulps = [float(row.text) for row in found(page, "#rows > tr:not(.detail) td:nth-child(7)")]
    assert ulps == sorted(ulps, reverse=True)
    assert ulps[0] == 9990
    search = found(page, "#search")[0]
    search.send_keys("c77 bf16")
    assert count(page) == "50 of 10000 cases"
    found(page, "#next")[0].click()
    assert found(page, "#page")[0].text == "page 2 of 2"
    assert not found(page, "#next")[0].is_enabled()
    found(page, "button[type=reset]")[0].click()
    assert count(page) == "10000 of 10000 cases"
    took = page.execute_script("return performance.getEntriesByName('filter').map((entry) => entry.duration)")
    assert len(took) == 12  # one per key pressed, one per choice, one at the start
    record_property("slowest_filter_ms", max(took))


def _large(report):
    """10,000 cases: 100 channels x 2 dtypes x 50 seeds, every hundredth of which fails."""
    records = []
    for number in range(10_000):
        dtype = "bf16" if number % 2 else "fp32"
        case = f"c{number // 100 + 1}h6w6k2:{dtype}:normal:s{number % 100}"
        identity = Identity("values", "avgpool", "torch", "emulator", "trn2", case)
        finding = Finding(Status.PASS if number % 100 else Status.FAIL, "", float(number % 10_000 // 10 * 10), 0.5)
        records.append(Record(Verdict(identity, finding, 0.01, "numerics"), f"pytest --nki-case={case}"))
    return Report(replace(report().run, cases=len(records)), tuple(records))
