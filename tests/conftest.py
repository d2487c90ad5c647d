"""How many examples the property tests run: Hypothesis's profiles `ci` and `full`.

`HYPOTHESIS_PROFILE=full` or `--hypothesis-profile=full` chooses, `ci` runs otherwise. `ci` runs the same examples every
time; `full` draws a seed per run. A failure prints the command that runs it again.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")

settings.register_profile("ci", max_examples=2_000, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("full", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)  # Hypothesis's plugin reads the seed in the same hook
def pytest_configure(config: pytest.Config) -> None:
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.SystemRandom().randrange(1 << 32))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and item.get_closest_marker("hypothesis"):
        options = item.config.option
        profile = options.hypothesis_profile or PROFILE
        rerun = f"pytest '{item.nodeid}' --hypothesis-profile={profile} --hypothesis-seed={options.hypothesis_seed}"
        report.sections.append(("rerun", rerun))
    return report
