"""Conformance suite and pytest plugin for AWS Neuron NKI pooling kernels."""
