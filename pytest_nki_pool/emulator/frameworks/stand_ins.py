"""The launch functions of torch_neuronx, jax_neuronx and torch_xla, for scripts on a machine that has none of them."""

from __future__ import annotations

import inspect
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nki_pool import emulator
from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec
from pytest_nki_pool.emulator.legacy import jit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def nki_call(kernel: Callable[..., Any], *inputs: Any, grid: tuple[int, ...] = (), out_shape: Any) -> Any:
    """Call an out-parameter kernel from JAX.

    Source: NKI tutorials of SDK 2.20, ``jax_neuronx.nki_call``: the outputs follow the inputs as positional arguments.

    Args:
        kernel: the kernel; constants are bound with ``functools.partial``.
        inputs: JAX arrays, concrete or traced.
        grid: launch grid.
        out_shape: what the outputs are: one object with ``shape`` and ``dtype``, or a tuple or list of them.

    Returns:
        An array, or a tuple of them if ``out_shape`` is a tuple or list.

    Raises:
        NKIError: the kernel breaks a rule of NKI.
    """
    from pytest_nki_pool.emulator.frameworks.jax import callback_op  # noqa: PLC0415 (JAX may be absent)

    several = isinstance(out_shape, (tuple, list))
    outputs = tuple(ArraySpec(tuple(o.shape), np.dtype(o.dtype)) for o in (out_shape if several else (out_shape,)))
    parameters = _parameters_after(kernel, len(inputs), len(outputs))

    def run(*arrays: np.ndarray) -> Any:
        results = tuple(np.empty(output.shape, output.dtype) for output in outputs)
        emulator.launch(kernel, *arrays, *results, outputs=parameters, grid=grid)
        return results if len(results) > 1 else results[0]

    def infer(*_: ArraySpec) -> Any:
        return outputs if len(outputs) > 1 else outputs[0]

    result = callback_op(ArrayOp("nki_call", run, infer, len(inputs), (), len(outputs)))(*inputs)
    return (result,) if several and len(outputs) == 1 else result


def _parameters_after(kernel: Callable[..., Any], inputs: int, outputs: int) -> tuple[str, ...]:
    """Name the positional parameters that the outputs go to."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in inspect.signature(kernel).parameters.values() if p.kind in positional]
    if len(names) < inputs + outputs:
        raise TypeError(
            f"nki_call passes {inputs} inputs and then {outputs} outputs by position, but the kernel has room for "
            f"{len(names)} ({', '.join(names)}); bind constants that follow them with functools.partial"
        )
    return tuple(names[inputs : inputs + outputs])


def xla_device(n: int | None = None, devkind: str | None = None) -> Any:  # noqa: ARG001 (as torch_xla has them)
    """``torch_xla.device()``: where tensors for the emulator live, which is CPU memory."""
    import torch  # noqa: PLC0415 (may be absent)

    return torch.device("cpu")


def sync(*_: Any, **__: Any) -> None:
    """``torch_xla.sync()`` and ``xm.mark_step()``: nothing is pending, since the emulator runs kernels at once."""


#: What each stand-in module holds. ``nki_jit`` is ``nki.jit`` under its first name: called with tensors, it writes its
#: output tensors in place. Source: NKI tutorials of SDK 2.20 and torch_xla's documentation.
STAND_INS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "torch_neuronx": {"nki_jit": jit},
        "jax_neuronx": {"nki_call": nki_call},
        "torch_xla": {"device": xla_device, "sync": sync},
        "torch_xla.core": {},
        "torch_xla.core.xla_model": {"xla_device": xla_device, "mark_step": sync},
    }
)


def stand_in(name: str) -> ModuleType | None:
    """Make the module that stands for a name.

    Args:
        name: dotted module name.

    Returns:
        A new module, or None for a name that has no stand-in.
    """
    if name not in STAND_INS:
        return None
    members = STAND_INS[name]
    known = ", ".join(members) or "submodules only"
    module = ModuleType(name, f"The NKI emulator's stand-in for {name}.")
    vars(module).update(members)

    def missing(attribute: str) -> Any:
        raise AttributeError(f"the NKI emulator's stand-in for {name} has no {attribute}; it has {known}")

    vars(module)["__getattr__"] = missing
    return module
