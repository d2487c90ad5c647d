"""Kernels that are wrong at the limits they claim or beyond them, where they should refuse."""

from __future__ import annotations

from pytest_nki_pool.spec.kernel import Capabilities
from pytest_nki_pool.zoo.specimen import Specimen, wrong

CLAIMS: tuple[Specimen, ...] = (
    wrong(
        "beyond",
        "rounds_what_it_does_not_claim",
        "honesty",
        "Claim fp32 alone, take bf16 and fp16 as well, and round their sums before they are scaled.",
        claims=Capabilities(dtypes=("fp32",)),
    ),
    wrong(
        "beyond",
        "takes_fp16_for_bf16",
        "honesty",
        "Claim fp32 and bf16, and load whatever is no fp32 as bf16.",
        claims=Capabilities(dtypes=("fp32", "bf16")),
    ),
    wrong(
        "beyond",
        "refuses_trim_of_rows_only",
        "honesty",
        "Claim to refuse images that the pool size does not divide, look at the height alone, and scale by the width.",
        claims=Capabilities(ragged="reject"),
    ),
    wrong(
        "claims",
        "claims_one_channel_too_many",
        "honesty",
        "Claim 160 channels, but keep room for 159: the last tile moves back by one.",
        claims=Capabilities(max_channels=160),
    ),
    wrong(
        "claims",
        "claims_larger_images",
        "honesty",
        "Claim images of 40000 bytes, but read the last row of a window up to 39000 only.",
        claims=Capabilities(max_image_bytes=40000),
    ),
)
