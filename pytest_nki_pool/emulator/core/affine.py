"""Affine index algebra: offset + Σ coefficient · axis.

An `Index` is what `nl.arange`, `nl.mgrid` and loop variables give. It is kept as numbers, so its bounds are known in
closed form and a subscript becomes an access pattern ("NKI programming model, advanced indexing").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from pytest_nki_pool.emulator.core.access import AccessPattern, out_of_bounds
from pytest_nki_pool.emulator.core.errors import NKIError, kernel_operator

if TYPE_CHECKING:
    from collections.abc import Sequence

    Axis = tuple[int, int]

_ARANGE_CONDITION = "err_control_flow_condition_depending_on_arange"
_MASK_EXPRESSION = "err_unsupported_expression_in_mask"


class Index:
    """An affine integer expression over index axes and loop variables.

    Attributes:
        offset: constant part; a loop variable is a constant of its iteration, and symbolic all the same.
        axes: (coefficient, count) per axis; a count of 1 has coefficient 0.
    """

    __slots__ = ("axes", "offset")
    __array_ufunc__ = None  # NumPy integers on the left leave the operation to this class

    def __init__(self, offset: int, axes: tuple[Axis, ...] = ()) -> None:
        self.offset = offset
        self.axes = axes

    @property
    def ndim(self) -> int:
        """Number of axes; 0 for an expression of loop variables."""
        return len(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Counts of the axes."""
        return tuple(count for _, count in self.axes)

    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value."""
        low = high = self.offset
        for coefficient, count in self.axes:
            if coefficient < 0:
                low += coefficient * (count - 1)
            else:
                high += coefficient * (count - 1)
        return low, high

    def __getitem__(self, key: object) -> Index:
        entries = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in entries:
            at = entries.index(Ellipsis)
            named = sum(entry is not None for entry in entries) - 1
            entries[at : at + 1] = [slice(None)] * (len(self.axes) - named)
        axes: list[Axis] = []
        rest = list(self.axes)
        for entry in entries:
            if entry is None:
                axes.append((0, 1))
            elif isinstance(entry, slice) and entry == slice(None) and rest:
                axes.append(rest.pop(0))
            else:
                raise NKIError(f"an index object takes `:` per axis ({len(self.axes)}) and None, got {key!r}")
        return Index(self.offset, (*axes, *rest))

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise NKIError("an index object cannot be assigned to", "err_cannot_assign_to_index")

    def __add__(self, other: object) -> Index:
        if isinstance(other, Index):
            return Index(self.offset + other.offset, _broadcast_axes(self.axes, other.axes))
        if isinstance(other, (int, np.integer)):
            return Index(self.offset + int(other), self.axes)
        raise self._not_affine(f"a sum with {type(other).__name__}")

    __radd__ = __add__

    def __mul__(self, factor: object) -> Index:
        if isinstance(factor, Index):
            raise self._not_affine("a product of two index expressions")
        if isinstance(factor, (int, np.integer)):
            scale = int(factor)
            return Index(self.offset * scale, tuple([(c * scale, n) for c, n in self.axes]))
        raise self._not_affine(f"a product with {type(factor).__name__}")

    __rmul__ = __mul__

    def __neg__(self) -> Index:
        return self * -1

    def __sub__(self, other: object) -> Index:
        return self + (-other if isinstance(other, (Index, int, np.integer)) else other)

    def __rsub__(self, other: object) -> Index:
        return -self + other

    def _not_affine(self, what: str) -> NKIError:
        return NKIError(
            f"{what} is not affine; index expressions are sums of integers and integer multiples of nl.arange, "
            "nl.mgrid and loop variables. Compute constants in Python integers, or loop with nl.static_range"
        )

    def __floordiv__(self, other: object) -> NoReturn:
        raise self._not_affine("`//` of an index expression")

    def __mod__(self, other: object) -> NoReturn:
        raise self._not_affine("`%` of an index expression")

    def __truediv__(self, other: object) -> NoReturn:
        raise self._not_affine("`/` of an index expression")

    __rfloordiv__ = __floordiv__
    __rmod__ = __mod__
    __rtruediv__ = __truediv__

    def __index__(self) -> NoReturn:
        raise NKIError(
            "a loop variable of affine_range or sequential_range is symbolic and no Python integer; "
            "use nl.static_range where its value is needed"
        )

    def __bool__(self) -> NoReturn:
        raise NKIError(
            "control flow cannot depend on an index or loop variable; use nl.static_range", _ARANGE_CONDITION
        )

    def __eq__(self, other: object) -> NoReturn:
        raise NKIError(
            "`==` on an index or loop variable: control flow cannot depend on it; use nl.static_range",
            _ARANGE_CONDITION,
        )

    __ne__ = __eq__
    __hash__ = None  # type: ignore[assignment]

    def _minus(self, other: object) -> Index:
        if not isinstance(other, (Index, int, np.integer)):
            raise NKIError(
                f"an index expression compares with integers and index expressions, got {type(other).__name__}",
                _MASK_EXPRESSION,
            )
        return self - other

    def __ge__(self, other: object) -> Condition:
        return Condition((self._minus(other),))

    def __gt__(self, other: object) -> Condition:
        return Condition((self._minus(other) - 1,))

    def __le__(self, other: object) -> Condition:
        return Condition((-self._minus(other),))

    def __lt__(self, other: object) -> Condition:
        return Condition((-self._minus(other) - 1,))


class Condition:
    """A conjunction of comparisons of index expressions: good as a mask, never as a truth value.

    Attributes:
        terms: index expressions that are all at least 0 where the condition holds.
    """

    __slots__ = ("terms",)
    __array_ufunc__ = None

    def __init__(self, terms: tuple[Index, ...]) -> None:
        self.terms = terms

    def __and__(self, other: object) -> Condition:
        if isinstance(other, Condition):
            return Condition(self.terms + other.terms)
        if isinstance(other, (bool, np.bool_)):
            return self if other else Condition((*self.terms, Index(-1)))
        raise NKIError(
            f"a mask combines comparisons of index expressions with `&`, got {type(other).__name__}", _MASK_EXPRESSION
        )

    __rand__ = __and__

    def _unsupported(self, *_: object) -> NoReturn:
        raise NKIError(
            "a mask is a conjunction: combine comparisons of index expressions with `&` only", _MASK_EXPRESSION
        )

    __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = _unsupported

    def __bool__(self) -> NoReturn:
        operator = kernel_operator()
        if operator:
            raise NKIError(
                f"the truth value of a mask is ambiguous, and `{operator}` needs one; combine comparisons with `&`",
                "err_ambiguous_tensor_truth_value",
            )
        raise NKIError(
            "a comparison of index expressions has no truth value: control flow cannot depend on an index or loop "
            "variable; combine masks with `&`, or use nl.static_range",
            _ARANGE_CONDITION,
        )


def _broadcast_axes(a: tuple[Axis, ...], b: tuple[Axis, ...]) -> tuple[Axis, ...]:
    if len(a) != len(b):
        rank = max(len(a), len(b))
        a = ((0, 1),) * (rank - len(a)) + a
        b = ((0, 1),) * (rank - len(b)) + b
    axes = []
    for (ca, na), (cb, nb) in zip(a, b, strict=True):
        if na != nb and 1 not in (na, nb):
            shapes = f"{[n for _, n in a]} and {[n for _, n in b]}"
            raise NKIError(f"index expressions of shapes {shapes} do not broadcast; axes have equal counts or 1")
        axes.append((ca + cb, nb if na == 1 else na))
    return tuple(axes)


def arange(start: int, stop: int) -> Index:
    """One axis of consecutive integers.

    Raises:
        NKIError: the range is empty.
    """
    return Index(start, (axis_of(start, stop),))


def axis_of(start: int, stop: int) -> Axis:
    """The axis of `arange`.

    Raises:
        NKIError: the range is empty.
    """
    count = stop - start
    if count > 1:
        return 1, count
    if count < 1:
        raise NKIError(f"the index range {start}:{stop} is empty; every access has at least one element")
    return 0, 1


def subscript(access: AccessPattern, key: Sequence[Index]) -> AccessPattern:
    """Access a tensor with one index expression per dimension.

    Args:
        access: what is subscripted.
        key: an expression for every dimension; they broadcast to the shape of the result.

    Raises:
        NKIError: an expression leaves its dimension, or the expressions do not broadcast.
    """
    name = access.storage.name
    rank = max([len(index.axes) for index in key])
    offset = access.offset
    counts = [1] * rank
    strides = [0] * rank
    for dim, (index, size, stride) in enumerate(zip(key, access.shape, access.strides, strict=True)):
        low = high = index.offset
        offset += low * stride
        axis = rank - len(index.axes)
        for coefficient, count in index.axes:
            if count > 1:
                if counts[axis] not in (1, count):
                    raise NKIError(
                        f"tensor `{name}`: index expressions of shapes {[list(i.shape) for i in key]} do not "
                        "broadcast; axes have equal counts or 1"
                    )
                counts[axis] = count
                if coefficient > 0:
                    high += coefficient * (count - 1)
                    strides[axis] += coefficient * stride
                elif coefficient < 0:
                    low += coefficient * (count - 1)
                    strides[axis] += coefficient * stride
            axis += 1
        if low < 0 or high >= size:
            raise out_of_bounds(name, dim, low, high, size)
    return AccessPattern(access.storage, offset, tuple(counts), tuple(strides))
