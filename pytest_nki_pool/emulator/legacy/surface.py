"""Names that NKI has and the emulator does not, so that a kernel that uses one is told so and not judged.

Source: the API reference of Neuron SDK 2.25, `nki`, `nki.language` and `nki.isa`.
"""

from __future__ import annotations

import functools
import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pytest_nki_pool.emulator.core.errors import NKIError, UnsupportedByEmulator
from pytest_nki_pool.emulator.legacy.profiles import by_position, limited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

P = ParamSpec("P")
R = TypeVar("R")

_LANGUAGE = """
    atomic_rmw dropout gather_flattened rand random_seed rms_norm shared_constant shared_identity_matrix
    skip_middle_end_transformations softmax tfloat32
"""

_ISA = """
    bn_aggr bn_stats builtin_custom_op dropout local_gather max8 nc_find_index8 nc_match_replace8 nc_stream_shuffle
    range_select sequence_bounds tensor_copy_dynamic_dst tensor_copy_dynamic_src
"""

_KNOWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "nki": frozenset({"compiler"}),
        "nki.language": frozenset(_LANGUAGE.split()),
        "nki.isa": frozenset(_ISA.split()),
    }
)

_NEAREST: Mapping[str, str] = MappingProxyType(
    {
        "softmax": "nl.exp and nl.sum",
        "rms_norm": "nl.square, nl.mean and nl.rsqrt",
        "gather_flattened": "nl.load",
        "bn_stats": "nl.mean and nl.var",
        "bn_aggr": "nl.mean and nl.var",
        "range_select": "nisa.affine_select",
        "tensor_copy_dynamic_src": "nisa.tensor_copy",
        "tensor_copy_dynamic_dst": "nisa.tensor_copy",
        "tfloat32": "nl.float32",
    }
)


def missing(module: str, name: str) -> Exception:
    """Exception for a name that a module of the emulator does not have.

    Returns:
        UnsupportedByEmulator for a name of NKI, AttributeError for any other.
    """
    if name in _KNOWN[module]:
        return UnsupportedByEmulator(f"{module}.{name}", "legacy", _NEAREST.get(name, ""))
    return AttributeError(f"module {module!r} has no attribute {name!r}")


def api(module: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function of NKI so that arguments that it does not take are an NKIError that names those it takes.

    What a release of the SDK does not have is refused in a launch that follows it, see `profiles`.

    Args:
        module: "nl" or "nisa".
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        full_name = f"{module}.{function.__name__}"

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                    raise
                named = by_position(full_name, function, args)
                if named is not None and not named.keys() & kwargs.keys():
                    by_name: Callable[..., R] = function
                    return by_name(**named, **kwargs)
                name, _, problem = str(error).partition("() ")
                taken = inspect.signature(function)
                raise NKIError(f"{module}.{function.__name__}{_parameters(taken)} {problem or name}") from None

        return limited(full_name, checked)

    return decorate


def _parameters(signature: inspect.Signature) -> str:
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
