"""What a sweep costs on top of its cases, with each engine, and how much memory the process takes that steers it.

    python benchmarks/sweep.py [CASES [ENGINE ...]]

The cases are the smallest there are: one channel of 1 x 1. The overhead of an engine is all the time that its two
workers did not spend on cases: starting, talking, writing the report. Engines that are not installed are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

WORKERS = 2
ENGINES = {"local": "concurrent", "ray": "ray"}

_SWEEP = """
import resource, sys
from pytest_nki_pool.cli import main

code = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def measure(engine: str, cases: int, folder: Path) -> tuple[float, float, float]:
    """Wall time in seconds, milliseconds of overhead per case, and peak memory of the steering process in MB."""
    report = folder / f"{engine}.jsonl"
    choice = ("--kernel=pytest_nki_pool.kernels.production_legacy:avgpool", "--backend=baremetal", "--check=values")
    options = ("--case=c1h1w1k1:fp32:normal:s0", f"--seeds={cases}", f"--workers={WORKERS}", f"--engine={engine}")
    command = [sys.executable, "-c", _SWEEP, "sweep", *choice, *options, f"--report={report}", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    if done.returncode:
        raise SystemExit(done.stderr)
    answer = json.loads(done.stdout)
    with report.open() as lines:
        busy = sum(line.get("seconds", 0.0) for line in map(json.loads, lines))
    return answer["seconds"], (WORKERS * answer["seconds"] - busy) / cases * 1e3, int(done.stderr.split()[-1]) / 1024


def main() -> None:
    """Print one line per engine."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    engines = sys.argv[2:] or [name for name, module in ENGINES.items() if find_spec(module)]
    print(f"{cases} cases, {WORKERS} workers")
    print(f"{'engine':8} {'seconds':>8} {'overhead ms per case':>21} {'peak MB':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for engine in engines:
            seconds, overhead, peak = measure(engine, cases, Path(folder))
            print(f"{engine:8} {seconds:8.1f} {overhead:21.3f} {peak:8.0f}", flush=True)


if __name__ == "__main__":
    main()
