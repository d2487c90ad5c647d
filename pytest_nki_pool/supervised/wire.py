"""A trial on its way to the process that runs it.

What JSON cannot carry of a `KernelSpec` is pickled, and only this way: a kernel's process is never believed so far.
"""

from __future__ import annotations

import base64
import pickle
from dataclasses import dataclass, fields
from inspect import isfunction
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.kernel import KernelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Unsendable(Exception):  # noqa: N818 - what it says of the spec is for its author
    """A `KernelSpec` holds what no other process can be given."""


@dataclass(frozen=True, slots=True)
class _Function:
    """Stands for a function of a `KernelSpec`, which stays in the process that has it: it may be no module's."""

    number: int


def pack(trial: Trial) -> dict[str, Any]:
    """The trial in a form that JSON can carry.

    Raises:
        Unsendable: the spec of its kernel holds what cannot be pickled.
    """
    numbers = {id(function): _Function(number) for number, function in enumerate(_functions(trial.kernel))}

    def keep(value: Any) -> Any:
        return numbers.get(id(value), value)

    spec = {field.name: getattr(trial.kernel, field.name) for field in fields(KernelSpec)}
    spec |= {"grid": keep(trial.kernel.grid), "call": tuple(map(keep, trial.kernel.call))}
    spec["extra"] = {name: keep(value) for name, value in trial.kernel.extra.items()}
    try:
        packed = _to_text(spec)
    except Exception as error:
        raise Unsendable(
            f"the KernelSpec of {trial.kernel.target} cannot be given to a child process: {error}"
        ) from error
    return {
        "check": trial.check.name,
        "kernel": packed,
        "backends": list(trial.backends),
        "target": trial.target,
        "platform": trial.platform,
        "case": str(trial.case),
    }


def unpack(packed: Mapping[str, Any], kernel: Callable[[str], KernelSpec]) -> Trial:
    """Read `pack` back in the process that runs the trial.

    Args:
        packed: what `pack` gave.
        kernel: reads the kernel's spec, the same object for the same text, see `unpack_kernel`.
    """
    check, case = CHECKS[packed["check"]], Case.parse(packed["case"])
    backends = tuple(packed["backends"])
    return Trial(check, kernel(packed["kernel"]), backends, packed["target"], packed["platform"], case)


def unpack_kernel(text: str, ask: Callable[[int, tuple[Any, ...]], Any]) -> KernelSpec:
    """Read a kernel's spec.

    Args:
        text: of it.
        ask: calls a function of the spec, by its number, where it is.
    """

    def asking(value: Any) -> Any:
        return (lambda *args: ask(value.number, args)) if isinstance(value, _Function) else value

    spec = _from_text(text)
    spec |= {"grid": asking(spec["grid"]), "call": tuple(map(asking, spec["call"]))}
    spec["extra"] = {name: asking(value) for name, value in spec["extra"].items()}
    return KernelSpec(**spec)


def question(number: int, args: tuple[Any, ...]) -> dict[str, Any]:
    """What the process that runs the trial asks: the result of a function of the spec.

    Args:
        number: of the function.
        args: shape and pool size.
    """
    shape, k = args
    return {"ask": number, "shape": [int(size) for size in shape], "k": int(k)}


def reply(trial: Trial, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Call the function that a question is about, where it is."""
    function = _functions(trial.kernel)[asked["ask"]]
    try:
        return {"result": _to_text(function(tuple(asked["shape"]), asked["k"]))}
    except Exception as error:  # it belongs to the kernel, and is raised there
        return {"raised": f"{type(error).__name__}: {error}"}


def result(replied: Mapping[str, Any]) -> Any:
    """The result of the function that was asked about.

    Raises:
        ValueError: the function raised.
    """
    if "raised" in replied:
        raise ValueError(f"a function of the KernelSpec raised {replied['raised']}")
    return _from_text(replied["result"])


def _functions(spec: KernelSpec) -> list[Any]:
    grid = [spec.grid] if callable(spec.grid) else []
    return [*grid, *filter(isfunction, (*spec.call, *spec.extra.values()))]


def _to_text(value: Any) -> str:
    return base64.b64encode(pickle.dumps(value)).decode()


def _from_text(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))  # noqa: S301 - from the process that started this one
