"""Which part of a run's cases one of several machines takes, so that together they take all of them once."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TEXT = re.compile(r"([1-9][0-9]{0,6}|auto)/([1-9][0-9]{0,6})")
_FORM = "give I/N, such as 3/8 for the third of eight shards, or auto/N where a job array says which one this is"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of a run.

    Attributes:
        index: which, from 1.
        count: how many there are.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str, source: str) -> Shard:
        """Read ``I/N``.

        Args:
            text: what `str` gave.
            source: where it comes from.

        Raises:
            pytest.UsageError: it is no shard.
        """
        match = _TEXT.fullmatch(text)
        if match is None or match[1] == "auto" or int(match[1]) > int(match[2]):
            raise pytest.UsageError(f"{source}: {text!r} is no shard; {_FORM}")
        return cls(int(match[1]), int(match[2]))

    def share(self, cases: Collection[str], seconds: Mapping[str, float]) -> frozenset[str]:
        """The cases of this shard: the longest first, each to the shard that has least to do so far.

        Every shard that is told the same comes to the same division, whatever the order of the cases.

        Args:
            cases: all of the run.
            seconds: case -> what it took before; one that is not there counts like the mean of those that are.
        """
        known = [seconds[case] for case in cases if case in seconds]
        usual = sum(sorted(known)) / len(known) if known else 1.0
        durations = {case: seconds.get(case, usual) for case in cases}
        loads = [(0.0, 0, index) for index in range(1, self.count + 1)]
        mine = []
        for case in sorted(durations, key=lambda case: (-durations[case], case)):
            load, size, index = loads[0]
            heapq.heapreplace(loads, (load + durations[case], size + 1, index))
            if index == self.index:
                mine.append(case)
        return frozenset(mine)


@dataclass(frozen=True, slots=True)
class Array:
    """How a scheduler tells a job which of an array it is.

    Attributes:
        name: the scheduler.
        index: variable that holds the index.
        count: variable that holds the number of jobs; empty where there is none.
        first: variable that holds the first index; empty where it is 0.
        last: variable that holds the last index; empty where it is the number less one.
    """

    name: str
    index: str
    count: str = ""
    first: str = ""
    last: str = ""

    def read(self, environ: Mapping[str, str], asked: int = 0) -> Shard:
        """The shard of this job.

        Args:
            environ: environment variables.
            asked: how many shards there are, by somebody who says so; 0 for nobody.

        Raises:
            ValueError: the variables do not say it; the message says why.
        """
        names = [name for name in (self.index, self.count, self.first, self.last) if name]
        texts = {name: environ.get(name, "") for name in names}
        for name, text in texts.items():
            if not re.fullmatch(r"[0-9]{1,9}", text):
                raise ValueError(f"{name} is {repr(text) if text else 'not set'}, and no whole number")
        index, count = int(texts[self.index]), int(texts[self.count]) if self.count else asked
        first = int(texts[self.first]) if self.first else 0
        last = int(texts[self.last]) if self.last else count - 1
        if not count:
            raise ValueError(f"{self.index} is {index}, and no variable of {self.name} says of how many")
        if asked not in (0, count):
            raise ValueError(f"{self.name} says that there are {count} jobs, and not {asked}")
        if last - first + 1 != count or not first <= index <= last:
            raise ValueError(f"index {index} of {first} to {last} is not one of {count} jobs in a row")
        return Shard(index - first + 1, count)


#: Those that know how many jobs there are first: one scheduler may run jobs through another.
#: Sources: AWS Batch user guide, "Environment variables"; Slurm documentation, "Job Array Support"; Kubernetes
#: documentation, "Jobs", completion mode Indexed.
ARRAYS: Mapping[str, Array] = MappingProxyType(
    {
        array.index: array
        for array in (
            Array("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
            Array(
                "Slurm",
                "SLURM_ARRAY_TASK_ID",
                "SLURM_ARRAY_TASK_COUNT",
                "SLURM_ARRAY_TASK_MIN",
                "SLURM_ARRAY_TASK_MAX",
            ),
            Array("Kubernetes", "JOB_COMPLETION_INDEX"),
        )
    }
)


def resolve(text: str, source: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """``auto/N`` as ``I/N``, and anything else as it is.

    Args:
        text: what was asked for.
        source: where it comes from.
        environ: environment variables.

    Returns:
        The text, and where it comes from.

    Raises:
        pytest.UsageError: no job array says which shard this is, or it says something else.
    """
    match = _TEXT.fullmatch(text)
    if match is None or match[1] != "auto":
        return text, source
    array = _array(environ)
    if array is None:
        raise pytest.UsageError(f"{source}: {text!r} needs one of {', '.join(ARRAYS)}, and none is set; {_FORM}")
    try:
        return str(array.read(environ, int(match[2]))), f"{source} and {array.index}"
    except ValueError as error:
        raise pytest.UsageError(f"{source}: {text!r}: {error}; {_FORM}") from error


def discover(environ: Mapping[str, str]) -> tuple[str, str]:
    """The shard of a job of an array, where nobody asked for one.

    Returns:
        ``I/N`` and the variable that says so, or two empty texts: then the run is a whole one.
    """
    array = _array(environ)
    try:
        return (str(array.read(environ)), array.index) if array else ("", "")
    except ValueError:
        return "", ""


def unused(environ: Mapping[str, str]) -> str:
    """Why the job array that this process is part of does not make its run a shard; empty without an array."""
    array = _array(environ)
    try:
        if array:
            array.read(environ)
    except ValueError as error:
        return f"the whole suite runs here: {error}; {_FORM} with --nki-shard"
    return ""


def _array(environ: Mapping[str, str]) -> Array | None:
    return next((array for name, array in ARRAYS.items() if name in environ), None)
