"""``nki-pool devices`` as a user calls it."""

from __future__ import annotations

import json

import pytest

from pytest_nki_pool.cli import main


@pytest.fixture
def arguments(machine):
    """Make a machine and return the arguments with which the command looks at it."""

    def arguments(*args, **kwargs):
        roots = machine(*args, **kwargs)
        tool = [f"--neuron-ls={roots.neuron_ls}"] if roots.neuron_ls.exists() else []
        return [f"--sysfs-root={roots.sysfs}", f"--dev-root={roots.dev}", *tool]

    return arguments


def test_a_table(arguments, capsys):
    assert main(["devices", *arguments("trn1.32xlarge", tool={})]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "trn1.32xlarge: trn1 (gen2)"
    assert len(lines) == 20


def test_json(arguments, capsys):
    assert main(["devices", "--json", *arguments("inf2.xlarge", tool={})]) == 0

    data = json.loads(capsys.readouterr().out)
    assert (data["platform"], len(data["cores"]), data["not_as_expected"]) == ("inf2", 2, [])


def test_a_machine_without_devices_exits_1_and_says_where_it_looked(arguments, capsys):
    assert main(["devices", *arguments("trn1.2xlarge", nodes=[])]) == 1

    assert "note: " in capsys.readouterr().out


@pytest.mark.parametrize(("expected", "code"), [("trn1.2xlarge", 0), ("trn1.32xlarge", 1)])
def test_an_expected_instance(arguments, capsys, expected, code):
    assert main(["devices", f"--expect-instance={expected}", *arguments("trn1.2xlarge", tool={})]) == code

    assert ("not as expected: Neuron devices: found 1, expected 16" in capsys.readouterr().out) is bool(code)


def test_sources_that_contradict_each_other_are_an_error(arguments, capsys):
    assert main(["devices", *arguments("trn1.2xlarge", tool={}, product_name="trn2.3xlarge")]) == 2

    assert "nki-pool: error: devices of two generations" in capsys.readouterr().err


def test_an_unknown_instance_is_an_error(arguments, capsys):
    assert main(["devices", "--expect-instance=p5.48xlarge", *arguments("trn1.2xlarge")]) == 2

    assert "instance type 'p5.48xlarge' is not known; choose from" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--sysfs-root", "--dev-root", "--neuron-ls"])
def test_a_place_that_does_not_exist_is_an_error(tmp_path, capsys, flag):
    assert main(["devices", f"{flag}={tmp_path}/absent"]) == 2

    assert capsys.readouterr().err.startswith(f"nki-pool: error: {tmp_path}/absent does not exist; give the place")
