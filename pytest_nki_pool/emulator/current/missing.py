"""Names that NKI has and the emulator does not yet: an honest refusal instead of an AttributeError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_nki_pool.emulator.core.errors import UnsupportedByEmulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def unsupported(feature: str, nearest: str = "") -> UnsupportedByEmulator:
    """The exception for a feature of this dialect that cannot be judged here."""
    return UnsupportedByEmulator(feature, "current", nearest)


def refuse_missing(module: str, nearest: Mapping[str, str]) -> Callable[[str], Any]:
    """Make a module's `__getattr__`.

    Args:
        module: its name in NKI.
        nearest: every name that NKI has there and the emulator does not, with the nearest supported one or "".
    """

    def getter(name: str) -> Any:
        if name in nearest:
            raise unsupported(f"{module}.{name}", nearest[name])
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return getter
