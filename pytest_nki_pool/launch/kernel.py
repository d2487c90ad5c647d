"""A loaded kernel with its parameters understood: ready to be launched by any target."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from pytest_nki_pool.emulator.frameworks.op import ArraySpec
from pytest_nki_pool.launch.arguments import understand
from pytest_nki_pool.launch.errors import KernelClaimError, KernelSignatureError, KernelSpecError
from pytest_nki_pool.launch.layouts import LAYOUTS
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.spec.kernel import Accuracy, Ragged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_nki_pool.launch.arguments import Arguments
    from pytest_nki_pool.launch.load import Loaded
    from pytest_nki_pool.spec.kernel import Convention, Dialect, KernelSpec


@dataclass(frozen=True, slots=True)
class Call:
    """One launch of a kernel, as the kernel is to see it.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        grid: programs per dimension of the launch grid, or the cores of a logical NeuronCore; () without either.
        out: the poisoned output array among the arguments, if the kernel takes one.
        images: whether a batch is launched.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    grid: tuple[int, ...] = ()
    out: np.ndarray | None = None
    images: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel ready to be launched.

    Attributes:
        spec: what it is and claims.
        loaded: the private copy of its module.
        arguments: what its parameters take; None for a kernel that is no average pool.
    """

    spec: KernelSpec
    loaded: Loaded
    arguments: Arguments | None

    @property
    def pools(self) -> bool:
        """Whether it is an average pool."""
        return self.arguments is not None

    @property
    def dialect(self) -> Dialect | None:
        """The NKI API it is written in, as its spec says or its imports show; None when neither does."""
        return self.spec.dialect or self.loaded.dialect

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the parameters the kernel writes; empty when it returns its outputs."""
        return self.arguments.names("out", self.loaded.parameters) if self.arguments else ()

    @property
    def convention(self) -> Convention | None:
        """How its output leaves it; None for a kernel that is no average pool."""
        return None if self.arguments is None else "out_parameter" if "out" in self.arguments else "returns"

    def arrange(self, args: Sequence[Any]) -> Call:
        """Put the launch's arguments where the kernel expects them.

        Args:
            args: input array and pool size, or the arguments of a kernel that is no pool.

        Raises:
            KernelSpecError: a function of its spec raised, or gave no grid, for a launch that a pool must take.
        """
        if self.arguments is None:
            return Call(tuple(args))
        axes = LAYOUTS[self.spec.layout]
        x, k = args
        image = axes.to_kernel(x)
        out = None
        if "out" in self.arguments:
            pooled = _pooled(ArraySpec(x.shape, x.dtype), k)
            out = poisoned(ArraySpec(axes.shape(pooled.shape), pooled.dtype))
        proper = x.ndim >= 3 and x.size > 0 and 1 <= k <= min(x.shape[-2:])
        with self._answering("call or extra", image, k, required=proper):
            positional, keyword = self.arguments.fill(image, out, k)
        with self._answering("grid", image, k, required=proper):
            grid = self._grid(image, k)
        return Call(positional, keyword, grid, out, images=x.ndim > 3)

    def settle(self, call: Call, returned: Any) -> Any:
        """The result of a launch, an average pool's with the axes of its input.

        Args:
            call: what was launched.
            returned: what the kernel returned.

        Raises:
            ResultMismatch: an average pool's output does not have the axes of its layout.
        """
        if self.arguments is None:
            return returned
        result = returned if call.out is None else call.out
        return LAYOUTS[self.spec.layout].from_kernel(result, images=call.images)

    @contextmanager
    def _answering(self, what: str, image: np.ndarray, k: int, *, required: bool) -> Iterator[None]:
        """Keep what the spec's functions raise apart from refusals; where a launch must raise anyway, it is one."""
        try:
            yield
        except Exception as error:
            if not required:
                raise
            raise KernelSpecError(
                f"the KernelSpec of {self.spec.target} does not describe this launch: for shape {image.shape} and "
                f"k {k} its {what} raised {type(error).__name__}: {error}; correct its functions of shape and k"
            ) from error

    def _grid(self, image: np.ndarray, k: int) -> tuple[int, ...]:
        if self.spec.lnc is not None:
            return (self.spec.lnc,)
        grid = self.spec.grid(image.shape, k) if callable(self.spec.grid) else self.spec.grid
        return (grid,) if isinstance(grid, int) else tuple(grid)

    def infer(self, *args: Any) -> ArraySpec | tuple[ArraySpec, ...]:
        """Shape and dtype of the outputs, from those of the inputs and the static arguments.

        Raises:
            KernelSignatureError: the kernel is no average pool and its `KernelSpec` has no ``out``.
        """
        if self.pools:
            return _pooled(*args)
        if self.spec.out is None:
            raise KernelSignatureError(f"{self.spec.target} is no average pool: it needs KernelSpec(out=…)")
        result = self.spec.out(*args)
        several = (
            isinstance(result[0], (tuple, list)) and len(result[0]) == 2 and isinstance(result[0][0], (tuple, list))
        )
        return tuple(_array_spec(item) for item in result) if several else _array_spec(result)


def convention_of(spec: KernelSpec) -> Convention | None:
    """How a kernel's output leaves it, as far as its spec says so; None when its signature has to tell."""
    given = (*spec.call, *spec.extra.values())
    return "out_parameter" if "out" in given else "returns" if spec.call else None


def bind(spec: KernelSpec, loaded: Loaded) -> Kernel:
    """Understand a kernel's parameters.

    Raises:
        KernelClaimError: a capability has a value that it cannot have.
        KernelSignatureError: an average pool whose parameters cannot be mapped; the message holds a
            `KernelSpec` to paste.
    """
    _check_claims(spec)
    if spec.out is not None:
        return Kernel(spec, loaded, None)
    _check_launch(spec, spec.dialect or loaded.dialect)
    return Kernel(spec, loaded, understand(spec, loaded))


def _check_launch(spec: KernelSpec, dialect: Dialect | None) -> None:
    """Refuse a layout that does not exist, and a way to launch that the dialect does not have."""
    if spec.layout not in LAYOUTS:
        raise KernelSignatureError(f"{spec.target}: no layout {spec.layout!r}; choose from {', '.join(LAYOUTS)}")
    if spec.lnc not in {None, 1, 2}:
        raise KernelSignatureError(f"{spec.target}: lnc={spec.lnc!r}; a logical NeuronCore has 1 or 2 physical cores")
    if spec.lnc is not None and (dialect == "legacy" or spec.grid):
        raise KernelSignatureError(
            f"{spec.target}: lnc is for kernels of the nki API, without a grid; a kernel of neuronxcc.nki takes "
            "grid=(2,) to run on two cores"
        )
    if spec.grid and dialect == "current":
        raise KernelSignatureError(
            f"{spec.target}: kernels of the nki API have no launch grid but the cores of a logical NeuronCore; "
            "say lnc=1 or lnc=2"
        )


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

    for name, limit in (("max_channels", claims.max_channels), ("max_image_bytes", claims.max_image_bytes)):
        undeclared = name == "max_image_bytes" and limit == "undeclared"
        if limit is not None and not undeclared and (type(limit) is not int or limit < 1):
            raise KernelClaimError(
                f"{spec.target}: it claims {name} {limit!r}; a limit is a whole number of at least 1, or None for any"
            )


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
