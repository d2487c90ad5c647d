"""Collecting 100,000 cases: peak memory and time of pytest's collection, beside that of the same number of plain tests.

Run: ``python benchmarks/collection.py [--cases 100000]``. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

#: What a user would write instead: a parametrised test that knows nothing of NKI.
PLAIN = """
import pytest

IDS = [f"values/kernel/baremetal/emulator/trn2/{{i}}" for i in range({cases})]

@pytest.mark.parametrize("case", range({cases}), ids=IDS)
def test_plain(case):
    pass
"""

#: Runs the suite's module of one group with a corpus of so many cases.
SUITE = """
import sys

import pytest

from pytest_nki_pool.spec import corpus
from pytest_nki_pool.spec.case import Case

CASES = tuple(sorted(Case(1 + i % 512, 2, 2 + i // 512, 2, "fp32", "normal", 0) for i in range({cases})))
corpus.cases = lambda group, tier, seed: CASES if group == "values" else ()
options = ["--nki-kernel=pytest_nki_pool.kernels.production_current:avgpool", "--nki-backend=baremetal"]
sys.exit(pytest.main(["--pyargs", "pytest_nki_pool.conformance.test_values", "--collect-only", "-q", "-q", *options]))
"""


def main() -> None:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    cases = parser.parse_args().cases
    print(f"{'what':<16}{'cases':>9}{'seconds':>10}{'peak MB':>10}")
    for name, command in (("suite", suite(cases)), ("plain tests", plain(cases))):
        seconds, megabytes = measured(command)
        print(f"{name:<16}{cases:>9}{seconds:>10.1f}{megabytes:>10.0f}")


def suite(cases: int) -> list[str]:
    """The command that collects the suite."""
    return [sys.executable, "-c", SUITE.format(cases=cases)]


def plain(cases: int) -> list[str]:
    """The command that collects as many tests of a plain module."""
    file = Path(tempfile.mkdtemp()) / "test_plain.py"
    file.write_text(textwrap.dedent(PLAIN.format(cases=cases)))
    return [sys.executable, "-m", "pytest", "-p", "no:nki_pool", "--collect-only", "-q", "-q", str(file)]


def measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of a command that exits 0.

    Raises:
        RuntimeError: it did not.
    """
    program = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", program, *command], capture_output=True, text=True, check=True, cwd=tempfile.gettempdir()
    )
    code, peak = map(int, done.stdout.split())
    if code:
        raise RuntimeError(f"exit code {code} of {command}: {done.stderr}")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return time.perf_counter() - started, peak / scale


if __name__ == "__main__":
    main()
