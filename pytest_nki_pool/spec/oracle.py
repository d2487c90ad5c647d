"""The golden: exact window sums, the mean, and its gradient, from the input as it is stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.spec.dtypes import DTYPES, dtype_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def windows(x: NDArray[Any], k: int) -> NDArray[Any]:
    """View an image as its windows; rows and columns that fill no window are left out.

    Args:
        x: C x H x W.
        k: pool size.

    Returns:
        C x floor(H/k) x floor(W/k) x k x k, a view.
    """
    channels, height, width = x.shape
    down, across = height // k, width // k
    return x[:, : down * k, : across * k].reshape(channels, down, k, across, k).swapaxes(2, 3)


def window(x: NDArray[Any], k: int, index: Sequence[int]) -> NDArray[Any]:
    """Give the k x k window behind one element of the result.

    Args:
        x: C x H x W.
        k: pool size.
        index: channel, row and column in the result.
    """
    channel, row, col = index
    return x[channel, row * k : (row + 1) * k, col * k : (col + 1) * k]


def fold(ufunc: np.ufunc, x: NDArray[Any], k: int) -> NDArray[Any]:
    """Reduce every window with a ufunc: first along the rows, then along the columns.

    Args:
        ufunc: binary ufunc such as `np.add`.
        x: C x H x W.
        k: pool size.

    Returns:
        C x floor(H/k) x floor(W/k).
    """
    channels, height, width = x.shape
    down, across = height // k, width // k
    rows = x[:, : down * k, : across * k].reshape(channels, down * k, across, k)
    return _reduce(ufunc, _reduce(ufunc, rows, k).reshape(channels, down, k, across).swapaxes(2, 3), k)


def window_sums(x: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Sum every window of finite values, each sum correctly rounded to fp64.

    Args:
        x: C x H x W, finite, each value representable in a `DTYPES` entry.
        k: pool size.

    Returns:
        C x floor(H/k) x floor(W/k).
    """
    parts = [fold(np.add, part, k) for part in _exact_parts(x, k * k)]
    if len(parts) <= 2:
        # Each part is exact, so one addition is the only rounding.
        return sum(parts[1:], parts[0])
    sums = [math.fsum(terms) for terms in zip(*(part.ravel().tolist() for part in parts), strict=True)]
    return np.array(sums).reshape(parts[0].shape)


def golden(x: NDArray[Any], k: int) -> NDArray[np.float64]:
    """Average every window of the input as it is stored.

    A NaN, or infinities of both signs, make the window NaN; infinities of one sign make it that infinity.

    Args:
        x: C x H x W of a `DTYPES` dtype.
        k: pool size.

    Returns:
        fp64, C x floor(H/k) x floor(W/k). The sum is exact but for one rounding to fp64, its quotient by k x k rounds
        once more.
    """
    return totals(x.astype(np.float64), k) / (k * k)


def totals(values: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Sum every window as IEEE 754 sums do, with the finite part correctly rounded.

    Args:
        values: C x H x W, any values.
        k: pool size.

    Returns:
        C x floor(H/k) x floor(W/k).
    """
    finite = np.isfinite(values)
    if finite.all():
        return window_sums(values, k)
    with np.errstate(invalid="ignore"):
        special = fold(np.add, np.where(finite, 0.0, values), k)
        sums: NDArray[np.float64] = window_sums(np.where(finite, values, 0.0), k) + special
    return sums


def adjoint(grad: NDArray[Any], shape: Sequence[int], k: int) -> NDArray[Any]:
    """Carry a gradient of the result back to the input: every element of a window gets ``grad / k**2``.

    Args:
        grad: ... x floor(H/k) x floor(W/k), a floating-point dtype of `DTYPES`, or fp64.
        shape: shape of the input, ... x H x W.
        k: pool size.

    Returns:
        The gradient of the input, in grad's dtype, rounded once; zero where no window lies.
    """
    exact = grad.astype(np.float64) / (k * k)
    share = exact if grad.dtype == np.float64 else DTYPES[dtype_name(grad.dtype)].quantise(exact)
    result = np.zeros(tuple(shape), grad.dtype)
    down, across = grad.shape[-2:]
    result[..., : down * k, : across * k] = share.repeat(k, axis=-2).repeat(k, axis=-1)
    return result


def _reduce(ufunc: np.ufunc, x: NDArray[Any], k: int) -> NDArray[Any]:
    """Reduce the last axis, of length k; adding slices is faster than a reduction over a short axis."""
    if k > 64:
        return np.asarray(ufunc.reduce(x, axis=-1))
    result = x[..., 0].copy()
    for i in range(1, k):
        ufunc(result, x[..., i], out=result)
    return result


def _exact_parts(x: NDArray[np.float64], terms: int) -> list[NDArray[np.float64]]:
    """Split values into parts whose sums over any `terms` elements are exact in fp64, largest part first.

    Every part is a multiple of a grid that is coarse enough for the sums (S. M. Rump, T. Ogita, S. Oishi, "Accurate
    floating-point summation part I", SIAM J. Sci. Comput. 31(1), 2008). Most data needs one part.
    """
    parts: list[NDArray[np.float64]] = []
    while True:
        largest = max(float(x.max(initial=0.0)), -float(x.min(initial=0.0)))
        if largest == 0.0:
            return parts or [x]
        sigma = math.ldexp(1.0, math.frexp(largest * (terms + 2))[1])
        part = (sigma + x) - sigma
        parts.append(part)
        x = x - part
