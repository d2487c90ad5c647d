"""``nki-pool devices``: the Neuron devices of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_nki_pool.commands import Answer, CliError
from pytest_nki_pool.neuron.describe import table
from pytest_nki_pool.neuron.devices import differences, inventory
from pytest_nki_pool.neuron.errors import NeuronError
from pytest_nki_pool.neuron.roots import Roots

if TYPE_CHECKING:
    import argparse


def devices(args: argparse.Namespace) -> Answer:
    """Find the devices; the exit code is 1 without any, and where they are not those of the expected instance.

    Raises:
        CliError: the sources contradict each other, or the expected instance type is not known.
    """
    places = (Path(place) if place else None for place in (args.sysfs_root, args.dev_root, args.neuron_ls))
    try:
        found = inventory(Roots.at(*places))
        missed = differences(found, args.expect_instance) if args.expect_instance else ()
    except NeuronError as error:
        raise CliError(str(error)) from error
    lines = (*table(found), *(f"not as expected: {difference}" for difference in missed))
    data = found.to_json() | {"not_as_expected": missed}
    return Answer("\n".join(lines), data, exit_code=0 if found.devices and not missed else 1)
