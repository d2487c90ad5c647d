"""Mistakes that Python itself refuses, as it does in the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_nki_pool import emulator

nl = emulator.resolve("nki.language")
X = np.arange(16, dtype=np.float32).reshape(4, 4)


def test_two_tensors_are_not_a_buffer(run):
    with pytest.raises(TypeError, match="object is not callable"):
        run(lambda x: nl.sbuf((4, 4)), X)


def test_an_unknown_argument_is_pythons_error(run):
    with pytest.raises(TypeError, match="unexpected keyword argument 'mask'"):
        run(lambda x: nl.load(x, mask=None), X)


@pytest.mark.parametrize("name", ["arange", "mgrid", "par_dim", "loop_reduce", "finfo"])
def test_names_of_the_other_dialect_are_absent(name):
    assert not hasattr(nl, name)
