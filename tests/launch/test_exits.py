"""A kernel cannot end the process that judges it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pytest_nki_pool.launch.errors import KernelExitError
from pytest_nki_pool.launch.exits import no_exit
from pytest_nki_pool.launch.load import load


def test_an_exit_is_refused_and_allowed_again_afterwards():
    leave = os._exit

    with pytest.raises(KernelExitError, match=r"^os\._exit\(3\)$"), no_exit():
        os._exit(3)

    assert os._exit is leave


def test_an_exit_that_the_kernel_took_hold_of_when_it_was_loaded_is_refused(write):
    root = write({"kernel.py": "from os import _exit\n\n\ndef pool():\n    _exit(0)"})

    with pytest.raises(KernelExitError):
        load("kernel.py:pool", root=root).function()


def test_another_thread_may_exit_while_a_kernel_runs():
    script = """
import os, threading
from pytest_nki_pool.launch.exits import no_exit
with no_exit():
    thread = threading.Thread(target=lambda: os._exit(7))
    thread.start()
    thread.join()
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 7


def test_runs_within_each_other_restore_what_was_there():
    leave = os._exit
    with no_exit():
        with no_exit():
            pass
        with pytest.raises(KernelExitError):
            os._exit(1)
    assert os._exit is leave
