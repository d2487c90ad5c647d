"""The environment of a process that launches on a device: what is set, removed and refused, and what a report tells."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.neuron.chips import CHIPS
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.selection import format_cores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_nki_pool.neuron.lease import Lease

#: Seconds that the runtime gives one execution; guides and logs disagree about its own default.
EXEC_TIMEOUT = 30

_FLAGS = "NEURON_CC_FLAGS"
_OVERRIDE = "NEURON_PLATFORM_TARGET_OVERRIDE"

#: What would silently make a device run something else, and why. Removed: nobody means it for a conformance run.
#: Sources: Neuron runtime configuration guide, NKI simulator guide, PyTorch NeuronX and JAX NeuronX guides.
REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "XLA_USE_BF16": "float32 would silently become bfloat16",
        "XLA_DOWNCAST_BF16": "float32 would silently become bfloat16",
        "NEURON_RT_STOCHASTIC_ROUNDING_SEED": "rounding must be to nearest even",
        "NEURON_RUN_TRIVIAL_COMPUTATION_ON_CPU": "JAX would run small graphs, and a pooling case is small, on the CPU",
        "NEURON_RT_ALLOW_LEGACY_NEFF": "a NEFF of an older architecture may compute something else",
        "NEURON_FAIL_ON_NAN": "a NaN in the input is a case, not an error",
        "NEURON_RT_NUMERICAL_ERRORS_VERBOSITY": "a NaN in the input is a case, not an error",
        "NEURON_RT_NUM_CORES": "the leased cores are named one by one",
        "NEURON_RT_VIRTUAL_CORE_SIZE": "the older name of NEURON_LOGICAL_NC_CONFIG, which is set",
        "NEURON_RT_ROOT_COMM_ID": "a launch on one core needs no collectives",
        "NEURON_PJRT_PROCESSES_NUM_DEVICES": "each process launches for itself",
        "NEURON_PJRT_PROCESS_INDEX": "each process launches for itself",
        "NEURONCORE_NUM_DEVICES": "each process launches for itself",
    }
)

#: Compiler flags that change numerics, but for those that keep them exact. Source: Neuron compiler CLI reference.
_NUMERIC_FLAG = re.compile(r"--auto-cast(-type)?(=.*)?|-O.*|--optlevel(=.*)?|--[a-z-]*fast-math(=.*)?")
_EXACT_FLAGS = ("--auto-cast=none",)

_OFF = ("", "0", "false", "no", "off")
_RECORDED = re.compile(r"(NEURON|NKI|XLA|PJRT|JAX)_[A-Z0-9_]+|NEURONCORE_NUM_DEVICES")
_IDENTIFYING = re.compile(r"TOKEN|KEY|SECRET|PASS|CRED|HOST|TAG|UUID|(^|_)ID(_|$)")
_HARMLESS_VALUE = re.compile(
    r"[0-9]{1,6}(-[0-9]{1,6})?|true|false|yes|no|on|off|NEURON|CPU|neuron|cpu|(trn|inf)[0-9]n?|gen[2-4]", re.ASCII
)
_HARMLESS_FLAG = re.compile(r"--?[A-Za-z][A-Za-z_-]*(=([0-9]{1,6}|[a-z]{1,12}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one worker's toolchain writes: shared folders deadlock, collide and hide whose failure they hold.

    Attributes:
        cache: compile cache.
        artifacts: what NKI keeps of a compilation.
        dumps: core dumps of the runtime; their names hold the instance id.
    """

    cache: Path
    artifacts: Path
    dumps: Path

    @classmethod
    def below(cls, base: Path, worker: str) -> Folders:
        """A worker's folders below a folder of the run, made when they are missing.

        Args:
            base: folder of the run; made absolute, as relative ones confuse the compiler.
            worker: such as ``gw0``.
        """
        home = base.absolute() / worker
        folders = cls(home / "compile-cache", home / "nki-artifacts", home / "core-dumps")
        for folder in (folders.cache, folders.artifacts, folders.dumps):
            folder.mkdir(parents=True, exist_ok=True)
        return folders


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of a process that launches on a device.

    Attributes:
        variables: all of it, for `subprocess.Popen`.
        set: the variables that were set, whatever they were before.
        removed: the variables that were there and are not any more, and why.
    """

    variables: Mapping[str, str] = field(repr=False)  # somebody's tokens may be among them
    set: Mapping[str, str]
    removed: Mapping[str, str]

    def recorded(self) -> dict[str, str]:
        """What a report may tell: each variable that concerns Neuron, with its value where that is a plain setting.

        Paths, host names, ids, tokens and everything else that is no number, switch or known word reads ``(set)``.
        """
        return {name: _tell(name, value) for name, value in sorted(self.variables.items()) if _RECORDED.fullmatch(name)}


def refusals(environ: Mapping[str, str], platform: str) -> tuple[str, ...]:
    """What in an environment contradicts a run on this platform's device, one sentence each; empty when nothing does.

    Args:
        environ: the environment that the user gave.
        platform: the chip that was found.
    """
    return tuple(_refusals(environ, platform))


def prepare(
    environ: Mapping[str, str],
    lease: Lease,
    folders: Folders,
    platform: str,
    *,
    worker: str = "main",
    exec_timeout: int = EXEC_TIMEOUT,
) -> Environment:
    """Make the environment of a process that launches on the leased cores.

    Args:
        environ: the environment that the user gave.
        lease: the cores.
        folders: where the worker's toolchain writes.
        platform: the chip that was found.
        worker: name of the worker, shown by the Neuron monitor.
        exec_timeout: seconds that the runtime gives one execution; less than the deadline of the whole launch.

    Raises:
        NeuronError: something in the environment contradicts a run on this device.
    """
    contradictions = refusals(environ, platform)
    if contradictions:
        raise NeuronError("; ".join(contradictions))
    wanted = {
        "NEURON_RT_VISIBLE_CORES": format_cores(lease.cores),
        "NEURON_RT_STOCHASTIC_ROUNDING_EN": "0",
        "NEURON_RT_RESET_CORES": "1",
        "NEURON_RT_EXEC_TIMEOUT": str(exec_timeout),
        "NEURON_RT_LOCAL_CORE_DUMP_DIRECTORY": str(folders.dumps / "dt-%d-cid-%c"),
        "NEURON_COMPILE_CACHE_URL": str(folders.cache),
        "NEURON_PROCESS_TAG": f"nki-pool-{worker}",
        "NKI_ARTIFACTS_DIR": str(folders.artifacts),
        "NKI_PRECISE_FP": "1",
        "PJRT_DEVICE": "NEURON",
        **_logical_cores(lease, platform),
        **_compiler_flags(environ),
    }
    unwanted = dict(_unwanted(environ, platform))
    kept = {name: value for name, value in environ.items() if name not in unwanted}
    return Environment(MappingProxyType(kept | wanted), MappingProxyType(wanted), MappingProxyType(unwanted))


def prepare_simulator(environ: Mapping[str, str], platform: str) -> Environment:
    """Make the environment of a process in which the SDK's simulator stands for a chip.

    Unset, the simulator would take the chip of the machine, or trn3 where there is none (NKI simulator guide).

    Args:
        environ: the environment that the user gave.
        platform: the chip to stand for.

    Raises:
        NeuronError: the environment asks for another chip.
    """
    contradiction = refused_override(environ, platform)
    if contradiction:
        raise NeuronError(contradiction)
    wanted = {_OVERRIDE: CHIPS[platform].generation, "NKI_PRECISE_FP": "1"}
    return Environment(MappingProxyType(dict(environ) | wanted), MappingProxyType(wanted), MappingProxyType({}))


def refused_override(environ: Mapping[str, str], platform: str) -> str:
    """Why the chip that an environment compiles for is not the one that a run is for; empty when it is.

    Args:
        environ: the environment that the user gave.
        platform: the chip that the run is for.
    """
    return "".join(_refused_override(environ, platform))


def _refusals(environ: Mapping[str, str], platform: str) -> Iterator[str]:
    if _on(environ.get("NKI_SIMULATOR", "")):
        yield "NKI_SIMULATOR runs every kernel in the CPU simulator; unset it, or choose --nki-target=simulator"
    if _on(environ.get("NEURON_EXTRACT_GRAPHS_ONLY", "")):
        yield "NEURON_EXTRACT_GRAPHS_ONLY replaces execution by zeros; unset it"
    if environ.get("PJRT_DEVICE", "NEURON") != "NEURON":
        yield f"PJRT_DEVICE={environ['PJRT_DEVICE']} takes torch_xla away from the device; unset it or set it to NEURON"
    yield from _refused_override(environ, platform)
    yield from _refused_flags(environ.get(_FLAGS, ""))


def _refused_override(environ: Mapping[str, str], platform: str) -> Iterator[str]:
    override = environ.get(_OVERRIDE, "")
    generation = CHIPS[platform].generation
    names = {generation, *(name for name, chip in CHIPS.items() if chip.generation == generation)}
    if override and override not in names:
        yield (
            f"{_OVERRIDE}={override} compiles for another chip than {platform}, which this run is for; "
            f"unset it, or set it to {' or '.join(sorted(names))}"
        )


def _refused_flags(text: str) -> Iterator[str]:
    try:
        tokens = shlex.split(text.replace("--auto-cast ", "--auto-cast="))
    except ValueError as error:
        yield f"{_FLAGS} cannot be read: {error}; mend its quotes"
        return
    numeric = [token for token in tokens if _NUMERIC_FLAG.fullmatch(token) and token not in _EXACT_FLAGS]
    if numeric:
        yield f"{_FLAGS} has {' '.join(numeric)}, which changes numerics; remove it"


def _unwanted(environ: Mapping[str, str], platform: str) -> Iterator[tuple[str, str]]:
    """The variables to take away and why, those of them that are there."""
    for name in environ.keys() & REMOVED.keys():
        yield name, REMOVED[name]
    for name in environ.keys() & {"NKI_SIMULATOR", "NEURON_EXTRACT_GRAPHS_ONLY"}:
        yield name, "off, and some readers ask only whether it is set"
    if "NEURON_LOGICAL_NC_CONFIG" in environ and CHIPS[platform].logical_core_configuration == 1:
        yield "NEURON_LOGICAL_NC_CONFIG", f"{platform} has no logical cores"
    if "neuron" not in environ.get("JAX_PLATFORMS", "neuron").split(","):
        yield "JAX_PLATFORMS", "it keeps JAX from the device"


def _logical_cores(lease: Lease, platform: str) -> dict[str, str]:
    """Pinned, so that no process of the run initialises a core that was last used in the other configuration."""
    if CHIPS[platform].logical_core_configuration == 1:
        return {}
    return {"NEURON_LOGICAL_NC_CONFIG": str(len(lease.cores[0].physical))}


def _compiler_flags(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's flags without a cache folder, which would win over the worker's own."""
    if _FLAGS not in environ:
        return {}
    tokens = iter(shlex.split(environ[_FLAGS]))
    kept = []
    for token in tokens:
        if token == "--cache_dir":  # noqa: S105 - no password
            next(tokens, None)
        elif not token.startswith("--cache_dir="):
            kept.append(token)
    return {_FLAGS: shlex.join(kept)}


def _on(value: str) -> bool:
    return value.strip().lower() not in _OFF


def _tell(name: str, value: str) -> str:
    if name == _FLAGS:
        return " ".join(token if _HARMLESS_FLAG.fullmatch(token) else "(set)" for token in shlex.split(value))
    harmless = _HARMLESS_VALUE.fullmatch(value) and not _IDENTIFYING.search(name)
    return value if harmless else "(set)"
