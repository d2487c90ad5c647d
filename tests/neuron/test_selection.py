"""Which cores a run may use: the runtime's rules for ``--nki-device`` and for variables that are set already."""

from __future__ import annotations

import pytest

from pytest_nki_pool.neuron.devices import inventory
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.selection import RULE, format_cores, parse_cores, select


@pytest.fixture
def found(machine):
    """A machine with the logical cores 0 to 3."""
    return inventory(machine("trn2.3xlarge", tool={}), {})


def indices(selection):
    return [core.index for core in selection.cores]


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("3", (3,)),
        ("3-6", (3, 4, 5, 6)),
        ("3,4,5,6", (3, 4, 5, 6)),
        ("3-5,6", (3, 4, 5, 6)),
        ("0-0", (0,)),
        (" 3 , 4 ", (3, 4)),
    ],
)
def test_what_the_runtime_takes(text, cores):
    assert parse_cores(text, "--nki-device") == cores


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("3,5,6", "in '3,5,6' core 5 follows core 3"),
        ("0-3,5", "in '0-3,5' core 5 follows core 3"),
        ("4,3", "in '4,3' core 3 follows core 4"),
        ("3,3", "in '3,3' core 3 follows core 3"),
        ("6-3", "the range 6-3 runs backwards"),
        ("", "'' is no set of cores"),
        ("0,", "'0,' is no set of cores"),
        ("-1", "'-1' is no set of cores"),
        ("0:3", "'0:3' is no set of cores"),
        ("nc0", "'nc0' is no set of cores"),
        ("٣", "'٣' is no set of cores"),
        ("1234567", "'1234567' is no set of cores"),
    ],
)
def test_what_the_runtime_refuses_is_an_error_that_quotes_its_rule(text, says):
    with pytest.raises(NeuronError) as error:
        parse_cores(text, "--nki-device")

    assert str(error.value) == f"--nki-device: {says}; {RULE}"


def test_everything_by_default(found):
    selection = select(found, None, {})

    assert (indices(selection), selection.limit, selection.source) == ([0, 1, 2, 3], 4, "")


def test_the_flag_takes_some(found):
    selection = select(found, "1-2", {})

    assert (indices(selection), selection.limit, selection.source) == ([1, 2], 2, "--nki-device")


def test_visible_cores_are_the_pool_to_subdivide(found):
    selection = select(found, None, {"NEURON_RT_VISIBLE_CORES": "2-3"})

    assert (indices(selection), selection.source) == ([2, 3], "NEURON_RT_VISIBLE_CORES")
    assert indices(select(found, "3", {"NEURON_RT_VISIBLE_CORES": "2-3"})) == [3]


def test_the_number_of_cores_limits_how_many_are_used_at_a_time(found):
    selection = select(found, None, {"NEURON_RT_NUM_CORES": "2"})

    assert (indices(selection), selection.limit, selection.source) == ([0, 1, 2, 3], 2, "NEURON_RT_NUM_CORES")
    assert select(found, None, {"NEURON_RT_NUM_CORES": "0"}).limit == 4
    assert select(found, "0-1", {"NEURON_RT_NUM_CORES": "1"}).limit == 1


def test_visible_cores_win_over_the_number_of_cores(found):
    assert select(found, None, {"NEURON_RT_VISIBLE_CORES": "0-2", "NEURON_RT_NUM_CORES": "1"}).limit == 3


@pytest.mark.parametrize(
    ("asked", "environ", "says"),
    [
        ("4", {}, "--nki-device: this machine has no core 4; it has 0, 1, 2, 3"),
        (None, {"NEURON_RT_VISIBLE_CORES": "3-5"}, "NEURON_RT_VISIBLE_CORES: this machine has no core 4, 5; it has 0"),
        (
            "1-2",
            {"NEURON_RT_VISIBLE_CORES": "2-3"},
            "--nki-device: NEURON_RT_VISIBLE_CORES=2-3 has no core 1; it has 2, 3",
        ),
        (None, {"NEURON_RT_VISIBLE_CORES": ""}, "NEURON_RT_VISIBLE_CORES: '' is no set of cores"),
        (None, {"NEURON_RT_NUM_CORES": "5"}, "NEURON_RT_NUM_CORES: 5 cores asked for, 4 may be used"),
        (None, {"NEURON_RT_NUM_CORES": "two"}, "NEURON_RT_NUM_CORES: 'two' is no number of cores"),
    ],
)
def test_cores_that_cannot_be_had_are_refused(found, asked, environ, says):
    with pytest.raises(NeuronError) as error:
        select(found, asked, environ)

    assert str(error.value).startswith(says)


def test_nothing_can_be_selected_without_a_device(machine):
    with pytest.raises(NeuronError, match="no Neuron device; looked for"):
        select(inventory(machine("trn1.2xlarge", nodes=[]), {}), None, {})


def test_cores_are_written_as_the_runtime_takes_them(found):
    assert format_cores(found.cores) == "0-3"
    assert format_cores(found.cores[2:3]) == "2"
    assert parse_cores(format_cores(found.cores), "") == (0, 1, 2, 3)
