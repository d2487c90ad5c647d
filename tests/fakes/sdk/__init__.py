"""Stand-ins for the packages of the Neuron SDK: folders for the path of a fresh process, one per generation.

Their entry points, signatures, versions and failures are those that AWS documents; what they compute, the emulator
does. Only they read the variables ``FAKE_NEURON_*``, see `neuron_fake.faults`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_PACKAGES = Path(__file__).with_name("packages")

#: Versions of the distributions of each SDK. Source: manifest and component indices of the SDK's releases.
SDKS = {
    "2.20": {"neuronx-cc": "2.15.128.0", "torch-neuronx": "2.1.2.2.3.0", "torch-xla": "2.1.2", "jax-neuronx": "0.1.1"},
    "2.21": {"neuronx-cc": "2.16.345.0", "torch-neuronx": "2.5.1.2.4.0", "torch-xla": "2.5.1", "jax-neuronx": "0.1.2"},
    "2.23": {"neuronx-cc": "2.18.121.0", "torch-neuronx": "2.6.0.2.7.0", "torch-xla": "2.6.1", "jax-neuronx": "0.5.3"},
    "2.25": {"neuronx-cc": "2.20.9961.0", "torch-neuronx": "2.7.0.2.9.9357", "torch-xla": "2.7.0"},
    "2.26": {"neuronx-cc": "2.21.18209.0", "torch-neuronx": "2.8.0.2.10.13553", "torch-xla": "2.8.1"},
    "2.27": {
        "nki": "0.1.0",
        "neuronx-cc": "2.22.12471.0",
        "torch-neuronx": "2.9.0.2.11.19912",
        "torch-xla": "2.9.0",
        "jax-neuronx": "0.7.0.1.0.7377",
    },
    "2.28": {
        "nki": "0.2.0",
        "neuronx-cc": "2.23.6484.0",
        "torch-neuronx": "2.9.0.2.12.22436",
        "torch-xla": "2.9.0",
        "jax-neuronx": "0.7.0.1.0.7584",
    },
    "2.29": {
        "nki": "0.3.0",
        "neuronx-cc": "2.24.5133.0",
        "torch-neuronx": "2.9.0.2.13.24727",
        "torch-xla": "2.9.0",
        "jax-neuronx": "0.7.0.1.0.8181",
    },
    "2.30": {
        "nki": "0.4.0",
        "neuronx-cc": "2.25.3371.0",
        "torch-neuronx": "2.9.0.2.14.27725",
        "torch-xla": "2.9.0",
        "jax-neuronx": "0.10.0.1.0.9913",
    },
    "2.31": {
        "nki": "0.5.0",
        "neuronx-cc": "2.26.6360.0",
        "torch-neuronx": "2.9.0.2.15.32035",
        "torch-xla": "2.9.0",
        "jax-neuronx": "0.10.0.1.0.10466",
    },
    "2.32": {"nki": "0.6.0", "neuronx-cc": "2.27.5334.0", "jax-neuronx": "0.10.0.1.0.11459"},
    "2.33": {
        "nki": "0.7.0",
        "neuronx-cc": "2.28.1000.0",
        "torch-neuronx": "2.13.3.0",
        "jax-neuronx": "0.10.0.1.0.14198",
    },
}
_XLA_PLUGIN = {"libneuronxla": "3.0.10135.0"}

#: The packages of these names on the public index.
PLACEHOLDERS = {
    "nki": "0.0.1",
    "neuronx-cc": "1.0.post1",
    "torch-neuronx": "1.0",
    "jax-neuronx": "0.0.0",
    "libneuronxla": "1.0",
}
#: The folder that each placeholder installs.
_PLACEHOLDER_FOLDERS = {
    "nki": "nki",
    "neuronx-cc": "neuronx-cc",
    "torch-neuronx": "torch_neuronx",
    "jax-neuronx": "jax-neuronx",
    "libneuronxla": "libneuronxla",
}
_FOLDERS = {
    "nki": ("nki",),
    "neuronx-cc": ("neuronxcc",),
    "torch-neuronx": ("torch_neuronx",),
    "torch-xla": ("torch_xla",),
    "jax-neuronx": ("jax_neuronx",),
    "libneuronxla": ("libneuronxla", "jax_plugins"),
}


def site(folder: Path, sdk: str, *, without: tuple[str, ...] = (), **versions: str) -> Path:
    """Install an SDK's stand-ins into a folder.

    Args:
        folder: where; made when missing.
        sdk: a key of `SDKS`.
        without: distributions to leave out.
        versions: other versions, by distribution with underscores.

    Returns:
        The folder, for ``PYTHONPATH``.
    """
    wanted = SDKS[sdk] | _XLA_PLUGIN | {name.replace("_", "-"): text for name, text in versions.items()}
    shutil.copytree(_PACKAGES / "neuron_fake", folder / "neuron_fake", dirs_exist_ok=True)
    for name, version in wanted.items():
        if name not in without:
            _describe(folder, name, version)
            for package in _FOLDERS[name]:
                shutil.copytree(_PACKAGES / package, folder / package, dirs_exist_ok=True)
    return folder


def placeholders(folder: Path) -> Path:
    """Install what the public index has under the names of the SDK: packages that only raise ImportError."""
    for name, version in PLACEHOLDERS.items():
        _describe(folder, name, version)
        package = folder / _PLACEHOLDER_FOLDERS[name]
        package.mkdir()
        (package / "__init__.py").write_text('raise ImportError("WRONG PACKAGE. Please install the SDK")\n')
    return folder


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that sees the stand-ins, with no leftovers of another SDK.

    Args:
        folder: what `site` or `placeholders` returned.
        variables: more variables.
    """
    fakes = str(Path(__file__).parents[1])
    others = ("NEURON", "NKI_", "PJRT_", "FAKE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return kept | {"PYTHONPATH": os.pathsep.join([str(folder), fakes]), "PJRT_DEVICE": "NEURON"} | variables


def _describe(folder: Path, name: str, version: str) -> None:
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
