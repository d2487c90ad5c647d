"""Average-pool kernels under test: the tutorial's three forms and one production kernel per dialect.

The kernel files import NKI and nothing else; importing this package runs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec

if TYPE_CHECKING:
    from pytest_nki_pool.spec.kernel import Dialect, Role

_ONE_TILE = Capabilities(accuracy="fp32_sum_cast")
_ANY_SIZE = Capabilities(max_channels=None, max_image_bytes=None)


def _spec(file: str, function: str, dialect: Dialect, call: tuple[Role, ...], capabilities: Capabilities) -> KernelSpec:
    return KernelSpec(f"pytest_nki_pool.kernels.{file}:{function}", file, dialect, call, capabilities)


#: Our own kernels, which are under test when no other kernel is asked for.
SPECS: tuple[KernelSpec, ...] = (
    _spec("tutorial_out_parameter", "tensor_avgpool_kernel_", "legacy", ("x", "out", "k"), _ONE_TILE),
    _spec("tutorial_returning", "tensor_avgpool_kernel", "legacy", ("x", "k"), _ONE_TILE),
    _spec("tutorial_access_pattern", "tensor_avgpool_kernel", "current", ("x", "k"), _ONE_TILE),
    _spec("production_legacy", "avgpool", "legacy", ("x", "k"), _ANY_SIZE),
    _spec("production_current", "avgpool", "current", ("x", "k"), _ANY_SIZE),
)
