"""Distributions of the package, and environments that have one of them installed."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A copy of the repository, in which no earlier build has left anything."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("pytest_nki_pool", "conformance", "kernels"):
        shutil.copytree(REPOSITORY / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file, source)
    return source


@pytest.fixture(scope="session")
def build(source, tmp_path_factory):
    pytest.importorskip("setuptools", minversion="77", reason="the test extra has the build backend")

    @functools.cache
    def build(kind):
        """Build a wheel, an editable (wheel) or an sdist."""
        target = tmp_path_factory.mktemp(kind)
        hook = f"from setuptools import build_meta; build_meta.build_{kind}({str(target)!r})"
        done = subprocess.run([sys.executable, "-c", hook], cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return next(target.iterdir())

    return build


@pytest.fixture(scope="session")
def installed(build, tmp_path_factory):
    """The interpreter of an environment with the wheel installed."""
    return _environment(build("wheel"), tmp_path_factory.mktemp("installed") / "venv")


@pytest.fixture(scope="session")
def editable(build, tmp_path_factory):
    """The interpreter of an environment in which the source is installed editable."""
    return _environment(build("editable"), tmp_path_factory.mktemp("editable") / "venv")


def _environment(wheel, folder):
    """Make an environment that has the wheel, and for the rest what this one has; return its interpreter."""
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    shutil.unpack_archive(wheel, packages, "zip")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python
