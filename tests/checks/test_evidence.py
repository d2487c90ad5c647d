"""What a picture of a wrong output is drawn from."""

from __future__ import annotations

import json
import math

import ml_dtypes
import numpy as np
import pytest

from pytest_nki_pool.checks.evidence import CELLS, picture
from pytest_nki_pool.spec.acceptance import deviations, expect
from pytest_nki_pool.verdict import Finding, Identity, Status, Verdict


def expected(shape=(4, 12, 16), dtype=np.float32):
    x = np.random.default_rng(0).uniform(1, 2, shape).astype(dtype)
    return expect(x, 2, "fp32")


def moved(values, index, steps):
    """A copy with one element a number of representable values further from zero."""
    copy = values.copy()
    copy.view(f"i{values.dtype.itemsize}")[index] += steps
    return copy


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16], ids=["fp32", "bf16"])
def test_an_element_is_as_far_off_as_it_was_moved(dtype):
    want = expected(dtype=dtype)
    found = deviations(moved(want.exact, (2, 1, 3), 100), want)

    assert np.argwhere(found.ulps).tolist() == [[2, 1, 3]] == np.argwhere(found.wrong).tolist()
    assert found.ulps[2, 1, 3] == 100
    assert 0 <= found.allowed[2, 1, 3] < 100


def test_what_the_class_allows_is_where_wrong_begins():
    want = expected()
    allowed = int(deviations(moved(want.exact, (0, 0, 0), 100), want).allowed[0, 0, 0])

    assert allowed >= 1
    steps = [
        deviations(moved(want.exact, (0, 0, 0), step), want) for step in (-allowed, allowed, -allowed - 1, allowed + 1)
    ]
    assert any(found.wrong.any() for found in steps[2:])
    assert not all(found.wrong.any() for found in steps[:2])


def test_the_channel_with_the_largest_wrong_error_is_shown():
    want = expected()
    got = moved(moved(want.exact, (1, 0, 0), 50), (3, 5, 7), 5000)
    seen = picture(got, want)

    assert (seen.channel, seen.shape, seen.block) == (3, (6, 8), (1, 1))
    assert seen.plane[5][7] == 5000
    assert sum(map(sum, seen.wrong)) == seen.wrong[5][7] == 1


def test_a_large_plane_shows_the_largest_error_of_each_block():
    want = expected((1, 2 * 50, 2 * 30))
    got = moved(moved(want.exact, (0, 49, 29), 700), (0, 48, 28), 900)
    seen = picture(got, want)

    assert (seen.shape, seen.block) == ((50, 30), (3, 2))
    assert (len(seen.plane), len(seen.plane[0])) == (17, 15)
    assert len(seen.plane) <= CELLS
    assert seen.plane[16][14] == 900
    assert seen.wrong[16][14] == 2


def test_every_element_is_in_one_bin():
    want = expected()
    got = moved(moved(want.exact, (0, 0, 0), 1), (1, 0, 0), 6000)
    got[2, 0, 0] = np.nan
    seen = picture(got, want)

    assert sum(right + wrong for _, _, right, wrong in seen.bins) == want.exact.size
    assert seen.bins[0] == (0.0, 0.0, want.exact.size - 3, 0)
    assert seen.bins[1] == (1.0, 1.0, 1, 0)
    assert (4096.0, 8191.0, 0, 1) in seen.bins
    assert seen.bins[-1] == (math.inf, math.inf, 0, 1)
    assert seen.channel == 2


def test_evidence_survives_a_pipe():
    want = expected()
    finding = Finding(Status.FAIL, "wrong", evidence=picture(moved(want.exact, (0, 0, 0), 99), want))
    verdict = Verdict(Identity("values", "k", "torch", "emulator", "trn2", "c1h2w2k1:fp32:ones"), finding)

    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))).finding.evidence == finding.evidence
