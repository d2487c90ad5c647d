"""Conformance suite and pytest plugin for AWS Neuron NKI pooling kernels."""

from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec

__all__ = ["Capabilities", "KernelSpec"]
