"""One launch of a kernel: arrays become HBM tensors, the kernel runs, outputs become arrays."""

from __future__ import annotations

import functools
import os
from contextvars import ContextVar
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pytest_nki_pool.emulator.core.cost import Meter, counts_only, current_report
from pytest_nki_pool.emulator.core.dtypes import LOW_PRECISION, dtype_of, name_of
from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.core.generations import GENERATIONS, Generation
from pytest_nki_pool.emulator.core.memory import Buffer, Ledger, Storage, check_shape
from pytest_nki_pool.emulator.core.parameters import Parameters
from pytest_nki_pool.emulator.core.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from weakref import ReferenceType

    from pytest_nki_pool.emulator.core.access import AccessPattern
    from pytest_nki_pool.emulator.core.dtypes import Array
    from pytest_nki_pool.emulator.core.placement import Placement
    from pytest_nki_pool.emulator.core.regions import LoopRegions
    from pytest_nki_pool.emulator.core.registers import Registers

LoopOrder = Literal["forward", "reversed", "check"]
_LOOP_ORDERS = ("forward", "reversed", "check")


@dataclass(frozen=True, slots=True)
class Machine:
    """What is modelled in a launch.

    Attributes:
        generation: "gen2", "gen3" or "gen4", see `GENERATION_OF`.
        loop_order: order in which `affine_range` iterates; "check" launches forward and reversed and compares.
        sdk: release of the Neuron SDK whose rules hold, such as "2.32"; None: the one that the dialect follows.
        precise: whether bf16 and fp8 are rounded where the hardware rounds. Otherwise they are kept in fp32 until they
            leave the launch, as the simulators do with `NKI_PRECISE_FP=0` ("NKI simulator guide").

    Raises:
        ValueError: a value is not among these.
    """

    generation: str = "gen3"
    loop_order: LoopOrder = "forward"
    sdk: str | None = None
    precise: bool = True

    def __post_init__(self) -> None:
        if self.generation not in GENERATIONS:
            raise ValueError(f"generation {self.generation!r}: use one of {', '.join(GENERATIONS)}")
        if self.loop_order not in _LOOP_ORDERS:
            raise ValueError(f"loop_order {self.loop_order!r}: use one of {', '.join(_LOOP_ORDERS)}")


_DEFAULT_MACHINE = Machine()
_IMPRECISE_MACHINE = Machine(precise=False)


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a launch has to know about a dialect.

    Attributes:
        name: "legacy" or "current".
        wrap: makes the dialect's tensor from an access pattern.
        unwrap: the access pattern of a dialect's tensor, None for any other object.
        immutable_inputs: whether a kernel may not write its parameters.
        output_buffers: where a returned tensor may live.
        mutable_parameters: names of a function's parameters that are declared mutable.
        check_call: what the dialect checks before a launch.
        sdks: SDK releases that the dialect has profiles for; the first one holds by default.
        as_traced: gives a kernel function what NKI's tracer would check in its source.
        grid: checks what stands in the brackets of `kernel[…](…)` and returns the programs per dimension.
    """

    name: str
    wrap: Callable[[AccessPattern], Any]
    unwrap: Callable[[Any], AccessPattern | None]
    immutable_inputs: bool
    output_buffers: frozenset[Buffer]
    mutable_parameters: Callable[[Callable[..., Any]], frozenset[str]] = lambda _: frozenset()
    check_call: Callable[[Call, Machine], None] = lambda _call, _machine: None
    sdks: tuple[str, ...] = ()
    as_traced: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
    grid: Callable[[Any], tuple[int, ...]] = lambda _: ()


class Launch:
    """State of a running launch.

    Attributes:
        machine, generation, dialect: what is modelled.
        ledger: on-chip allocations.
        loops: what watches the accesses: the launch grid if there is one, then the `affine_range` loops that are
            running, outermost first.
        programs: the programs of the launch grid.
        registers: reduction registers by engine.
        shared: tensors that the kernel made in shared HBM.
        carried: what reductions over loops have gathered so far: line of the call -> loop and tile.
        placed: tensors at an address that the kernel chose.
        meter: counts what is executed, None when nobody asks.
        widened: dtypes that are kept in fp32.
        active: False once the launch is over.
    """

    __slots__ = (
        "_serial", "active", "carried", "dialect", "generation", "ledger", "loops", "machine", "meter", "placed",
        "programs", "registers", "shared", "widened",
    )  # fmt: skip

    def __init__(self, machine: Machine, dialect: Dialect, grid: tuple[int, ...] = ()) -> None:
        self.machine = machine
        self.widened = frozenset() if machine.precise else LOW_PRECISION
        self.dialect = dialect
        self.generation: Generation = GENERATIONS[machine.generation]
        self.ledger = Ledger(
            {Buffer.SBUF: self.generation.sbuf_bytes, Buffer.PSUM: self.generation.psum_bytes},
            {Buffer.PSUM: self.generation.psum_bank_bytes},
        )
        self.programs = Programs(grid)
        self.registers: dict[str, Registers] = {}
        self.loops: list[LoopRegions | Programs] = [self.programs] if self.programs.several else []
        self.shared: list[Storage] = []
        self.carried: dict[object, Any] = {}
        self.placed: list[tuple[Placement, ReferenceType[Storage]]] = []
        self.meter: Meter | None = None
        self.active = True
        self._serial = 0

    def next_serial(self) -> int:
        """Number the allocations of the launch."""
        self._serial += 1
        return self._serial

    @property
    def serial(self) -> int:
        """Number of the newest allocation."""
        return self._serial

    def allocate(self, shape: Sequence[object], dtype: object, buffer: Buffer, name: str = "") -> Storage:
        """Allocate an undefined tensor.

        Args:
            shape: sizes of its dimensions.
            dtype: any spelling.
            buffer: where it lives.
            name: its name in messages.

        Raises:
            NKIError: shape, dtype or capacity that the generation does not have.
        """
        what = f"tensor `{name}`" if name else "tensor"
        sizes = check_shape(shape, buffer, self.generation.partitions, what)
        resolved = self.check_dtype(dtype, what)
        if prod(sizes) * resolved.itemsize > self.generation.hbm_bytes:
            raise NKIError(
                f"out of {buffer}: {what} {list(sizes)} {name_of(resolved)} needs {prod(sizes) * resolved.itemsize} "
                f"bytes; {self.generation.name} has {self.generation.hbm_bytes}"
            )
        if buffer is not Buffer.SHARED_HBM:
            return Storage(self, sizes, resolved, buffer, name=name)
        storage = self.programs.shared(sizes, lambda: Storage(self, sizes, resolved, buffer, name=name))
        self.shared.append(storage)
        return storage

    def check_dtype(self, dtype: object, what: str) -> np.dtype[Any]:
        """Resolve a dtype and check that the generation has it.

        Raises:
            NKIError: it has not.
        """
        resolved = dtype_of(dtype, what)
        if name_of(resolved) not in self.generation.dtypes:
            raise NKIError(
                f"{what}: dtype {name_of(resolved)} does not exist on {self.generation.name}, "
                f"which has {', '.join(sorted(self.generation.dtypes))}"
            )
        return resolved


_CURRENT: ContextVar[Launch | None] = ContextVar("nki_launch", default=None)


def current_launch(api: str) -> Launch:
    """Return the running launch.

    Args:
        api: NKI function that asks, for the message.

    Raises:
        NKIError: no kernel is running ("NKI error manual", err_nki_api_outside_of_nki_kernel).
    """
    launch = _CURRENT.get()
    if launch is None:
        raise NKIError(
            f"calling NKI API '{api}' outside of NKI kernels is not supported; launch the function that calls it",
            "err_nki_api_outside_of_nki_kernel",
        )
    return launch


def running_launch() -> Launch | None:
    """Return the running launch, or None outside of launches."""
    return _CURRENT.get()


def in_launch() -> bool:
    """Whether a kernel is running in this context."""
    return running_launch() is not None


@dataclass(slots=True)  # frozen, it takes three times as long to make
class Call:
    """A plain function with its arguments; never changed once it is made."""

    function: Callable[..., Any]
    dialect: Dialect
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: frozenset[str] | None
    grid: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        dialect: Dialect,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        outputs: Sequence[str] | None,
        grid: tuple[int, ...] = (),
    ) -> Call:
        """Look through partial functions."""
        while isinstance(function, functools.partial):
            args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
            function = function.func
        if not hasattr(function, "__code__"):
            raise NKIError(f"a kernel is a Python function, got {type(function).__name__}")
        return cls(function, dialect, tuple(args), dict(kwargs), None if outputs is None else frozenset(outputs), grid)

    def arrays(self) -> list[Array]:
        """Arrays among the arguments."""
        return [value for value in (*self.args, *self.kwargs.values()) if isinstance(value, np.ndarray)]

    def with_copies(self) -> Call:
        """Return the same call on copies of its arrays."""
        kwargs = {name: _copied(value) for name, value in self.kwargs.items()}
        return replace(self, args=tuple(map(_copied, self.args)), kwargs=kwargs)

    def names(self) -> list[str]:
        """Name the positional arguments."""
        code = self.function.__code__
        names = list(code.co_varnames[: min(code.co_argcount, len(self.args))])
        return names + [f"argument_{i}" for i in range(len(names), len(self.args))]

    def where(self) -> str:
        """Source line of the kernel's definition."""
        code = self.function.__code__
        return f"{code.co_filename}:{code.co_firstlineno}"


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def run(
    function: Callable[..., Any],
    dialect: Dialect,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    machine: Machine | None = None,
    outputs: Sequence[str] | None = None,
    grid: tuple[int, ...] = (),
) -> Any:
    """Launch a plain kernel function.

    Args:
        function: the kernel.
        dialect: the dialect it is written in.
        args: positional arguments; arrays become HBM tensors, everything else passes unchanged.
        kwargs: keyword arguments.
        machine: what is modelled; None: gen3, with the precision that `NKI_PRECISE_FP` asks for.
        outputs: names of the parameters that the kernel writes, or None.
        grid: programs per dimension of the launch grid; () without one.

    Returns:
        None, an array, or a tuple of arrays, as the kernel returns.

    Raises:
        NKIError: the kernel breaks a rule.
    """
    if machine is None:
        machine = _IMPRECISE_MACHINE if os.environ.get("NKI_PRECISE_FP") == "0" else _DEFAULT_MACHINE
    call = Call.of(function, dialect, args, kwargs, outputs, grid)
    if machine.sdk is not None and machine.sdk not in dialect.sdks:
        raise UnsupportedByEmulator(f"SDK {machine.sdk}", dialect.name, ", ".join(dialect.sdks))
    dialect.check_call(call, machine)
    if machine.loop_order == "check":
        return _run_both_ways(call, machine)
    return _run(call, machine)


def _run_both_ways(call: Call, machine: Machine) -> Any:
    spare = call.with_copies()
    result = _run(call, replace(machine, loop_order="forward"))
    other = _run(spare, replace(machine, loop_order="reversed"))
    forward = [*_arrays(result), *call.arrays()]
    backward = [*_arrays(other), *spare.arrays()]
    if not all(_same_bits(a, b) for a, b in zip(forward, backward, strict=True)):
        raise NKIError(
            "the result depends on the order in which affine_range iterates; its iterations must be independent, "
            "use sequential_range for a loop that carries data",
            "err_unexpected_output_dependencies",
            call.where(),
        )
    return result


def _same_bits(a: Array, b: Array) -> bool:
    unsigned = f"u{a.itemsize}"
    return np.array_equal(a.view(unsigned), b.view(unsigned))


def _arrays(result: Any) -> list[Array]:
    return [value for value in (result if isinstance(result, tuple) else (result,)) if value is not None]


def _run(call: Call, machine: Machine) -> Any:
    launch = Launch(machine, call.dialect, call.grid)
    parameters = Parameters(launch, call)
    args = [parameters.wrap(name, value) for name, value in zip(call.names(), call.args, strict=True)]
    kwargs = {name: parameters.wrap(name, value) for name, value in call.kwargs.items()}
    parameters.check_names()
    report = current_report()
    if report is not None:
        launch.meter = Meter(launch.generation)
    token = _CURRENT.set(launch)
    try:
        with np.errstate(all="ignore"):
            returned = launch.programs.run(call.dialect.as_traced(call.function), args, kwargs)
            result = None if counts_only() else parameters.finish(returned)
    finally:
        launch.active = False
        launch.shared.clear()  # they refer to the launch
        launch.carried.clear()
        _CURRENT.reset(token)
    if report is not None and launch.meter is not None:
        report(call.function.__name__, launch.meter.cost(launch.ledger.peak))
    return result
