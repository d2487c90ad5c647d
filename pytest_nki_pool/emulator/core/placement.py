"""On-chip tensors at an address that the kernel chose (NKI API reference, `nl.ndarray(address=)`)."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import ON_CHIP, Buffer, check_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.launch import Launch
    from pytest_nki_pool.emulator.core.memory import Storage

#: Partitions at which a compute instruction may start.
_QUADRANT = 32


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a tensor lies.

    Attributes:
        buffer: SBUF or PSUM.
        partitions: its partitions.
        offsets: its bytes in each of them.
    """

    buffer: Buffer
    partitions: range
    offsets: range

    def overlaps(self, other: Placement) -> bool:
        """Whether two tensors share memory."""
        pairs = (self.partitions, other.partitions), (self.offsets, other.offsets)
        return self.buffer is other.buffer and all(a.start < b.stop and b.start < a.stop for a, b in pairs)


def allocate_at(
    launch: Launch, shape: Sequence[object], dtype: object, buffer: Buffer, name: str, address: tuple[int, int]
) -> Storage:
    """Allocate an undefined tensor at an address.

    A tensor that lies there already loses its memory: what it holds is undefined from now on.

    Args:
        launch: the running launch.
        shape: sizes of its dimensions.
        dtype: any spelling.
        buffer: SBUF or PSUM.
        name: its name in messages.
        address: its first partition, and its first byte in every partition.

    Raises:
        NKIError: it leaves the memory, or engines could not address it.
    """
    generation = launch.generation
    what = f"tensor `{name or 'unnamed'}` {list(shape)} in {buffer} at address {address}"
    if buffer not in ON_CHIP:
        raise NKIError(f"{what}: an address is that of a tensor in SBUF or PSUM")
    sizes = check_shape(shape, buffer, generation.partitions, what)
    partition, offset = address
    end = offset + prod(sizes[1:]) * launch.check_dtype(dtype, what).itemsize
    capacity = generation.sbuf_bytes if buffer is Buffer.SBUF else generation.psum_bytes
    if partition % _QUADRANT or not 0 <= partition <= generation.partitions - sizes[0]:
        raise NKIError(
            f"{what}: the {sizes[0]} partitions of a tensor start at a multiple of {_QUADRANT} and end at "
            f"{generation.partitions}"
        )
    if offset < 0 or end > capacity:
        raise NKIError(f"{what}: spans bytes [{offset}, {end}) of a partition, which has {capacity}")
    place = Placement(buffer, range(partition, partition + sizes[0]), range(offset, end))
    kept = []
    for old, reference in launch.placed:
        tensor = reference()
        if tensor is not None and old.overlaps(place):
            tensor.surrender()
        elif tensor is not None:
            kept.append((old, reference))
    storage = launch.allocate(sizes, dtype, buffer, name)
    launch.placed = [*kept, (place, weakref.ref(storage))]
    return storage
