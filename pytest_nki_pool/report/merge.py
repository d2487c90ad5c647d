"""One report of several: the shards of a run, or runs of the same kernels on other paths and platforms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_nki_pool.report.formats import ReportError
from pytest_nki_pool.report.model import Record, Report, Run

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_nki_pool.verdict import Identity

#: Settings that say what is written, or which part of a run this is; they change no verdict.
_INDIFFERENT = frozenset(
    {
        *("report", "artifacts", "baseline", "resume", "shard", "durations"),
        *("device", "device-wait", "sysfs-root", "dev-root", "neuron-ls"),
    }
)
#: Settings that choose cases: whole runs that differ in them have verdicts on different cases.
_CHOOSING = frozenset({"backend", "platform", "kernel", "check", "case"})


def merge(reports: Sequence[Report]) -> Report:
    """Make one report of several, all of them complete.

    Raises:
        ReportError: a shard is missing, a case has two verdicts, a report has more or fewer verdicts than its header
            says, or the reports are not about the same kernels and versions.
    """
    for report in reports:
        _check_total(report.whole())
    sharded = _check_shards(reports)
    first, *others = reports
    for other in others:
        difference = disagreement(first.run, other.run, besides=() if sharded else _CHOOSING)
        if difference:
            raise ReportError(f"{first.name} and {other.name} cannot be merged: {difference}")
    records = _union_of_records(reports)
    if sharded and first.run.shard and len(records) != first.run.shard["cases"]:
        expected = first.run.shard["cases"]
        raise ReportError(f"the shards hold {len(records)} cases together, and the whole run has {expected}")
    return Report(_union_of_runs(reports, len(records)), records, name="merged report")


def disagreement(a: Run, b: Run, besides: Collection[str] = ()) -> str:
    """In what two runs differ that makes their verdicts incomparable; empty when in nothing.

    Args:
        a: one run.
        b: the other.
        besides: settings in which they may differ.
    """
    passed = _INDIFFERENT.union(besides)
    for name in ("target", "device"):
        if getattr(a, name) != getattr(b, name):
            return f"{name} is {getattr(a, name)} in one and {getattr(b, name)} in the other"
    for name in sorted({*a.settings, *b.settings} - passed):
        values = [", ".join(run.settings.get(name, {}).get("values", ())) or "not given" for run in (a, b)]
        if values[0] != values[1]:
            return f"--nki-{name} is {values[0]} in one and {values[1]} in the other"
    for what in ("versions", "kernels"):
        one, other = getattr(a, what), getattr(b, what)
        names = {*one} & {*other} if besides else {*one} | {*other}
        for name in sorted(names):
            if one.get(name) != other.get(name):
                return f"{name} is {_words(one.get(name))} in one and {_words(other.get(name))} in the other"
    return ""


def _words(fact: Any) -> str:
    """A version, or what tells a kernel from another of its name."""
    if isinstance(fact, dict):
        return f"{fact['target']} (sha256 {fact['sha256'][:12]}, {fact['dialect']}, claims {fact['claims']})"
    return fact or "absent"


def _check_total(report: Report) -> None:
    if len(report.verdicts) != report.run.cases:
        raise ReportError(
            f"{report.name} has verdicts on {len(report.verdicts)} cases, and its run has {report.run.cases}"
        )


def _check_shards(reports: Sequence[Report]) -> bool:
    """Whether the reports are shards: then of the same whole, and all of them."""
    shards = {report.name: report.run.shard for report in reports}
    first = next(iter(shards.values()))
    for name, shard in shards.items():
        if (shard is None) != (first is None):
            raise ReportError(f"{name} is {'a whole run' if shard is None else 'a shard'}, unlike {reports[0].name}")
        if shard and first and (shard["count"], shard["cases"]) != (first["count"], first["cases"]):
            raise ReportError(f"{name} is a shard of another run than {reports[0].name}")
    if first is None:
        return False
    given = {shard["index"] for shard in shards.values() if shard}
    missing = [str(index) for index in range(1, first["count"] + 1) if index not in given]
    if missing:
        raise ReportError(f"of {first['count']} shards, no report is given of {', '.join(missing)}")
    return True


def _union_of_records(reports: Sequence[Report]) -> tuple[Record, ...]:
    found: dict[Identity, tuple[Record, str]] = {}
    for report in reports:
        for record in report.records:
            known, name = found.setdefault(record.verdict.identity, (record, report.name))
            before, now = known.verdict.finding.status, record.verdict.finding.status
            if before is not now:
                raise ReportError(
                    f"{record.verdict.identity} is {before.value} in {name} and {now.value} in {report.name}; "
                    "a case has one verdict: find out which report is right and leave the other out"
                )
    return tuple(found[identity][0] for identity in sorted(found))


def _union_of_runs(reports: Sequence[Report], cases: int) -> Run:
    runs = [report.run for report in reports]
    settings = {name: value for name, value in runs[0].settings.items() if name not in _INDIFFERENT}
    for name in _CHOOSING & settings.keys():
        texts = [text for run in runs for text in run.settings[name]["values"]]
        settings[name] = {**settings[name], "values": list(dict.fromkeys(texts))}
    return replace(
        runs[0],
        started=min(run.started for run in runs),
        settings=settings,
        platforms=_union([run.platforms for run in runs]),
        versions=_union([run.versions for run in runs]),
        kernels=_union([run.kernels for run in runs]),
        not_run=_union([run.not_run for run in runs]),
        cases=cases,
        shard=None,
    )


def _union(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for mapping in mappings for name, value in mapping.items()}
