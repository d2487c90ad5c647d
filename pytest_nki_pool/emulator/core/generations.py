"""The NeuronCore generations as one table of numbers.

Source of every number: the NKI architecture guides for Trainium/Inferentia2, Trainium2 and Trainium3.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIB = 1024
_GIB = 1024**3
_COMMON_DTYPES = frozenset(
    {"bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "bfloat16", "float16", "float8_e4m3"}
)


@dataclass(frozen=True, slots=True)
class Generation:
    """One NeuronCore generation.

    Attributes:
        name: "gen2" (NeuronCore-v2), "gen3" or "gen4".
        number: 2, 3 or 4, the number of `nisa.nc_version`.
        sbuf_bytes: bytes of one SBUF partition.
        dtypes: names of the dtypes a tensor may have.
        partitions: partitions of SBUF and PSUM.
        psum_bytes: bytes of one PSUM partition.
        psum_banks: banks that a PSUM partition is divided into.
        psum_bank_bytes: bytes of one of them.
        hbm_bytes: bytes of the device's HBM.
    """

    name: str
    number: int
    sbuf_bytes: int
    dtypes: frozenset[str]
    hbm_bytes: int
    partitions: int = 128
    psum_bytes: int = 16 * _KIB
    psum_banks: int = 8

    @property
    def psum_bank_bytes(self) -> int:  # noqa: D102  (the class says it)
        return self.psum_bytes // self.psum_banks


GENERATIONS: Mapping[str, Generation] = MappingProxyType(
    {
        "gen2": Generation("gen2", 2, 192 * _KIB, _COMMON_DTYPES, 32 * _GIB),
        "gen3": Generation("gen3", 3, 224 * _KIB, _COMMON_DTYPES | {"float8_e5m2"}, 96 * _GIB),
        "gen4": Generation("gen4", 4, 256 * _KIB, _COMMON_DTYPES | {"float8_e5m2", "float8_e4m3fn"}, 144 * _GIB),
    }
)

#: Platform name -> generation of its NeuronCores.
GENERATION_OF: Mapping[str, str] = MappingProxyType(
    {"trn1": "gen2", "trn1n": "gen2", "inf2": "gen2", "trn2": "gen3", "trn3": "gen4"}
)

#: Most free dimensions of one operand (NKI programming guide, ISA access patterns: 5 dimensions with the partition).
MAX_FREE_DIMS = 4
#: Most elements of one access-pattern dimension: the count is an unsigned 16-bit number.
MAX_COUNT = 65535
#: Most elements per partition that one instruction reads or writes (architecture guides, compute engines).
MAX_SBUF_ELEMENTS = 64 * _KIB
MAX_PSUM_ELEMENTS = 4 * _KIB
#: Largest step of an access-pattern dimension in elements: the step is a signed 16-bit number.
MAX_STRIDE = 32767
