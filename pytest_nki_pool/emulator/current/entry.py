"""Entry points: `nki.jit`, `nki.simulate` and the kernel object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.kernel import Kernel as CoreKernel
from pytest_nki_pool.emulator.core.launch import Dialect, run
from pytest_nki_pool.emulator.core.memory import Buffer
from pytest_nki_pool.emulator.core.source import releasing
from pytest_nki_pool.emulator.current.arguments import check_call
from pytest_nki_pool.emulator.current.missing import unsupported
from pytest_nki_pool.emulator.current.tensor import NkiTensor, access_of

if TYPE_CHECKING:
    from collections.abc import Callable


def _cores(cores: object) -> tuple[int, ...]:
    """Check the number of physical cores of a launch (LNC), `kernel[2]`.

    With 2 cores the kernel runs as two programs that share the tensors in shared HBM.

    Raises:
        NKIError: neither 1 nor 2.
    """
    if type(cores) is not int or cores not in (1, 2):
        raise NKIError(f"kernel[{cores!r}]: a logical NeuronCore has 1 or 2 physical cores")
    return (cores,)


#: Parameters may be written, as in `nki.simulate`; outputs live in shared HBM (NKI 0.3 release notes).
DIALECT = Dialect(
    name="current",
    wrap=NkiTensor,
    unwrap=access_of,
    immutable_inputs=False,
    output_buffers=frozenset({Buffer.SHARED_HBM}),
    check_call=check_call,
    sdks=("2.32", "2.33"),
    as_traced=releasing,
    grid=_cores,
)


class Kernel(CoreKernel):
    """What `nki.jit` returns."""

    dialect = DIALECT


def jit(fn: Callable[..., Any] | None = None, **options: object) -> Any:
    """Make a kernel of a function; usable with and without parentheses.

    Args:
        fn: the function; None when used as `@nki.jit()`.
        options: `mode` is ignored, as from NKI 0.3 on.

    Raises:
        NKIError: `platform_target`, which NKI refuses since 0.3.
        UnsupportedByEmulator: any other option.
    """
    if "platform_target" in options:
        raise NKIError("nki.jit: platform_target is no longer an argument; set NEURON_PLATFORM_TARGET_OVERRIDE")
    unknown = sorted(options.keys() - {"mode"})
    if unknown:
        raise unsupported(f"nki.jit({unknown[0]}=…)", "nki.jit")
    if fn is None:
        return jit
    return fn if isinstance(fn, Kernel) else Kernel(fn)


def simulate(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Make a callable that launches a kernel on NumPy arrays on the default machine.

    Args:
        kernel: what `jit` returned, or a plain function.
    """
    function, grid = (kernel.function, kernel.grid) if isinstance(kernel, Kernel) else (kernel, ())

    def launch(*args: Any, **kwargs: Any) -> Any:
        return run(function, DIALECT, args, kwargs, grid=grid)

    return launch
