"""How an average pool is called: which parameter takes the input, which the output, which the pool size."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pytest_nki_pool.launch.errors import KernelSignatureError
from pytest_nki_pool.spec.kernel import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from pytest_nki_pool.launch.load import Loaded
    from pytest_nki_pool.spec.kernel import KernelSpec

_ROLES: tuple[str, ...] = get_args(Role)
_POOL_NAMES = frozenset(
    {"k", "p", "pool", "pool_size", "poolsize", "kernel_size", "ksize", "window", "window_size", "size"}
)
#: What to suggest for other parameters that poolings have.
_USUAL = {"stride": '"k"', "strides": '"k"', "padding": "0", "pad": "0"}


@dataclass(frozen=True, slots=True)
class Arguments:
    """What each parameter of a kernel takes: a role, a function of shape and pool size, or a value.

    Attributes:
        positional: in the order of the parameters.
        keyword: by the names of the parameters.
    """

    positional: tuple[Any, ...]
    keyword: Mapping[str, Any]

    def __contains__(self, role: str) -> bool:
        return role in self.roles()

    def roles(self) -> list[str]:
        """The roles that occur, each as often as it does."""
        return [value for value in self.values() if isinstance(value, str) and value in _ROLES]

    def values(self) -> Iterator[Any]:
        """What every parameter takes."""
        yield from self.positional
        yield from self.keyword.values()

    def names(self, role: str, parameters: Sequence[str]) -> tuple[str, ...]:
        """Names of the parameters that take a role.

        Args:
            role: the role.
            parameters: names of the kernel's positional parameters.
        """
        pairs = (*zip(parameters, self.positional, strict=False), *self.keyword.items())
        return tuple(name for name, value in pairs if isinstance(value, str) and value == role)

    def fill(self, x: np.ndarray, out: np.ndarray | None, k: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and the keyword arguments of one launch.

        Args:
            x: the input as the kernel is handed it.
            out: the output that the kernel writes, if it takes one.
            k: pool size.
        """
        parts: dict[str, Any] = {"x": x, "out": out, "k": k, "kk": (k, k)}

        def value(given: Any) -> Any:
            if isinstance(given, str):
                return parts.get(given, given)
            return given(x.shape, k) if inspect.isfunction(given) else given

        return tuple(map(value, self.positional)), {name: value(given) for name, given in self.keyword.items()}


def understand(spec: KernelSpec, loaded: Loaded) -> Arguments:
    """Find what each parameter of an average pool takes: as its spec says, or else from the names.

    Raises:
        KernelSignatureError: they cannot be told apart, or the spec does not fit the signature.
    """
    free = [name for name in loaded.parameters if name not in spec.extra]
    arguments = Arguments(spec.call or guess_call(free), spec.extra)
    said = bool(spec.call or spec.extra)
    fault = _fault(arguments, loaded.signature)
    if fault:
        seen = ", ".join(loaded.parameters) or "no parameters"
        reason = fault if said else "an average pool is (input, pool_size) or (input, output, pool_size)"
        raise KernelSignatureError(
            f"{spec.target}: cannot tell which of its parameters ({seen}) takes the input and which the pool size; "
            f"{reason}. {'Say it' if said else 'Otherwise say it'} in conftest.py:\n\n"
            "    from pytest_nki_pool import KernelSpec\n\n"
            "    def pytest_nki_pool_kernels(config):\n"
            f"        return [KernelSpec({_suggestion(spec, loaded)})]\n\n"
            'where "x" stands for the input, "out" for an output that is an argument, "k" for the pool size, "kk" for '
            "the pair (k, k), a function of the input's shape and k for its result, and any other value for itself"
        )
    return arguments


def guess_call(parameters: Sequence[str]) -> tuple[Role, ...]:
    """Roles of the parameters of an average pool by their names; empty when they do not say."""
    roles: list[Role] = []
    for position, name in enumerate(parameters):
        role: Role = "x" if position == 0 else "out" if "out" in name.lower() else "k"
        if role in roles or (role == "k" and name.lower() not in _POOL_NAMES):
            return ()
        roles.append(role)
    return tuple(roles)


def _fault(arguments: Arguments, signature: inspect.Signature | None) -> str:
    """Why these cannot be the arguments of an average pool; empty when they can."""
    roles = arguments.roles()
    unknown = [value for value in arguments.positional if isinstance(value, str) and value not in _ROLES]
    sized = {"k", "kk"}.intersection(roles) or any(map(inspect.isfunction, arguments.values()))
    if unknown:
        return f"call has {unknown[0]!r}, which is no role: a text is passed by keyword, in extra"
    if roles.count("x") != 1 or roles.count("out") > 1 or not sized:
        return 'call and extra have "x" once, "out" at most once, and "k", "kk" or a function for the pool size'
    if signature is not None:
        try:
            signature.bind(*arguments.positional, **arguments.keyword)
        except TypeError as error:
            return f"call and extra do not fit its signature: {error}"
    return ""


def _suggestion(spec: KernelSpec, loaded: Loaded) -> str:
    """The arguments of a `KernelSpec` that may fit, to be pasted."""
    required = [p for p in loaded.signature.parameters.values() if p.default is p.empty] if loaded.signature else []
    only = [p.name for p in required if p.kind is p.KEYWORD_ONLY]
    values = ['"x"', *(_suggested(name) for name in loaded.parameters[1:])]
    if not {'"k"'}.intersection(values) and len(values) > 1:
        values[1] = '"k"'
    if not loaded.parameters and not only:
        values = ['"x"', '"k"']
    extra = ", ".join(f'"{name}": {_suggested(name)}' for name in only)
    call = f"call=({', '.join(values)}{',' if len(values) == 1 else ''})"
    return ", ".join((f'"{spec.target}"', call, *([f"extra={{{extra}}}"] if extra else [])))


def _suggested(name: str) -> str:
    name = name.lower()
    return '"k"' if name in _POOL_NAMES else '"out"' if "out" in name else _USUAL.get(name, "None")
