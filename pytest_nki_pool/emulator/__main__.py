"""``python -m pytest_nki_pool.emulator [--cost] SCRIPT [ARGUMENT ...]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_nki_pool.emulator.scripts import run_script


def main() -> None:
    """Run the script of the command line; usage errors exit with 2, everything else as the script does."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_nki_pool.emulator",
        description="Run a Python script that imports the Neuron SDK on a machine that has none: "
        "NKI kernels execute on a CPU emulator. An installed SDK is used as it is.",
    )
    parser.add_argument(
        "--cost", action="store_true", help="print what every launch would cost on the hardware, by a model"
    )
    parser.add_argument("script", type=Path, help="the script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the script")
    options = parser.parse_args()
    if not options.script.is_file():
        parser.error(f"no such script: {options.script}")
    run_script(options.script, options.arguments, cost=options.cost)


if __name__ == "__main__":
    main()
