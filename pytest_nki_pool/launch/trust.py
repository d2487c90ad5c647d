"""Whether a target can be believed: what it makes of a launch whose answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.kernels import SPECS
from pytest_nki_pool.launch.errors import Mistrusted
from pytest_nki_pool.launch.kernel import convention_of

if TYPE_CHECKING:
    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.launch.sdk import Sdk
    from pytest_nki_pool.spec.kernel import KernelSpec

_POOL = 2
#: Elements of a result that a message shows.
_SHOWN = 8


def witness_of(sdk: Sdk) -> KernelSpec | None:
    """The first of our own kernels that an SDK launches."""
    return next((spec for spec in SPECS if not sdk.refusal(spec.dialect, convention_of(spec))), None)


def doubt(launcher: Launcher) -> str:
    """Launch a kernel on a small input whose means are exact, all different and none of them zero.

    Legacy entry points of SDK 2.32 return zeros without an error, and so does a runtime told to extract graphs only.

    Args:
        launcher: launches an average pool of our own.

    Returns:
        Why nothing that the target returns says anything of a kernel; empty when the answer is right.

    Raises:
        Exception: whatever the launch raises, unless it is `Mistrusted`.
    """
    x, answer = _question()
    try:
        got = launcher(x.copy(), _POOL)
    except Mistrusted as error:
        return str(error)
    if got.shape == answer.shape and got.dtype == answer.dtype and np.array_equal(got, answer):
        return ""
    shown = np.array2string(got.reshape(-1)[:_SHOWN], separator=", ") if got.size else "nothing"
    expected = np.array2string(answer.reshape(-1)[:_SHOWN], separator=", ")
    return (
        f"the {launcher.target} cannot be trusted: its answer to a launch through {launcher.backend} whose answer is "
        f"known is wrong: got {got.dtype} of shape {got.shape} starting {shown}, "
        f"expected {answer.dtype} of shape {answer.shape} starting {expected}"
    )


def _question() -> tuple[np.ndarray, np.ndarray]:
    """An input of 2 x 4 x 6 and its means: sums of four small integers, exact in fp32 in any order."""
    x = (np.arange(48) * 11 % 53 + 1).astype(np.float32).reshape(2, 4, 6)
    return x, x.reshape(2, 2, _POOL, 3, _POOL).mean((2, 4), dtype=np.float32)
