"""Relations between outputs: how the output must change when the input is changed in a known way.

Another order of summation rounds differently, so two outputs are compared with each other only where no order can tell
them apart: where one value alone is right, and, for negation and powers of two, also where several are, because these
commute with every rounding to nearest. All outputs for changed inputs are held against intervals of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool.checks.base import PASS, Check, failed, launch
from pytest_nki_pool.checks.explain import explain
from pytest_nki_pool.spec import acceptance, oracle
from pytest_nki_pool.spec.dtypes import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.acceptance import Expected
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens
    from pytest_nki_pool.verdict import Finding

    Change = Callable[[NDArray[np.float64], Expected], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Pair:
    """An input, what a relation makes of it, and what is right for each.

    Attributes:
        x: the input in fp64, C x H x W.
        changed: the changed input in fp64.
        base: what is right for the input.
        follow: what is right for the changed input.
    """

    x: NDArray[np.float64]
    changed: NDArray[np.float64]
    base: Expected
    follow: Expected


@dataclass(frozen=True, slots=True)
class Relation:
    """A change of the input and the change of the output that follows from it.

    Attributes:
        says: what is done to the input, for a message.
        change_input: gives the changed input from the input and what is right for it.
        change_output: gives the output for the changed input from that for the input, likewise.
        binds: ``(relation, pair)`` marks the outputs that every correct kernel relates so, bit for bit.
    """

    says: str
    change_input: Change
    change_output: Change
    binds: Callable[[Relation, Pair], NDArray[np.bool_]]


def _where_one_value_is_right(relation: Relation, pair: Pair) -> NDArray[np.bool_]:
    before = _one_value(pair.base).astype(np.float64)
    return np.asarray(_one_value(pair.follow) & (relation.change_output(before, pair.base) != 0))


def _everywhere(relation: Relation, pair: Pair) -> NDArray[np.bool_]:
    """Rounding to nearest even is symmetric, and so are overflow and flushing to zero."""
    del relation
    return np.ones(pair.follow.exact.shape, np.bool_)


def _in_range(relation: Relation, pair: Pair) -> NDArray[np.bool_]:
    """Where nothing on any way to the output can overflow or become subnormal, so that only exponents change."""
    del relation
    dtype, k = pair.follow.dtype, pair.follow.pool
    accumulator = dtype if pair.follow.accuracy == "native" else DTYPES["fp32"]
    # Partial sums are multiples of the last place of the smallest term, which may have been divided by k * k.
    quiet = accumulator.smallest_normal * 2.0**accumulator.precision * k * k
    marks = np.full(pair.follow.exact.shape, dtype.floating)
    for image, expected in ((pair.x, pair.base), (pair.changed, pair.follow)):
        sizes = np.abs(image)
        smallest = oracle.fold(np.minimum, np.where(sizes == 0, np.inf, sizes), k)
        marks &= smallest >= max(dtype.smallest_normal, quiet)
        marks &= np.abs(expected.exact.astype(np.float64)) >= 2 * dtype.smallest_normal
        marks &= oracle.fold(np.add, sizes, k) <= dtype.max_finite / 2
    return marks


def _reverse_channels(values: NDArray[np.float64], _expected: Expected) -> NDArray[np.float64]:
    return values[::-1]


def _transpose(values: NDArray[np.float64], _expected: Expected) -> NDArray[np.float64]:
    return values.swapaxes(1, 2)


def _roll_windows(x: NDArray[np.float64], expected: Expected) -> NDArray[np.float64]:
    """Roll the part that fills windows by one window down and one across; the trim stays."""
    k = expected.pool
    rows, columns = (size // k * k for size in x.shape[1:])
    rolled = x.copy()
    rolled[:, :rows, :columns] = np.roll(x[:, :rows, :columns], (k, k), axis=(1, 2))
    return rolled


def _roll_outputs(y: NDArray[np.float64], _expected: Expected) -> NDArray[np.float64]:
    return np.roll(y, (1, 1), axis=(1, 2))


def _negate(values: NDArray[np.float64], _expected: Expected) -> NDArray[np.float64]:
    return -values


def _scale(values: NDArray[np.float64], expected: Expected, sign: int) -> NDArray[np.float64]:
    """Move the exponents by a quarter of what the dtype has below one."""
    return np.ldexp(values, sign * max(1, -expected.dtype.min_exponent // 4))


_REVERSED = Relation(
    "with its channels in reverse order", _reverse_channels, _reverse_channels, _where_one_value_is_right
)
_TRANSPOSED = Relation("with height and width exchanged", _transpose, _transpose, _where_one_value_is_right)
_ROLLED = Relation("rolled by one window both ways", _roll_windows, _roll_outputs, _where_one_value_is_right)
_NEGATED = Relation("negated", _negate, _negate, _everywhere)
_SMALLER, _LARGER = (
    Relation(says, partial(_scale, sign=sign), partial(_scale, sign=sign), _in_range)
    for says, sign in (("divided by a power of two", -1), ("multiplied by a power of two", 1))
)


def related(case: Case, launcher: Launcher, goldens: Goldens, *, relations: tuple[Relation, ...]) -> Finding:
    """Launch on the input and on what each relation makes of it, and compare."""
    accuracy = launcher.kernel.spec.capabilities.accuracy
    x, base = goldens.input(case), goldens.expected(case, accuracy)
    output = launch(launcher, x.copy(), case.pool)
    if output.shape != base.exact.shape:
        return failed(acceptance.judge(output, base).reason)
    for relation in relations:
        wanted = np.ascontiguousarray(relation.change_input(x.astype(np.float64), base))
        changed = base.dtype.quantise(wanted)
        follow = acceptance.expect(changed, case.pool, accuracy)
        got = launch(launcher, changed.copy(), case.pool)
        # An input that the dtype cannot hold changed is another input: there nothing follows.
        binds = oracle.fold(np.logical_and, _same(changed, wanted), case.pool)
        binds = binds & relation.binds(relation, Pair(x.astype(np.float64), wanted, base, follow))
        predicted = relation.change_output(output.astype(np.float64), base)
        fault = _fault(got, predicted, binds, follow, changed)
        if fault:
            return failed(f"for the input {relation.says}:\n{fault}")
    return PASS


def batch_is_loop(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """Launches on parts of the channels give the parts of the output."""
    x, k = goldens.input(case), case.pool
    expected = goldens.expected(case, launcher.kernel.spec.capabilities.accuracy)
    whole = launch(launcher, x.copy(), k)
    parts = np.split(x, _cuts(case.channels))
    outputs = [launch(launcher, part.copy(), k) for part in parts]
    sizes = [len(part) for part in parts]
    if [output.shape for output in outputs] != [(size, *case.out_shape[1:]) for size in sizes]:
        shapes = ", ".join(str(output.shape) for output in outputs)
        return failed(f"launches on {sizes} channels return outputs of shape {shapes}")
    fault = _fault(np.concatenate(outputs), whole, _one_value(expected), expected, x)
    return failed(f"for launches on {sizes} channels, laid together:\n{fault}") if fault else PASS


def pool_of_pool(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """Pooling by a divisor of k and then by the rest is pooling by k; bit for bit where all three are exact."""
    accuracy = launcher.kernel.spec.capabilities.accuracy
    first = next((k for k in range(2, case.pool) if case.pool % k == 0), 1)
    second = case.pool // first
    x, expected = goldens.input(case), goldens.expected(case, accuracy)
    whole = launch(launcher, x.copy(), case.pool)
    inner_expected = acceptance.expect(x, first, accuracy)
    inner = launch(launcher, x.copy(), first)
    judgement = acceptance.judge(inner, inner_expected)
    if not judgement.ok:
        return failed(f"for pool size {first}:\n{explain(judgement, inner_expected, x)}")
    outer_expected = acceptance.expect(inner, second, accuracy)
    outer = launch(launcher, inner.copy(), second)
    binds = _one_value(expected) & _one_value(outer_expected) & _same(inner, oracle.golden(x, first)).all()
    fault = _fault(outer, whole, binds, outer_expected, inner)
    return failed(f"for pool size {second} after pool size {first}:\n{fault}") if fault else PASS


def _cuts(channels: int) -> list[int]:
    """Where the channels are parted: the first alone, then two parts of unlike size."""
    return sorted({cut for cut in (1, 1 + (channels - 1) // 3) if 0 < cut < channels})


def _one_value(expected: Expected) -> NDArray[np.bool_]:
    """Mark the outputs for which one value alone is right."""
    marks = np.ones(expected.exact.shape, np.bool_)
    exact = expected.exact.astype(np.float64)
    for bound in expected.bounds:
        marks &= (bound.low == exact) & (bound.high == exact)
    for exception in expected.exceptions:
        marks &= np.isnan(exception.low)
    return marks if expected.nan_allowed is None else marks & ~expected.nan_allowed


def _same(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark equal values; NaN equals NaN and either zero the other."""
    first, second = a.astype(np.float64), b.astype(np.float64)
    return np.asarray((first == second) | (np.isnan(first) & np.isnan(second)))


def _fault(
    got: NDArray[Any],
    predicted: NDArray[Any],
    binds: NDArray[np.bool_],
    expected: Expected,
    x: NDArray[Any],
) -> str:
    """Say what is wrong with an output; empty when nothing is.

    Args:
        got: the output for `x`.
        predicted: what it should be after another launch.
        binds: where it must be that.
        expected: what is right for `x`.
        x: the input.
    """
    judgement = acceptance.judge(got, expected)
    if not judgement.ok:
        return explain(judgement, expected, x)
    if predicted.shape != got.shape:
        return f"it has shape {got.shape}, where {predicted.shape} follows from another launch"
    differs = binds & ~_same(got, predicted)
    if not differs.any():
        return ""
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    return (
        f"{int(differs.sum())} of {differs.size} outputs are not what follows from another launch; "
        f"first at {list(index)}: got {float(got[index])!r}, expected {float(predicted[index])!r}"
    )


def _check(name: str, about: str, *relations: Relation) -> Check:
    return Check(name, "metamorphic", about, partial(related, relations=relations))


CHECKS = (
    _check("channel_permutation", "channels in another order give outputs in that order", _REVERSED),
    _check("transposition", "exchanging H and W exchanges them in the output", _TRANSPOSED),
    _check("window_shift", "rolling the input by k rolls the output by 1", _ROLLED),
    _check("negation", "negating the input negates the output", _NEGATED),
    _check("power_of_two", "scaling the input by a power of two scales the output", _SMALLER, _LARGER),
    Check("batch_is_loop", "metamorphic", "channels launched apart give the same as together", batch_is_loop),
    Check("pool_of_pool", "metamorphic", "pooling by k is pooling by its divisors after each other", pool_of_pool),
)
