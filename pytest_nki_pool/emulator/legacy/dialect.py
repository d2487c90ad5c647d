"""What the legacy dialect tells a launch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core.launch import Dialect
from pytest_nki_pool.emulator.core.memory import OFF_CHIP
from pytest_nki_pool.emulator.legacy.grid import grid_of
from pytest_nki_pool.emulator.legacy.profiles import SDKS, check_call, with_convention
from pytest_nki_pool.emulator.legacy.tensor import Tile
from pytest_nki_pool.emulator.legacy.tracing import as_traced

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern


def _unwrap(value: Any) -> AccessPattern | None:
    return value.access if isinstance(value, Tile) else None


def _mutable_parameters(function: Any) -> frozenset[str]:
    annotations = getattr(function, "__annotations__", None)
    if not annotations:
        return frozenset()
    return frozenset(n for n, a in annotations.items() if "mutable_tensor" in (a if isinstance(a, str) else repr(a)))


#: Returned tensors live in any HBM; inputs are immutable unless annotated (NKI error manual).
DIALECT = Dialect(
    name="legacy",
    wrap=Tile,
    unwrap=_unwrap,
    immutable_inputs=True,
    output_buffers=OFF_CHIP,
    mutable_parameters=_mutable_parameters,
    as_traced=lambda function: with_convention(as_traced(function)),
    check_call=check_call,
    sdks=SDKS,
    grid=grid_of,
)
