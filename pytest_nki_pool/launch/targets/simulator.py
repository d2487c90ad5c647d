"""The Neuron SDK's own CPU simulator."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import ModuleType

    from pytest_nki_pool.launch.kernel import Kernel

#: Distributions that hold NKI, each with the version of the empty placeholder of that name on the public index.
_SDK_PLACEHOLDERS = {"nki": "0.0.1", "neuronx-cc": "1.0.post1"}


def missing() -> str:
    """What was looked for and not found."""
    looked = "the distributions nki (0.3 or newer) and neuronx-cc of the AWS Neuron SDK"
    if not found():
        return f"no Neuron SDK: looked for {looked}; packages of these names on the public index are placeholders"
    return (
        f"{found()} is installed, but launching on the SDK's simulator is not part of this version; "
        "use --nki-target=emulator"
    )


def found() -> str:
    """The SDK's distributions that are installed, placeholders left out."""
    return ", ".join(
        f"{name} {version}"
        for name, placeholder in _SDK_PLACEHOLDERS.items()
        if (version := _version(name)) not in {"", placeholder}
    )


def resolve(_name: str) -> ModuleType | None:
    """NKI is the installed one."""
    return None


def executor(_kernel: Kernel, _platform: str) -> NoReturn:
    """Refused: `missing` says why before it comes to this."""
    raise NotImplementedError(missing())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
