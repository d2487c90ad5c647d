"""What the plugin adds to a pytest run that does not use it, as a share of importing pytest itself.

Each round is a fresh process. Run it as ``python benchmarks/import_time.py``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 15
SCRIPT = """
import time
start = time.perf_counter()
import pytest
middle = time.perf_counter()
import pytest_nki_pool.plugin
print(middle - start, time.perf_counter() - middle)
"""


def main() -> None:
    """Print the medians and their ratio."""
    command = [sys.executable, "-c", SCRIPT]
    lines = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(ROUNDS)]  # noqa: S603
    pytest_seconds, plugin_seconds = (
        statistics.median(float(line.split()[column]) for line in lines) for column in (0, 1)
    )
    print(f"import pytest {1e3 * pytest_seconds:.1f} ms, the plugin {1e3 * plugin_seconds:.1f} ms more")
    print(f"ratio {plugin_seconds / pytest_seconds:.3f}, median of {ROUNDS} processes")


if __name__ == "__main__":
    main()
