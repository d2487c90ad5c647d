"""What the releases of the Neuron SDK from 2.20 to 2.26 admit; a launch follows one when its machine names it.

Without a release, a kernel may use everything that any of them has, which is how published kernels run unmodified.

Sources: NKI release notes and API references of Neuron SDK 2.20 to 2.26; NKI block dimension migration guide.
"""

from __future__ import annotations

import functools
import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import running_launch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.emulator.core.launch import Call, Machine

#: Releases with a profile; the API as a whole is that of the first.
SDKS = ("2.25", "2.26", "2.24", "2.23", "2.22", "2.21", "2.20")

#: Function -> the release that brought it.
SINCE: Mapping[str, str] = MappingProxyType(
    {
        "nl.ds": "2.21",
        "nisa.tensor_copy": "2.21",
        "nisa.dma_copy": "2.21",
        "nisa.activation_reduce": "2.21",
        "nisa.get_nc_version": "2.21",
        "nl.mod": "2.22",
        "nl.fmod": "2.22",
        "nl.reciprocal": "2.22",
        "nl.broadcast_to": "2.22",
        "nl.empty_like": "2.22",
        "nisa.tensor_copy_predicated": "2.22",
        "nisa.select_reduce": "2.26",
    }
)

#: Function -> parameter -> the release that brought it.
PARAMETERS_SINCE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "nisa.dma_copy": dict.fromkeys(("mask", "oob_mode", "dge_mode", "dst_rmw_op"), "2.23"),
        "nisa.activation": dict.fromkeys(("reduce_op", "reduce_res", "reduce_cmd"), "2.22"),
    }
)

#: Function -> the release that takes all of its parameters by position as well; 2.20 does so for every function.
_BY_POSITION: Mapping[str, str] = MappingProxyType({"nisa.dma_copy": "2.21"})

#: Launch functions that write a parameter in place end with the release before this one.
_RETURNS_ALWAYS = "2.24"


def release() -> str | None:
    """The release that the running launch follows, None for no particular one or outside of launches."""
    launch = running_launch()
    return None if launch is None else launch.machine.sdk


def before(sdk: str | None, other: str) -> bool:
    """Whether a release is older than another; no particular release is not."""
    return sdk is not None and _number(sdk) < _number(other)


def _number(sdk: str) -> tuple[int, ...]:
    return tuple(map(int, sdk.split(".")))


def limited(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a function of NKI, or parameters of it, under a release that does not have them.

    Args:
        name: the function as kernels write it, such as "nl.ds".
        function: the function.
    """
    since, parameters = SINCE.get(name), PARAMETERS_SINCE.get(name, {})
    if since is None and not parameters:
        return function

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        sdk = release()
        if sdk is not None:
            if since is not None and before(sdk, since):
                raise NKIError(f"{name} exists from Neuron SDK {since} on, and this launch follows {sdk}")
            late = [key for key in kwargs if before(sdk, parameters.get(key, sdk))]
            if late:
                raise NKIError(
                    f"{name}({late[0]}=…) exists from Neuron SDK {parameters[late[0]]} on, and this launch follows "
                    f"{sdk}"
                )
        return function(*args, **kwargs)

    return checked


def by_position(name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> dict[str, Any] | None:
    """Name positional arguments where the release of the launch takes keyword-only parameters by position as well.

    Returns:
        Arguments by name, or None where they stay as they are.
    """
    sdk = release()
    if sdk is None or sdk not in ("2.20", _BY_POSITION.get(name)):
        return None
    parameters = list(inspect.signature(function).parameters)
    return dict(zip(parameters, args, strict=False)) if len(args) <= len(parameters) else None


def check_call(call: Call, machine: Machine) -> None:
    """Check the arguments of a launch.

    Raises:
        NKIError: a list or a dict before SDK 2.25.
    """
    if machine.sdk is None or not before(machine.sdk, "2.25"):
        return
    for name, value in (*zip(call.names(), call.args, strict=True), *call.kwargs.items()):
        if isinstance(value, (list, dict)):
            raise NKIError(
                f"argument `{name}` is a {type(value).__name__}; kernels take lists and dicts from Neuron SDK 2.25 on, "
                f"and this launch follows {machine.sdk}",
                "",
                call.where(),
            )


def with_convention(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check how a kernel hands its outputs over, where the launch follows a release.

    Kernels write output parameters in 2.20 and return tensors from 2.21 on; `torch_neuronx.nki_jit`, which launches
    those of the first kind, left with 2.24.
    """
    sdk = release()
    if sdk is None:
        return function

    def called(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if result is not None and before(sdk, "2.21"):
            raise NKIError(f"kernels return tensors from Neuron SDK 2.21 on; with {sdk} they write an output parameter")
        if result is None and not before(sdk, _RETURNS_ALWAYS):
            raise NKIError(
                f"kernels return their outputs with Neuron SDK {sdk}; output parameters went with {_RETURNS_ALWAYS}"
            )
        return result

    return called
