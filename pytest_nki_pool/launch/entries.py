"""The doors by which the SDKs launch a kernel on a device or in their simulator.

Each takes the kernel's function as it was loaded, with its decorators, and arguments in the arrays of one framework.
"""

from __future__ import annotations

import functools
import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.launch.errors import UnsupportedByPath
from pytest_nki_pool.launch.load import innermost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_nki_pool.launch.kernel import Call


def legacy_baremetal(function: Callable[..., Any], call: Call, _parameters: Sequence[str]) -> Any:
    """``nki.baremetal(kernel)(…)`` of neuronxcc.nki on NumPy arrays. Source: NKI tutorials of SDK 2.20 to 2.26."""
    return _run(_beneath(function, lambda plain: _nki("neuronxcc.nki").baremetal(plain)), call)


def nki_jit(function: Callable[..., Any], call: Call, _parameters: Sequence[str]) -> Any:
    """``torch_neuronx.nki_jit(kernel)(…)``, the output among the arguments. Source: NKI tutorials of SDK 2.20."""
    return _run(_beneath(function, lambda plain: import_module("torch_neuronx").nki_jit(plain)), call)


def nki_call(function: Callable[..., Any], call: Call, parameters: Sequence[str]) -> Any:
    """``jax_neuronx.nki_call(kernel, x, out_shape=…)``, constants bound by name. Source: NKI tutorials of SDK 2.20."""
    arrays, constants = _by_keyword(call, parameters)
    inputs = [array for array in arrays if array is not call.out]
    if call.out is None or len(arrays) - len(inputs) != 1 or arrays[-1] is not call.out:
        raise UnsupportedByPath("jax_neuronx.nki_call passes the input and then the output first of all parameters")
    out = import_module("jax").ShapeDtypeStruct(call.out.shape, call.out.dtype)
    grid = {"grid": call.grid} if call.grid else {}
    launch = import_module("jax_neuronx").nki_call
    return launch(functools.partial(function, **constants), *inputs, out_shape=out, **grid)


def legacy_jit(function: Callable[..., Any], call: Call, _parameters: Sequence[str]) -> Any:
    """The kernel of ``neuronxcc.nki.jit`` itself. Source: NKI tutorials of SDK 2.21 to 2.28."""
    return _run(_decorated(function, "neuronxcc.nki"), call)


def legacy_jit_keywords(function: Callable[..., Any], call: Call, parameters: Sequence[str]) -> Any:
    """As `legacy_jit`, with arrays by position and constants by keyword, as JAX wants them."""
    arrays, constants = _by_keyword(call, parameters)
    return _launched(_decorated(function, "neuronxcc.nki"), call.grid)(*arrays, **constants)


def jit(function: Callable[..., Any], call: Call, _parameters: Sequence[str]) -> Any:
    """The kernel of ``nki.jit`` itself, with ``kernel[cores]`` for LNC. Source: NKI API reference from SDK 2.29 on."""
    return _run(_decorated(function, "nki"), call, cores=True)


def jit_keywords(function: Callable[..., Any], call: Call, parameters: Sequence[str]) -> Any:
    """As `jit`, with arrays by position and constants by keyword, as JAX wants them."""
    arrays, constants = _by_keyword(call, parameters)
    return _launched(_decorated(function, "nki"), call.grid, cores=True)(*arrays, **constants)


def wrap_nki(function: Callable[..., Any], call: Call, _parameters: Sequence[str]) -> Any:
    """``torch_neuronx.wrap_nki(kernel)(…)``. Source: TorchNeuron's guide to NKI kernels, SDK 2.33."""
    kernel = _through(_decorated(function, "nki"), import_module("torch_neuronx").wrap_nki)
    return _run(kernel, call, cores=True)


def simulate_traced(function: Callable[..., Any], call: Call) -> Any:
    """``nki.simulate_kernel(nki.trace(kernel), …)``. Source: NKI API reference of SDK 2.20."""
    _simulated(_launched(_beneath(function, _nki("neuronxcc.nki").trace), call.grid), call)
    return call.out


def simulate_kernel(function: Callable[..., Any], call: Call) -> Any:
    """``nki.simulate_kernel(kernel, …)``. Source: NKI API reference of SDK 2.21 to 2.28."""
    return _simulated(_launched(_decorated(function, "neuronxcc.nki"), call.grid), call)


def simulate(function: Callable[..., Any], call: Call) -> Any:
    """``nki.simulate(kernel)(…)``. Source: NKI simulator guide, from SDK 2.29 on."""
    kernel = _launched(_decorated(function, "nki"), call.grid, cores=True)
    return _through(kernel, _nki("nki").simulate)(*call.args, **call.kwargs)


def _simulated(kernel: Callable[..., Any], call: Call) -> Any:
    simulate = _nki("neuronxcc.nki").simulate_kernel
    return _through(kernel, lambda inner: functools.partial(simulate, inner))(*call.args, **call.kwargs)


def _run(kernel: Callable[..., Any], call: Call, *, cores: bool = False) -> Any:
    """Launch, and give the output: what is returned, or the argument that is written."""
    returned = _launched(kernel, call.grid, cores=cores)(*call.args, **call.kwargs)
    return returned if call.out is None else call.out


def _launched(kernel: Callable[..., Any], grid: tuple[int, ...], *, cores: bool = False) -> Callable[..., Any]:
    """The kernel with its launch grid, or on the cores of a logical NeuronCore."""
    if not grid:
        return kernel
    return _through(kernel, lambda inner: inner[grid[0] if cores else grid])


def _decorated(function: Callable[..., Any], nki: str) -> Callable[..., Any]:
    """The kernel as ``jit`` makes it, whether or not its author decorated it."""
    return _through(function, lambda inner: _nki(nki).jit(inner) if inspect.isfunction(inner) else inner)


def _beneath(function: Callable[..., Any], wrap: Callable[[Any], Any]) -> Callable[..., Any]:
    """The kernel's plain function in another wrapper than its author's."""
    return _through(function, lambda inner: wrap(innermost(inner)))


def _through(function: Callable[..., Any], wrap: Callable[[Any], Any]) -> Callable[..., Any]:
    """Wrap what partials hold, and keep the arguments that they bind."""
    if isinstance(function, functools.partial):
        return functools.partial(_through(function.func, wrap), *function.args, **function.keywords)
    wrapped: Callable[..., Any] = wrap(function)
    return wrapped


def _by_keyword(call: Call, parameters: Sequence[str]) -> tuple[list[Any], Mapping[str, Any]]:
    """Part the arguments into leading arrays and the others by their names."""
    count = next((i for i, value in enumerate(call.args) if not hasattr(value, "shape")), len(call.args))
    named = dict(zip(parameters[count:], call.args[count:], strict=False))
    if len(named) < len(call.args) - count:  # no readable signature
        return list(call.args), call.kwargs
    return list(call.args[:count]), {**named, **call.kwargs}


def _nki(name: str) -> Any:
    return import_module(name)
