"""Arguments of views: static integers, patterns of `.ap` and of `rearrange`."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.generations import MAX_COUNT, MAX_FREE_DIMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.emulator.core.access import AccessPattern


def static_integer(value: object, what: str) -> int:
    """An argument that has to be an integer which is known while the kernel is compiled.

    Raises:
        NKIError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise NKIError(f"{what}: a static integer, got {value!r}")
    return int(value)


def static_integers(values: object, what: str) -> list[int]:
    """An argument that has to be a sequence of such integers.

    Raises:
        NKIError: it is none.
    """
    if not isinstance(values, (tuple, list)):
        raise NKIError(f"{what}: a tuple or a list of static integers, got {values!r}")
    return [static_integer(value, what) for value in values]


def ap_pairs(pattern: Sequence[Sequence[int]], what: str) -> list[list[int]]:
    """Check the form of an `.ap` pattern and what an instruction can encode of it.

    Args:
        pattern: [step, count] per dimension.
        what: the tensor, for messages.

    Raises:
        NKIError: no such pattern.
    """
    if not isinstance(pattern, (tuple, list)):
        raise NKIError(f"the pattern of ap() is a list of pairs [step, count], got {pattern!r} for {what}")
    pairs = [static_integers(pair, "step and count of ap()") for pair in pattern]
    if not 1 <= len(pairs) <= MAX_FREE_DIMS + 1 or any(len(pair) != 2 for pair in pairs):
        raise NKIError(f"ap() takes 1 to {MAX_FREE_DIMS + 1} pairs [step, count], got {pairs} for {what}")
    for step, count in pairs:
        if not 1 <= count <= MAX_COUNT:
            raise NKIError(f"ap() pair [{step}, {count}] of {what}: a count is 1 to {MAX_COUNT}")
    return pairs


def check_partition_pair(access: AccessPattern, pairs: list[list[int]]) -> None:
    """Check that the first pair of a pattern on chip steps from partition to partition.

    Raises:
        NKIError: it does not.
    """
    storage = access.storage
    if access.strides[0] != storage.row:
        raise NKIError(
            f"ap() pattern has invalid partition stride. Partition step {access.strides[0]} must equal tensor free "
            f"dimension size {storage.row}. Pattern: {pairs}, {storage.describe()}"
        )


def index_pairs(pattern: object, what: str) -> list[tuple[int, int]]:
    """Check the pattern of an affine index: up to four pairs [step, count] over the free dimensions.

    Raises:
        NKIError: no such pattern.
    """
    if not isinstance(pattern, (tuple, list)) or not 1 <= len(pattern) <= MAX_FREE_DIMS:
        raise NKIError(f"the pattern of {what} is a list of 1 to {MAX_FREE_DIMS} pairs [step, count], got {pattern!r}")
    pairs = [static_integers(pair, f"step and count of {what}") for pair in pattern]
    for pair in pairs:
        if len(pair) != 2 or pair[1] < 1:
            raise NKIError(f"the pattern of {what} has pairs [step, count] with a count of at least 1, got {pair}")
    return [(step, count) for step, count in pairs]


class Rearrangement:
    """A `rearrange` call, resolved against a shape.

    Args:
        source: name of every dimension, or a tuple of the names that it splits into.
        target: the same names in the new order; a tuple merges.
        sizes: known sizes by name; one per split dimension may be left out.
        shape: shape of the tensor.

    Attributes:
        split: shape after splitting.
        order: permutation of the split dimensions.
        merged: final shape.

    Raises:
        NKIError: names or sizes do not fit.
    """

    __slots__ = ("merged", "order", "split")

    def __init__(self, source: object, target: object, sizes: object, shape: tuple[int, ...]) -> None:
        groups, goals = _groups(source, "source"), _groups(target, "target")
        names = [name for group in groups for name in group]
        goal_names = [name for group in goals for name in group]
        if len(set(names)) != len(names) or sorted(names) != sorted(goal_names):
            raise NKIError(f"rearrange() from {source!r} to {target!r} has to name every dimension once on both sides")
        if len(groups) != len(shape):
            raise NKIError(f"rearrange() from {source!r}: the tensor has the shape {list(shape)}")
        known: dict[str, Any] = sizes if isinstance(sizes, dict) else {}
        unknown = sorted(known.keys() - set(names))
        if unknown or not isinstance(sizes, (dict, type(None))):
            raise NKIError(f"rearrange(): fixed_sizes is a dict of the sizes of {names}, got {sizes!r}")
        of: dict[str, int] = {}
        for group, size in zip(groups, shape, strict=True):
            of.update(_split(group, size, known))
        self.split = tuple(of[name] for name in names)
        self.order = [names.index(name) for name in goal_names]
        self.merged = tuple(prod(of[name] for name in group) for group in goals)


def _groups(pattern: object, side: str) -> list[tuple[str, ...]]:
    if isinstance(pattern, (tuple, list)):
        groups = [(entry,) if isinstance(entry, str) else entry for entry in pattern]
        if groups and all(
            isinstance(group, (tuple, list)) and group and all(isinstance(name, str) for name in group)
            for group in groups
        ):
            return [tuple(group) for group in groups]
    raise NKIError(f"rearrange(): the {side} pattern is a tuple of names and tuples of names, got {pattern!r}")


def _split(group: tuple[str, ...], size: int, known: dict[str, Any]) -> dict[str, int]:
    sizes = {name: static_integer(known[name], f"size of {name} in rearrange()") for name in group if name in known}
    missing = [name for name in group if name not in sizes]
    given = prod(sizes.values())
    if len(missing) > 1 or given < 1 or size % given or (not missing and given != size):
        raise NKIError(
            f"rearrange(): a dimension of size {size} does not split into {group} with the sizes {sizes}; give all "
            "sizes but one, whose product divides it"
        )
    return {**sizes, **dict.fromkeys(missing, size // given)}
