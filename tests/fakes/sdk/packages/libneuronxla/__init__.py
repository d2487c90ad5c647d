"""Stand-in for `libneuronxla`, the PJRT plugin."""
