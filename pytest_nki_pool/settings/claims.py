"""What the command line claims of the kernels that it names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_nki_pool.spec.kernel import KernelSpec


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims given; what is not given stays as each kernel's spec has it.

    Attributes:
        changes: field of `Capabilities` -> its value.
        flags: the flags that say the same, for a command that reruns a case.
        source: where the first of them comes from; empty without any.
    """

    changes: Mapping[str, Any]
    flags: Mapping[str, str]
    source: str

    @classmethod
    def of(cls, values: Mapping[str, tuple[str, ...]], sources: Mapping[str, str]) -> Claims:
        """Understand the text of the options.

        Raises:
            pytest.UsageError: a limit is neither a whole number of at least 1 nor "none".
        """
        given = {name: values[name] for name in _FIELDS if values[name]}
        changes = {field: read(given[name], sources[name]) for name, (field, read) in _FIELDS.items() if name in given}
        flags = {name: ",".join(texts) for name, texts in given.items()}
        source = next((sources[name] for name in given), "")
        return cls(MappingProxyType(changes), MappingProxyType(flags), source)

    def apply(self, spec: KernelSpec) -> KernelSpec:
        """The kernel with these claims in place of its own."""
        return replace(spec, capabilities=replace(spec.capabilities, **self.changes)) if self.changes else spec


def _one(texts: tuple[str, ...], _source: str) -> str:
    return texts[0]


def _several(texts: tuple[str, ...], _source: str) -> tuple[str, ...]:
    return texts


def _limit(texts: tuple[str, ...], source: str) -> int | None:
    text = texts[0]
    if text == "none":
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", text):
        raise pytest.UsageError(f"{source}: {text!r} is no limit; give a whole number of at least 1, or none")
    return int(text)


#: Option -> the field of `Capabilities` that it sets, and how its text is read.
_FIELDS: Mapping[str, tuple[str, Callable[[tuple[str, ...], str], Any]]] = MappingProxyType(
    {
        "accuracy": ("accuracy", _one),
        "dtype": ("dtypes", _several),
        "max-channels": ("max_channels", _limit),
        "max-image-bytes": ("max_image_bytes", _limit),
        "ragged": ("ragged", _one),
    }
)
