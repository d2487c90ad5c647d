"""A loaded kernel with its parameters understood: which takes the input, which the output, which the pool size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from pytest_nki_pool.emulator.frameworks.op import ArraySpec
from pytest_nki_pool.launch.errors import KernelClaimError, KernelSignatureError
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.spec.kernel import Accuracy, Ragged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nki_pool.launch.load import Loaded
    from pytest_nki_pool.spec.kernel import KernelSpec, Role

_POOL_NAMES = frozenset(
    {"k", "p", "pool", "pool_size", "poolsize", "kernel_size", "ksize", "window", "window_size", "size"}
)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel ready to be launched.

    Attributes:
        spec: what it is and claims.
        loaded: the private copy of its module.
        call: the role of each positional parameter; empty for a kernel that is no average pool.
    """

    spec: KernelSpec
    loaded: Loaded
    call: tuple[Role, ...]

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the parameters the kernel writes; empty when it returns its outputs."""
        return tuple(name for name, role in zip(self.loaded.parameters, self.call, strict=False) if role == "out")

    def arrange(self, args: Sequence[Any]) -> tuple[tuple[Any, ...], np.ndarray | None]:
        """Put the launch's arguments where the kernel expects them.

        Args:
            args: input array and pool size, or the arguments of a kernel that is no pool.

        Returns:
            The kernel's positional arguments, and the poisoned output array among them if the kernel takes one.
        """
        if not self.call:
            return tuple(args), None
        x, k = args
        out = poisoned(self.infer(ArraySpec(x.shape, x.dtype), k)) if "out" in self.call else None
        parts: dict[Role, Any] = {"x": x, "out": out, "k": k}
        return tuple(parts[role] for role in self.call), out

    def infer(self, *args: Any) -> ArraySpec | tuple[ArraySpec, ...]:
        """Shape and dtype of the outputs, from those of the inputs and the static arguments.

        Raises:
            KernelSignatureError: the kernel is no average pool and its `KernelSpec` has no ``out``.
        """
        if self.call:
            return _pooled(*args)
        if self.spec.out is None:
            raise KernelSignatureError(f"{self.spec.target} is no average pool: it needs KernelSpec(out=…)")
        result = self.spec.out(*args)
        several = (
            isinstance(result[0], (tuple, list)) and len(result[0]) == 2 and isinstance(result[0][0], (tuple, list))
        )
        return tuple(_array_spec(item) for item in result) if several else _array_spec(result)


def bind(spec: KernelSpec, loaded: Loaded) -> Kernel:
    """Understand a kernel's parameters.

    Raises:
        KernelClaimError: a capability has a value that it cannot have.
        KernelSignatureError: an average pool whose parameters cannot be mapped; the message holds a
            `KernelSpec` to paste.
    """
    _check_claims(spec)
    if spec.out is not None:
        return Kernel(spec, loaded, ())
    call = spec.call or guess_call(loaded.parameters)
    if not call or "x" not in call or "k" not in call or len(set(call)) != len(call):
        seen = ", ".join(loaded.parameters) or "no parameters"
        raise KernelSignatureError(
            f"{spec.target}: cannot tell which of its parameters ({seen}) takes the input and which the pool size; "
            "an average pool is (input, pool_size) or (input, output, pool_size). Otherwise say it in conftest.py:\n\n"
            "    from pytest_nki_pool import KernelSpec\n\n"
            "    def pytest_nki_pool_kernels(config):\n"
            f'        return [KernelSpec("{spec.target}", call=("x", "k"))]  # one of "x", "out", "k" per parameter'
        )
    return Kernel(spec, loaded, call)


def _check_claims(spec: KernelSpec) -> None:
    claims = spec.capabilities
    claimed = {"dtypes": claims.dtypes, "accuracy": (claims.accuracy,), "ragged": (claims.ragged,)}
    allowed = {"dtypes": tuple(DTYPES), "accuracy": get_args(Accuracy), "ragged": get_args(Ragged)}
    for name, values in claimed.items():
        for value in values:
            if value not in allowed[name]:
                choice = ", ".join(allowed[name])
                raise KernelClaimError(
                    f"{spec.target}: it claims {name} {value!r}, which is not known; choose from {choice}"
                )


def guess_call(parameters: Sequence[str]) -> tuple[Role, ...]:
    """Roles of the parameters of an average pool by their names; empty when they do not say."""
    roles: list[Role] = []
    for position, name in enumerate(parameters):
        role: Role = "x" if position == 0 else "out" if "out" in name.lower() else "k"
        if role in roles or (role == "k" and name.lower() not in _POOL_NAMES):
            return ()
        roles.append(role)
    return tuple(roles)


def poisoned(spec: ArraySpec | tuple[ArraySpec, ...]) -> np.ndarray:
    """An output array whose every bit is set: NaN in each float format, so that what is never written shows."""
    if isinstance(spec, tuple):
        raise KernelSignatureError("an average pool has one output")
    array = np.empty(spec.shape, spec.dtype)
    array.view(np.uint8).fill(0xFF)
    return array


def _pooled(x: ArraySpec, k: int) -> ArraySpec:
    """The pool's output, never empty, so that a pool size no kernel may take reaches the kernel all the same."""
    kept = x.shape[:-2]
    return ArraySpec((*kept, *(max(1, size // k) if k >= 1 else 1 for size in x.shape[-2:])), x.dtype)


def _array_spec(item: Any) -> ArraySpec:
    shape, dtype = item
    return ArraySpec(tuple(int(size) for size in shape), np.dtype(dtype))
