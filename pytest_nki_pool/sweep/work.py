"""What a worker of a sweep does, whoever started it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.neuron.errors import CoresBusyError, NeuronError
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.report.model import Gallery, Record
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.session.launching import Launching
from pytest_nki_pool.session.output import scrubbed
from pytest_nki_pool.session.validation import validate_target
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.sweep.setup import again, survey
from pytest_nki_pool.verdict import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_nki_pool.report.model import Run

#: Seconds after which a worker hands in what it has, which is what a killed sweep loses of it besides the case that
#: runs. Each time costs a few milliseconds of talking.
_SLICE = 0.1


class Worker:
    """Runs cases one after the other, where the cases of a process of pytest would run.

    Args:
        orders: what `pytest_nki_pool.sweep.setup.orders` gave.
    """

    def __init__(self, orders: Mapping[str, Any]) -> None:
        self._session = again(orders)
        os.chdir(self._session.settings.root)
        self._launching = Launching(self._session, f"sweep-{os.getpid()}")
        self._kernels = {spec.label: spec for spec in self._session.kernels}
        self._scrubber = Scrubber.of(self._session.settings.root)
        self._gallery = Gallery()

    def ready(self) -> bool:
        """Whether the worker has started: it has, if it can say so.

        Raises:
            pytest.UsageError: the target is not to be had on its machine.
        """
        validate_target(self._session)
        return True

    def survey(self, seeds: int) -> tuple[Run, list[str]]:
        """What the sweep is about, and its cases, see `pytest_nki_pool.sweep.setup.survey`."""
        return survey(self._session, seeds)

    def run(self, cases: Sequence[str]) -> list[dict[str, Any]]:
        """The verdict lines of the first cases: all of them, or as many as there is time for, and at least one.

        There are none when the worker has no core: its own rests after what happened on it, or others hold all.

        Args:
            cases: texts of identities.

        Raises:
            pytest.UsageError: they are about another chip than that of the worker's machine, or leases are impossible.
        """
        lines: list[dict[str, Any]] = []
        end = time.monotonic() + _SLICE
        for case in cases:
            trial = self._trial(case)
            if not self._has_core():
                break
            record = Record(self._launching.runner.verdict(trial), self._session.rerun(trial))
            lines.append(scrubbed(self._gallery.admit(record), self._scrubber).to_json())
            if time.monotonic() > end:
                break
        return lines

    def _has_core(self) -> bool:
        """Whether the next case has a core to be launched on, which is waited for; it needs none without a device."""
        if self._launching.seat is None:
            return True
        try:
            self._launching.seat.take()
        except CoresBusyError:
            return False
        except NeuronError as error:
            raise pytest.UsageError(str(error)) from error
        return True

    def close(self) -> list[str]:
        """End what was started, and give the core back; what there is to tell besides the verdicts."""
        self._launching.close()
        return self._launching.notes

    def _trial(self, text: str) -> Trial:
        identity = Identity.parse(text)
        assert identity is not None  # noqa: S101 - the sweep made the text of one
        if identity.platform not in self._session.platforms:
            here = ", ".join(self._session.platforms)
            raise pytest.UsageError(
                f"the cases are for {identity.platform}, and the device here is {here}; "
                "have a sweep run on machines of one chip"
            )
        return Trial(
            CHECKS[identity.check],
            self._kernels[identity.kernel],
            tuple(identity.backend.split("+")),
            identity.target,
            identity.platform,
            Case.parse(identity.case),
        )
