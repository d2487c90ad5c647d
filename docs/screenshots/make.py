"""Make ``report.png``: the HTML report of a run in which one of two kernels is wrong.

Needs the extras ``torch``, ``report`` and ``test``, Chromium and its driver: ``python docs/screenshots/make.py``.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium import webdriver

PICTURE = Path(__file__).with_name("report.png")
KERNELS = (
    "pytest_nki_pool.kernels.production_legacy:avgpool",
    "pytest_nki_pool.kernels.mutants.windows:stride_one_less_across",
)
#: The failure that is shown: large enough for a heat map.
SHOWN = "c1h75w80k5:fp16:normal"
#: Size of the window, and what the picture is scaled by.
WIDTH, HEIGHT, SCALE = 1280, 1000, 0.7


def run_suite(folder: Path) -> Path:
    """Run the suite, which fails, and return its report."""
    report = folder / "report.html"
    kernels = [f"--nki-kernel={kernel}" for kernel in KERNELS]
    choice = ["--nki-backend=baremetal", "--nki-backend=torch", "--nki-check=values", "--nki-tier=standard"]
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "pytest_nki_pool.conformance"]
    ended = subprocess.run([*suite, *kernels, *choice, f"--nki-report={report.name}"], cwd=folder, check=False)
    if ended.returncode != 1:
        sys.exit(f"pytest ended with exit code {ended.returncode}; a run with failures ends with 1")
    return report


def photograph(report: Path, profile: Path) -> None:
    """Open the report, search the failure to show, and save what is seen."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
    others = ("--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}")
    for flag in (*flags, *others, f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.get(report.as_uri())
        browser.find_element("id", "search").send_keys(SHOWN)
        first = browser.find_element("css selector", "#rows .open")
        if first.get_attribute("aria-expanded") == "false":
            first.click()
        bottom = browser.execute_script("return document.getElementById('rooflines').getBoundingClientRect().bottom")
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": bottom, "scale": SCALE}
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        PICTURE.write_bytes(base64.b64decode(taken["data"]))
    finally:
        browser.quit()


def main() -> None:
    """Make the picture."""
    with tempfile.TemporaryDirectory() as folder:
        photograph(run_suite(Path(folder)), Path(folder, "profile"))
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size // 1024} kB\n")


if __name__ == "__main__":
    main()
