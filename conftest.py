"""Test support for the repository's own tests."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec

import pytest

pytest_plugins = ["pytester"]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of tests that cannot say anything without an optional package."""
    config.addinivalue_line("markers", "needs(*modules): skip where one of these modules is not installed")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell has what it starts in the background ignore Ctrl-C, and so would what tests start to interrupt it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose optional packages are not installed, with their names as the reason.

    Where they are what a run is for, their absence is a failure: `RAY_TESTS=required` says so of ray.
    """
    wanted = [module for mark in item.iter_markers("needs") for module in mark.args]
    absent = sorted({module for module in wanted if find_spec(module) is None})
    required = [module for module in absent if os.environ.get(f"{module.upper()}_TESTS") == "required"]
    if required:
        pytest.fail(f"required, but not installed: {', '.join(required)}", pytrace=False)
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
