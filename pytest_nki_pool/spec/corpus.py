"""The fixed cases: which geometry, dtype and data each test group runs at each tier."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.spec.data import FAMILIES
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.spec.foreign import ONNX_CASES, TORCH_CASES, TORCH_DTYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Geometry(NamedTuple):
    """C, H, W and k of a case."""

    channels: int
    height: int
    width: int
    pool: int


@dataclass(frozen=True, slots=True)
class Block:
    """Cases of one tier, spread over geometry, dtype and family.

    Every geometry takes some of the dtypes and with each some of the families; the choice moves on from geometry to
    geometry, so that pairs of values meet without the whole product.

    Attributes:
        geometries: all are used.
        dtypes: to choose from.
        families: to choose from; those without data for a geometry and dtype are passed over.
        dtypes_each: dtypes per geometry; None for all.
        families_each: families per geometry and dtype; None for all.
    """

    geometries: tuple[Geometry, ...]
    dtypes: tuple[str, ...]
    families: tuple[str, ...]
    dtypes_each: int | None = None
    families_each: int | None = 1

    def cases(self, seed: int) -> Iterator[Case]:
        """Give the block's cases.

        Args:
            seed: seed of the random families.
        """
        for turn, geometry in enumerate(self.geometries):
            for dtype in _turned(self.dtypes, turn)[: self.dtypes_each]:
                fitting = [name for name in self.families if FAMILIES[name].applies(geometry, DTYPES[dtype])]
                start = turn + self.dtypes.index(dtype)
                for name in _turned(fitting, start)[: self.families_each]:
                    yield Case(*geometry, dtype, name, seed if FAMILIES[name].random else None)


def _turned(items: Sequence[str], by: int) -> list[str]:
    """Rotate a sequence to the left."""
    return [items[(i + by) % len(items)] for i in range(len(items))]


def _geometries(*sizes: tuple[int, int, int, int]) -> tuple[Geometry, ...]:
    return tuple(Geometry(*size) for size in sizes)


TIERS = ("smoke", "standard", "full")

_CORE = ("fp32", "bf16", "fp16")
_CAPABILITY = ("fp8_e4m3", "fp8_e4m3fn", "fp8_e5m2", "int8")
_STRUCTURE = ("ints", "index", "positional", "dyadic", "ones")
_NUMERICS = ("normal", "uniform", "wide", "cancel", "faint")
_SPECIAL = ("mixture", "nan", "trim_nan", "overflow", "inf", "mixed_inf", "subnormal", "negative_zero")

#: The shape of the tutorial, a trim on both sides, an odd pool size, a global pool, and the copy k = 1.
_FIRST = _geometries((2, 6, 6, 2), (3, 5, 7, 2), (4, 9, 12, 3), (1, 4, 4, 4), (2, 3, 5, 1))
#: More columns of windows than a byte counts.
_WIDE = _geometries((1, 2, 520, 2))
#: Images of many rows and columns whose windows have no power of two as area.
_LARGE_IMAGES = _geometries((2, 96, 63, 3), (3, 59, 101, 7), (1, 75, 80, 5))
#: Several windows of a size whose sums need most of what fp32 holds.
_LARGE_WINDOWS = _geometries((4, 96, 128, 32), (2, 128, 192, 64))
#: Each geometry of ONNX's cases once.
_ONNX = tuple(dict.fromkeys(Geometry(*case.geometry) for case in ONNX_CASES.values()))
_TORCH = tuple(dict.fromkeys(Geometry(*case.geometry) for case in TORCH_CASES.values()))
#: Channels around the partition tiles of 32, 64 and 128; trims on H, on W and on both; primes; global; every k.
_SMALL = _geometries(
    (1, 1, 1, 1),
    (3, 2, 2, 2),
    (31, 8, 6, 2),
    (32, 10, 10, 5),
    (33, 9, 12, 3),
    (64, 8, 8, 4),
    (127, 7, 7, 7),
    (128, 12, 20, 4),
    (129, 6, 6, 2),
    (255, 4, 6, 2),
    (256, 7, 4, 2),
    (257, 4, 5, 2),
    (5, 27, 27, 3),
    (3, 11, 13, 11),
    (2, 17, 16, 8),
    (7, 23, 29, 5),
    (2, 34, 32, 16),
    (1, 32, 64, 32),
    (1, 64, 64, 64),
    (13, 55, 55, 2),
    (17, 21, 19, 4),
)
#: Average pools of AlexNet, VGG, GoogLeNet, ResNet, Inception and DenseNet as frameworks run them.
_NETWORK = _geometries(
    (64, 112, 112, 2),
    (128, 56, 56, 2),
    (256, 27, 27, 2),
    (512, 13, 13, 2),
    (1024, 7, 7, 7),
    (2048, 7, 7, 7),
    (2048, 8, 8, 8),
    (3, 512, 512, 2),
)
_GLOBAL_256 = _geometries((64, 256, 256, 256))
_MORE_NETWORK = _geometries(
    (256, 14, 14, 2), (512, 28, 28, 2), (128, 55, 55, 2), (112, 256, 256, 2), (128, 28, 28, 4), (96, 24, 24, 4)
)
#: Images of exactly one SBUF partition, and one row more: 192 KiB (NeuronCore-v2), 224 KiB (v3) and 256 KiB (v4) in
#: 4 bytes, 192 KiB in 2.
_PARTITION = tuple(Geometry(2, height + more, 256, 2) for height in (192, 224, 256, 384) for more in (0, 1))
#: Every trim of some pool sizes, primes on both sides, and long thin images.
_TRIMS = tuple(
    Geometry(channels, 3 * k + down, 2 * k + across, k)
    for k, channels in ((2, 65), (3, 126), (4, 130), (5, 63), (7, 2), (11, 1), (16, 3))
    for down, across in ((0, k - 1), (k - 1, 0), (1, 1))
)
_LONG = _geometries(
    (1, 2, 257, 2), (1, 257, 2, 2), (3, 13, 91, 13), (2, 128, 128, 128), (384, 5, 5, 2), (2048, 3, 3, 2)
)
#: Every image up to 4 x 4 with every pool size that fits.
_TINY = tuple(
    Geometry(1 + height, height, width, k)
    for height in range(1, 5)
    for width in range(1, 5)
    for k in range(1, 1 + min(height, width))
)
#: Channels around tiles with windows whose area is no power of two.
_TILES = tuple(Geometry(c, 7, 9, 3) for c in (31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257))
#: Every channel count of one tile, and every height and width up to 64, with pool sizes up to 16; many channels have
#: small images.
_EVERY_SIZE = tuple(
    Geometry(129 - turn, height, width, 1 + turn * 11 % min(16, height, width))
    for turn, height, width in ((turn, (turn + 1) // 2, 1 + turn * 29 % 64) for turn in range(1, 129))
)
#: Every pool size up to 16 with a trim on one side or on both.
_EVERY_POOL = tuple(Geometry(3, 2 * k + k // 2, 3 * k + k % 2, k) for k in range(1, 17))
_SPECIAL_SHAPES = _geometries((3, 9, 7, 2), (129, 5, 4, 2), (4, 16, 13, 4), (2, 22, 23, 7))
#: Where dtypes that few kernels claim are tried at standard: a trim on both sides, k = 4, and all of one tile.
_CLAIMED = _geometries((3, 5, 7, 2), (4, 16, 13, 4), (128, 6, 6, 3))
#: Odd and even pool sizes with channels and windows that no two axes share, and one that parts into 2 x 2.
_RELATED = _geometries((5, 9, 14, 3), (3, 13, 18, 4), (6, 8, 13, 2))
#: At least 1000 outputs each, in images that every kernel claims.
_OUTPUTS = _geometries((16, 32, 32, 2), (40, 31, 30, 3), (64, 32, 32, 4), (64, 64, 64, 8))
_MANY = _geometries((3, 32, 64, 32))
_MOST = _geometries((3, 64, 64, 64))

#: Group -> tier -> what that tier adds to the tier before it.
_BLOCKS: Mapping[str, Mapping[str, tuple[Block, ...]]] = MappingProxyType(
    {
        "values": {
            "smoke": (Block(_FIRST, _CORE, _NUMERICS, dtypes_each=2),),
            "standard": (
                Block(_FIRST[:2], _CORE, _NUMERICS),
                Block(_SMALL, _CORE, _NUMERICS),
                Block(_EVERY_POOL, _CORE, _NUMERICS, families_each=2),
                Block(_TILES, _CORE, _NUMERICS),
                Block(_TINY + _EVERY_SIZE, _CORE, _NUMERICS, dtypes_each=1),
                Block(_LARGE_IMAGES + _LARGE_WINDOWS, _CORE, _NUMERICS, families_each=2),
                Block(_NETWORK + _PARTITION, _CORE, _NUMERICS, dtypes_each=1),
                Block(_GLOBAL_256, ("fp16",), ("uniform",)),
                Block(_WIDE, ("fp32",), ("normal",)),
                Block(_CLAIMED, _CAPABILITY, _NUMERICS, families_each=2),
            ),
            "full": (
                Block(_FIRST + _SMALL + _TRIMS + _LONG, _CORE, _NUMERICS, families_each=3),
                Block(_NETWORK + _MORE_NETWORK + _PARTITION, _CORE, _NUMERICS),
                Block(_GLOBAL_256, ("bf16",), _NUMERICS),
                Block(_FIRST + _SPECIAL_SHAPES, _CAPABILITY, _NUMERICS, families_each=2),
            ),
        },
        "exactness": {
            "smoke": (Block(_FIRST, _CORE, _STRUCTURE, dtypes_each=1), Block(_FIRST[:1], _CORE, ("index",))),
            "standard": (
                Block(_FIRST[:2], ("bf16",), _STRUCTURE, families_each=None),
                Block(_SMALL, _CORE, _STRUCTURE, dtypes_each=2),
                Block(_EVERY_POOL, _CORE, _STRUCTURE, families_each=2),
                Block(_TINY + _EVERY_SIZE, _CORE, ("ints", "positional"), dtypes_each=1),
                Block(_TILES, _CORE, _STRUCTURE, dtypes_each=1),
                Block(_NETWORK[1:6], _CORE, ("ints", "index"), dtypes_each=1),
                Block(_CLAIMED, _CAPABILITY, _STRUCTURE, families_each=2),
                Block(_LARGE_WINDOWS, ("fp32",), ("dyadic",)),
            ),
            "full": (
                Block(_FIRST + _SMALL + _TRIMS + _LONG, _CORE, _STRUCTURE, families_each=2),
                Block(_NETWORK + _MORE_NETWORK + _PARTITION, _CORE, _STRUCTURE, dtypes_each=1),
                Block(_FIRST + _SPECIAL_SHAPES, _CAPABILITY, _STRUCTURE, families_each=2),
            ),
        },
        "special": {
            "smoke": (Block(_FIRST[1:2], ("bf16",), _SPECIAL, families_each=None),),
            "standard": (
                Block(_SPECIAL_SHAPES[:3], _CORE, _SPECIAL, families_each=None),
                Block(_SPECIAL_SHAPES[3:], _CORE, _SPECIAL, families_each=3),
                Block(_EVERY_POOL, ("fp16",), ("overflow",)),
                Block(_EVERY_POOL + _TILES, _CORE, ("mixture",)),
                Block(_LARGE_IMAGES + _LARGE_WINDOWS[:1], ("fp16",), ("mixture",)),
                Block(_LARGE_WINDOWS[1:], ("fp16",), ("nan",)),
                Block(_TINY + _EVERY_SIZE, _CORE, ("mixture",), dtypes_each=1),
                Block(_SMALL + _TILES, _CORE, _SPECIAL, dtypes_each=1, families_each=2),
                Block(_FIRST[:1], ("fp16", "fp32"), ("overflow",)),
                Block(_FIRST[4:], _CORE, ("subnormal",)),
                Block(_CLAIMED, _CAPABILITY, (*_SPECIAL, "saturation"), families_each=3),
                Block(_MANY, ("bf16",), ("saturation",)),
                Block(_MOST, ("fp16",), ("saturation",)),
            ),
            "full": (
                Block(_FIRST + _SPECIAL_SHAPES, _CORE, _SPECIAL, families_each=None),
                Block(_SMALL, _CORE, _SPECIAL, families_each=2),
                Block(_FIRST + _SPECIAL_SHAPES, _CAPABILITY, (*_SPECIAL, "saturation"), families_each=2),
                Block(_MOST, ("bf16",), ("saturation",)),
            ),
        },
        "contract": {
            "smoke": (Block(_FIRST[:3], _CORE, ("normal", "ints"), dtypes_each=1),),
            "standard": (
                Block(_FIRST[:2] + _SMALL[8:10], _CORE, ("normal", "ints")),
                Block(_FIRST[4:], _CORE, ("normal",), dtypes_each=1),
                Block(_CLAIMED[:1], _CAPABILITY, ("ints",)),
            ),
            "full": (
                Block(_FIRST + _SMALL + _TRIMS, _CORE, ("normal", "ints", "index"), dtypes_each=1),
                Block(_FIRST[:3], _CAPABILITY, ("ints",)),
            ),
        },
        "agreement": {
            "smoke": (Block(_FIRST[:3], _CORE, ("normal", "nan", "ints"), dtypes_each=1),),
            "standard": (
                Block(_FIRST[:3] + _SMALL[8:9], _CORE, ("normal", "wide", "overflow", "subnormal", "ints")),
                Block(_FIRST[1:3], _CORE, ("mixture",)),
                Block(_SMALL[12:16], _CORE, ("normal", "mixed_inf", "cancel"), dtypes_each=1),
                Block(_NETWORK[1:4], _CORE, ("normal",), dtypes_each=1),
                Block(_CLAIMED[:2], _CAPABILITY, ("uniform", "ints")),
            ),
            "full": (
                Block(_FIRST + _SMALL + _TRIMS, _CORE, _NUMERICS + _SPECIAL),
                Block(_NETWORK, _CORE, ("normal",), dtypes_each=1),
                Block(_FIRST[:3], _CAPABILITY, ("uniform", "ints")),
            ),
        },
        "metamorphic": {
            "smoke": (Block(_RELATED, _CORE, ("dyadic", "normal"), dtypes_each=1),),
            "standard": (
                Block(_RELATED, _CORE, ("normal",)),
                Block(_RELATED[:1] + _SMALL[8:9] + _SMALL[16:17], _CORE, ("uniform", "dyadic"), dtypes_each=1),
            ),
            "full": (
                Block(_FIRST + _RELATED + _SMALL + _TRIMS, _CORE, _NUMERICS + _STRUCTURE),
                Block(_RELATED, _CORE, _SPECIAL, families_each=3),
                Block(_RELATED, _CAPABILITY, ("uniform", "ints")),
            ),
        },
        "layouts": {
            "smoke": (Block(_RELATED[:1], _CORE, ("normal",)),),
            "standard": (Block(_RELATED[1:2], _CORE, ("normal",)),),
            "full": (Block(_FIRST + _RELATED, _CORE, ("normal", "ints")), Block(_RELATED, _CAPABILITY, ("ints",))),
        },
        # Importing PyTorch's compiler takes longer than all else at smoke.
        "frameworks": {
            "smoke": (),
            "standard": (Block(_RELATED[:1], ("bf16",), ("normal",)),),
            "full": (Block(_FIRST + _RELATED, _CORE, ("normal", "ints")),),
        },
        "statistics": {
            "smoke": (Block(_OUTPUTS[:1], _CORE, ("positive",)),),
            "standard": (Block(_OUTPUTS[1:], _CORE, ("positive",)),),
            "full": (Block(_NETWORK[:4], _CORE, ("positive",)),),
        },
        # The cases follow from what each kernel claims.
        "honesty": {"smoke": (), "standard": (), "full": ()},
        # Reading ONNX's cases takes longer than all else at smoke, PyTorch's longer than all else at standard.
        "foreign": {
            "smoke": (),
            "standard": (Block(_ONNX, ("fp32",), tuple(ONNX_CASES), families_each=None),),
            "full": (Block(_TORCH, TORCH_DTYPES, tuple(TORCH_CASES), families_each=None),),
        },
    }
)
GROUPS = tuple(_BLOCKS)


def cases(group: str, tier: str, seed: int) -> tuple[Case, ...]:
    """List the cases of a test group.

    Args:
        group: a name in `GROUPS`.
        tier: a name in `TIERS`; each tier contains the one before it.
        seed: seed of the random families; every other case stays the same.

    Returns:
        Distinct cases in their order, each with data for its dtype and geometry.

    Raises:
        ValueError: no such group or tier.
    """
    if group not in _BLOCKS or tier not in TIERS:
        raise ValueError(f"no cases for {group!r} at {tier!r}; groups: {', '.join(GROUPS)}; tiers: {', '.join(TIERS)}")
    included = TIERS[: TIERS.index(tier) + 1]
    blocks = [block for name in included for block in _BLOCKS[group][name]]
    return tuple(sorted({case for block in blocks for case in block.cases(seed)}))
