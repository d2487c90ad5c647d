"""One backend on one target, bound to one kernel: arrays in, arrays out."""

from __future__ import annotations

import numbers
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pytest_nki_pool.emulator.frameworks.op import ArrayOp, ArraySpec
from pytest_nki_pool.spec import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.launch.kernel import Kernel


class FrameworkPath(Protocol):
    """What a backend does with arrays; one per module `pytest_nki_pool.launch.{baremetal,torch,jax}`.

    Attributes:
        lacks: why checks of this backend, by name, make no sense for such arrays.
        compiler: the backend of ``torch.compile``; empty where there is none.
    """

    lacks: Mapping[str, str]
    compiler: str

    def to_native(self, array: np.ndarray) -> Any:
        """The framework's array of the same bits.

        Raises:
            UnsupportedByPath: the framework has no such dtype.
        """

    def to_numpy(self, value: Any) -> np.ndarray:
        """The NumPy/ml_dtypes array of the same bits."""

    def wrap(self, op: ArrayOp) -> Callable[..., Any]:
        """The framework's own function around an operation on NumPy arrays."""


class DevicePath(FrameworkPath, Protocol):
    """What a backend does with arrays on a device.

    Attributes:
        name: the backend.
    """

    name: str

    def sketch(self, array: Any) -> ArraySpec:
        """Shape and dtype of the framework's array, which may have no values yet."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """Launches one kernel through one framework path on one target.

    Calling it takes and returns NumPy/ml_dtypes arrays, `native` the framework's.

    Attributes:
        kernel: the kernel.
        backend: name of the framework path.
        target: where the kernel executes.
        platform: the chip.
        path: the framework path.
        run: executes the kernel on the arrays that the path's `wrap` hands on: NumPy's, or on a device the framework's.
    """

    kernel: Kernel
    backend: str
    target: str
    platform: str
    path: FrameworkPath
    run: Callable[..., Any]
    _wrapped: dict[tuple[type, ...], Callable[..., Any]] = field(default_factory=dict, repr=False)

    def __call__(self, *args: Any) -> Any:
        """Launch on NumPy arrays.

        Args:
            args: for an average pool the input of shape (C, H, W) and the pool size; for another kernel its arguments.
                A kernel whose layout has N also takes (N, C, H, W).

        Returns:
            A NumPy array, or a tuple of them when the kernel has several outputs.
        """
        result = self.native(*(self.path.to_native(arg) if isinstance(arg, np.ndarray) else arg for arg in args))
        return tuple(map(self.path.to_numpy, result)) if isinstance(result, tuple) else self.path.to_numpy(result)

    def native(self, *args: Any) -> Any:
        """Launch on the framework's own arrays, and return its arrays."""
        return self.function(*args)(*args)

    def function(self, *args: Any) -> Callable[..., Any]:
        """The framework's function for arguments of these kinds: differentiable, and fit for its compiler."""
        kinds = tuple(_static_type(arg) for arg in args)
        if kinds not in self._wrapped:
            self._wrapped[kinds] = self.path.wrap(self._operation(kinds, args))
        return self._wrapped[kinds]

    def _operation(self, kinds: tuple[type, ...], args: tuple[Any, ...]) -> ArrayOp:
        arrays = sum(kind is np.ndarray for kind in kinds)
        return ArrayOp(
            name=re.sub("[^a-z0-9]", "_", f"{self.kernel.spec.label}_{self.platform}".lower()),
            run=self.run,
            infer=self.kernel.infer,
            arrays=arrays,
            statics=kinds[arrays:],
            outputs=1 if self.kernel.pools else self._count_outputs(args),
            adjoint=_pool_adjoint if self.kernel.pools else None,
        )

    def _count_outputs(self, args: tuple[Any, ...]) -> int:
        hosts = (self.path.to_numpy(arg) if _static_type(arg) is np.ndarray else arg for arg in args)
        specs = (ArraySpec(host.shape, host.dtype) if isinstance(host, np.ndarray) else host for host in hosts)
        result = self.kernel.infer(*specs)
        return len(result) if isinstance(result, tuple) else 1


def _static_type(arg: Any) -> type:
    """The Python type of a static argument; every array counts as `numpy.ndarray`."""
    kinds: dict[type, type] = {bool: bool, numbers.Integral: int, numbers.Real: float, str: str}
    return next((plain for abstract, plain in kinds.items() if isinstance(arg, abstract)), np.ndarray)


def _pool_adjoint(grad: np.ndarray, x: Any, k: int) -> np.ndarray:
    return oracle.adjoint(grad, x.shape, k)
