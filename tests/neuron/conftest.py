from __future__ import annotations

from dataclasses import replace

import pytest
from neuron_host import build, install

from pytest_nki_pool.neuron.devices import Core
from pytest_nki_pool.neuron.roots import Roots


@pytest.fixture
def machine(tmp_path):
    """Make a machine and return its roots; see `neuron_host.build` and `neuron_host.install` for what it can be."""

    def machine(instance_type, *, tool=None, **tree):
        host = build(tmp_path / "machine", instance_type, **tree)
        if tool is not None:
            return Roots.at(host.sysfs, host.dev, install(tmp_path / "bin", instance_type, **tool))
        return replace(Roots.at(host.sysfs, host.dev), neuron_ls=tmp_path / "no neuron-ls")

    return machine


@pytest.fixture
def two_cores():
    return (Core(0, 0, (0,)), Core(1, 0, (1,)))


@pytest.fixture
def folder(tmp_path):
    """A folder of locks of its own."""
    return tmp_path / "locks"
