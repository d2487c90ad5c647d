"""Which engines run an instruction, from which generation on, and which memories they reach.

Sources: NKI ISA, the `engine` parameters and the notes on engines; the architecture guides for Trainium/Inferentia2,
Trainium2 and Trainium3.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_nki_pool.emulator.core.errors import NKIError
from pytest_nki_pool.emulator.core.memory import ON_CHIP, Buffer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_nki_pool.emulator.core.generations import Generation

_VECTOR: Mapping[str, int] = MappingProxyType({"vector": 2})
_GPSIMD: Mapping[str, int] = MappingProxyType({"gpsimd": 2})
_SCALAR: Mapping[str, int] = MappingProxyType({"scalar": 2})

#: Instruction -> engines that run it, each with the first generation on which it does.
ENGINES: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "activation": _SCALAR,
        "activation_reduce": _SCALAR,
        "affine_select": _GPSIMD,
        "dma_copy": MappingProxyType({"sync": 2, "scalar": 2, "gpsimd": 2, "dma": 2}),
        "iota": _GPSIMD,
        "memset": MappingProxyType({"vector": 2, "gpsimd": 2}),
        "nc_matmul": MappingProxyType({"tensor": 2}),
        "nc_transpose": MappingProxyType({"tensor": 2, "vector": 2}),
        "reciprocal": _VECTOR,
        "scalar_tensor_tensor": _VECTOR,
        "select_reduce": _VECTOR,
        "tensor_copy": MappingProxyType({"vector": 2, "scalar": 3, "gpsimd": 2}),
        "tensor_copy_predicated": _VECTOR,
        "tensor_partition_reduce": _GPSIMD,
        "tensor_reduce": _VECTOR,
        "tensor_scalar": MappingProxyType({"vector": 2, "scalar": 2, "gpsimd": 2}),
        "tensor_scalar_reduce": _VECTOR,
        "tensor_tensor": MappingProxyType({"vector": 2, "gpsimd": 2}),
        "tensor_tensor_scan": _VECTOR,
    }
)

#: Compute engine -> memories that it reads, memories that it writes.
REACH: Mapping[str, tuple[frozenset[Buffer], frozenset[Buffer]]] = MappingProxyType(
    {
        "vector": (ON_CHIP, ON_CHIP),
        "scalar": (ON_CHIP, ON_CHIP),
        "gpsimd": (frozenset({Buffer.SBUF}), frozenset({Buffer.SBUF})),
        "tensor": (frozenset({Buffer.SBUF}), frozenset({Buffer.PSUM})),
    }
)


def check_engine(api: str, engine: str, generation: Generation, *, dst: object = None, **sources: object) -> None:
    """Check that an engine runs an instruction and reaches its operands.

    Args:
        api: the instruction.
        engine: name of the engine; "unknown" leaves the choice to the compiler.
        generation: what is modelled.
        dst: destination, where there is one.
        **sources: operands by their parameter names; what is no tensor passes.

    Raises:
        NKIError: it does not.
    """
    if engine == "unknown":
        return
    engines = ENGINES[api]
    if engines.get(engine, generation.number + 1) > generation.number:
        allowed = ", ".join(name for name, first in engines.items() if first <= generation.number)
        raise NKIError(f"{api} does not run on engine {engine}; use one of {allowed} on {generation.name}")
    if engine not in REACH or api == "dma_copy":
        return
    reads, writes = REACH[engine]
    for role, operand, reached in (("dst", dst, writes), *((role, value, reads) for role, value in sources.items())):
        storage = getattr(operand, "storage", None)
        if storage is not None and storage.buffer not in reached:
            raise NKIError(f"{api} on engine {engine} cannot reach {storage.buffer}: {role} {storage.describe()}")
