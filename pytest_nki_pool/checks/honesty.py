"""What a kernel claims is so: right up to its limits, beyond them right or refused, and images of a batch kept apart.

The cases follow from the claims of each kernel. Integer dtypes are asked about only where they are claimed: nothing
says how a mean of integers is rounded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_nki_pool.checks.base import Check, KernelRaised, failed, judged, launch
from pytest_nki_pool.checks.explain import explain
from pytest_nki_pool.launch.errors import is_refusal
from pytest_nki_pool.launch.layouts import LAYOUTS
from pytest_nki_pool.spec import acceptance
from pytest_nki_pool.spec.corpus import Block, Geometry
from pytest_nki_pool.spec.dtypes import DTYPES
from pytest_nki_pool.verdict import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_nki_pool.launch.launcher import Launcher
    from pytest_nki_pool.spec.case import Case
    from pytest_nki_pool.spec.goldens import Goldens
    from pytest_nki_pool.spec.kernel import Capabilities, KernelSpec

_FAMILIES = ("normal", "ints", "uniform")
#: Families with each geometry and dtype; None for all.
_FAMILIES_EACH = {"smoke": 1, "standard": 2, "full": None}
#: Limits that only inputs of more elements than this would pass are not tried.
_MOST_ELEMENTS = 2**22

_WINDOWS = (Geometry(3, 6, 10, 2), Geometry(5, 9, 12, 3), Geometry(2, 16, 8, 8))
#: Trimmed on H, on W, and on both.
_TRIMMED = (Geometry(3, 7, 8, 2), Geometry(2, 9, 11, 3), Geometry(4, 9, 14, 4))


def honesty(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """Judge the output; beyond what the kernel claims, a refusal is as good."""
    beyond = launcher.kernel.spec.capabilities.excludes(case, DTYPES[case.dtype].numpy.itemsize)
    try:
        return judged(case, launcher, goldens)
    except KernelRaised as raised:
        if not beyond or not is_refusal(raised.error):
            raise
        name = type(raised.error).__name__
        return Finding(Status.PASS, f"{beyond}, and the kernel refuses it: {name}: {raised.error}", raised=name)


def batches(case: Case, launcher: Launcher, goldens: Goldens) -> Finding:
    """Every image of a batch gets its own result."""
    layout = launcher.kernel.spec.layout
    if not LAYOUTS[layout].batched:
        return Finding(Status.UNSUPPORTED, f"a kernel of layout {layout} takes no batches")
    image = goldens.input(case)
    images = np.stack([image, image[::-1, ::-1, ::-1], image[:, ::-1]])
    outputs = launch(launcher, images.copy(), case.pool)
    shape = (len(images), *case.out_shape)
    if outputs.shape != shape:
        return failed(f"for a batch the kernel returned shape {outputs.shape} with axes N, C, H, W; expected {shape}")
    for number, (one, output) in enumerate(zip(images, outputs, strict=True)):
        expected = acceptance.expect(np.ascontiguousarray(one), case.pool, launcher.kernel.spec.capabilities.accuracy)
        verdict = acceptance.judge(np.ascontiguousarray(output), expected)
        if not verdict.ok:
            return failed(f"image {number} of a batch of {len(images)}: {explain(verdict, expected, one)}")
    return Finding(Status.PASS)


def claimed_and_beyond(spec: KernelSpec, tier: str, seed: int) -> tuple[Case, ...]:
    """Cases at the limits that a kernel claims and just beyond them."""
    blocks = _blocks(spec.capabilities, _FAMILIES_EACH[tier])
    return tuple(sorted({case for block in blocks for case in block.cases(seed)}))


def batch_cases(spec: KernelSpec, tier: str, seed: int) -> tuple[Case, ...]:
    """Cases for a kernel whose layout has N; none for another."""
    if not LAYOUTS[spec.layout].batched:
        return ()
    dtypes = spec.capabilities.dtypes
    block = Block(_WINDOWS[:2], dtypes, _FAMILIES, dtypes_each=1, families_each=_FAMILIES_EACH[tier])
    return tuple(sorted(set(block.cases(seed))))


def _blocks(claims: Capabilities, families_each: int | None) -> Iterator[Block]:
    unclaimed = tuple(name for name, dtype in DTYPES.items() if dtype.floating and name not in claims.dtypes)
    if unclaimed:
        yield Block(_WINDOWS, unclaimed, _FAMILIES, families_each=families_each)
    if claims.ragged == "reject":
        yield Block(_TRIMMED, claims.dtypes, _FAMILIES, dtypes_each=1, families_each=families_each)
    if claims.max_channels is not None:
        most = claims.max_channels
        sizes = [Geometry(channels, 4, 6, 2) for channels in (most, most + 1, 2 * most + 1)]
        tried = tuple(size for size in sizes if math.prod(size[:3]) <= _MOST_ELEMENTS)
        yield Block(tried, claims.dtypes, _FAMILIES, dtypes_each=1, families_each=families_each)
    if isinstance(claims.max_image_bytes, int):
        for dtype in claims.dtypes:
            images = _images(claims.max_image_bytes // DTYPES[dtype].numpy.itemsize)
            yield Block(images, (dtype,), _FAMILIES, families_each=families_each)


def _images(elements: int) -> tuple[Geometry, ...]:
    """Images of about as many elements as are claimed at most, and of a few more."""
    width = max(2, 1 << (max(1, elements).bit_length() - 1) // 2)
    height = elements // width // 2 * 2
    sizes = [Geometry(1, rows, width, 2) for rows in (height, height + 2) if rows >= 2]
    return tuple(size for size in sizes if math.prod(size[:3]) <= _MOST_ELEMENTS)


CHECKS = (
    Check(
        "honesty",
        "honesty",
        "right up to the claimed limits, right or refused beyond them",
        honesty,
        cases=claimed_and_beyond,
    ),
    Check("batches", "honesty", "the images of a batch are kept apart (layouts with N)", batches, cases=batch_cases),
)
