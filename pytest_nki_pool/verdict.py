"""The words every room shares: what a check found, what became of a case, and what that means for the run."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


#: Which question a verdict answers: "structure" (tier A: the right elements, form and behaviour, with exact answers) or
#: "numerics" (tier B: how well it rounds); empty when the process died before the check could say.
Aspect = Literal["structure", "numerics", ""]


class Status(enum.Enum):
    """What became of one case."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    CRASH = "CRASH"
    TIMEOUT = "TIMEOUT"
    DEVICE_LOST = "DEVICE_LOST"
    INFRA = "INFRA"
    MISTRUSTED = "MISTRUSTED"
    INTERNAL = "INTERNAL"
    NOT_RUN = "NOT_RUN"
    UNSUPPORTED = "UNSUPPORTED"
    XFAIL = "XFAIL"
    XPASS = "XPASS"
    FLAKY = "FLAKY"


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a status means outside the suite.

    Attributes:
        outcome: pytest's outcome of the test.
        gate: "good" lets a run be green, "bad" makes it exit 1, "retry" makes it exit 75 when nothing is bad.
    """

    outcome: Literal["passed", "failed", "skipped"]
    gate: Literal["good", "bad", "retry"]


CONSEQUENCES: Mapping[Status, Consequence] = MappingProxyType(
    {
        Status.PASS: Consequence("passed", "good"),
        Status.FAIL: Consequence("failed", "bad"),
        Status.CRASH: Consequence("failed", "bad"),
        Status.TIMEOUT: Consequence("failed", "bad"),
        Status.DEVICE_LOST: Consequence("failed", "retry"),
        Status.INFRA: Consequence("failed", "retry"),
        Status.MISTRUSTED: Consequence("failed", "retry"),
        Status.INTERNAL: Consequence("failed", "bad"),
        Status.NOT_RUN: Consequence("skipped", "retry"),
        Status.UNSUPPORTED: Consequence("skipped", "good"),
        Status.XFAIL: Consequence("skipped", "good"),
        Status.XPASS: Consequence("failed", "bad"),
        Status.FLAKY: Consequence("passed", "good"),
    }
)

#: Nothing is known of the kernel from a run of these alone.
NOT_EXECUTED = frozenset({Status.UNSUPPORTED, Status.NOT_RUN})


@dataclass(frozen=True, slots=True)
class Location:
    """The first wrong element of an output, and the window it was to be the mean of.

    Attributes:
        index: channel, row and column in the output.
        got: the element.
        low: smallest value accepted there; NaN where only NaN is right.
        high: largest value accepted there.
        exact: the exact mean there, rounded once to the dtype.
        wrong: number of wrong elements in the output.
        window: rows of the input's window, cut to a size that fits a screen.
    """

    index: tuple[int, int, int]
    got: float
    low: float
    high: float
    exact: float
    wrong: int
    window: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where in an output the errors are and how large: what a picture of a failure is drawn from.

    Attributes:
        channel: the worst one: it has the largest error among the wrong elements.
        shape: rows and columns of its output plane.
        block: rows and columns of the plane that one cell stands for.
        plane: largest error of each block, in representable values of the output dtype; infinite for a wrong NaN or
            infinity.
        wrong: how many elements of each block are wrong.
        bins: the elements of the whole output by error: smallest and largest error, how many are right, how many wrong.
        allowed: largest error that the accuracy class allows the element with the largest one.
    """

    channel: int
    shape: tuple[int, int]
    block: tuple[int, int]
    plane: tuple[tuple[float, ...], ...]
    wrong: tuple[tuple[int, ...], ...]
    bins: tuple[tuple[float, float, int, int], ...]
    allowed: float


@dataclass(frozen=True, slots=True)
class Launches:
    """What the launches of one case took.

    Attributes:
        count: how many there were.
        seconds: wall time inside the target, data and judgement left out.
        counters: what the emulator's cost model counted of the first that ended well; None elsewhere.
    """

    count: int = 0
    seconds: float = 0.0
    counters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found on one case.

    Attributes:
        status: what became of the case.
        message: what a person needs in order to act on it; may have several lines.
        max_ulp: largest distance from the correctly rounded result, in representable values of the output dtype.
        share: largest deviation as a share of what the accuracy class allows.
        raised: type name of the exception with which a launch ended; empty when it returned. Tells a refusal, a rule of
            NKI or a crash from wrong numbers.
        location: the first wrong element, where the check compares elements with what is accepted.
        evidence: where and how large the errors are, with a location; two findings may differ in it and be the same,
            for a report keeps a bounded number.
    """

    status: Status
    message: str = ""
    max_ulp: float | None = None
    share: float | None = None
    raised: str = ""
    location: Location | None = None
    evidence: Evidence | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Which case a verdict is about; the same in ids, reports and rerun lines, whatever pytest calls the test."""

    check: str
    kernel: str
    backend: str
    target: str
    platform: str
    case: str

    def __str__(self) -> str:
        return f"{self.check}/{self.kernel}/{self.backend}/{self.target}/{self.platform}/{self.case}"

    @classmethod
    def parse(cls, text: str) -> Identity | None:
        """Read an identity back from its text; None when the text is none."""
        parts = text.split("/")
        return cls(*parts) if len(parts) == len(cls.__slots__) else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one case.

    Attributes:
        identity: which case.
        finding: what was found.
        seconds: wall time of data, launch and judgement.
        aspect: which question the check answers.
        launches: what its launches took.
    """

    identity: Identity
    finding: Finding
    seconds: float = 0.0
    aspect: Aspect = ""
    launches: Launches = Launches()

    def to_json(self) -> dict[str, Any]:
        """A form that JSON, and so a report from another process, can carry."""
        finding = asdict(self.finding) | {"status": self.finding.status.value}
        took = {"seconds": self.seconds, "launches": asdict(self.launches)}
        return {**asdict(self.identity), **finding, "aspect": self.aspect, **took}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Verdict:
        """Read `to_json` back."""
        identity = Identity(*(record[name] for name in Identity.__slots__))
        status = Status(record["status"])
        place = _location(record["location"])
        seen = _evidence(record["evidence"])
        finding = Finding(status, record["message"], record["max_ulp"], record["share"], record["raised"], place, seen)
        return cls(identity, finding, record["seconds"], record["aspect"], Launches(**record["launches"]))


def _location(record: Mapping[str, Any] | None) -> Location | None:
    if record is None:
        return None
    window = tuple(tuple(row) for row in record["window"])
    return Location(**{**record, "index": tuple(record["index"]), "window": window})


def _evidence(record: Mapping[str, Any] | None) -> Evidence | None:
    if record is None:
        return None
    rows = {name: tuple(map(tuple, record[name])) for name in ("plane", "wrong", "bins")}
    pairs = {name: tuple(record[name]) for name in ("shape", "block")}
    return Evidence(**{**record, **rows, **pairs})
