"""Random examples of kernels."""

from __future__ import annotations

import os
import random
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from pytest_nki_pool.emulator import NKIError, UnsupportedByEmulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def same(got: Any, expected: Any) -> bool:
    return got.shape == expected.shape and got.dtype == expected.dtype and got.tobytes() == expected.tobytes()


def outcome(example: Callable[[], Any]) -> str:
    """Run an example: "accepted", "refused", or what is wrong."""
    try:
        result = example()
    except (NKIError, UnsupportedByEmulator):
        return "refused"
    except Exception as error:  # every other exception is a finding
        return f"{type(error).__name__}: {error}"
    return "accepted" if result is None or same(*result) else f"got {result[0]!r}, expected {result[1]!r}"


@pytest.fixture
def examples(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Run the examples of a family: each raises an error of the emulator or gives what is right.

    The families of a file share as many examples as Hypothesis's profile says. An example is a family and a number.
    """
    profile = request.config.option.hypothesis_profile or os.environ.get("HYPOTHESIS_PROFILE", "ci")

    def run(family: Callable[[random.Random], Callable[[], Any]], families: int) -> None:
        count = -(-settings.default.max_examples // families)
        found = [outcome(family(random.Random(number))) for number in range(count)]  # noqa: S311  (repeatable)
        wrong = {number: text for number, text in enumerate(found) if text not in ("accepted", "refused")}
        rerun = f"pytest '{request.node.nodeid}' --hypothesis-profile={profile}"
        assert not wrong, f"{len(wrong)} of {count} random examples, by number: {wrong}; rerun: {rerun}"
        assert found.count("refused") > count // 50, "too few examples were malformed"
        assert found.count("accepted") > count // 50, "too few examples were well-formed"

    with warnings.catch_warnings():  # a warning of the emulator is no refusal
        warnings.simplefilter("ignore")
        yield run
