"""Time per case of the suite: whole runs of pytest, one per backend, divided by the cases they ran.

Run it as ``python benchmarks/suite_speed.py [TIER]``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

BACKENDS = ("baremetal", "torch", "jax")


def main() -> None:
    """Print one row per backend."""
    tier = sys.argv[1] if len(sys.argv) > 1 else "smoke"
    suite = [sys.executable, "-m", "pytest", "--pyargs", "pytest_nki_pool.conformance", f"--nki-tier={tier}", "-q"]
    print(f"tier {tier}, one process")
    print("backend    cases  seconds  start-up  ms per case")
    for backend in BACKENDS:
        flag = f"--nki-backend={backend}"
        start_up = seconds([*suite, flag, "--nki-check=refuses_empty", "--nki-kernel=" + _first_kernel()])[0]
        total, output = seconds([*suite, flag])
        cases = sum(int(count) for count in re.findall(r"(\d+) (?:passed|skipped|failed)", output))
        print(f"{backend:<9} {cases:>6} {total:8.1f} {start_up:9.1f} {1e3 * (total - start_up) / cases:12.1f}")


def seconds(command: list[str]) -> tuple[float, str]:
    """Wall time of a command that must succeed, and what it printed."""
    start = time.perf_counter()
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own command
    return time.perf_counter() - start, output


def _first_kernel() -> str:
    return "pytest_nki_pool.kernels.production_legacy:avgpool"


if __name__ == "__main__":
    main()
