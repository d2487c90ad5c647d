"""Random arguments of NKI functions, methods and operators: each call is taken, or refused by an emulator error."""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import traceback
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_nki_pool.emulator import NKIError, launch
from pytest_nki_pool.emulator.current import isa as current_isa
from pytest_nki_pool.emulator.current import jit as current_jit
from pytest_nki_pool.emulator.current import language as current
from pytest_nki_pool.emulator.current.tensor import NkiTensor
from pytest_nki_pool.emulator.legacy import isa as legacy_isa
from pytest_nki_pool.emulator.legacy import jit as legacy_jit
from pytest_nki_pool.emulator.legacy import language as legacy
from pytest_nki_pool.emulator.legacy.tensor import Tile

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping

    Rng = random.Random
    Example = Callable[[], None]

PLAIN = (
    None, True, 0, 1, -1, 3, 2.5, float("nan"), 1 << 40, "x", "float32", (), [], (1, 2), [1], [[1, 2], [3]], {},
)  # fmt: skip


def junk(rng: Rng, language: Any, tensors: list[Any]) -> Any:
    """Anything that may stand where something else belongs."""
    return rng.choice((
        *PLAIN, ..., slice(0, 2), np.int64(2), np.float32(2.5), np.add, language.add, language.float32,
        language.sbuf, language.psum, language.shared_hbm, language.ds, *tensors, *tensors,
    ))  # fmt: skip


def is_api(value: Any) -> bool:
    """Whether a name of NKI is something that a kernel calls: a function, or an operation that is called like one."""
    return inspect.isfunction(value) or (callable(value) and not inspect.isclass(value))


def plausible(rng: Rng, name: str, language: Any, tensors: list[Any]) -> Any:
    """What an argument of a name may be, so that a call fails for one argument alone."""
    source, tile, product = tensors
    known: Mapping[str, Any] = {
        **dict.fromkeys(("op", "op0", "op1", "reduce_op", "cmp_op"), rng.choice((language.add, language.exp, np.max))),
        **dict.fromkeys(("src", "value"), rng.choice((source, tile))),
        **dict.fromkeys(("operand0", "operand1", "bias", "scale", "initial"), rng.choice((2.0, tile[:, 0:1]))),
        **dict.fromkeys(("axis", "axes"), rng.choice((1, [1], -1))),
        "shape": rng.choice(((4, 6), (4, 1))),
        "dtype": language.float32,
        "buffer": rng.choice((language.sbuf, language.psum)),
        "pattern": [[1, 6]],
        "name": "t",
        **dict.fromkeys(("start", "stop", "size", "offset", "dim", "n", "step"), 1),
    }
    return known.get(name, rng.choice((tile, tile, product)))


def arguments(rng: Rng, function: Any, language: Any, tensors: list[Any]) -> dict[str, Any]:
    """Arguments of a call; half of the calls get one that is out of place, the others anything."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [p for p in inspect.signature(function).parameters.values() if p.kind not in kinds]
    given = [p.name for p in named if p.default is p.empty or rng.random() < 0.2]
    if rng.random() < 0.5:
        return {name: junk(rng, language, tensors) for name in given}
    values = {name: plausible(rng, name, language, tensors) for name in given}
    if named and rng.random() < 0.9:
        values[rng.choice(named).name] = junk(rng, language, tensors)
    return values


def called(dialect: str, call: Callable[[Any, list[Any]], Any]) -> Example:
    """A kernel that calls something for its refusal or acceptance alone."""
    language = legacy if dialect == "legacy" else current

    @(legacy_jit if dialect == "legacy" else current_jit)
    def kernel(x):
        result = call(language, [x, language.load(x), language.zeros((4, 6), language.float32, buffer=language.psum)])
        if inspect.isgenerator(result):
            next(result, None)
        out = language.ndarray((1, 1), language.float32, buffer=language.shared_hbm)
        language.store(out, language.zeros((1, 1), language.float32))
        return out

    def example() -> None:
        launch(kernel, np.ones((4, 6), np.float32))

    return example


def calls(rng: Rng, *, dialect: str) -> Example:
    """Any function of `nl` and `nisa` with anything for arguments: it takes them or refuses them."""
    language, isa = (legacy, legacy_isa) if dialect == "legacy" else (current, current_isa)
    module = rng.choice((language, isa))
    function = rng.choice([f for f in (getattr(module, name) for name in module.__all__) if is_api(f)])
    return called(dialect, lambda language, tensors: function(**arguments(rng, function, language, tensors)))


def methods(rng: Rng, *, dialect: str) -> Example:
    """Any method of a tensor with anything for arguments, and chains of them."""
    kind = Tile if dialect == "legacy" else NkiTensor
    names = [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]

    def call(language: Any, tensors: list[Any]) -> None:
        tensor = rng.choice(tensors)
        for _ in range(rng.choice((1, 1, 2, 3))):
            function = getattr(tensor, rng.choice(names))
            result = function(**arguments(rng, function, language, tensors))
            tensor = result if isinstance(result, kind) else tensor

    return called(dialect, call)


OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.matmul, operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift, operator.eq,
    operator.lt, operator.ge, operator.iadd, operator.imul, operator.getitem,
)  # fmt: skip


@contextlib.contextmanager
def pythons_own_refusal() -> Iterator[None]:
    """Let Python refuse an operator that a tensor does not have; what the emulator's code raises is no such refusal."""
    try:
        yield
    except TypeError as error:
        frames = list(traceback.walk_tb(error.__traceback__))
        if frames[-1][0].f_code.co_filename != __file__:
            raise
        raise NKIError(str(error)) from None


def operators(rng: Rng, *, dialect: str) -> Example:
    """Python operators, subscripts and assignments on tensors and anything else."""

    def call(language: Any, tensors: list[Any]) -> None:
        tensor, other = rng.choice(tensors), junk(rng, language, tensors)
        form = rng.choice(("plain", "reversed", "assignment", "negation"))
        with pythons_own_refusal():
            if form == "plain":
                rng.choice(OPERATORS)(tensor, other)
            elif form == "reversed":
                rng.choice(OPERATORS[:-1])(other, tensor)
            elif form == "assignment":
                tensor[rng.choice((..., slice(0, 2), junk(rng, language, tensors)))] = other
            else:
                rng.choice((operator.neg, operator.invert, abs, bool, len, iter, float))(tensor)

    return called(dialect, call)


FAMILIES: Mapping[str, Callable[[Rng], Example]] = MappingProxyType(
    {
        f"{dialect} {family.__name__}": functools.partial(family, dialect=dialect)
        for dialect in ("legacy", "current")
        for family in (calls, methods, operators)
    }
)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_random_arguments_are_taken_or_refused(family: Callable[[Rng], Example], examples: Callable[..., None]) -> None:
    examples(family, len(FAMILIES))
