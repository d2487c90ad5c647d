"""What a report adds to a run: the same run of pytest without one and with JSON Lines, Markdown and badge.

The two take turns, and the fastest of each counts, in seconds of CPU so that other programs do not matter. Run it as
``python benchmarks/report_overhead.py [TIER [ROUNDS]]``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

KERNEL = "pytest_nki_pool.kernels.production_legacy:avgpool"
SUITE = ("-p", "no:cacheprovider", "-q", "--pyargs", "pytest_nki_pool.conformance", "--nki-backend=baremetal")
REPORTS = ("--nki-report=r.jsonl", "--nki-report=r.md", "--nki-report=r.badge.json")


def main() -> None:
    """Print one row per kind of run."""
    tier = sys.argv[1] if len(sys.argv) > 1 else "standard"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    base = [sys.executable, "-m", "pytest", *SUITE, f"--nki-kernel={KERNEL}", f"--nki-tier={tier}"]
    times: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            times["without"].append(seconds(base, folder)[0])
            elapsed, output = seconds([*base, *REPORTS], folder)
            times["with"].append(elapsed)
        size = (Path(folder) / "r.jsonl").stat().st_size
    cases = sum(int(count) for count in re.findall(r"(\d+) (?:passed|skipped|failed)", output))
    best = {name: min(found) for name, found in times.items()}
    share = best["with"] / best["without"] - 1.0
    print(f"tier {tier}, baremetal, {cases} cases, best of {rounds}, {size / cases:.0f} bytes per case")
    print("report   CPU sec  ms per case")
    for name, value in best.items():
        print(f"{name:<8} {value:7.2f}  {1e3 * value / cases:11.3f}")
    print(f"overhead {100 * share:.1f} %")


def seconds(command: list[str], folder: str) -> tuple[float, str]:
    """CPU time of a command that must succeed, and what it printed."""
    before = os.times()
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system, result.stdout


if __name__ == "__main__":
    main()
