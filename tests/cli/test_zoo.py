"""`nki-pool zoo`: the kill table on the command line."""

from __future__ import annotations

import json

import pytest

from pytest_nki_pool.cli import main
from pytest_nki_pool.commands import zoo as command
from pytest_nki_pool.zoo import MUTANTS, VARIANTS


def test_the_table_says_which_group_catches_which_kernel(capsys):
    assert main(["zoo", "divides_by_k", "divides_sum_legacy", "--tier=smoke"]) == 0

    lines = capsys.readouterr().out.splitlines()
    groups = lines[0].split()[1:]
    marks = dict(zip(groups, lines[1].split()[1:], strict=True))
    assert lines[1].startswith("divides_by_k ")
    assert marks["values"] == "X"
    assert marks["exactness"] == "x"
    assert lines[2].split() == ["divides_sum_legacy", *"." * len(groups)]
    assert "1 of 1 wrong kernels caught, 1 of 1 honest ones passed" in lines


def test_a_kernel_judged_wrongly_fails_the_command(capsys):
    # One pool size of the corpus shows this mistake, and the smallest tier does not have it.
    assert main(["zoo", "divides_single_window_by_image", "--tier=smoke"]) == 1

    out = capsys.readouterr().out
    assert "judged wrongly: divides_single_window_by_image: wrong, and not caught by values" in out


@pytest.mark.parametrize(("only", "named"), [("wrong", "divides_by_k"), ("honest", "divides_sum_legacy")])
def test_one_kind_of_kernels_can_be_asked_for(only, named, capsys):
    assert main(["zoo", "divides_by_k", "divides_sum_legacy", f"--only={only}", "--tier=smoke", "--json"]) == 0

    assert [row["kernel"] for row in json.loads(capsys.readouterr().out)] == [named]


def test_json_names_the_first_case_of_each_kill(capsys):
    assert main(["zoo", "divides_by_k", "--tier=smoke", "--json"]) == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert row["meant_for"] == "values"
    assert row["first"]["values"].startswith("values/divides_by_k/baremetal/emulator/trn2/c")
    assert row["judged_wrongly"] == ""


def test_an_honest_kernel_that_is_failed_is_judged_wrongly(monkeypatch, capsys):
    (mutant,) = (one for one in MUTANTS if one.name == "divides_by_k")
    (variant,) = (one for one in VARIANTS if one.name == "divides_sum_legacy")
    impostor = type(variant)(mutant.target, variant.name, variant.about)
    monkeypatch.setattr(command, "VARIANTS", (impostor,))

    assert main(["zoo", variant.name, "--tier=smoke"]) == 1

    assert "judged wrongly: divides_sum_legacy: honest, and failed by values" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_kernel"], "no kernel of the zoo is called no_such_kernel"),
        (["divides_by_k", "--only=honest"], "no honest kernel of the zoo is called divides_by_k"),
        (["divides_by_k", "--backend=torch"], "torch: torch not installed; install with: pip install"),
    ],
)
def test_what_cannot_be_had_exits_2(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("pytest_nki_pool.launch.backends.importlib.util.find_spec", lambda _name: None)

    assert main(["zoo", *arguments, "--tier=smoke"]) == 2

    assert message in capsys.readouterr().err
