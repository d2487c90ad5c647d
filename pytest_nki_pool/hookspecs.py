"""Hooks that a vendor implements in a plugin or in the conftest.py of the folder pytest is pointed at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from pytest_nki_pool.spec.kernel import KernelSpec


def pytest_nki_pool_kernels(config: pytest.Config) -> Sequence[KernelSpec]:  # type: ignore[empty-body]
    """Kernels under test when ``--nki-kernel`` names none, and what is known of those it names by their target.

    They come before those of entry points of the group ``nki_pool.kernels`` and before the built-in ones.
    """
