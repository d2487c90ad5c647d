"""Conformance suite and pytest plugin for AWS Neuron NKI pooling kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec

if TYPE_CHECKING:
    from pytest_nki_pool.api import NotConformant, Report, check_kernel

__all__ = ["Capabilities", "KernelSpec", "NotConformant", "Report", "check_kernel"]


def __getattr__(name: str) -> Any:
    """Import `check_kernel` and what belongs to it when it is asked for: it needs NumPy, the plugin must not."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_nki_pool import api  # noqa: PLC0415

    return getattr(api, name)
