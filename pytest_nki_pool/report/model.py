"""What a report holds: the facts of a run once, and one record per case."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.verdict import Identity, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "nki-pool-report"
#: Of the schema in ``schema.json``; a reader refuses any other.
VERSION = 2
#: What in a verdict line is or holds numbers that JSON may not have.
_NUMBERS = ("max_ulp", "share", "location", "evidence")


@dataclass(frozen=True, slots=True)
class Run:
    """What holds for every case of a run.

    Attributes:
        started: UTC, ISO 8601.
        target: where kernels execute.
        platforms: platform -> NeuronCore generation.
        device: kind of the Neuron device, such as "trn2"; None where none takes part.
        versions: distribution -> version: Python, the frameworks and what is installed of the Neuron SDK.
        settings: option -> {"values": its texts, "source": where they come from}.
        kernels: name -> {"target", "sha256" of its file, "dialect", "claims"}.
        not_run: framework path or check -> why it does not run.
        cases: how many cases the run consists of.
        shard: {"index": from 1, "count": shards, "cases": of all shards together}; None for a whole run.
        environment: variables that concern the Neuron SDK, as they were where kernels were launched on a device, with
            their plain values; empty where none takes part.
    """

    started: str
    target: str
    platforms: Mapping[str, str]
    device: str | None
    versions: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]
    kernels: Mapping[str, Mapping[str, Any]]
    not_run: Mapping[str, str]
    cases: int
    shard: Mapping[str, int] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The header line."""
        return {"line": "header", "format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Run:
        """Read `to_json` back.

        Raises:
            ReportError: it is no header, or one of another version.
        """
        if not isinstance(line, dict) or line.get("line") != "header" or line.get("format") != FORMAT:
            raise ReportError(f"it does not begin with the header of a report of format {FORMAT}")
        if line.get("version") != VERSION:
            raise ReportError(f"its version is {line.get('version')!r}; this nki-pool reads version {VERSION}")
        return cls(**{name: _required(line, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Record:
    """One case.

    Attributes:
        verdict: what became of it.
        rerun: the command that runs it alone.
    """

    verdict: Verdict
    rerun: str

    def to_json(self) -> dict[str, Any]:
        """A verdict line; what is no finite number stands as text."""
        line = {"line": "verdict", **self.verdict.to_json(), "rerun": self.rerun}
        for name in _NUMBERS:
            line[name] = _to_text(line[name])
        return line

    @property
    def properties(self) -> list[tuple[str, object]]:
        """What JUnit shall show as the properties of the test."""
        finding, identity = self.verdict.finding, self.verdict.identity
        facts = {
            **asdict(identity),
            "status": finding.status.value,
            "aspect": self.verdict.aspect,
            "max_ulp": finding.max_ulp,
            "share": finding.share,
            "rerun": self.rerun,
        }
        return [(f"nki_{name}", value) for name, value in facts.items() if value is not None]

    def to_wire(self) -> dict[str, Any]:
        """What a worker process sends."""
        return {**self.verdict.to_json(), "rerun": self.rerun}

    @classmethod
    def from_wire(cls, record: Mapping[str, Any]) -> Record:
        """Read `to_wire` back."""
        return cls(Verdict.from_json(record), record["rerun"])

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Record:
        """Read `to_json` back.

        Raises:
            ReportError: it is no verdict line.
        """
        if not isinstance(line, dict) or line.get("line") != "verdict":
            raise ReportError("it is no verdict")
        numbers = {name: _from_text(_required(line, name)) for name in _NUMBERS}
        try:
            return cls(Verdict.from_json({**line, **numbers}), _required(line, "rerun"))
        except (KeyError, TypeError, ValueError) as error:
            raise ReportError(f"it is no verdict: {type(error).__name__}: {error}") from error


class Gallery:
    """Lets a bounded number of records keep their evidence, so that a report of many failures stays readable."""

    #: Failures of a run with a picture.
    MOST = 50

    def __init__(self) -> None:
        self._kept = 0

    def admit(self, record: Record) -> Record:
        """The record, without its evidence when enough others have theirs."""
        finding = record.verdict.finding
        if finding.evidence is None:
            return record
        self._kept += 1
        if self._kept <= self.MOST:
            return record
        return replace(record, verdict=replace(record.verdict, finding=replace(finding, evidence=None)))


@dataclass(frozen=True)
class Report:
    """A run and its cases.

    Attributes:
        run: what holds for every case.
        records: the cases, in the order in which they ended.
        damage: why this is not the whole run; empty when it is.
    """

    run: Run
    records: tuple[Record, ...]
    damage: str = ""
    name: str = field(default="report", compare=False)

    @cached_property
    def verdicts(self) -> Mapping[Identity, Verdict]:
        """The verdict of each case."""
        return {record.verdict.identity: record.verdict for record in self.records}

    @property
    def statuses(self) -> dict[str, str]:
        """Case -> status, both as text."""
        return {str(identity): verdict.finding.status.value for identity, verdict in self.verdicts.items()}

    def whole(self) -> Report:
        """This report, if it is that of a whole run.

        Raises:
            ReportError: it is not.
        """
        if self.damage:
            raise ReportError(f"{self.name} is incomplete: {self.damage}; finish the run with --nki-resume={self.name}")
        return self


def _required(line: Mapping[str, Any], name: str) -> Any:
    if name not in line:
        raise ReportError(f"it lacks {name!r}")
    return line[name]


def _to_text(value: Any) -> Any:
    """Infinities and NaN, which JSON does not have, as "inf", "-inf" and "nan"."""
    if isinstance(value, dict):
        return {name: _to_text(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_text(part) for part in value]
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return str(value)
    return value


def _from_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _from_text(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_from_text(part) for part in value]
    return float(value) if isinstance(value, str) else value
