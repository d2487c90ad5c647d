"""`nki.isa`: instructions of ScalarE."""
# ruff: noqa: ARG001  (every instruction takes a name, which means nothing here)

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.activation import activate
from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.current import enums
from pytest_nki_pool.emulator.current.enums import check_member
from pytest_nki_pool.emulator.current.operands import activation_op, alu_op, column, is_number, on_chip
from pytest_nki_pool.emulator.current.registers import reduce_result

if TYPE_CHECKING:
    from pytest_nki_pool.emulator.current.operands import Scalar
    from pytest_nki_pool.emulator.current.tensor import NkiTensor


def activation(
    dst: NkiTensor,
    op: object,
    data: NkiTensor,
    bias: NkiTensor | Scalar | None = None,
    scale: NkiTensor | Scalar = 1.0,
    reduce_op: object = None,
    reduce_res: NkiTensor | None = None,
    reduce_cmd: enums.reduce_cmd = enums.reduce_cmd.idle,
    name: str | None = None,
) -> None:
    """Compute `op(data * scale + bias)` on ScalarE in float32, rounding once, and sum the result if asked to.

    Args:
        dst: destination on chip, equal partitions and free elements.
        op: activation function such as `nl.exp`; `nl.copy` for none.
        data: source on chip.
        bias: (P, 1) tile or None; from NeuronCore-v3 on also a number.
        scale: a number, or a (P, 1) float32 tile.
        reduce_op: `nl.add`.
        reduce_res: (P, 1) tile for what the registers hold in the end.
        reduce_cmd: what to do with the registers.
        name: name of the instruction.
    """
    _activation("activation", dst, op, data, bias, scale, reduce_op, reduce_res, reduce_cmd)


def activation_reduce(
    dst: NkiTensor,
    op: object,
    data: NkiTensor,
    reduce_op: object,
    reduce_res: NkiTensor,
    bias: NkiTensor | Scalar | None = None,
    scale: NkiTensor | Scalar = 1.0,
    name: str | None = None,
) -> None:
    """Compute `activation` with `reduce_cmd.reset_reduce`; arguments as there."""
    _activation("activation_reduce", dst, op, data, bias, scale, reduce_op, reduce_res, enums.reduce_cmd.reset_reduce)


def _activation(
    api: str,
    dst: NkiTensor,
    op: object,
    data: NkiTensor,
    bias: NkiTensor | Scalar | None,
    scale: NkiTensor | Scalar,
    reduce_op: object,
    reduce_res: NkiTensor | None,
    reduce_cmd: enums.reduce_cmd,
) -> None:
    target, source = on_chip(dst, "dst", api), on_chip(data, "data", api)
    function = activation_op(op, api)
    check_member(api, "reduce_cmd", reduce_cmd, enums.reduce_cmd)
    if reduce_cmd is enums.reduce_cmd.load_reduce:
        raise NKIError(f"{api} reduce_cmd is idle, reset, reduce or reset_reduce, got load_reduce")
    if reduce_op is not None and alu_op(reduce_op, "reduce_op", api) != "add":
        raise NKIError(f"{api} reduce_op must be nl.add, got {reduce_op!r}")
    if reduce_op is None and reduce_cmd in {enums.reduce_cmd.reduce, enums.reduce_cmd.reset_reduce}:
        raise NKIError(f"{api} reduce_cmd {reduce_cmd.name} needs reduce_op=nl.add")
    partitions = target.shape[0]
    generation = current_launch(api).generation
    if is_number(bias) and generation.number < 3:
        raise NKIError(f"{api} bias must be a (P, 1) tile on {generation.name}, got the number {bias!r}")
    values, defined = activate(
        target,
        function,
        source,
        scale=column(scale, "scale", api, partitions),
        bias=0.0 if bias is None else column(bias, "bias", api, partitions, float32=False),
        api=api,
    )
    reduce_result("scalar", reduce_cmd, "add", source, values, defined, reduce_res, api=api)
