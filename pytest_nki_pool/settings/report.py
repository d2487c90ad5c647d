"""What is written about a run, and which earlier reports it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nki_pool.report.formats import LINES, ReportError, suffix_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What is written about a run, and which earlier reports it starts from.

    Attributes:
        paths: reports asked for, each in the format that its suffix names.
        artifacts: folder for the arrays of failures; None for none.
        baseline: report whose bad cases do not count; None for none.
        resume: report whose verdicts are taken over; None for none.
        durations: report that says how long cases take; None for none.
    """

    paths: tuple[Path, ...] = ()
    artifacts: Path | None = None
    baseline: Path | None = None
    resume: Path | None = None
    durations: Path | None = None

    @property
    def evidence(self) -> Path | None:
        """The JSON Lines that grow while the run lasts: the first asked for, or else beside the first report."""
        asked = [path for path in self.paths if path.suffix == LINES]
        if asked or not self.paths:
            return asked[0] if asked else None
        first = self.paths[0]
        return first.with_name(first.name.removesuffix(suffix_of(first.name)) + LINES)

    @classmethod
    def of(cls, values: Mapping[str, Sequence[str]], sources: Mapping[str, str], root: str) -> ReportSettings:
        """Understand the text of the options.

        Args:
            values: option -> its values.
            sources: option -> where they come from.
            root: folder that relative paths start from.

        Raises:
            pytest.UsageError: no report has such a suffix.
        """
        try:
            list(map(suffix_of, values["report"]))
        except ReportError as error:
            raise pytest.UsageError(f"{sources['report']}: {error}") from error
        single = {name: Path(root, values[name][0]) if values[name] else None for name in _SINGLE}
        return cls(paths=tuple(Path(root, text) for text in values["report"]), **single)


_SINGLE = ("artifacts", "baseline", "resume", "durations")
