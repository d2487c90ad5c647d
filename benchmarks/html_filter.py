"""How long a key pressed in the search of the HTML report takes, beside a table that has every case in the document.

    python benchmarks/html_filter.py [CASES]

Headless Chromium, driven by Selenium, opens both pages and has one query typed key by key; a key's time ends when the
page has been laid out again. The plain table is what a report without pages does: a row per case, the rows that do not
match hidden by `display: none`. Needs the extras `report` and `test`, `chromium` and `chromedriver`.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium import webdriver

from pytest_nki_pool.report import formats
from pytest_nki_pool.report.model import Record, Report, Run
from pytest_nki_pool.verdict import Finding, Identity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY = "c77 bf16 normal"
ROUNDS = 5
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1280,1800")

_RUN = Run("2026-11-22T12:00:00+00:00", "emulator", {"trn2": "gen3"}, None, {}, {}, {}, {}, 0)

_PLAIN = """<!doctype html><meta charset="utf-8"><title>plain</title>
<input id="search"><table>{rows}</table>
<script>
const rows = [...document.querySelectorAll("tr")].map((row) => [row, row.textContent.toLowerCase()]);
document.getElementById("search").addEventListener("input", (event) => {{
  const words = event.target.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const [row, text] of rows) row.style.display = words.every((word) => text.includes(word)) ? "" : "none";
}});
</script>
"""

#: Types the query, and clears it again; milliseconds of each key.
_TYPE = """
const [query, rounds] = arguments;
const search = document.getElementById("search");
const status = document.querySelector("select[data-filter=status]");
if (status) {  // at first the report shows what needs attention alone
  status.value = "";
  status.dispatchEvent(new Event("change"));
}
const times = [];
for (let round = 0; round < rounds; round++) {
  for (let end = 1; end <= query.length + 1; end++) {
    search.value = query.slice(0, end > query.length ? 0 : end);
    const started = performance.now();
    search.dispatchEvent(new Event("input", { bubbles: true }));
    document.body.getBoundingClientRect();
    times.push(performance.now() - started);
  }
}
return times;
"""


def records(cases: int) -> Iterator[Record]:
    """Verdicts of a run, every hundredth of them bad."""
    for number in range(cases):
        case = f"c{number // 100 + 1}h6w6k2:{'bf16' if number % 2 else 'fp32'}:normal:s{number % 100}"
        identity = Identity("values", "avgpool", "torch", "emulator", "trn2", case)
        finding = Finding(
            Status.PASS if number % 100 else Status.FAIL, "outputs are wrong" * (not number % 100), 1.0, 0.5
        )
        yield Record(Verdict(identity, finding, 0.01, "numerics"), f"pytest --nki-case={case}")


def plain(report: Report) -> str:
    """A page with a row for each case."""
    rows = []
    for record in report.records:
        identity, finding = record.verdict.identity, record.verdict.finding
        cells = (
            finding.status.value,
            identity.case,
            identity.check,
            identity.kernel,
            identity.backend,
            finding.message,
        )
        rows.append(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>")
    return _PLAIN.format(rows="\n".join(rows))


def measure(browser: Any, path: Path) -> tuple[float, float, float, float]:
    """Milliseconds until the page is there, and of a key: median, mean, and the slowest."""
    browser.get(path.as_uri())
    loaded = browser.execute_script("return performance.timing.loadEventEnd - performance.timing.navigationStart")
    browser.execute_script(_TYPE, QUERY, 1)  # what is compiled now is not compiled again
    times = browser.execute_script(_TYPE, QUERY, ROUNDS)
    return loaded, statistics.median(times), statistics.fmean(times), max(times)


def open_browser(profile: Path) -> Any:
    """Headless Chromium.

    Raises:
        SystemExit: it is not installed.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        raise SystemExit("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def main() -> None:
    """Print one line per page."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    report = Report(_RUN, tuple(records(cases)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        formats.write(report, folder / "report.html")
        (folder / "plain.html").write_text(plain(report), encoding="utf-8")
        browser = open_browser(folder / "profile")
        try:
            found = {page: measure(browser, folder / f"{page}.html") for page in ("report", "plain")}
        finally:
            browser.quit()
    print(f"{cases} cases, {ROUNDS} x {len(QUERY) + 1} keys")
    print(
        f"{'page':8}" + "".join(f"{name:>16}" for name in ("load ms", "median key ms", "mean key ms", "slowest key ms"))
    )
    for page, times in found.items():
        print(f"{page:8}" + "".join(f"{time:16.1f}" for time in times))
    ratios = [mine / other for mine, other in zip(found["report"], found["plain"], strict=True)]
    print(f"{'ratio':8}" + "".join(f"{ratio:16.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
