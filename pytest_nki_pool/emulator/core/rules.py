"""What the hardware refuses about operands: buffers, start partitions and access-pattern limits."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from pytest_nki_pool.emulator.core.access import AccessPattern, coalesce
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.generations import (
    MAX_COUNT,
    MAX_FREE_DIMS,
    MAX_PSUM_ELEMENTS,
    MAX_SBUF_ELEMENTS,
    MAX_STRIDE,
)
from pytest_nki_pool.emulator.core.memory import OFF_CHIP, ON_CHIP, Buffer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_nki_pool.emulator.core.memory import Storage

HBM = OFF_CHIP
CHIP = ON_CHIP
DMA = OFF_CHIP | {Buffer.SBUF}

#: Most elements per partition that one instruction reads or writes.
MAX_ELEMENTS: Mapping[Buffer, int] = MappingProxyType({Buffer.SBUF: MAX_SBUF_ELEMENTS, Buffer.PSUM: MAX_PSUM_ELEMENTS})


class Stored(Protocol):
    """A piece of a tensor."""

    @property
    def storage(self) -> Storage:
        """The tensor."""


def check_buffer(access: Stored, role: str, api: str, allowed: Collection[Buffer]) -> None:
    """Check that an operand lives where the operation can reach it.

    Raises:
        NKIError: it does not ("NKI error manual", err_unsupported_memory).
    """
    buffer = access.storage.buffer
    if buffer not in allowed:
        expected = "hbm" if allowed is HBM else "|".join(sorted(str(b) for b in allowed))
        raise NKIError(
            f"Expected operand '{role}' of '{api}' to be in address space '{expected}', "
            f"but got a tile in '{buffer}' instead: {access.storage.describe()}.",
            "err_unsupported_memory",
        )
    meter = access.storage.launch.meter
    if meter is not None and isinstance(access, AccessPattern):
        meter.operand(access, role, api)


def check_partitions(access: AccessPattern, role: str, api: str, *, repeat: bool = False) -> None:
    """Check the partition dimension of an on-chip operand: first, unpermuted, consecutive, at most 128.

    Args:
        access: the operand.
        role: its name in the NKI function.
        api: the NKI function.
        repeat: whether one partition may be read for several.

    Raises:
        NKIError: it is not, or a partition's pattern runs into the next partition's memory.
    """
    if access.is_whole():
        return
    storage = access.storage
    row = storage.row
    if len(access.shape) < 2:
        raise NKIError(
            f"{api} {role}: Insufficient rank: SBUF and PSUM accesses must have at least 2 dimensions "
            f"(partition-dim and free-dim), got shape {list(access.shape)} of {storage.describe()}"
        )
    if access.shape[0] > 1 and access.strides[0] != row and not (repeat and access.strides[0] == 0):
        raise NKIError(
            f"{api} {role}: the leading dimension of an on-chip access is the partition dimension with step 1; "
            f"this access of {storage.describe()} steps {access.strides[0]} elements where a partition has {row}",
            "err_leading_dimension_of_tensor_must_be_partition",
        )
    low = high = access.offset % row
    for count, stride in zip(access.shape[1:], access.strides[1:], strict=True):
        if stride < 0:
            low += stride * (count - 1)
        else:
            high += stride * (count - 1)
    if low < 0 or high >= row:
        raise NKIError(
            f"{api} {role}: a partition reaches its own memory only; this access of {storage.describe()} spans "
            f"elements [{low}, {high}] of a partition of {row}"
        )


def check_compute(access: AccessPattern, role: str, api: str) -> None:
    """Check an operand of a compute instruction.

    Beside `check_partitions`: the start partition (more than 64 partitions: 0; 33 to 64: 0 or 64; up to 32: 0, 32, 64
    or 96), the elements per partition, and the limits of a free pattern (Trainium/Inferentia2 architecture guide; NKI
    programming guide, ISA access patterns). DMA is exempt from these.

    Raises:
        NKIError: the engines cannot address it.
    """
    storage = access.storage
    if storage.row <= MAX_PSUM_ELEMENTS and access.is_whole():
        return
    check_partitions(access, role, api)
    count = access.shape[0]
    start = access.offset // storage.row
    quadrant = 128 if count > 64 else 64 if count > 32 else 32
    if start % quadrant:
        raise NKIError(
            f"{api} {role}: Invalid access of {count} partitions starting at partition {start} of "
            f"{storage.describe()}: a compute instruction on {count} partitions starts at a multiple of {quadrant}; "
            "move the data by DMA"
        )
    elements, most = access.size // count, MAX_ELEMENTS[storage.buffer]
    if elements > most:
        raise NKIError(
            f"{api} {role}: access {list(access.shape)} of {storage.describe()} has {elements} elements per partition; "
            f"an instruction takes up to {most} of {storage.buffer}",
            "err_size_of_dimension_exceed_arch_limit",
        )
    free = [p for p in zip(access.shape[1:], access.strides[1:], strict=True) if p[0] > 1]
    if _exceeds(free):
        merged = coalesce(access.shape[1:], access.strides[1:])
        if _exceeds(merged):
            raise _too_large(free, access, f"{api} {role}")


def check_bank(access: AccessPattern, role: str, api: str) -> None:
    """Check that a PSUM access stays in one bank, as a matrix product must; a tile begins at a bank.

    NeuronCore-v4 takes twice as many moving columns as a bank holds of fp32, and reaches into the next bank.

    Raises:
        NKIError: it does not (architecture guides, PSUM).
    """
    storage = access.storage
    generation = storage.launch.generation
    bank = generation.psum_bank_bytes // storage.dtype.itemsize
    most = 1 if generation.number < 4 else 2
    low = access.offset % storage.row
    high = low + sum(stride * (count - 1) for count, stride in zip(access.shape[1:], access.strides[1:], strict=True))
    if high // bank - low // bank >= most:
        raise NKIError(
            f"{api} {role}: elements [{low}, {high}] of each partition of {storage.describe()} lie in more than {most} "
            f"PSUM banks of {bank} elements; TensorE writes no more at a time",
            "err_size_of_dimension_exceed_arch_limit",
        )


def _exceeds(free: list[tuple[int, int]]) -> bool:
    for count, stride in free:
        if count > MAX_COUNT or abs(stride) > MAX_STRIDE:
            return True
    return len(free) > MAX_FREE_DIMS


def _too_large(free: list[tuple[int, int]], access: AccessPattern, operand: str) -> NKIError:
    what = f"{operand}: access {list(access.shape)} of {access.storage.describe()}"
    count = max(n for n, _ in free)
    stride = max((s for _, s in free), key=abs)
    if count > MAX_COUNT:
        return NKIError(f"{what} has a free dimension of {count} elements; an instruction takes up to {MAX_COUNT}")
    if abs(stride) > MAX_STRIDE:
        return NKIError(f"{what} has a step of {stride} elements; an instruction takes up to {MAX_STRIDE}")
    return NKIError(f"{what} has {len(free)} free dimensions; an instruction takes up to {MAX_FREE_DIMS}")
