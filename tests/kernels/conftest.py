from __future__ import annotations

import pytest

from pytest_nki_pool import emulator, kernels
from pytest_nki_pool.launch.load import load


class Pool:
    """One of our kernels as a function of an array and a pool size."""

    def __init__(self, spec, target: str = "") -> None:
        self.spec = spec
        loaded = load(target or spec.target, resolve=emulator.resolve)
        self.path, self.names, self.kernel = loaded.path, vars(loaded.module), loaded.function

    def __call__(self, x, k, **machine):
        machine = emulator.Machine(**machine)
        if "out" not in self.spec.call:
            return emulator.launch(self.kernel, x, k, machine=machine)
        rows, columns = (x.shape[1] // k, x.shape[2] // k) if k > 0 else (1, 1)
        out = x[:, :1, :1].repeat(max(rows, 1), axis=1).repeat(max(columns, 1), axis=2)
        assert emulator.launch(self.kernel, x, out, k, machine=machine, outputs=("out_tensor",)) is None
        return out


@pytest.fixture(params=kernels.SPECS, ids=lambda spec: spec.label)
def spec(request):
    return request.param


@pytest.fixture
def pool(spec):
    return Pool(spec)


@pytest.fixture(params=["production_legacy", "production_current"])
def production(request):
    return Pool(next(spec for spec in kernels.SPECS if spec.label == request.param))


@pytest.fixture
def changed_pool(pool, tmp_path):
    """Make our kernel again from another text."""

    def load_text(text: str) -> Pool:
        path = tmp_path / pool.path.name
        path.write_text(text)
        return Pool(pool.spec, f"{path}:{pool.spec.target.rpartition(':')[2]}")

    return load_text


@pytest.fixture
def out_parameter_kernel():
    return Pool(next(spec for spec in kernels.SPECS if "out" in spec.call)).kernel
