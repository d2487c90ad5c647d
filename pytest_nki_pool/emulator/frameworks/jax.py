"""JAX: arrays as NumPy arrays, and array operations as host callbacks inside traced programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from pytest_nki_pool.emulator.frameworks.fenv import FloatingPoint
from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_T = TypeVar("_T")

#: Programs that an operation keeps.
_KEPT = 512


def to_numpy(array: jax.Array) -> np.ndarray:
    """View a JAX array as a NumPy array.

    Args:
        array: concrete array.

    Returns:
        A read-only array of the same shape, dtype and bits; on a CPU it shares the array's memory.

    Raises:
        TypeError: the array is traced and so has no values yet.
    """
    if isinstance(array, jax.core.Tracer):
        raise TypeError(
            f"a traced array of {array.aval} has no values; call the kernel outside jax.jit, vmap and grad, "
            "or through an operation that JAX can trace (callback_op)"
        )
    return np.asarray(array)


def from_numpy(array: np.ndarray) -> jax.Array:
    """Copy a NumPy array into a JAX array and wait until it is there.

    The wait matters: a program dispatched while a large argument is still being copied can hold the last thread of
    XLA's CPU pool in a callback that itself waits for that argument, and then never ends.

    Args:
        array: NumPy or ml_dtypes array.

    Returns:
        A ready array of the same shape, dtype and bits.

    Raises:
        TypeError: JAX would store the values in another dtype, as it does with 64-bit ones by default.
    """
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if dtype != array.dtype:
        raise TypeError(f"JAX would store {array.dtype} as {dtype}; use that dtype or set jax_enable_x64")
    return _ready(jnp.array(array))


def callback_op(op: ArrayOp) -> Callable[..., Any]:
    """Make an array operation one that JAX can run and trace.

    The operation works eagerly and under ``jit``, ``vmap`` (one run per element of the batch), ``eval_shape`` and
    ``lower`` (which do not run it) and, if it has an adjoint, ``grad`` and ``vjp``; forward-mode derivatives raise.

    Called eagerly it waits for its arguments, and an exception of ``op.run`` reaches the caller as it is. Inside a
    caller's own ``jit`` neither is possible: there arguments must be made ready first (``jax.block_until_ready``), an
    exception arrives as the text of a ``jax.errors.JaxRuntimeError``, and XLA leaves out a run all of whose results are
    empty.

    JAX compiles once per operation, shapes and static values; keep the result and use it again.

    Args:
        op: the operation.

    Returns:
        A function ``f(*arrays, *statics)`` that gives an array, or a tuple of them; static values are Python values.
    """
    results = _Callback(op.forward)

    def run(*args: Any) -> Any:
        arrays, statics = args[: op.arrays], args[op.arrays :]
        outputs = results(op.specs([_spec(array) for array in arrays], statics), arrays, statics)
        return outputs[0] if op.outputs == 1 else outputs

    function = run if op.adjoint is None else _differentiable(op, run)

    def call(*args: Any) -> Any:
        arrays, statics = op.split(args)
        return function(*(from_numpy(x) if isinstance(x, np.ndarray) else x for x in arrays), *statics)

    call.__name__ = call.__qualname__ = op.name
    return call


def _differentiable(op: ArrayOp, run: Callable[..., Any]) -> Callable[..., Any]:
    """Add the reverse-mode derivative of an operation on one array."""
    gradient = _Callback(lambda arrays, statics: (op.backward(arrays[0], statics[0], statics[1:]),))

    def forward(x: Any, *statics: Any) -> tuple[Any, Any]:
        return run(x, *statics), x

    def backward(*args: Any) -> tuple[Any]:
        *statics, x, grad = args
        spec = _spec(x)
        return gradient((spec,), (grad,), (spec, *statics))

    function = jax.custom_vjp(run, nondiff_argnums=tuple(range(1, 1 + len(op.statics))))
    function.defvjp(forward, backward)
    return function


@dataclass(frozen=True, eq=False)
class _Programs:
    """Compiled programs of eager calls, of which JAX alone would forget none: each takes about 1.5 MB.

    Attributes:
        compiled: the programs.
        known: what tells one from another.
    """

    # JAX keeps the programs of equal functions together; a partial equals none but itself.
    compiled: Any = field(default_factory=lambda: jax.jit(partial(_call_back), static_argnums=(0, 1)))
    known: set[tuple[Any, ...]] = field(default_factory=set)

    def call(self, callback: _Eager, result: tuple[Any, ...], *arrays: Any) -> Any:
        """Call the host, through the program for arrays like these."""
        key = (callback, *((array.shape, array.dtype) for array in arrays))
        if len(self.known) >= _KEPT and key not in self.known:
            self.compiled.clear_cache()
            self.known.clear()
        self.known.add(key)
        return self.compiled(callback, result, *arrays)


def _call_back(callback: _Eager, result: tuple[Any, ...], *arrays: Any) -> Any:
    return jax.pure_callback(callback, result, *arrays, vmap_method="sequential")


@dataclass(frozen=True, eq=False)
class _Callback:
    """A function on NumPy arrays that runs on the host when a JAX program reaches it.

    Attributes:
        compute: ``compute(arrays, statics)`` gives a tuple of arrays.
        raised: exceptions of eager calls on their way to the caller, by the number of the call.
        numbers: gives each eager call its number.
        floating_point: the environment that ``compute`` runs in. XLA's threads flush subnormals to zero, which neither
            NumPy's other callers nor NKI do.
        programs: what JAX has compiled for eager calls.
    """

    compute: Callable[[Sequence[np.ndarray], Sequence[Any]], tuple[np.ndarray, ...]]
    raised: dict[int, BaseException] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)
    floating_point: FloatingPoint = field(default_factory=FloatingPoint)
    programs: _Programs = field(default_factory=_Programs)

    def __call__(self, specs: Sequence[ArraySpec], arrays: Sequence[Any], statics: tuple[Any, ...]) -> tuple[Any, ...]:
        """Run, or become part of the program that is being traced."""
        result = [_struct(spec) for spec in specs]
        if any(isinstance(array, jax.core.Tracer) for array in arrays):
            return tuple(jax.pure_callback(_Traced(self, statics), result, *arrays, vmap_method="sequential"))
        ticket = np.int32(next(self.numbers) % 2**31)
        # The ticket comes back as one more result: XLA leaves out a callback all of whose results are empty.
        result = [_struct(_spec(ticket)), *result]
        try:
            _ready(arrays)
            outputs = self.programs.call(_Eager(self, statics), tuple(result), ticket, *arrays)
            return tuple(_ready(outputs))[1:]
        except jax.errors.JaxRuntimeError:
            original = self.raised.pop(int(ticket), None)
            if original is None:
                raise
        raise original

    def on_host(self, arrays: Sequence[jax.Array], statics: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
        """Do the computing, in the thread that XLA chose."""
        with self.floating_point.restored():
            return self.compute([np.asarray(array) for array in arrays], statics)


# JAX compiles a callback again unless it equals one that it has seen, so the callables below are compared by value.


@dataclass(frozen=True)
class _Traced:
    """The host side of a callback within a compiled program."""

    callback: _Callback
    statics: tuple[Any, ...]

    def __call__(self, *arrays: jax.Array) -> tuple[np.ndarray, ...]:
        return self.callback.on_host(arrays, self.statics)


@dataclass(frozen=True)
class _Eager:
    """The host side of an eager call, which leaves an exception where the caller finds it."""

    callback: _Callback
    statics: tuple[Any, ...]

    def __call__(self, ticket: jax.Array, *arrays: jax.Array) -> tuple[np.ndarray, ...]:
        try:
            return np.asarray(ticket), *self.callback.on_host(arrays, self.statics)
        except Exception as error:
            self.callback.raised[int(ticket)] = error
            raise


def _ready(values: _T) -> _T:
    jax.block_until_ready(values)  # type: ignore[no-untyped-call]  # JAX leaves it without annotations
    return values


def _struct(spec: ArraySpec) -> Any:
    return jax.ShapeDtypeStruct(spec.shape, spec.dtype)  # type: ignore[no-untyped-call]  # as above


def _spec(array: Any) -> ArraySpec:
    return ArraySpec(tuple(array.shape), np.dtype(array.dtype))
