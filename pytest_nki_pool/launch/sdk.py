"""Generations of the Neuron SDK: which one is installed, and how it launches a kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from pytest_nki_pool.launch import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_nki_pool.launch.kernel import Call
    from pytest_nki_pool.spec.kernel import Convention, Dialect

    #: ``entry(function, call, parameters)`` launches a kernel on a device and gives its output.
    Entry = Callable[[Callable[..., Any], Call, Sequence[str]], Any]

#: Distributions of the SDK, each with the version of the package of that name on the public index, which holds nothing
#: but a line that raises ImportError; None where there is no such package. Those of AWS come from its own index.
_DISTRIBUTIONS: Mapping[str, str | None] = MappingProxyType(
    {
        "nki": "0.0.1",
        "neuronx-cc": "1.0.post1",
        "torch-neuronx": "1.0",
        "jax-neuronx": "0.0.0",
        "libneuronxla": "1.0",
        "torch-xla": None,
    }
)

#: The newest release of NKI that this table was written for. Source: release notes of SDK 2.33.
_NEWEST_NKI = (0, 7)

_NAMES: Mapping[str, str] = MappingProxyType({"legacy": "neuronxcc.nki", "current": "nki"})
_FORMS: Mapping[str, str] = MappingProxyType(
    {"out_parameter": "take their output as an argument", "returns": "return their output"}
)


class SdkError(Exception):
    """There is no Neuron SDK that can launch kernels; the message says what was found."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """How the SDKs of one generation launch kernels.

    Attributes:
        sdks: the SDKs, for people.
        dialect: the NKI API of the kernels it launches.
        convention: how the output leaves them.
        entries: launches on a device, by framework path.
        needs: distributions without which a framework path does not reach the device.
        simulate: launches on the SDK's CPU simulator, on NumPy arrays.
        tensors: the device type of PyTorch's tensors on a device.
    """

    sdks: str
    dialect: Dialect
    convention: Convention
    entries: Mapping[str, Entry]
    needs: Mapping[str, tuple[str, ...]]
    simulate: Callable[[Callable[..., Any], Call], Any]
    tensors: Literal["xla", "neuron"] = "xla"


_XLA: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"baremetal": (), "torch": ("torch-xla", "torch-neuronx"), "jax": ("libneuronxla",)}
)

#: Generations, oldest first. Source: NKI tutorials, API reference and release notes of SDK 2.20 to 2.33. SDK 2.28 has
#: both APIs; that of `nki` 0.1 and 0.2 was a preview in which `nki.jit` could return a kernel that had not run.
ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {
        "2.20": Adapter(
            sdks="SDK 2.20",
            dialect="legacy",
            convention="out_parameter",
            entries=MappingProxyType(
                {"baremetal": entries.legacy_baremetal, "torch": entries.nki_jit, "jax": entries.nki_call}
            ),
            needs=MappingProxyType({**_XLA, "jax": ("libneuronxla", "jax-neuronx")}),
            simulate=entries.simulate_traced,
        ),
        "2.21": Adapter(
            sdks="SDK 2.21 to 2.26",
            dialect="legacy",
            convention="returns",
            entries=MappingProxyType(
                {"baremetal": entries.legacy_baremetal, "torch": entries.legacy_jit, "jax": entries.legacy_jit_keywords}
            ),
            needs=_XLA,
            simulate=entries.simulate_kernel,
        ),
        "2.27": Adapter(
            sdks="SDK 2.27 and 2.28",
            dialect="legacy",
            convention="returns",
            entries=MappingProxyType(
                {"baremetal": entries.legacy_baremetal, "torch": entries.legacy_jit, "jax": entries.legacy_jit_keywords}
            ),
            needs=_XLA,
            simulate=entries.simulate_kernel,
        ),
        "2.29": Adapter(
            sdks="SDK 2.29 and newer",
            dialect="current",
            convention="returns",
            entries=MappingProxyType({"baremetal": entries.jit, "torch": entries.jit, "jax": entries.jit_keywords}),
            needs=MappingProxyType({**_XLA, "torch": ("torch-xla", "libneuronxla")}),
            simulate=entries.simulate,
        ),
        "2.33": Adapter(
            sdks="SDK 2.33 and newer with TorchNeuron",
            dialect="current",
            convention="returns",
            entries=MappingProxyType(
                {"baremetal": entries.jit, "torch": entries.wrap_nki, "jax": entries.jit_keywords}
            ),
            needs=MappingProxyType({**_XLA, "torch": ("torch-neuronx",)}),
            simulate=entries.simulate,
            tensors="neuron",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Sdk:
    """The SDK of this environment.

    Attributes:
        adapter: how it launches kernels.
        versions: its distributions, placeholders left out.
        note: what to know about the choice of the adapter; usually empty.
    """

    adapter: Adapter
    versions: Mapping[str, str]
    note: str = ""

    def __str__(self) -> str:
        said = f"{_listed(self.versions)}, launched as {self.adapter.sdks}"
        return f"{said}; {self.note}" if self.note else said

    def refusal(self, dialect: Dialect | None, convention: Convention | None) -> str:
        """Say why kernels of a kind cannot be launched and what would; empty when they can, as far as is known.

        Args:
            dialect: the NKI API a kernel is written in; None when unknown.
            convention: how its output leaves it; None when unknown.
        """
        ours = self.adapter
        if dialect in {None, ours.dialect} and convention in {None, ours.convention}:
            return ""
        fitting = [
            adapter.sdks
            for adapter in ADAPTERS.values()
            if dialect in {None, adapter.dialect} and convention in {None, adapter.convention}
        ]
        api = f"written for {_NAMES[dialect or ours.dialect]}" + (
            f" and made to {_FORMS[convention]}" if convention and dialect in {None, ours.dialect} else ""
        )
        return (
            f"{api}, but found {_listed(self.versions)} ({ours.sdks}), which launches kernels for "
            f"{_NAMES[ours.dialect]} that {_FORMS[ours.convention]}; "
            f"{' or '.join([*fitting, '--nki-target=emulator'])} would run it"
        )

    def without(self, backend: str) -> str:
        """What a framework path lacks to reach the device; empty when nothing.

        Args:
            backend: the framework path.
        """
        absent = [name for name in self.adapter.needs[backend] if name not in self.versions]
        if not absent:
            return ""
        return f"{' and '.join(absent)} of the Neuron SDK not installed; install it from AWS's own repository"


def find(versions: Mapping[str, str] | None = None) -> Sdk:
    """Tell the installed SDK by the metadata of its distributions; none of them is imported.

    Args:
        versions: version of each distribution; those of this environment when None.

    Raises:
        SdkError: there is none, or none that launches kernels.
    """
    found = _versions() if versions is None else versions
    real = installed(found)
    key, note = _generation(real, [f"{name} {found[name]}" for name in found.keys() - real.keys()])
    return Sdk(ADAPTERS[key], real, note)


def installed(versions: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The distributions of the SDK and their versions, placeholders left out.

    Args:
        versions: version of each distribution; those of this environment when None.
    """
    found = _versions() if versions is None else versions
    return MappingProxyType({name: text for name, text in found.items() if text != _DISTRIBUTIONS.get(name)})


def _generation(versions: Mapping[str, str], placeholders: Sequence[str]) -> tuple[str, str]:
    """The key of the adapter, and what to know about the choice."""
    nki, compiler = _number(versions.get("nki")), _number(versions.get("neuronx-cc"))
    if nki >= (0, 3):  # `neuronxcc.nki` can still be imported beside it, and returns zeros without an error
        torch_neuron = _number(versions.get("torch-neuronx")) >= (2, 13)
        newest = ".".join(map(str, _NEWEST_NKI))
        note = f"newer than nki {newest}, the newest known, and launched like it" if nki > _NEWEST_NKI else ""
        return ("2.33" if torch_neuron else "2.29"), note
    if compiler >= (2, 24):
        raise SdkError(
            f"found {_listed(versions)}: from SDK 2.29 on, kernels are launched by the distribution nki, "
            "which is not installed (neuronxcc.nki returns zeros there); install nki from AWS's own repository"
        )
    for start, key in (((2, 22), "2.27"), ((2, 16), "2.21"), ((2, 15), "2.20")):
        if compiler >= start:
            return key, ""
    if compiler > (0, 0):
        raise SdkError(f"found {_listed(versions)}: older than SDK 2.20 (neuronx-cc 2.15), the oldest supported")
    seen = f"placeholders alone: {', '.join(sorted(placeholders))}" if placeholders else "neither"
    raise SdkError(
        "no Neuron SDK: looked for the distributions nki (0.3 or newer) and neuronx-cc of the AWS Neuron SDK and found "
        f"{seen}; install them from AWS's own repository, what the public index has under these names are "
        "placeholders without code"
    )


def _versions() -> dict[str, str]:
    found = {name: next(iter(metadata.distributions(name=name)), None) for name in _DISTRIBUTIONS}
    return {name: distribution.version for name, distribution in found.items() if distribution}


def _number(version: str | None) -> tuple[int, ...]:
    """Major and minor number of a version; (0, 0) for none."""
    match = re.match(r"(\d+)\.(\d+)", version or "")
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
