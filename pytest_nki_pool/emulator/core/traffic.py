"""Reading and writing memory: the one place where a launch sees every access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.regions import LoopRegions

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.memory import Storage


def read(access: AccessPattern) -> Array:
    """Strided view of an operand that is read, recorded with the loops that watch.

    Raises:
        NKIError: the tensor belongs to a launch that is over, or a loop forbids the access.
    """
    storage = access.storage
    launch = storage.launch
    if not launch.active:
        raise _stale(storage)
    storage.read = True
    if storage.parameter == "either" and storage.written:
        raise NKIError(
            f"parameter {storage.describe()} is both written and read; input and output are distinct tensors",
            "err_read_modify_write_on_kernel_parameter",
        )
    for loop in launch.loops:
        loop.record(access, write=False)
    return access.view()


def write(access: AccessPattern) -> Array:
    """Strided view of a destination, see `begin_write`."""
    begin_write(access)
    if access.storage.frozen:
        access.storage.thaw()
    return access.view()


def accumulate(access: AccessPattern) -> Array:
    """Strided view of a PSUM destination that a matrix product is added to.

    Iterations of `affine_range` may add to the same elements ("NKI programming guide, affine_range").

    Raises:
        NKIError: the tensor belongs to a launch that is over, or a loop accesses it in another way.
    """
    storage = access.storage
    launch = storage.launch
    if not launch.active:
        raise _stale(storage)
    storage.read = storage.written = True
    for loop in launch.loops:
        if isinstance(loop, LoopRegions):
            loop.record_sum(access)
    if launch.meter is not None:
        launch.meter.wrote(access)
    return access.view()


def begin_write(access: AccessPattern) -> None:
    """Check that a destination may be written and record that with the loops that watch.

    Raises:
        NKIError: the tensor is immutable or belongs to a launch that is over, or a loop forbids the access.
    """
    storage = access.storage
    launch = storage.launch
    if not launch.active:
        raise _stale(storage)
    if storage.parameter is not None:
        _begin_parameter_write(storage)
    storage.written = True
    for loop in launch.loops:
        loop.record(access, write=True)
    if launch.meter is not None:
        launch.meter.wrote(access)


def _stale(storage: Storage) -> NKIError:
    return NKIError(
        f"{storage.describe()} was made by a launch that is over; no tensor outlives its launch, "
        "create it inside the kernel"
    )


def _begin_parameter_write(storage: Storage) -> None:
    if storage.parameter == "input" or (storage.parameter == "either" and storage.read and not storage.written):
        raise NKIError(
            f"parameter {storage.describe()} is an input, and immutable; write to a tensor made by "
            "nl.ndarray(…, buffer=nl.shared_hbm) and return it, or annotate the parameter as mutable_tensor",
            "err_cannot_update_immutable_parameter",
        )
    if storage.read_only:
        raise NKIError(f"parameter {storage.describe()} is a read-only array; hand over a writable one")
    if storage.parameter == "either" and not storage.written:
        storage.become_output()
