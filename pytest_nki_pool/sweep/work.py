"""What a worker of a sweep does, whoever started it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.checks import CHECKS
from pytest_nki_pool.plan import Trial
from pytest_nki_pool.report.model import Gallery, Record
from pytest_nki_pool.report.scrub import Scrubber
from pytest_nki_pool.session.output import scrubbed
from pytest_nki_pool.spec.case import Case
from pytest_nki_pool.sweep.setup import again
from pytest_nki_pool.verdict import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Seconds after which a worker hands in what it has, which is what a killed sweep loses of it besides the case that
#: runs. Each time costs a few milliseconds of talking.
_SLICE = 0.1


class Worker:
    """Runs cases one after the other.

    Args:
        settings: what `pytest_nki_pool.settings.read.Settings.to_json` gave.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        os.chdir(settings["root"])
        self._session = again(settings)
        self._kernels = {spec.label: spec for spec in self._session.kernels}
        self._scrubber = Scrubber.of(settings["root"])
        self._gallery = Gallery()

    def ready(self) -> bool:
        """Whether the worker has started: it has, if it can say so."""
        return True

    def run(self, cases: Sequence[str]) -> list[dict[str, Any]]:
        """The verdict lines of the first cases: all of them, or as many as there is time for, and at least one.

        Args:
            cases: texts of identities.
        """
        lines: list[dict[str, Any]] = []
        end = time.monotonic() + _SLICE
        for case in cases:
            trial = self._trial(case)
            record = Record(self._session.bench.verdict(trial), self._session.rerun(trial))
            lines.append(scrubbed(self._gallery.admit(record), self._scrubber).to_json())
            if time.monotonic() > end:
                break
        return lines

    def _trial(self, text: str) -> Trial:
        identity = Identity.parse(text)
        assert identity is not None  # noqa: S101 - the sweep made the text of one
        return Trial(
            CHECKS[identity.check],
            self._kernels[identity.kernel],
            tuple(identity.backend.split("+")),
            identity.target,
            identity.platform,
            Case.parse(identity.case),
        )
