"""Neuron machines as their interfaces show them: device nodes, sysfs, procfs, firmware and ``neuron-ls``."""

from __future__ import annotations

from neuron_host.machines import MACHINES, Machine
from neuron_host.tool import FAILURES, TOOLS, install
from neuron_host.tree import Host, build

__all__ = ["FAILURES", "MACHINES", "TOOLS", "Host", "Machine", "build", "install"]
