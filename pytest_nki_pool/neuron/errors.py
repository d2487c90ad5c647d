"""What goes wrong between the suite and a Neuron machine, each in one sentence for a person."""

from __future__ import annotations


class NeuronError(Exception):
    """The machine, or what was asked of it, does not allow a launch on a Neuron device."""


class CoresBusyError(NeuronError):
    """Every core that may be used is leased or quarantined, and stayed so until the deadline."""
