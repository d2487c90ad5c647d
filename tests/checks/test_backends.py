"""A check that is about one framework path is planned for that path alone."""

from __future__ import annotations

import pytest
from pytest_nki_pool.kernels import SPECS

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.plan import Plan


@pytest.mark.parametrize("group", ["layouts", "frameworks"])
def test_a_check_runs_on_the_paths_it_is_about(group: str) -> None:
    trials = Plan(SPECS[:1], ("baremetal", "torch", "jax"), "emulator", ("trn2",)).trials(group)
    ran = {check.name: {trial.backends for trial in trials if trial.check is check} for check in CHECKS.values()}
    for check in CHECKS.values():
        assert ran[check.name] == ({(backend,) for backend in check.backends} if check.group == group else set())


def test_a_path_that_was_not_asked_for_gets_no_trial() -> None:
    trials = Plan(SPECS[:1], ("torch",), "emulator", ("trn2",)).trials("layouts")
    assert {trial.backends for trial in trials} == {("torch",)}
