"""`nl.tile_size`: limits of the machine."""

from __future__ import annotations

from pytest_nki_pool.emulator.core.launch import current_launch
from pytest_nki_pool.emulator.current.missing import unsupported


class _TileSize:
    """Limits of the machine.

    What differs between generations is known only inside a launch (NKI API reference, tile_size).

    Attributes:
        pmax: partitions of a tile.
        psum_fmax: float32 elements of one PSUM bank in a partition (the deprecated name of `psum_bank_fmax`).
        psum_bank_fmax: float32 elements of one PSUM bank in a partition.
        psum_fmax_bytes: bytes of one PSUM bank in a partition.
        psum_bank_fmax_bytes: bytes of one PSUM bank in a partition.
        psum_num_banks: PSUM banks.
        gemm_stationary_fmax: free elements of a stationary matrix.
        gemm_moving_fmax: free elements of a moving matrix.
        bn_stats_fmax: free elements of bn_stats.
    """

    __slots__ = ()

    pmax = 128
    psum_fmax = psum_bank_fmax = 512
    psum_fmax_bytes = psum_bank_fmax_bytes = 2048
    psum_num_banks = 8
    gemm_stationary_fmax = 128
    gemm_moving_fmax = 512
    bn_stats_fmax = 512

    @property
    def sbuf_fmax_bytes(self) -> int:
        """Bytes of one SBUF partition."""
        return current_launch("nl.tile_size.sbuf_fmax_bytes").generation.sbuf_bytes

    @property
    def sbuf_fmax(self) -> int:
        """Float32 elements of one SBUF partition."""
        return self.sbuf_fmax_bytes // 4

    @property
    def sbuf_size_bytes(self) -> int:
        """Bytes of all SBUF partitions together."""
        return self.pmax * self.sbuf_fmax_bytes

    @property
    def total_available_sbuf_size(self) -> int:
        """Bytes of one SBUF partition that a kernel may use."""
        return current_launch("nl.tile_size.total_available_sbuf_size").generation.sbuf_bytes

    def __getattr__(self, name: str) -> int:
        if name in {"psum_min_align", "sbuf_min_align"}:
            raise unsupported(f"nl.tile_size.{name}", "nl.tile_size.sbuf_fmax_bytes")
        raise AttributeError(f"tile_size has no attribute {name!r}")


tile_size = _TileSize()
