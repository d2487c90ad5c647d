"""What `nki.jit` and its relatives return."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.launch import in_launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_nki_pool.emulator.core.launch import Dialect


class Kernel:
    """A kernel function behind a decorator.

    Inside a launch it calls its function; outside it launches it on NumPy, torch or JAX arrays and gives back the same
    kind. A dialect subclasses it and sets `dialect`.

    Args:
        function: the plain function, or another kernel object, which is looked through.
        grid: programs per dimension of the launch grid; () without one.
    """

    dialect: ClassVar[Dialect]

    def __init__(self, function: Callable[..., Any], grid: tuple[int, ...] = ()) -> None:
        self.function: Callable[..., Any] = function.function if isinstance(function, Kernel) else function
        self.grid = grid
        functools.update_wrapper(self, self.function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102  (the class says it)
        if in_launch():
            if self.grid:
                raise NKIError(
                    f"{self.function.__name__}: a kernel that another kernel calls has no launch grid of its own, got "
                    f"{list(self.grid)}",
                    "err_nested_kernel_with_spmd_grid",
                )
            return self.dialect.as_traced(self.function)(*args, **kwargs)
        from pytest_nki_pool.emulator.frameworks.dispatch import launch_native  # noqa: PLC0415  (frameworks launch)

        return launch_native(self, args, kwargs)

    def __getitem__(self, grid: Any) -> Kernel:
        """Choose the programs of a launch, in the form that the dialect takes: `kernel[2, 4](…)` or `kernel[2](…)`."""
        return type(self)(self, self.dialect.grid(grid))
