"""`nl.tile_size`: limits of tiles."""

from __future__ import annotations

from pytest_nki_pool.emulator.core.launch import current_launch


class TileSize:
    """Limits of tiles in elements, unless named otherwise ("NKI API reference, nki.language.tile_size")."""

    __slots__ = ()

    pmax = 128
    psum_fmax = 512
    gemm_stationary_fmax = 128
    gemm_moving_fmax = 512
    bn_stats_fmax = 512
    psum_min_align = 4
    sbuf_min_align = 1

    @property
    def total_available_sbuf_size(self) -> int:
        """Bytes of one SBUF partition of the running launch's generation."""
        return current_launch("tile_size.total_available_sbuf_size").generation.sbuf_bytes


tile_size = TileSize()
