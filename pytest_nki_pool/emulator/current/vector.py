"""`nki.isa`: instructions of VectorE; some run on GpSimdE or ScalarE as well."""
# ruff: noqa: ARG001  (every instruction takes a name, which means nothing here)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core import engine as core
from pytest_nki_pool.emulator.core import integers
from pytest_nki_pool.emulator.core.activation import scale_elements
from pytest_nki_pool.emulator.core.alu import FIRST_ONLY
from pytest_nki_pool.emulator.core.dtypes import is_float
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.operands import values_of
from pytest_nki_pool.emulator.core.registers import IDENTITY
from pytest_nki_pool.emulator.core.scan import LOGICAL_REDUCTIONS, logical_reduce, scan
from pytest_nki_pool.emulator.core.select import choose, predicate_of
from pytest_nki_pool.emulator.current import enums
from pytest_nki_pool.emulator.current.enums import check_engine, check_member
from pytest_nki_pool.emulator.current.functions import maximum
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.operands import (
    align,
    alu_op,
    arithmetic_op,
    check_dtypes,
    check_pair,
    column,
    is_number,
    on_chip,
    trailing_axes,
    whole_number,
    widen,
)
from pytest_nki_pool.emulator.current.registers import reduce_result
from pytest_nki_pool.emulator.current.tensor import describe

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.current.operands import Axes, Scalar
    from pytest_nki_pool.emulator.current.tensor import NkiTensor

#: What ScalarE computes of tensor_scalar.
_SCALAR_ENGINE_STEPS = (["multiply"], ["add"], ["multiply", "add"])


def tensor_reduce(
    dst: NkiTensor,
    op: object,
    data: NkiTensor,
    axis: Axes,
    negate: bool = False,
    keepdims: bool = False,
    name: str | None = None,
) -> None:
    """Reduce the last free dimensions in float32, rounding once to the dtype of `dst`; bit patterns without a cast.

    Args:
        dst: as many partitions as `data` and as many free elements as it keeps.
        op: `nl.add`, `nl.subtract`, `nl.multiply`, `nl.maximum`, `nl.minimum`, a bitwise or a logical operation.
        data: source on chip.
        axis: the last free dimensions, without a gap.
        negate: negate the result before the rounding; arithmetic operations only.
        keepdims: whether the shape of `dst` has the reduced dimensions, of size 1.
        name: name of the instruction.
    """
    api = "tensor_reduce"
    target, source = on_chip(dst, "dst", api), on_chip(data, "data", api)
    axes = trailing_axes(axis, source, api)
    operation = alu_op(op, "op", api)
    if operation in core.REDUCTIONS:
        if operation == "subtract" and len(axes) > 1:
            raise unsupported("nisa.tensor_reduce(nl.subtract) over several axes", "one over a single axis")
        core.reduce(target, operation, source, axes, negate=negate)
        return
    if negate:
        raise NKIError(f"{api} negate goes with arithmetic operations, got {operation}")
    if operation in integers.BITWISE_REDUCTIONS:
        integers.bitwise_reduce(target, operation, source, axes)
    elif operation in LOGICAL_REDUCTIONS:
        logical_reduce(target, operation, source, axes)
    else:
        raise NKIError(f"{api} op {operation} is no legal reduction operation; use nl.add, nl.maximum or their like")


def tensor_tensor(
    dst: NkiTensor,
    data1: NkiTensor,
    data2: NkiTensor,
    op: object,
    engine: enums.engine = enums.engine.unknown,
    name: str | None = None,
) -> None:
    """Combine two tiles element by element in float32, rounding once.

    Three tiles of 32-bit integers are combined exactly, by GpSimdE, unless VectorE is asked for or one is in PSUM.
    Bitwise operations take integers of one width as they are. `nl.power` runs on GpSimdE.

    Args:
        dst: destination on chip.
        data1: first operand.
        data2: second operand; equal partitions and free elements, not both in PSUM.
        op: operation.
        engine: VectorE, or GpSimdE without PSUM.
        name: name of the instruction.
    """
    api = "tensor_tensor"
    target, a, b = on_chip(dst, "dst", api), on_chip(data1, "data1", api), on_chip(data2, "data2", api)
    operation = alu_op(op, "op", api)
    if operation in FIRST_ONLY:
        raise NKIError(f"{api} op must take two values such as nl.add, got {operation}")
    if operation == "power" and engine is enums.engine.vector:
        raise NKIError(f"{api}: power runs on GpSimdE, not on engine vector")
    check_engine(api, enums.engine.gpsimd if operation == "power" else engine, target, data1=a, data2=b)
    check_pair(api, a, b)
    if operation in integers.BITWISE:
        _check_bit_engine(api, engine)
        integers.bitwise(target, a, [(operation, b, False)], api=api)
    elif engine is not enums.engine.vector and integers.is_exact(operation, target, a, b):
        integers.exact(target, operation, a, b)
    else:
        target, a, b = align(api, dst=target, data1=a, data2=b)
        core.elementwise(target, operation, a, b, api=api)


def tensor_scalar(
    dst: NkiTensor,
    data: NkiTensor,
    op0: object,
    operand0: object,
    reverse0: bool = False,
    op1: object = None,
    operand1: object = None,
    reverse1: bool = False,
    engine: enums.engine = enums.engine.unknown,
    name: str | None = None,
) -> None:
    """Apply one or two operations with a number per partition in float32, rounding once; bit patterns without a cast.

    Args:
        dst: destination on chip, equal partitions and free elements.
        data: source on chip.
        op0: first operation.
        operand0: a number, or a (P, 1) float32 tile; an integer or a (P, 1) integer tile for a bitwise operation; None
            or 0 for an operation of one value such as `nl.rsqrt`.
        reverse0: computes `operand0 op0 data`.
        op1: second operation or None, bitwise as `op0` or arithmetic as `op0`.
        operand1: as `operand0`.
        reverse1: as `reverse0`.
        engine: ScalarE multiplies, adds, or multiplies and adds; GpSimdE computes `nl.rsqrt`.
        name: name of the instruction.
    """
    api = "tensor_scalar"
    target, source = on_chip(dst, "dst", api), on_chip(data, "data", api)
    given = [(alu_op(op0, "op0", api), operand0, bool(reverse0))]
    if op1 is not None:
        given.append((alu_op(op1, "op1", api), operand1, bool(reverse1)))
    if (op1 is None) != (operand1 is None) and given[-1][0] not in FIRST_ONLY:
        raise NKIError(f"{api}: op1 and operand1 belong together, got {op1!r} and {operand1!r}")
    names = [op for op, _, _ in given]
    check_engine(api, engine, target, data=source)
    if all(op in integers.BITWISE for op in names):
        _check_bit_engine(api, engine)
        bits = [(op, _bit_operand(value, f"operand{i}"), swap) for i, (op, value, swap) in enumerate(given)]
        integers.bitwise(target, source, bits)
        return
    if any(op in integers.BITWISE for op in names):
        raise NKIError(f"{api}: op0 and op1 are both bitwise or both arithmetic, got {' and '.join(names)}")
    if (engine is enums.engine.gpsimd and names != ["rsqrt"]) or (
        engine is enums.engine.scalar and names not in _SCALAR_ENGINE_STEPS
    ):
        raise NKIError(f"{api} on {engine.name} does not compute {' and '.join(names)}; use nisa.engine.vector")
    target, source = align(api, dst=target, data=source)
    steps = [(op, _operand(op, value, f"operand{i}", target, api), swap) for i, (op, value, swap) in enumerate(given)]
    core.chain(target, source, steps, api=api)


def scalar_tensor_tensor(
    dst: NkiTensor,
    data: NkiTensor,
    op0: object,
    operand0: object,
    op1: object,
    operand1: NkiTensor,
    reverse0: bool = False,
    reverse1: bool = False,
    name: str | None = None,
) -> None:
    """Compute `(data op0 operand0) op1 operand1` in float32, rounding once.

    Args:
        dst: destination on chip.
        data: source on chip, equal partitions and free elements.
        op0: first operation.
        operand0: a number, or a (P, 1) tile.
        op1: second operation.
        operand1: tile like `data`; not in PSUM together with it.
        reverse0: computes `operand0 op0 data`.
        reverse1: computes `operand1 op1 …`.
        name: name of the instruction.
    """
    api = "scalar_tensor_tensor"
    target, source, other = on_chip(dst, "dst", api), on_chip(data, "data", api), on_chip(operand1, "operand1", api)
    check_pair(api, source, other)
    target, source, other = align(api, dst=target, data=source, operand1=other)
    first = widen(column(operand0, "operand0", api, target.shape[0], float32=False), len(target.shape))
    steps = [
        (arithmetic_op(op0, "op0", api), first, bool(reverse0)),
        (arithmetic_op(op1, "op1", api), other, bool(reverse1)),
    ]
    core.chain(target, source, steps, api=api)


def tensor_scalar_reduce(
    dst: NkiTensor,
    data: NkiTensor,
    op0: object,
    operand0: object,
    reduce_op: object,
    reduce_res: NkiTensor,
    reverse0: bool = False,
    reduce_cmd: enums.reduce_cmd = enums.reduce_cmd.reset_reduce,
    reduce_init: object = None,
    name: str | None = None,
) -> None:
    """Apply one operation with a number per partition in float32 and reduce the result along the free dimensions.

    Args:
        dst: destination on chip, rounded once.
        data: source on chip, up to 3 free dimensions.
        op0: arithmetic operation.
        operand0: a number, or a (P, 1) float32 tile.
        reduce_op: `nl.add`, `nl.multiply`, `nl.maximum` or `nl.minimum`.
        reduce_res: (P, 1) tile for what the registers hold in the end.
        reverse0: not supported by NKI either.
        reduce_cmd: `reset_reduce`, `reduce` or `load_reduce`.
        reduce_init: a number or a (P, 1) float32 tile to start from; with `load_reduce` and only there.
        name: name of the instruction.
    """
    api = "tensor_scalar_reduce"
    target, source = on_chip(dst, "dst", api), on_chip(data, "data", api)
    operation, reduction = alu_op(op0, "op0", api), alu_op(reduce_op, "reduce_op", api)
    check_member(api, "reduce_cmd", reduce_cmd, enums.reduce_cmd)
    if operation in integers.BITWISE or reduction not in IDENTITY:
        raise NKIError(f"{api} computes no {operation} reduced by {reduction}; bitwise operations are not supported")
    if len(source.shape) > 4:
        raise NKIError(f"{api} data has up to 3 free dimensions, got {describe(source)}")
    if reverse0:
        raise NKIError(f"{api} does not support reverse0 yet (NKI ISA); swap the operation")
    if reduce_cmd in {enums.reduce_cmd.idle, enums.reduce_cmd.reset}:
        raise NKIError(f"{api} reduce_cmd is reset_reduce, reduce or load_reduce, got {reduce_cmd.name}")
    if (reduce_cmd is enums.reduce_cmd.load_reduce) != (reduce_init is not None):
        raise NKIError(f"{api}: reduce_init goes with load_reduce, got {reduce_init!r} and {reduce_cmd.name}")
    partitions = target.shape[0]
    operand = 0.0 if operation in FIRST_ONLY else column(operand0, "operand0", api, partitions)
    values, defined = scale_elements(target, operation, source, operand)
    initial = None
    if reduce_init is not None:
        initial = values_of(column(reduce_init, "reduce_init", api, partitions), partitions)[:, 0]
    reduce_result("vector", reduce_cmd, reduction, source, values, defined, reduce_res, api=api, initial=initial)


def tensor_tensor_scan(
    dst: NkiTensor,
    data0: NkiTensor,
    data1: NkiTensor,
    initial: object,
    op0: object,
    op1: object,
    reverse0: bool = False,
    reverse1: bool = False,
    name: str | None = None,
) -> None:
    """Compute `state = (data0 op0 state) op1 data1` along the free dimensions in float32, rounding every state once.

    Args:
        dst: destination on chip.
        data0: first operand.
        data1: second operand; equal partitions and free elements, not both in PSUM.
        initial: first state: a number, or one element per partition.
        op0: arithmetic operation.
        op1: arithmetic operation.
        reverse0: computes `state op0 data0`.
        reverse1: computes `data1 op1 …`.
        name: name of the instruction.
    """
    api = "tensor_tensor_scan"
    target, a, b = on_chip(dst, "dst", api), on_chip(data0, "data0", api), on_chip(data1, "data1", api)
    check_pair(api, a, b)
    ops = arithmetic_op(op0, "op0", api), arithmetic_op(op1, "op1", api)
    start = column(initial, "initial", api, target.shape[0], float32=False)
    scan(target, a, b, start, ops, reverse=(bool(reverse0), bool(reverse1)))


def reciprocal(dst: NkiTensor, data: NkiTensor, name: str | None = None) -> None:
    """Compute 1 / data in float32, rounding once."""
    target, source = on_chip(dst, "dst", "reciprocal"), on_chip(data, "data", "reciprocal")
    target, source = align("reciprocal", dst=target, data=source)
    core.chain(target, source, [("divide", 1.0, True)], api="reciprocal")


def select_reduce(
    dst: NkiTensor,
    predicate: NkiTensor,
    on_true: NkiTensor,
    on_false: object,
    reduce_res: NkiTensor | None = None,
    reduce_cmd: enums.reduce_cmd = enums.reduce_cmd.idle,
    reduce_op: object = maximum,
    reverse_pred: bool = False,
    name: str | None = None,
) -> None:
    """Take elements of a tile where a predicate is not 0 and a number per partition elsewhere; reduce the result.

    Args:
        dst: destination on chip.
        predicate: int8, uint8, int16 or uint16 of the shape of `dst`.
        on_true: tile of that shape, no 32-bit integers; not in PSUM together with the predicate.
        on_false: a number, or a (P, 1) float32 tile.
        reduce_res: (P, 1) float tile for what the registers hold in the end.
        reduce_cmd: `idle`, `reset_reduce` or `reduce`.
        reduce_op: `nl.maximum`.
        reverse_pred: take `on_true` where the predicate is 0.
        name: name of the instruction.
    """
    api = "select_reduce"
    target, mask, source = (
        on_chip(value, role, api) for value, role in ((dst, "dst"), (predicate, "predicate"), (on_true, "on_true"))
    )
    check_dtypes(api, "predicate", mask, ("int8", "uint8", "int16", "uint16"))
    check_pair(api, source, mask)
    if source.storage.dtype.kind in "iu" and source.storage.dtype.itemsize == 4:
        raise NKIError(f"{api} on_true holds no 32-bit integers, got {describe(source)}")
    if not target.shape == mask.shape == source.shape:
        raise NKIError(
            f"{api}: dst, predicate and on_true have one shape, got {describe(target)}, {describe(mask)} and "
            f"{describe(source)}"
        )
    check_member(api, "reduce_cmd", reduce_cmd, enums.reduce_cmd)
    if alu_op(reduce_op, "reduce_op", api) != "maximum":
        raise NKIError(f"{api} reduces by nl.maximum only, got {reduce_op!r}")
    if reduce_res is not None and not is_float(on_chip(reduce_res, "reduce_res", api).storage.dtype):
        raise NKIError(f"{api} reduce_res must be a float tile, got {reduce_res!r}")
    otherwise = column(on_false, "on_false", api, target.shape[0])
    condition, known = predicate_of(mask, reverse=bool(reverse_pred))
    choose(target, condition, known, source, otherwise, api=api)
    reduce_result(
        "vector", reduce_cmd, "maximum", source, values_of(target, target.shape[0]), True, reduce_res, api=api
    )


def _check_bit_engine(api: str, engine: enums.engine) -> None:
    if engine not in {enums.engine.unknown, enums.engine.vector}:
        raise NKIError(f"{api}: bitwise operations run on VectorE, not on engine {engine.name}")


def _bit_operand(value: Any, role: str) -> AccessPattern | int:
    if is_number(value):
        return whole_number(value, f"tensor_scalar {role}")
    return on_chip(value, role, "tensor_scalar")


def _operand(op: str, value: object, role: str, target: AccessPattern, api: str) -> AccessPattern | Scalar:
    if op in FIRST_ONLY:
        if value is not None and value != 0:
            raise NKIError(f"{api} {role} must be None or 0 for {op}, which takes one value, got {value!r}")
        return 0.0
    return widen(column(value, role, api, target.shape[0]), len(target.shape))
