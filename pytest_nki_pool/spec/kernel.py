"""What a kernel is and what it claims."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.spec.case import Case

Dialect = Literal["legacy", "current"]
Convention = Literal["out_parameter", "returns"]
Accuracy = Literal["fp32", "fp32_sum_cast", "native"]
Ragged = Literal["floor", "reject"]
Role = Literal["x", "out", "k", "kk"]
Layout = Literal["CHW", "NCHW", "NHWC"]

#: Bytes of one SBUF partition on the smallest NeuronCore (v2); an eighth of it is an image that any kernel must take.
#: Source: Trainium/Inferentia2 architecture guide, SBUF = 128 x 192 KiB.
_SMALL_IMAGE_BYTES = 192 * 1024 // 8


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kernel claims; inside its claims it must be right, outside them it must raise or be right.

    Attributes:
        dtypes: dtype names the kernel takes.
        max_channels: most channels of one launch, or None for any number.
        max_image_bytes: most bytes of one channel's H x W image, or None for any size. "undeclared" claims no more than
            that small images work: a capacity refusal above an eighth of a partition is accepted.
        ragged: "floor" trims rows and columns that fill no window; "reject" raises for them.
        accuracy: accuracy class, see `pytest_nki_pool.spec.acceptance`.
    """

    dtypes: tuple[str, ...] = ("fp32", "bf16", "fp16")
    max_channels: int | None = 128
    max_image_bytes: int | Literal["undeclared"] | None = "undeclared"
    ragged: Ragged = "floor"
    accuracy: Accuracy = "fp32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtypes", tuple(self.dtypes))

    @property
    def image_limit(self) -> int | None:
        """Most bytes of one channel's image that the claims cover; None for any number."""
        return _SMALL_IMAGE_BYTES if self.max_image_bytes == "undeclared" else self.max_image_bytes

    def excludes(self, case: Case, itemsize: int) -> str:
        """Say why the claims do not cover a case; empty when they do.

        Args:
            case: the case in question.
            itemsize: bytes of one element of the case's dtype.
        """
        image = case.height * case.width * itemsize
        limit = self.image_limit
        if case.dtype not in self.dtypes:
            return f"dtype {case.dtype} is not claimed"
        if self.max_channels is not None and case.channels > self.max_channels:
            return f"{case.channels} channels exceed the claimed {self.max_channels}"
        if limit is not None and image > limit:
            return f"an image of {image} bytes per channel exceeds the claimed {limit}"
        if self.ragged == "reject" and (case.height % case.pool or case.width % case.pool):
            return "windows that do not divide the image are claimed to be rejected"
        return ""


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kernel under test.

    In `call` and `extra`, the text "x" stands for the input, "out" for an output that is an argument, "k" for the pool
    size and "kk" for the pair (k, k). A function is called as ``function(shape, k)`` at each launch, shape being that
    of the input as the kernel is handed it, and its result is passed. Whatever else is passed as it is.

    Attributes:
        target: ``package.module:function`` or ``path/to/file.py:function``.
        name: short name in ids and reports; the function's name when empty.
        dialect: the NKI API the kernel is written in; found from the module's imports when None.
        call: what each positional parameter takes. Found from the signature when empty.
        capabilities: what the kernel claims.
        out: for a kernel that is no average pool: ``out(*args)`` gives the shape and NumPy dtype of the result, or a
            sequence of such pairs; arrays among ``args`` have ``.shape`` and ``.dtype`` only. None for an average pool.
        layout: axes of the kernel's input and output. Cases are C x H x W; a kernel with N gets them with N = 1.
        grid: programs per dimension of the SPMD launch grid of a legacy kernel, or a function of shape and k that gives
            them; () launches without one.
        lnc: physical cores of a logical NeuronCore, 1 or 2, that a current kernel is launched on; None launches without
            saying so.
        extra: what keyword parameters take, by their names.
    """

    target: str
    name: str = ""
    dialect: Dialect | None = None
    call: tuple[Any, ...] = field(default=(), hash=False)
    capabilities: Capabilities = field(default_factory=Capabilities)
    out: Callable[..., Any] | None = None
    layout: Layout = "CHW"
    grid: int | tuple[int, ...] | Callable[[tuple[int, ...], int], int | tuple[int, ...]] = ()
    lnc: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "call", tuple(self.call))
        object.__setattr__(self, "extra", MappingProxyType(dict(self.extra)))
        if not (callable(self.grid) or isinstance(self.grid, int)):
            object.__setattr__(self, "grid", tuple(self.grid))

    @property
    def label(self) -> str:
        """The name in ids and reports."""
        return self.name or self.target.rpartition(":")[2]
