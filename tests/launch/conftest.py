from __future__ import annotations

import sys
from textwrap import dedent
from types import ModuleType

import pytest


class FakeNKI(ModuleType):
    """Stands for any NKI module: its attributes are further ones, and as a decorator it changes nothing."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return FakeNKI(f"{self.__name__}.{name}")

    def __call__(self, function):
        return function


@pytest.fixture
def fake_nki():
    """A `resolve` under which every NKI name exists."""
    return lambda name: FakeNKI(name) if name.partition(".")[0] in {"nki", "neuronxcc"} else None


@pytest.fixture
def write(tmp_path):
    """Write files, given as path and text, and return their root; what was imported from there is forgotten after."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return tmp_path

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if str(tmp_path) in str(getattr(module, "__file__", None) or list(getattr(module, "__path__", []))):
            del sys.modules[name]
